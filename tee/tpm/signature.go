package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"math/big"

	"github.com/quotary/quotary/evidence"
)

// signature is a TPMT_SIGNATURE (TPM 2.0 part 2, 11.3.4) of one of the schemes
// that attestation keys use.
type signature struct {
	scheme algorithm // algRSASSA, algRSAPSS or algECDSA
	hash   algorithm
	rsa    []byte // of the RSA schemes
	r, s   []byte // of ECDSA, big-endian
}

// parseSignature decodes a TPMT_SIGNATURE. Its hash is for the caller to judge.
func parseSignature(b []byte) (signature, error) {
	if len(b) > evidence.MaxTPMStructure {
		return signature{}, evidence.Errorf(evidence.CodeTPMSignatureFormat, "signature", "%d bytes, at most %d are read", len(b), evidence.MaxTPMStructure)
	}
	r := &reader{rest: b}
	sig := signature{scheme: r.algorithm("sigAlg"), hash: r.algorithm("hash")}
	switch sig.scheme {
	case algRSASSA, algRSAPSS:
		sig.rsa = r.sized(maxRSA/8, "sig")
	case algECDSA:
		sig.r = r.sized(maxECC, "signatureR")
		sig.s = r.sized(maxECC, "signatureS")
	default:
		r.fail("sigAlg: %s is no scheme that attestation keys are accepted with", sig.scheme)
	}
	if err := r.end(); err != nil {
		return signature{}, evidence.Errorf(evidence.CodeTPMSignatureFormat, "signature", "%w", err)
	}
	return sig, nil
}

// fits reports whether keys of key's type make signatures of this scheme.
func (sig signature) fits(key crypto.PublicKey) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return sig.scheme == algRSASSA || sig.scheme == algRSAPSS
	case *ecdsa.PublicKey:
		return sig.scheme == algECDSA
	}
	return false
}

// verify reports whether sig is key's signature over message. The hash must be
// strong and the scheme fit the key.
func (sig signature) verify(key crypto.PublicKey, message []byte) bool {
	hash, digest := sig.hash.hash(), sig.hash.sum(message)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if sig.scheme == algRSAPSS {
			// Part 1, B.7 lets the TPM choose the salt: as long as the digest, or as fits.
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}
			return rsa.VerifyPSS(key, hash, digest, sig.rsa, options) == nil
		}
		return rsa.VerifyPKCS1v15(key, hash, digest, sig.rsa) == nil
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if len(sig.r) > size || len(sig.s) > size {
			return false
		}
		return ecdsa.Verify(key, digest, new(big.Int).SetBytes(sig.r), new(big.Int).SetBytes(sig.s))
	}
	return false
}

func (sig signature) String() string { return sig.scheme.String() + " with " + sig.hash.String() }

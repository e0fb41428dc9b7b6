package tdx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"math/big"

	"github.com/quotary/quotary/evidence"
)

// attestationKey is a quote's key with all that vouches for it: QE report,
// authentication data and PCK chain, verified apart from time and revocation.
type attestationKey struct {
	chain  *chain
	public *ecdsa.PublicKey
	checks evidence.Checks // all passed, the chain's included
}

// attestationKey verifies what vouches for the quote's key, or remembers that
// it did. Parts that could not be verified are nil; the checks say why.
func (v *Verifier) attestationKey(q *quote) (attestationKey, evidence.Checks) {
	id := string(q.certified)
	if known, ok := v.keys.Get(id); ok {
		return known, known.checks
	}
	var k attestationKey
	var checks evidence.Checks
	k.chain, checks = v.chain(q.chain)
	ok := k.chain != nil
	if ok {
		ok = checks.Judge(verifySignature(k.chain.key, q.qe, q.qeSig), evidence.CodeTDXQESignature, "a signature by the PCK key", signatureText)
	} else {
		checks.NotPerformed(evidence.CodeTDXQESignature, "a signature by the PCK key", "the PCK chain is not trusted")
	}
	bound := checks.Judge(isBound(q), evidence.CodeTDXKeyBinding, hexText(boundData(q)), hexText(q.qe.reportData()))
	k.public = publicKey(q.key)
	if ok && bound && k.public != nil {
		k.checks = checks[:len(checks):len(checks)]
		if k.chain.plain {
			v.keys.Put(id, k)
		}
	}
	return k, checks
}

// boundData is what the QE report must carry: SHA-256 of attestation key and
// authentication data, then 32 zero bytes.
func boundData(q *quote) []byte {
	h := sha256.New()
	h.Write(q.key)
	h.Write(q.auth)
	return append(h.Sum(nil), make([]byte, 32)...)
}

// isBound compares all 64 bytes.
func isBound(q *quote) bool {
	return subtle.ConstantTimeCompare(boundData(q), q.qe.reportData()) == 1
}

// publicKey reads a P-256 key x ‖ y, or returns nil if it is not on the curve.
func publicKey(xy []byte) *ecdsa.PublicKey {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, xy...))
	if err != nil {
		return nil
	}
	return key
}

// verifySignature checks a signature r ‖ s over message, with SHA-256.
func verifySignature(key *ecdsa.PublicKey, message, signature []byte) bool {
	if len(signature) != sigSize {
		return false
	}
	digest := sha256.Sum256(message)
	r := new(big.Int).SetBytes(signature[:sigSize/2])
	s := new(big.Int).SetBytes(signature[sigSize/2:])
	return ecdsa.Verify(key, digest[:], r, s)
}

package tpm

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// ekCertificate is the certificate of an endorsement key, as read from a file or
// from the NV index that it is kept in.
type ekCertificate struct {
	*x509.Certificate
	key      crypto.PublicKey
	identity tpmIdentity
	around   string // what stood around the DER, in words; empty if nothing
}

// parseEKCertificate reads an endorsement key's certificate. In form it accepts what
// TPMs have: the header of the PC client's NV indices, padding, keys that are
// labelled for RSAES-OAEP, and names that only TPMs have. The error has
// [evidence.CodeTPMEKFormat].
func parseEKCertificate(b []byte) (*ekCertificate, error) {
	cert, around, err := readStored(b)
	if err != nil {
		return nil, err
	}
	ek := &ekCertificate{Certificate: cert, key: cert.PublicKey, around: around}
	if ek.key == nil { // of an algorithm that the standard library does not know
		if ek.key, err = readOAEPKey(cert.RawSubjectPublicKeyInfo); err != nil {
			return nil, err
		}
	}
	known, err := ek.readNames()
	if err != nil {
		return nil, err
	}
	ek.UnhandledCriticalExtensions = slices.DeleteFunc(ek.UnhandledCriticalExtensions, oidSubjectAltName.Equal)
	if !known && ek.criticalNames() {
		ek.UnhandledCriticalExtensions = append(ek.UnhandledCriticalExtensions, oidSubjectAltName)
	}
	return ek, nil
}

func ekCertificateError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMEKFormat, "ek_certificates", format, args...)
}

// readStored reads a certificate as it is stored in a file or an NV index.
func readStored(b []byte) (cert *x509.Certificate, around string, err error) {
	if len(b) > evidence.MaxCertificate {
		return nil, "", ekCertificateError("%d bytes, at most %d are read", len(b), evidence.MaxCertificate)
	}
	stored, behind, wrapped, err := unwrapStored(b)
	if err != nil {
		return nil, "", err
	}
	var element asn1.RawValue
	rest, err := asn1.Unmarshal(stored, &element)
	if err != nil {
		return nil, "", ekCertificateError("not DER")
	}
	around, err = describePadding(slices.Concat(rest, behind))
	if err != nil {
		return nil, "", ekCertificateError("%d bytes behind the DER that are no padding", len(rest)+len(behind))
	}
	if cert, err = x509.ParseCertificate(bytes.Clone(element.FullBytes)); err != nil {
		return nil, "", ekCertificateError("%w", err)
	}
	if wrapped {
		around = "the header of an NV index; " + around
	}
	return cert, around, nil
}

// unwrapStored takes off TCG_PCCLIENT_STORED_CERT, with which some TPMs begin the
// NV index of a certificate: its tag 0x1001, the type 0 of a full certificate, its
// size, and for TPMs that follow it closely the tag 0x1002 (TCG PC Client Specific
// Implementation Specification 1.21, 7.3.2).
func unwrapStored(b []byte) (stored, behind []byte, wrapped bool, err error) {
	rest, wrapped := bytes.CutPrefix(b, []byte{0x10, 0x01, 0x00})
	if !wrapped {
		return b, nil, false, nil
	}
	r := &reader{rest: rest}
	stored = r.sized(len(rest), "certificate")
	if r.err != nil {
		return nil, nil, true, ekCertificateError("the header of the NV index: %w", r.err)
	}
	stored = bytes.TrimPrefix(stored, []byte{0x10, 0x02})
	return stored, r.rest, true, nil
}

// oidRSAESOAEP labels keys that are for RSAES-OAEP only (RFC 8017, A.2.1). Older
// certificates of endorsement keys have it.
var oidRSAESOAEP = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}

// readOAEPKey reads a SubjectPublicKeyInfo whose RSA key is labelled for RSAES-OAEP. The
// label's parameters say nothing that a TPM 2.0 keeps to.
func readOAEPKey(spki []byte) (crypto.PublicKey, error) {
	var info struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	var key struct {
		N *big.Int
		E int
	}
	rest, err := asn1.Unmarshal(spki, &info)
	if err != nil || len(rest) > 0 || !info.Algorithm.ID.Equal(oidRSAESOAEP) {
		return nil, ekCertificateError("a key that is neither RSA nor ECDSA")
	}
	rest, err = asn1.Unmarshal(info.Key.Bytes, &key)
	if err != nil || len(rest) > 0 || info.Key.BitLength%8 != 0 || key.N.Sign() <= 0 || key.E <= 0 {
		return nil, ekCertificateError("a malformed RSA key")
	}
	return &rsa.PublicKey{N: key.N, E: key.E}, nil
}

// judgeEKKey refuses keys that are weak, and those for which the TCG has no
// template that is used here. The error has [evidence.CodeTPMEKKey].
func judgeEKKey(key crypto.PublicKey) error {
	if err := judgeKey(key); err != nil {
		return asEKError(err, evidence.CodeTPMEKKey)
	}
	if len(ekTemplatesOf(key)) == 0 {
		return evidence.Errorf(evidence.CodeTPMEKKey, "ek", "%s; it is RSA-2048, RSA-3072, P-256 or P-384", describeKey(key))
	}
	return nil
}

// asEKError gives what is wrong with a key or an area the code of an endorsement key.
func asEKError(err error, code evidence.Code) error {
	var e *evidence.Error
	if errors.As(err, &e) {
		return evidence.Errorf(code, "ek", "%s", e.Detail)
	}
	return evidence.Errorf(code, "ek", "%w", err)
}

// fingerprintOf returns the SHA-256 of the key's SubjectPublicKeyInfo, of whatever
// algorithm a certificate says that it is, and that in DER.
func fingerprintOf(key crypto.PublicKey) (sum digest, der []byte, err error) {
	if der, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return digest{}, nil, err
	}
	return sha256.Sum256(der), der, nil
}

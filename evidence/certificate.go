package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
)

// CertificateClaims name a certificate that evidence rests on in a way that revocation
// lists know it by. Issuers repeat names; with the key of the next certificate, or
// with the trust anchor, the issuer is one and no other.
type CertificateClaims struct {
	Subject string `json:"subject"` // as RFC 2253 writes it, for people
	Issuer  Hex    `json:"issuer"`  // DER of the issuer's name, as its revocation lists have it
	Serial  Hex    `json:"serial"`  // big-endian, at least one byte
	// SPKISHA256 is the SHA-256 of its SubjectPublicKeyInfo.
	SPKISHA256 Hex `json:"spki_sha256"`
}

// SimulatedOrganization is the subject's organization in certificates that are issued on simulated
// evidence, where others have no subject: every tool shows it, and no relying party needs to know an
// extension of ours to see it.
const SimulatedOrganization = "SIMULATED"

// CertificatesOf names certificates, leaf first.
func CertificatesOf(chain ...*x509.Certificate) []CertificateClaims {
	claims := make([]CertificateClaims, len(chain))
	for i, cert := range chain {
		spki := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		claims[i] = CertificateClaims{
			Subject: cert.Subject.String(), Issuer: bytes.Clone(cert.RawIssuer),
			Serial: serialOf(cert.SerialNumber), SPKISHA256: spki[:],
		}
	}
	return claims
}

// serialOf writes a serial number. Zero has a byte, too: AMD's VCEKs have it, and
// absent is not zero.
func serialOf(number *big.Int) Hex {
	if number.Sign() == 0 {
		return Hex{0}
	}
	return number.Bytes()
}

// SerialNumber returns the serial number, or nil if the claims do not say it.
func (c CertificateClaims) SerialNumber() *big.Int {
	if len(c.Serial) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(c.Serial)
}

// CloneCertificates returns a copy that shares nothing with all.
func CloneCertificates(all []CertificateClaims) []CertificateClaims {
	return cloneEach(all, func(c *CertificateClaims) { cloneAll(&c.Issuer, &c.Serial, &c.SPKISHA256) })
}

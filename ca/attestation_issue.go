package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// AttestationCertificate is the certificate of an attestation key: TCG's profile
// of AK certificates (extended key usage tcg-kp-AIKCertificate), with the TPM's
// identity and its endorsement key's digest as names.
type AttestationCertificate struct {
	// Chain is the certificate, DER. The CA that signed it is not in it: who trusts
	// it has it.
	Chain [][]byte
	// Serial is the serial number in lower-case hex, 40 digits.
	Serial    string
	NotBefore time.Time
	NotAfter  time.Time
	// Simulated says that the endorsement key rests on a simulated root, and that the
	// CA is the one for such keys.
	Simulated bool
}

// PEM returns the chain in PEM.
func (c *AttestationCertificate) PEM() []byte { return encodePEM(c.Chain...) }

// attestationProfile is everything that a certificate will say, decided before
// anything is encoded.
type attestationProfile struct {
	serial    *big.Int
	notBefore time.Time
	notAfter  time.Time
	spki      []byte
	names     tpmNames
}

// Issue certifies the attestation key of e. The error is an *evidence.Error: with
// CodeIssuingResult for an enrolment that was not finished just now, or is of a
// simulated TPM where none are certified; CodeIssuingKey, CodeIssuingIdentity,
// CodeIssuingValidity or CodeIssuingLint for one that must not be certified.
func (a *AttestationAuthority) Issue(e verifier.Enrolment) (*AttestationCertificate, error) {
	if !e.Valid() {
		return nil, evidence.Errorf(evidence.CodeIssuingResult, "", "no attestation key is certified without a finished enrolment")
	}
	now := a.now()
	if err := checkAge(now, e.At()); err != nil {
		return nil, err
	}
	ca, err := a.caFor(e.Claims())
	if err != nil {
		return nil, err
	}
	p, err := a.attestationProfile(ca, e, now)
	if err != nil {
		return nil, err
	}
	cert, err := ca.sign(p)
	if err != nil {
		return nil, err
	}
	return &AttestationCertificate{
		Chain: [][]byte{cert.Raw}, Serial: serialHex(cert), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		Simulated: ca.origin == evidence.OriginSimulated,
	}, nil
}

// caFor chooses the CA: what is simulated in any respect is never under the real one.
func (a *AttestationAuthority) caFor(claims evidence.EnrolmentClaims) (*attestationCA, error) {
	anchor := claims.TrustAnchor
	if !claims.Simulated && (anchor == nil || anchor.Origin != evidence.OriginSimulated) {
		return a.real, nil
	}
	if a.simulated == nil {
		return nil, evidence.Errorf(evidence.CodeIssuingResult, "", "attestation keys of simulated TPMs are not certified by this service")
	}
	return a.simulated, nil
}

// attestationProfile decides what the certificate says. Everything comes from the
// enrolment and from this package.
func (a *AttestationAuthority) attestationProfile(ca *attestationCA, e verifier.Enrolment, now time.Time) (*attestationProfile, error) {
	claims, spki := e.Claims(), e.Key()
	if err := a.checkAttestationKey(spki, claims.AKSHA256); err != nil {
		return nil, err
	}
	names, err := newTPMNames(claims)
	if err != nil {
		return nil, err
	}
	notBefore, notAfter, err := validity(ca.cert, now, a.life, e.ValidUntil())
	if err != nil {
		return nil, err
	}
	return &attestationProfile{serial: newSerial(), notBefore: notBefore, notAfter: notAfter, spki: spki, names: names}, nil
}

// checkAttestationKey refuses a key that is not the one of the claims, not encoded
// canonically, weak, or a CA's own.
func (a *AttestationAuthority) checkAttestationKey(spki []byte, sum evidence.Hex) error {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return refuseAttestationKey("it is no SubjectPublicKeyInfo")
	}
	again, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || !bytes.Equal(again, spki) {
		return refuseAttestationKey("it is not encoded canonically")
	}
	if digest := sha256.Sum256(spki); !bytes.Equal(digest[:], sum) {
		return refuseAttestationKey("it is not the key that was judged")
	}
	if !isAttestationKey(public) {
		return refuseAttestationKey("it is neither RSA of 2048 to 4096 bits with exponent 65537 nor ECDSA on P-256, P-384 or P-521")
	}
	for _, ca := range a.cas() {
		if bytes.Equal(ca.cert.RawSubjectPublicKeyInfo, spki) {
			return refuseAttestationKey("it is a key of the service itself")
		}
	}
	return nil
}

func refuseAttestationKey(why string) error {
	return evidence.Errorf(evidence.CodeIssuingKey, "ak_public", "the attestation key is not certified: %s", why)
}

// isAttestationKey reports whether a TPM's attestation key may be such a key. That
// it has no known weakness was judged when it was enrolled.
func isAttestationKey(public any) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits && key.E == 65537
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521()
	}
	return false
}

// sign is the one place where an attestation key's certificate is signed. What is to
// be signed is parsed and judged before, byte for byte; the signature is verified after.
func (ca *attestationCA) sign(p *attestationProfile) (*x509.Certificate, error) {
	tbs := ca.encode(p)
	if err := ca.judge(p, certificate(tbs, nil)); err != nil {
		return nil, err
	}
	return signAs(ca.key, ca.cert, tbs)
}

// encode is the TBSCertificate that p stands for.
func (ca *attestationCA) encode(p *attestationProfile) []byte {
	return contents{
		serial: p.serial, notBefore: p.notBefore, notAfter: p.notAfter, subject: emptySubject, spki: p.spki,
		usage: attestationKeyUsage, names: extension(oidSubjectAltName, true, p.names.encode()),
	}.encode(ca.cert)
}

// judge refuses a certificate, signed or not, that breaks a rule or does not say
// what p decided.
func (ca *attestationCA) judge(p *attestationProfile, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return refuseLint("it cannot be parsed: %w", err)
	}
	if err := ca.lint(cert); err != nil {
		return err
	}
	if !p.says(cert) {
		return refuseLint("it does not say what was decided")
	}
	return nil
}

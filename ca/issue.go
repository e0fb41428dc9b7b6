package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"

	"github.com/quotary/quotary/verifier"
)

// Issue makes an X509-SVID for the key and identity of result. The error is an
// *evidence.Error: with CodeIssuingResult for a result that was not accepted, not
// for a certificate or not just now; CodeIssuingKey, CodeIssuingIdentity,
// CodeIssuingValidity or CodeIssuingLint for one that must not be certified.
func (a *Authority) Issue(result verifier.Result) (*SVID, error) {
	h, now := a.force.Load().active, a.now()
	p, err := h.workloadProfile(result, now)
	if err != nil {
		return nil, err
	}
	cert, err := h.sign(p)
	if err != nil {
		return nil, err
	}
	return h.newSVID(cert, now), nil
}

// sign is the one place where a leaf is signed. What is to be signed is parsed
// and judged before, byte for byte; the signature is verified after.
func (h *hierarchy) sign(p *profile) (*x509.Certificate, error) {
	tbs := h.encode(p)
	if err := h.judge(p, certificate(tbs, nil)); err != nil {
		return nil, err
	}
	return signAs(h.key, h.issuing, tbs)
}

// signAs signs what was judged, once, and returns the certificate.
func signAs(key crypto.Signer, issuer *x509.Certificate, tbs []byte) (*x509.Certificate, error) {
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return release(issuer, tbs, certificate(tbs, signature))
}

// judge refuses a certificate, signed or not, that breaks a rule or does not say
// what p decided.
func (h *hierarchy) judge(p *profile, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return refuseLint("it cannot be parsed: %w", err)
	}
	if err := h.lint(cert); err != nil {
		return err
	}
	if !p.says(cert) {
		return refuseLint("it does not say what was decided")
	}
	return nil
}

// release returns the certificate in der if it is what was judged, well signed by issuer.
func release(issuer *x509.Certificate, tbs, der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuseLint("it cannot be parsed: %w", err)
	}
	if !bytes.Equal(cert.RawTBSCertificate, tbs) {
		return nil, refuseLint("it is not the one that was judged")
	}
	if err := cert.CheckSignatureFrom(issuer); err != nil {
		return nil, refuseLint("its signature does not verify: %w", err)
	}
	return cert, nil
}

package ca

import (
	"crypto/rand"
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// Issue makes an X509-SVID for the key and identity of result. The error is an
// *evidence.Error: with CodeIssuingResult for a result that was not accepted, not
// for a certificate or not just now; CodeIssuingKey, CodeIssuingIdentity,
// CodeIssuingValidity or CodeIssuingLint for one that must not be certified.
func (a *Authority) Issue(result verifier.Result) (*SVID, error) {
	now := a.now()
	p, err := a.workloadProfile(result, now)
	if err != nil {
		return nil, err
	}
	cert, err := a.sign(p)
	if err != nil {
		return nil, err
	}
	return a.newSVID(cert, now), nil
}

// sign is the one place where a leaf is signed: lint, sign once, parse what was
// made, lint it again, compare it with what was decided, verify it.
func (a *Authority) sign(p *profile) (*x509.Certificate, error) {
	template := p.template()
	if err := a.lint(template, shapeRules); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.issuing, p.key, a.key)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate cannot be encoded: %w", err)
	}
	return a.release(p, der)
}

// release returns the certificate in der if it is what was to be made.
func (a *Authority) release(p *profile, der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate cannot be parsed: %w", err)
	}
	for _, rules := range [][]rule{shapeRules, encodedRules} {
		if err := a.lint(cert, rules); err != nil {
			return nil, err
		}
	}
	if !p.says(cert) {
		return nil, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate does not say what was decided")
	}
	if err := cert.CheckSignatureFrom(a.issuing); err != nil {
		return nil, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate does not verify: %w", err)
	}
	return cert, nil
}

package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
)

// responderRules say what a certificate of an OCSP responder may be at all. What is like a leaf in
// it is held to those of the rules for leaves that are for both.
var responderRules = []rule{
	{"serial number that this CA gives", func(h *hierarchy, c *x509.Certificate) bool { return h.gave(c.SerialNumber) }},
	{"life of a minute to three hours", func(_ *hierarchy, c *x509.Certificate) bool {
		life := c.NotAfter.Sub(c.NotBefore)
		return life >= minTTL && life <= responderTTL+backdate+1e9 // a second, for rounding
	}},
	{"validity within the issuing CA's", func(h *hierarchy, c *x509.Certificate) bool {
		return !c.NotBefore.Before(h.issuing.NotBefore) && !c.NotAfter.After(h.issuing.NotAfter)
	}},
	{"key usage digitalSignature alone", func(_ *hierarchy, c *x509.Certificate) bool {
		return c.KeyUsage == x509.KeyUsageDigitalSignature
	}},
	{"extended key usage OCSPSigning alone", func(_ *hierarchy, c *x509.Certificate) bool {
		return len(c.UnknownExtKeyUsage) == 0 && slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning})
	}},
	{"no CA", func(_ *hierarchy, c *x509.Certificate) bool {
		return c.BasicConstraintsValid && !c.IsCA && c.MaxPathLen == -1 && !c.MaxPathLenZero
	}},
	{"the subject of responders", func(_ *hierarchy, c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, responderSubject) }},
	{"exactly the profile's extensions, critical as they must be", func(_ *hierarchy, c *x509.Certificate) bool {
		return hasExtensions(c,
			extensionName(oidSubjectKeyID, false), extensionName(oidKeyUsage, true), extensionName(oidBasicConstraints, true),
			extensionName(oidAuthorityKeyID, false), extensionName(oidExtKeyUsage, false), extensionName(oidOCSPNoCheck, false))
	}},
	{"subject key identifier", func(_ *hierarchy, c *x509.Certificate) bool {
		return bytes.Equal(c.SubjectKeyId, spkiID(c.RawSubjectPublicKeyInfo))
	}},
	{"signature ECDSA with SHA-256", func(_ *hierarchy, c *x509.Certificate) bool {
		return c.SignatureAlgorithm == x509.ECDSAWithSHA256
	}},
	{"version 3", func(_ *hierarchy, c *x509.Certificate) bool { return c.Version == 3 }},
	{"issued by the issuing CA", func(h *hierarchy, c *x509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, h.issuing.RawSubject) && bytes.Equal(c.AuthorityKeyId, h.issuing.SubjectKeyId)
	}},
	{"a key on P-256 that has no other role", func(h *hierarchy, c *x509.Certificate) bool {
		key, ok := c.PublicKey.(*ecdsa.PublicKey)
		return ok && key.Curve == elliptic.P256() && !h.reserved[string(c.RawSubjectPublicKeyInfo)]
	}},
}

// lintResponder returns an *evidence.Error that names the first rule that c breaks.
func (h *hierarchy) lintResponder(c *x509.Certificate) error {
	for _, r := range responderRules {
		if !r.holds(h, c) {
			return refuseLint("it breaks the rule %q", r.name)
		}
	}
	return nil
}

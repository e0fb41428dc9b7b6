package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
)

// responderRules say what a certificate of an OCSP responder may be at all, beside the common ones.
var responderRules = []rule{
	{"serial number that this CA gives", func(h *hierarchy, c *x509.Certificate) bool { return h.gave(c.SerialNumber) }},
	{"life of a minute to three hours", func(_ *hierarchy, c *x509.Certificate) bool { return lasts(c, responderTTL) }},
	{"extended key usage OCSPSigning alone", func(_ *hierarchy, c *x509.Certificate) bool {
		return len(c.UnknownExtKeyUsage) == 0 && slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning})
	}},
	{"the subject of responders", func(_ *hierarchy, c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, responderSubject) }},
	{"exactly the profile's extensions, critical as they must be", func(_ *hierarchy, c *x509.Certificate) bool {
		return hasExtensions(c,
			extensionName(oidSubjectKeyID, false), extensionName(oidKeyUsage, true), extensionName(oidBasicConstraints, true),
			extensionName(oidAuthorityKeyID, false), extensionName(oidExtKeyUsage, false), extensionName(oidOCSPNoCheck, false))
	}},
	{"a key on P-256 that has no other role", func(h *hierarchy, c *x509.Certificate) bool {
		key, ok := c.PublicKey.(*ecdsa.PublicKey)
		return ok && key.Curve == elliptic.P256() && !h.reserved[string(c.RawSubjectPublicKeyInfo)]
	}},
}

// lintResponder returns an *evidence.Error that names the first rule that c breaks.
func (h *hierarchy) lintResponder(c *x509.Certificate) error { return h.lintBy(responderRules, c) }

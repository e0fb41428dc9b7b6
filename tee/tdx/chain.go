package tdx

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
)

// chain is a PCK chain that was verified up to an anchor, apart from time and
// revocation.
type chain struct {
	anchor   *anchor
	leaf, ca *x509.Certificate
	key      *ecdsa.PublicKey // the leaf's
	platform *platform
	checks   evidence.Checks // all passed
	claims   []evidence.CertificateClaims
	plain    bool // worth remembering
}

// windows are the periods in which the chain's certificates are valid.
func (c *chain) windows() []window {
	return []window{
		certificateWindow("PCK certificate", c.leaf),
		certificateWindow("PCK CA certificate", c.ca),
		certificateWindow("root certificate", c.anchor.cert),
	}
}

// caName is the PCK CA's name in Intel's service: "platform" or "processor".
func (c *chain) caName() string {
	if bytes.Equal(c.ca.RawSubject, c.anchor.processor) {
		return "processor"
	}
	return "platform"
}

// chain verifies a PEM chain, or remembers that it did. It returns nil if
// anything is wrong; the checks say what.
func (v *Verifier) chain(data []byte) (*chain, evidence.Checks) {
	id := string(data)
	if known, ok := v.chains.Get(id); ok {
		return known, known.checks
	}
	certs, err := parseChain(data, v.anchors...)
	var checks evidence.Checks
	if !judgeError(&checks, err, evidence.CodeTDXChainFormat, "three certificates", "leaf, CA and root") {
		notPerformed(&checks, "there is no chain", evidence.CodeTDXTrustAnchor,
			evidence.CodeTDXChainProfile, evidence.CodeTDXChainSignature, evidence.CodeTDXPCKExtensions)
		return nil, checks
	}
	c := &chain{leaf: certs.leaf, ca: certs.ca}
	if c.anchor = v.anchorOf(certs.root); c.anchor == nil {
		checks.Fail(evidence.CodeTDXTrustAnchor, "a trusted root", "another key, or not signed by it, under the name "+brief(certs.root.Subject.String()))
		notPerformed(&checks, "the chain ends in no trusted root",
			evidence.CodeTDXChainProfile, evidence.CodeTDXChainSignature, evidence.CodeTDXPCKExtensions)
		return nil, checks
	}
	checks.Pass(evidence.CodeTDXTrustAnchor, c.anchor.claim.Name)
	ok := c.verify(&checks)
	c.platform, err = parsePCK(c.leaf)
	ok = judgeError(&checks, err, evidence.CodeTDXPCKExtensions, "a complete SGX extension", "complete") && ok
	if !ok {
		return nil, checks
	}
	c.key = c.leaf.PublicKey.(*ecdsa.PublicKey) // held by checkCommon
	c.checks, c.claims = checks[:len(checks):len(checks)], evidence.CertificatesOf(c.leaf, c.ca)
	if c.plain = certs.isPlain(data); c.plain {
		v.chains.Put(id, c)
	}
	return c, c.checks
}

// anchorOf returns the trust anchor that cert is, or nil.
func (v *Verifier) anchorOf(cert *x509.Certificate) *anchor {
	for _, a := range v.anchors {
		if a.matches(cert) {
			return a
		}
	}
	return nil
}

// verify checks names, profile and signatures from the leaf up to the anchor.
// The root in the quote is not used for anything: the anchor is.
func (c *chain) verify(checks *evidence.Checks) bool {
	reason := c.profile()
	profiled := checks.Judge(reason == "", evidence.CodeTDXChainProfile, "Intel's certificate profile", orElse(reason, c.caName()+" CA"))
	if !profiled {
		checks.NotPerformed(evidence.CodeTDXChainSignature, "signatures up to the root", "the certificates are not what they must be")
		return false
	}
	reason = ""
	if signedBy(c.ca, c.anchor.cert) != nil {
		reason = "the CA certificate is not signed by the root"
	} else if signedBy(c.leaf, c.ca) != nil {
		reason = "the PCK certificate is not signed by the CA"
	}
	return checks.Judge(reason == "", evidence.CodeTDXChainSignature, "signatures up to the root", orElse(reason, "signed"))
}

// profile says what is wrong with the chain's names, keys and usages, or "".
func (c *chain) profile() string {
	if reason := checkEndEntity(c.leaf); reason != "" {
		return "PCK certificate: " + reason
	}
	if reason := checkCA(c.ca); reason != "" {
		return "PCK CA: " + reason
	}
	switch {
	case !bytes.Equal(c.leaf.RawSubject, c.anchor.pck):
		return "the first certificate is named " + brief(c.leaf.Subject.String())
	case !bytes.Equal(c.ca.RawSubject, c.anchor.platform) && !bytes.Equal(c.ca.RawSubject, c.anchor.processor):
		return "the second certificate is named " + brief(c.ca.Subject.String())
	case !bytes.Equal(c.leaf.RawIssuer, c.ca.RawSubject):
		return "the PCK certificate names another issuer"
	case !bytes.Equal(c.ca.RawIssuer, c.anchor.cert.RawSubject):
		return "the PCK CA names another issuer"
	}
	return ""
}

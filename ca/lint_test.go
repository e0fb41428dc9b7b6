package ca

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// mutations are the ways in which a bug could misshape a template.
var mutations = map[string]func(a *Authority, c *x509.Certificate){
	"no serial":             func(_ *Authority, c *x509.Certificate) { c.SerialNumber = nil },
	"zero serial":           func(_ *Authority, c *x509.Certificate) { c.SerialNumber = big.NewInt(0) },
	"negative serial":       func(_ *Authority, c *x509.Certificate) { c.SerialNumber.Neg(c.SerialNumber) },
	"counted serial":        func(_ *Authority, c *x509.Certificate) { c.SerialNumber = big.NewInt(7) },
	"long serial":           func(_ *Authority, c *x509.Certificate) { c.SerialNumber.Lsh(c.SerialNumber, 1) },
	"ten years":             func(_ *Authority, c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(10, 0, 0) },
	"two days":              func(_ *Authority, c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(0, 0, 2) },
	"ends before it begins": func(_ *Authority, c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(-time.Hour) },
	"begins before its CA":  func(a *Authority, c *x509.Certificate) { c.NotBefore = a.issuing.NotBefore.Add(-time.Second) },
	"ends after its CA": func(a *Authority, c *x509.Certificate) {
		c.NotBefore, c.NotAfter = a.issuing.NotAfter.Add(-time.Hour), a.issuing.NotAfter.Add(time.Hour)
	},
	"no key usage":        func(_ *Authority, c *x509.Certificate) { c.KeyUsage = 0 },
	"certificate signing": func(_ *Authority, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
	"CRL signing":         func(_ *Authority, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign },
	"key encipherment":    func(_ *Authority, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment },
	"no extended usage":   func(_ *Authority, c *x509.Certificate) { c.ExtKeyUsage = nil },
	"any usage":           func(_ *Authority, c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
	"code signing": func(_ *Authority, c *x509.Certificate) {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
	},
	"server only":          func(_ *Authority, c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] },
	"unknown usage":        func(_ *Authority, c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} },
	"CA":                   func(_ *Authority, c *x509.Certificate) { c.IsCA = true },
	"no basic constraints": func(_ *Authority, c *x509.Certificate) { c.BasicConstraintsValid = false },
	"path length":          func(_ *Authority, c *x509.Certificate) { c.MaxPathLen = 3 },
	"path length zero":     func(_ *Authority, c *x509.Certificate) { c.MaxPathLenZero = true },
	"no URI":               func(_ *Authority, c *x509.Certificate) { c.URIs = nil },
	"two URIs":             func(_ *Authority, c *x509.Certificate) { c.URIs = append(c.URIs, mustURL("spiffe://example.org/b")) },
	"foreign URI":          func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("spiffe://other.org/b")} },
	"trust domain itself":  func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("spiffe://example.org")} },
	"web URI":              func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("https://example.org/b")} },
	"wildcard":             func(_ *Authority, c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} },
	"the same name twice":  func(_ *Authority, c *x509.Certificate) { c.DNSNames = []string{"a.org", "a.org"} },
	"e-mail":               func(_ *Authority, c *x509.Certificate) { c.EmailAddresses = []string{"a@example.org"} },
	"address":              func(_ *Authority, c *x509.Certificate) { c.IPAddresses = []net.IP{{10, 0, 0, 1}} },
	"subject":              func(_ *Authority, c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "admin"} },
	"subject beside mark": func(_ *Authority, c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{simulatedOrganization}, CommonName: "x"}
	},
	"extra name in subject": func(_ *Authority, c *x509.Certificate) {
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "x"}}
	},
	"no key identifier": func(_ *Authority, c *x509.Certificate) { c.SubjectKeyId = nil },
	"policy":            func(_ *Authority, c *x509.Certificate) { c.Policies = []x509.OID{mustOID(2, 5, 29, 32, 0)} },
	"policy, the old way": func(_ *Authority, c *x509.Certificate) {
		c.PolicyIdentifiers = []asn1.ObjectIdentifier{{2, 5, 29, 32, 0}}
	},
	"CRL location":     func(_ *Authority, c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://a"} },
	"OCSP location":    func(_ *Authority, c *x509.Certificate) { c.OCSPServer = []string{"http://a"} },
	"issuer location":  func(_ *Authority, c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://a"} },
	"name constraints": func(_ *Authority, c *x509.Certificate) { c.PermittedDNSDomains = []string{"a"} },
	"excluded names":   func(_ *Authority, c *x509.Certificate) { c.ExcludedURIDomains = []string{"a"} },
	"further extension": func(_ *Authority, c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
	},
	"other signature":   func(_ *Authority, c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 },
	"default signature": func(_ *Authority, c *x509.Certificate) { c.SignatureAlgorithm = x509.UnknownSignatureAlgorithm },
}

func TestAttack_A22_LintCatchesEveryMutatedTemplate(t *testing.T) {
	a := open(t)
	if err := a.lint(a.sampleProfile(t).template(), shapeRules); err != nil {
		t.Fatal(err)
	}
	for name, mutate := range mutations {
		template := a.sampleProfile(t).template()
		mutate(a, template)
		if err := a.lint(template, shapeRules); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What slips past the template is caught in the certificate itself, which is
// then not released: by the same rules, or because it does not say what was decided.
func TestAttack_A22_MisissuedCertificateIsNotReleased(t *testing.T) {
	a := open(t)
	other := open(t)
	for name, mutate := range mutations {
		switch name { // what the standard library does not encode
		case "no serial", "zero serial", "negative serial", "path length", "path length zero", "no basic constraints", "default signature", "no key identifier", "ends before it begins", "two URIs", "policy, the old way":
			continue
		}
		p := a.sampleProfile(t)
		template := p.template()
		mutate(a, template)
		if template.SerialNumber != p.serial && template.SerialNumber.Sign() > 0 {
			p.serial = template.SerialNumber
		}
		cert := create(t, template, a.issuing, p.key, a.key)
		if _, err := a.release(p, cert.Raw); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := a.sampleProfile(t)
	for name, der := range map[string][]byte{
		"nothing":             nil,
		"garbage":             {0x30, 0x03, 1, 2, 3},
		"of another profile":  a.forge(t, func(*x509.Certificate) {}).Raw,
		"of another CA":       create(t, p.template(), other.issuing, p.key, other.key).Raw,
		"for another key":     create(t, p.template(), a.issuing, verifiertest.NewKey(t).Public(), a.key).Raw,
		"signature flipped":   flipLast(create(t, p.template(), a.issuing, p.key, a.key).Raw),
		"followed by a byte":  append(create(t, p.template(), a.issuing, p.key, a.key).Raw, 0),
		"the issuing CA's":    a.issuing.Raw,
		"marked as simulated": a.sign1(t, p, func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{simulatedOrganization}} }),
		"with another name":   a.sign1(t, p, func(c *x509.Certificate) { c.DNSNames = []string{"b.example.org"} }),
		"with another ID":     a.sign1(t, p, func(c *x509.Certificate) { c.URIs = []*url.URL{mustURL("spiffe://example.org/admin")} }),
		"a second longer":     a.sign1(t, p, func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }),
	} {
		if _, err := a.release(p, der); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.release(p, create(t, p.template(), a.issuing, p.key, a.key).Raw); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// sign1 signs p's template after a change.
func (a *Authority) sign1(tb testing.TB, p *profile, change func(*x509.Certificate)) []byte {
	tb.Helper()
	template := p.template()
	change(template)
	return create(tb, template, a.issuing, p.key, a.key).Raw
}

func mustOID(arcs ...uint64) x509.OID {
	oid, err := x509.OIDFromInts(arcs)
	if err != nil {
		panic(err)
	}
	return oid
}

func flipLast(der []byte) []byte {
	der = bytes.Clone(der)
	der[len(der)-1] ^= 1
	return der
}

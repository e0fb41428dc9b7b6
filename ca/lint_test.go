package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"
)

// mutations are the ways in which a bug could misshape a certificate.
var mutations = map[string]func(a *Authority, c *x509.Certificate){
	"counted serial":       func(_ *Authority, c *x509.Certificate) { c.SerialNumber = big.NewInt(7) },
	"long serial":          func(_ *Authority, c *x509.Certificate) { c.SerialNumber.Lsh(c.SerialNumber, 1) },
	"ten years":            func(_ *Authority, c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(10, 0, 0) },
	"two days":             func(_ *Authority, c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(0, 0, 2) },
	"begins before its CA": func(a *Authority, c *x509.Certificate) { c.NotBefore = a.active().issuing.NotBefore.Add(-time.Second) },
	"ends after its CA": func(a *Authority, c *x509.Certificate) {
		c.NotBefore, c.NotAfter = a.active().issuing.NotAfter.Add(-time.Hour), a.active().issuing.NotAfter.Add(time.Hour)
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
	"server only":         func(_ *Authority, c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] },
	"unknown usage":       func(_ *Authority, c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} },
	"CA":                  func(_ *Authority, c *x509.Certificate) { c.IsCA = true },
	"no URI":              func(_ *Authority, c *x509.Certificate) { c.URIs = nil },
	"two URIs":            func(_ *Authority, c *x509.Certificate) { c.URIs = append(c.URIs, mustURL("spiffe://example.org/b")) },
	"foreign URI":         func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("spiffe://other.org/b")} },
	"trust domain itself": func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("spiffe://example.org")} },
	"web URI":             func(_ *Authority, c *x509.Certificate) { c.URIs = []*url.URL{mustURL("https://example.org/b")} },
	"wildcard":            func(_ *Authority, c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} },
	"the same name twice": func(_ *Authority, c *x509.Certificate) { c.DNSNames = []string{"a.org", "a.org"} },
	"e-mail":              func(_ *Authority, c *x509.Certificate) { c.EmailAddresses = []string{"a@example.org"} },
	"loopback address":    func(_ *Authority, c *x509.Certificate) { c.IPAddresses = []net.IP{{127, 0, 0, 1}} },
	"the same address twice": func(_ *Authority, c *x509.Certificate) {
		c.IPAddresses = []net.IP{{10, 0, 0, 1}, {10, 0, 0, 1}}
	},
	"subject": func(_ *Authority, c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "admin"} },
	"subject beside mark": func(_ *Authority, c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{evidence.SimulatedOrganization}, CommonName: "x"}
	},
	"policy":           func(_ *Authority, c *x509.Certificate) { c.Policies = []x509.OID{mustOID(2, 5, 29, 32, 0)} },
	"CRL location":     func(_ *Authority, c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://a"} },
	"OCSP location":    func(_ *Authority, c *x509.Certificate) { c.OCSPServer = []string{"http://a"} },
	"issuer location":  func(_ *Authority, c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://a"} },
	"name constraints": func(_ *Authority, c *x509.Certificate) { c.PermittedDNSDomains = []string{"a"} },
	"excluded names":   func(_ *Authority, c *x509.Certificate) { c.ExcludedURIDomains = []string{"a"} },
	"further extension": func(_ *Authority, c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
	},
	"other signature": func(_ *Authority, c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 },
}

func TestAttack_A22_LintCatchesEveryMisshapenCertificate(t *testing.T) {
	a, other := open(t), open(t)
	if err := a.active().lint(a.forge(t, func(*x509.Certificate) {})); err != nil {
		t.Fatal(err)
	}
	for name, mutate := range mutations {
		cert := a.forge(t, func(c *x509.Certificate) { mutate(a, c) })
		if err := a.active().lint(cert); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := a.sampleProfile(t)
	for name, cert := range map[string]*x509.Certificate{
		"for the issuing CA's key": create(t, p.template(), a.active().issuing, a.active().issuing.PublicKey, a.active().key),
		"for another key":          create(t, p.template(), a.active().issuing, &key.PublicKey, a.active().key),
		"of another CA":            create(t, p.template(), other.active().issuing, p.public(), other.active().key),
		"the issuing CA's":         a.active().issuing,
		"the root's":               a.active().root,
	} {
		if err := a.active().lint(cert); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A well-formed certificate that says something else than what was decided is
// not signed.
func TestAttack_A22_WhatWasNotDecidedIsNotSigned(t *testing.T) {
	a := open(t)
	p := a.sampleProfile(t)
	for name, change := range map[string]func(*profile){
		"serial":    func(p *profile) { p.serial = newSerial() },
		"ID":        func(p *profile) { p.id = spiffeid.RequireFromString("spiffe://example.org/admin") },
		"name":      func(p *profile) { p.dnsNames = []string{"b.example.org"} },
		"no name":   func(p *profile) { p.dnsNames = nil },
		"one more":  func(p *profile) { p.dnsNames = append(slices.Clone(p.dnsNames), "b") },
		"key":       func(p *profile) { p.spki = verifiertest.NewKey(t).SPKI() },
		"beginning": func(p *profile) { p.notBefore = p.notBefore.Add(time.Second) },
		"end":       func(p *profile) { p.notAfter = p.notAfter.Add(time.Second) },
		"mark":      func(p *profile) { p.simulated = true },
	} {
		other := *p
		change(&other)
		if err := a.active().judge(p, certificate(a.active().encode(&other), nil)); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for name, der := range map[string][]byte{
		"nothing": nil, "garbage": {0x30, 0x03, 1, 2, 3}, "followed by a byte": append(certificate(a.active().encode(p), nil), 0),
	} {
		if err := a.active().judge(p, der); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.active().judge(p, certificate(a.active().encode(p), nil)); err != nil {
		t.Errorf("what was decided: %v", err)
	}
}

// What was judged is released only as it was, and under a good signature.
func TestAttack_A22_BadSignatureIsNotReleased(t *testing.T) {
	a, other := open(t), open(t)
	p := a.sampleProfile(t)
	tbs := a.active().encode(p)
	digest := sha256.Sum256(tbs)
	sign := func(key crypto.Signer) []byte {
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	good := certificate(tbs, sign(a.active().key))
	for name, der := range map[string][]byte{
		"none": certificate(tbs, nil), "flipped": flipLast(good), "of another CA": certificate(tbs, sign(other.active().key)),
		"of another certificate": a.forge(t, func(*x509.Certificate) {}).Raw, "trailing": append(bytes.Clone(good), 0), "empty": nil,
	} {
		if _, err := release(a.active().issuing, tbs, der); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := release(a.active().issuing, tbs, good); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// The encoder writes what the standard library writes.
func TestEncodingIsTheStandardLibrarys(t *testing.T) {
	a := open(t)
	keys := []evidence.Key{verifiertest.NewKey(t)}
	for _, public := range otherKeys(t) {
		key, err := evidence.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	host := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z][a-z0-9]{0,10}){0,4}`)
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.Int64Range(0, 4_000_000_000).Draw(rt, "from") // to the year 2096
		p := &profile{
			serial:    new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "serial")),
			id:        spiffeid.RequireFromPath(a.realm.trustDomain, "/"+rapid.StringMatching(`[a-z0-9]{1,300}`).Draw(rt, "path")),
			dnsNames:  rapid.SliceOfN(host, 0, 8).Draw(rt, "names"),
			spki:      rapid.SampledFrom(keys).Draw(rt, "key").SPKI(),
			notBefore: time.Unix(from, 0), notAfter: time.Unix(from+rapid.Int64Range(0, 1e8).Draw(rt, "life"), 0),
			simulated: rapid.Bool().Draw(rt, "simulated"),
		}
		for _, b := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 16, 16), 0, 3).Draw(rt, "addresses") {
			p.addresses = append(p.addresses, net.IP(b), net.IP(b[:4]))
		}
		if p.serial.Sign() == 0 {
			rt.Skip("the standard library takes no zero")
		}
		der, err := x509.CreateCertificate(rand.Reader, p.template(), a.active().issuing, p.public(), a.active().key)
		if err != nil {
			rt.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(cert.RawTBSCertificate, a.active().encode(p)) {
			rt.Fatalf("theirs %x\nours   %x", cert.RawTBSCertificate, a.active().encode(p))
		}
	})
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

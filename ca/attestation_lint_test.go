package ca

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"pgregory.net/rapid"
)

// named replaces the names by others.
func named(value []byte, critical bool) func(*attestationCA, *x509.Certificate) {
	return func(_ *attestationCA, c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Critical: critical, Value: value}}
	}
}

var (
	goodNames = tpmNames{"id:414D4400", "AMD", "id:00060017", permanentPrefix + strings.Repeat("0a", 32)}
	goodSAN   = goodNames.marshal()
)

// renamed is goodNames, changed.
func renamed(change func(*tpmNames)) []byte {
	n := goodNames
	change(&n)
	return n.marshal()
}

// replaced is goodSAN with one part replaced by another of the same length.
func replaced(old, by string) []byte {
	if bytes.Count(goodSAN, []byte(old)) == 0 || len(old) != len(by) {
		panic("nothing is replaced")
	}
	return bytes.Replace(goodSAN, []byte(old), []byte(by), 1)
}

// attestationMutations are the ways in which a bug could misshape a certificate.
var attestationMutations = map[string]func(ca *attestationCA, c *x509.Certificate){
	"counted serial":       func(_ *attestationCA, c *x509.Certificate) { c.SerialNumber = big.NewInt(7) },
	"long serial":          func(_ *attestationCA, c *x509.Certificate) { c.SerialNumber.Lsh(c.SerialNumber, 1) },
	"ten days":             func(_ *attestationCA, c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(0, 0, 10) },
	"a second":             func(_ *attestationCA, c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Second) },
	"begins before its CA": func(ca *attestationCA, c *x509.Certificate) { c.NotBefore = ca.cert.NotBefore.Add(-time.Second) },
	"ends after its CA": func(ca *attestationCA, c *x509.Certificate) {
		c.NotBefore, c.NotAfter = ca.cert.NotAfter.Add(-time.Hour), ca.cert.NotAfter.Add(time.Hour)
	},
	"no key usage":        func(_ *attestationCA, c *x509.Certificate) { c.KeyUsage = 0 },
	"certificate signing": func(_ *attestationCA, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
	"key encipherment":    func(_ *attestationCA, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment },
	"no extended usage":   func(_ *attestationCA, c *x509.Certificate) { c.UnknownExtKeyUsage = nil },
	"any usage":           func(_ *attestationCA, c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
	"server as well": func(_ *attestationCA, c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	},
	"an endorsement key's usage": func(_ *attestationCA, c *x509.Certificate) {
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}}
	},
	"both usages": func(_ *attestationCA, c *x509.Certificate) {
		c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, asn1.ObjectIdentifier{2, 23, 133, 8, 1})
	},
	"CA":      func(_ *attestationCA, c *x509.Certificate) { c.IsCA = true },
	"subject": func(_ *attestationCA, c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "admin"} },
	"marked subject": func(_ *attestationCA, c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{evidence.SimulatedOrganization}}
	},
	"other signature":  func(_ *attestationCA, c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 },
	"other identifier": func(_ *attestationCA, c *x509.Certificate) { c.SubjectKeyId = []byte{1} },
	"CRL location":     func(_ *attestationCA, c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://a"} },
	"issuer location":  func(_ *attestationCA, c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://a"} },
	"policy":           func(_ *attestationCA, c *x509.Certificate) { c.Policies = []x509.OID{mustOID(2, 5, 29, 32, 0)} },
	"further extension": func(_ *attestationCA, c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})
	},

	"no names":           func(_ *attestationCA, c *x509.Certificate) { c.ExtraExtensions = nil },
	"names not critical": named(goodSAN, false),
	"SPIFFE ID": func(_ *attestationCA, c *x509.Certificate) {
		c.ExtraExtensions, c.URIs = nil, []*url.URL{mustURL("spiffe://example.org/b")}
	},
	"DNS name": func(_ *attestationCA, c *x509.Certificate) {
		c.ExtraExtensions, c.DNSNames = nil, []string{"a.example.org"}
	},
	"address": func(_ *attestationCA, c *x509.Certificate) {
		c.ExtraExtensions, c.IPAddresses = nil, []net.IP{{10, 0, 0, 1}}
	},
	"no endorsement key": named(renamed(func(n *tpmNames) { n.endorsementKey = "" }), true),
	"another prefix":     named(renamed(func(n *tpmNames) { n.endorsementKey = "ak-sha256:" + strings.Repeat("0a", 32) }), true),
	"capital digits":     named(renamed(func(n *tpmNames) { n.endorsementKey = permanentPrefix + strings.Repeat("0A", 32) }), true),
	"short digest":       named(renamed(func(n *tpmNames) { n.endorsementKey = permanentPrefix + strings.Repeat("0a", 31) }), true),
	"no manufacturer":    named(renamed(func(n *tpmNames) { n.manufacturer = "" }), true),
	"line in the model":  named(renamed(func(n *tpmNames) { n.model = "A\nB" }), true),
	"long version":       named(renamed(func(n *tpmNames) { n.version = strings.Repeat("x", 65) }), true),
	"attributes swapped": named(replaced("\x67\x81\x05\x02\x01", "\x67\x81\x05\x02\x02"), true),
	"another attribute":  named(replaced("\x67\x81\x05\x02\x03", "\x67\x81\x05\x02\x04"), true),
	"printable string":   named(replaced("\x0c\x03AMD", "\x13\x03AMD"), true),
	"another other name": named(replaced("\x05\x07\x08\x03\xa0", "\x05\x07\x08\x04\xa0"), true),
	"names swapped":      named(marshal([]asn1.RawValue{goodParts()[1], goodParts()[0]}, ""), true),
	"two keys":           named(marshal([]asn1.RawValue{goodParts()[1], goodParts()[1]}, ""), true),
	"three names":        named(marshal(append(goodParts(), goodParts()[1]), ""), true),
	"directory alone":    named(marshal(goodParts()[:1], ""), true),
	"trailing byte":      named(append(bytes.Clone(goodSAN), 0), true),
	"with an assigner":   named(marshal([]asn1.RawValue{assigned()}, ""), true),
}

func goodParts() (parts []asn1.RawValue) {
	if _, err := asn1.Unmarshal(goodSAN, &parts); err != nil {
		panic(err)
	}
	return parts
}

// assigned is a permanent identifier with the optional part that ours leave out.
func assigned() asn1.RawValue {
	type identifier struct {
		Value    string `asn1:"utf8"`
		Assigner asn1.ObjectIdentifier
	}
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value identifier `asn1:"explicit,tag:0"`
	}
	return asn1.RawValue{FullBytes: marshal(otherName{oidPermanentIdentifier, identifier{goodNames.endorsementKey, asn1.ObjectIdentifier{1, 2, 3}}}, "tag:0")}
}

func TestAttack_A22_LintCatchesEveryMisshapenAttestationCertificate(t *testing.T) {
	a, other := openAttestation(t), openAttestation(t)
	ca := a.real
	for _, value := range [][]byte{goodSAN, marshal(goodParts()[1:], "")} {
		if err := ca.lint(ca.forge(t, a, func(c *x509.Certificate) { named(value, true)(ca, c) })); err != nil {
			t.Fatal(err)
		}
	}
	for name, mutate := range attestationMutations {
		p := ca.sample(t, a)
		template := p.template()
		mutate(ca, template)
		der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, p.public(), ca.key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue // nothing that cannot be parsed is signed
		}
		if err := ca.lint(cert); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := ca.sample(t, a)
	for name, cert := range map[string]*x509.Certificate{
		"for the CA's key":     create(t, p.template(), ca.cert, ca.cert.PublicKey, ca.key),
		"for another key":      create(t, p.template(), ca.cert, a.simulated.cert.PublicKey, ca.key),
		"of the simulated CA":  create(t, p.template(), a.simulated.cert, p.public(), a.simulated.key),
		"of another authority": create(t, p.template(), other.real.cert, p.public(), other.real.key),
		"the CA's":             ca.cert,
	} {
		if err := ca.lint(cert); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A well-formed certificate that says something else than what was decided is
// not signed.
func TestAttack_A22_AttestationThatWasNotDecidedIsNotSigned(t *testing.T) {
	a := openAttestation(t)
	ca := a.real
	p := ca.sample(t, a)
	for name, change := range map[string]func(*attestationProfile){
		"serial":       func(p *attestationProfile) { p.serial = newSerial() },
		"key":          func(p *attestationProfile) { p.spki = verifiertest.NewKey(t).SPKI() },
		"beginning":    func(p *attestationProfile) { p.notBefore = p.notBefore.Add(time.Second) },
		"end":          func(p *attestationProfile) { p.notAfter = p.notAfter.Add(time.Second) },
		"manufacturer": func(p *attestationProfile) { p.names.manufacturer = "id:494E5443" },
		"EK":           func(p *attestationProfile) { p.names.endorsementKey = goodNames.endorsementKey },
		"anonymous":    func(p *attestationProfile) { p.names = tpmNames{endorsementKey: p.names.endorsementKey} },
	} {
		other := *p
		change(&other)
		if err := ca.judge(p, certificate(ca.encode(&other), nil)); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for name, der := range map[string][]byte{
		"nothing": nil, "garbage": {0x30, 0x03, 1, 2, 3}, "followed by a byte": append(certificate(ca.encode(p), nil), 0),
		"of the other CA": certificate(a.simulated.encode(p), nil),
	} {
		if err := ca.judge(p, der); evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ca.judge(p, certificate(ca.encode(p), nil)); err != nil {
		t.Errorf("what was decided: %v", err)
	}
}

// A certificate under another key's signature is not released.
func TestAttack_A22_AttestationUnderAnotherKey(t *testing.T) {
	a := openAttestation(t)
	wrong := &attestationCA{cert: a.real.cert, key: a.simulated.key, origin: a.real.origin}
	_, err := wrong.sign(wrong.sample(t, a))
	refused(t, err, evidence.CodeIssuingLint)
}

// The encoder writes what the standard library writes.
func TestAttestationEncodingIsTheStandardLibrarys(t *testing.T) {
	a := openAttestation(t)
	keys := [][]byte{verifiertest.NewKey(t).SPKI()}
	for _, public := range otherKeys(t) {
		key, err := evidence.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.SPKI())
	}
	rapid.Check(t, func(rt *rapid.T) {
		ca := rapid.SampledFrom(a.cas()).Draw(rt, "CA")
		from := rapid.Int64Range(0, 4_000_000_000).Draw(rt, "from") // to the year 2096
		text := rapid.StringMatching(`[ -~]{1,64}`)
		sum := sha256.Sum256(rapid.SliceOf(rapid.Byte()).Draw(rt, "EK"))
		p := &attestationProfile{
			serial:    new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "serial")),
			spki:      rapid.SampledFrom(keys).Draw(rt, "key"),
			notBefore: time.Unix(from, 0), notAfter: time.Unix(from+rapid.Int64Range(0, 1e8).Draw(rt, "life"), 0),
			names: tpmNames{endorsementKey: permanentPrefix + evidence.Hex(sum[:]).String()},
		}
		if rapid.Bool().Draw(rt, "named") {
			p.names.manufacturer, p.names.model, p.names.version = text.Draw(rt, "manufacturer"), text.Draw(rt, "model"), text.Draw(rt, "version")
		}
		if p.serial.Sign() == 0 {
			rt.Skip("the standard library takes no zero")
		}
		der, err := x509.CreateCertificate(rand.Reader, p.template(), ca.cert, p.public(), ca.key)
		if err != nil {
			rt.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(cert.RawTBSCertificate, ca.encode(p)) {
			rt.Fatalf("theirs %x\nours   %x", cert.RawTBSCertificate, ca.encode(p))
		}
		if names, ok := readTPMNames(cert); !ok || names != p.names {
			rt.Fatalf("%+v was read as %+v, %v", p.names, names, ok)
		}
	})
}

// Names that are read are ours, byte for byte.
func FuzzTPMNames(f *testing.F) {
	f.Add(goodSAN)
	f.Add(marshal(goodParts()[1:], ""))
	f.Add(marshal([]asn1.RawValue{assigned()}, ""))
	f.Fuzz(func(t *testing.T, value []byte) {
		names, ok := readTPMNames(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: value}}})
		if ok && (!bytes.Equal(names.encode(), value) || !bytes.Equal(names.marshal(), value) || !names.good()) {
			t.Errorf("%x was read as %+v", value, names)
		}
	})
}

package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// What a requester sends reaches the certificate in one way only, the attested
// key: a request that asks for more never becomes a key.
func TestAttack_A01_A02_A03_RequestAsksForMoreThanItsKey(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, template := range map[string]*x509.CertificateRequest{
		"DNS name":     {DNSNames: []string{"admin.example.org"}},
		"wildcard":     {DNSNames: []string{"*.example.org"}},
		"address":      {IPAddresses: []net.IP{{127, 0, 0, 1}}},
		"e-mail":       {EmailAddresses: []string{"root@example.org"}},
		"SPIFFE ID":    {URIs: []*url.URL{mustURL("spiffe://example.org/admin")}},
		"common name":  {Subject: pkix.Name{CommonName: "admin"}},
		"CA":           {ExtraExtensions: []pkix.Extension{{Id: oidBasicConstraints, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}},
		"key usage":    {ExtraExtensions: []pkix.Extension{{Id: oidKeyUsage, Value: []byte{3, 2, 2, 4}}}},
		"unknown":      {ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}},
		"organization": {Subject: pkix.Name{Organization: []string{evidence.SimulatedOrganization}}},
	} {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, private)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.ParseCSR(der); evidence.CodeOf(err) != evidence.CodeRequestedNames {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack_A04_RequestSignedByAnotherKey(t *testing.T) {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		t.Fatal(err)
	}
	der[len(der)-1] ^= 1
	_, err = evidence.ParseCSR(der)
	refused(t, err, evidence.CodeKeyMalformed)
}

func TestAttack_A05_WeakKeysNeverBecomeKeys(t *testing.T) {
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	rsaOf := func(bits uint, add int64, exponent int) *rsa.PublicKey {
		modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: modulus.Add(modulus, big.NewInt(add)), E: exponent}
	}
	for _, public := range []any{
		&p224.PublicKey, &p521.PublicKey, nil, big.NewInt(1),
		rsaOf(2047, 1, 65537), rsaOf(4097, 1, 65537), rsaOf(8192, 1, 65537), rsaOf(2048, 1, 3), rsaOf(2048, 0, 65537), // the last is even
	} {
		_, err := evidence.NewKey(public)
		refused(t, err, evidence.CodeKeyUnsupported)
	}
}

func TestAttack_A06_KeyOfTheServiceItself(t *testing.T) {
	token, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := openAt(t, t.TempDir(), &clock{verifiertest.Now()}, &token.PublicKey)
	for name, public := range map[string]any{"root": a.active().root.PublicKey, "issuing CA": a.active().issuing.PublicKey, "token signer": &token.PublicKey} {
		key, err := evidence.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Issue(verifiertest.Accepted(t, verifiertest.Request{Key: key}))
		if evidence.CodeOf(err) != evidence.CodeIssuingKey {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack_A07_NamesThatReadDifferentlyElsewhere(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, name := range []string{
		"", "*.example.org", "*", ".example.org", "example.org.", "a..b", "EXAMPLE.org", "exämple.org", "xn--a\x00b", "a b", "a_b",
		"-a.org", "a-.org", "127.0.0.1", "::1", "::ffff:127.0.0.1", "1.2.3", "0x7f.1", "a/b", "a:443", "ａ.org", "a\u202e.org",
		long + ".org", strings.Repeat("abc.", 63) + "de",
	} {
		if isHostName(name) && name != "0x7f.1" {
			t.Errorf("%q passes for a host name", name)
		}
	}
	if isHostName("0x7f.1") {
		t.Error("a name that ends in a number may be read as an address")
	}
	for _, name := range []string{"a", "a-b.c", "xn--bcher-kva.example", "1a.org", strings.Repeat("a", 63) + ".org"} {
		if !isHostName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	if checkDNSNames([]string{"a.org", "a.org"}) == nil {
		t.Error("a name passes twice")
	}
	if checkDNSNames(make([]string, maxDNSNames+1)) == nil {
		t.Error("any number of names passes")
	}
}

// An address that many machines have, or that stands for many, is none of one workload.
func TestAttack_A07_AddressesOfNobody(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "::", "127.0.0.1", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:192.0.2.1",
	} {
		if got, err := checkAddresses([]netip.Addr{netip.MustParseAddr(text)}); evidence.CodeOf(err) != evidence.CodeIssuingIdentity {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	one := netip.MustParseAddr("192.0.2.1")
	if _, err := checkAddresses([]netip.Addr{one, one}); err == nil {
		t.Error("an address passes twice")
	}
	many := make([]netip.Addr, maxAddresses+1)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	if _, err := checkAddresses(many); err == nil {
		t.Error("any number of addresses passes")
	}
	if got, err := checkAddresses(many[:maxAddresses]); err != nil || len(got) != maxAddresses {
		t.Errorf("%d addresses: %v", maxAddresses, err)
	}
}

// Policy is the operator's word, and is read strictly all the same.
func TestAttack_A08_A09_SPIFFEIDsThatAreNotAWorkloads(t *testing.T) {
	a := open(t)
	for _, id := range []string{
		"", "spiffe://example.org", "spiffe://example.org/", "spiffe://other.org/x", "spiffe://sub.example.org/x", "spiffe://example.org.evil/x",
		"spiffe://example.org/a/../b", "spiffe://example.org/./b", "spiffe://example.org//b", "spiffe://example.org/a/", "spiffe://example.org/%2e%2e/b",
		"spiffe://example.org/a?x=1", "spiffe://example.org/a#x", "spiffe://u@example.org/a", "spiffe://example.org:443/a", "SPIFFE://example.org/a",
		"spiffe://EXAMPLE.org/a", "https://example.org/a", "spiffe://example.org/\u00e4", "spiffe://example.org/a b", "spiffe://example.org/a\x00",
		"spiffe://example.org/" + strings.Repeat("a", 2048),
		"spiffe://example.org/quotary", "spiffe://example.org/quotary/admin", // the service's own
	} {
		_, err := a.active().workloadID(id)
		if evidence.CodeOf(err) != evidence.CodeIssuingIdentity {
			t.Errorf("%.80q: %v", id, err)
		}
	}
	for _, id := range []string{"spiffe://example.org/a", "spiffe://example.org/a/b.c_d-e", "spiffe://example.org/quotary2", "spiffe://example.org/Quotary"} {
		if _, err := a.active().workloadID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// An identity in another trust domain is refused by policy already; the
// authority does not rely on it.
func TestAttack_A08_ResultOfAnotherTrustDomain(t *testing.T) {
	a := open(t)
	result := verifiertest.Accepted(t, verifiertest.Request{TrustDomain: "other.org"})
	_, err := a.Issue(result)
	refused(t, err, evidence.CodeIssuingIdentity)
}

func TestAttack_A10_LifeIsNotTheRequesters(t *testing.T) {
	a := open(t)
	if got := a.active().lifetime(1000 * time.Hour); got != maxTTL {
		t.Errorf("a policy can ask for %s", got)
	}
	if got := a.active().lifetime(-time.Hour); got != defaultTTL {
		t.Errorf("a negative life gives %s", got)
	}
	a.active().issuing.NotBefore = a.now()
	_, leaf := issue(t, a, verifiertest.Request{})
	if leaf.NotBefore.Before(a.active().issuing.NotBefore) || leaf.NotAfter.After(a.active().issuing.NotAfter) {
		t.Errorf("%s to %s is outside of the issuing CA's validity", leaf.NotBefore, leaf.NotAfter)
	}
}

func TestAttack_A11_SerialNumbers(t *testing.T) {
	const count = 40_000
	seen := make(map[string]bool, count)
	ones := make([]int, serialBits-1)
	for range count {
		n := newSerial()
		if n.Sign() <= 0 || n.BitLen() != serialBits {
			t.Fatalf("serial %x", n)
		}
		seen[string(n.Bytes())] = true
		for bit := range ones {
			ones[bit] += int(n.Bit(bit))
		}
	}
	if len(seen) != count {
		t.Errorf("%d serial numbers, %d distinct", count, len(seen))
	}
	for bit, n := range ones {
		if n < count*48/100 || n > count*52/100 {
			t.Errorf("bit %d is set in %d of %d", bit, n, count)
		}
	}
}

// The result names its identity, key and purpose itself: nothing can be swapped
// between two requests, and a result of one authority means nothing at another.
func TestAttack_A13_ResultsAreNotMixedUp(t *testing.T) {
	a := open(t)
	one := verifiertest.Request{Key: verifiertest.NewKey(t), SPIFFEID: "spiffe://example.org/one"}
	two := verifiertest.Request{Key: verifiertest.NewKey(t), SPIFFEID: "spiffe://example.org/two", Simulated: true}
	for _, r := range []verifiertest.Request{one, two} {
		_, leaf := issue(t, a, r)
		if leaf.URIs[0].String() != r.SPIFFEID || string(leaf.RawSubjectPublicKeyInfo) != string(r.Key.SPKI()) || IsSimulated(leaf) != r.Simulated {
			t.Errorf("%s got %v", r.SPIFFEID, leaf.URIs)
		}
	}
}

func TestAttack_A14_ResultFromBeforeAPolicyChange(t *testing.T) {
	c := &clock{verifiertest.Now()}
	a := openAt(t, t.TempDir(), c)
	result := verifiertest.Accepted(t, verifiertest.Request{})
	c.at = c.at.Add(maxResultAge + time.Second)
	_, err := a.Issue(result)
	refused(t, err, evidence.CodeIssuingResult)
}

// A pile of other intermediates beside the chain does not keep it from being found.
func TestAttack_A21_ManyIntermediates(t *testing.T) {
	a := open(t)
	leaf := a.forge(t, func(*x509.Certificate) {})
	chain := []*x509.Certificate{leaf}
	for i := range 200 {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		template := a.active().caTemplate(fmt.Sprintf("noise %d", i), &key.PublicKey, a.now(), time.Hour)
		chain = append(chain, create(t, template, template, &key.PublicKey, key))
	}
	if err := a.chainTo(chain...); err != nil {
		t.Error(err)
	}
	other := open(t)
	if err := other.chainTo(leaf, a.active().issuing, a.active().root); err == nil {
		t.Error("another authority's certificate verifies with the root that came along")
	}
}

// No part of the evidence, and no name of the machine, stands in a certificate.
func TestAttack_A23_CertificateSaysNothingOfTheMachine(t *testing.T) {
	_, leaf := issue(t, open(t), verifiertest.Request{})
	for _, value := range [][]byte{make([]byte, 16), []byte(strings.Repeat("\x11", 16)), []byte(strings.Repeat("\x07", 16))} {
		if strings.Contains(string(leaf.Raw), string(value)) {
			t.Errorf("the certificate holds %x", value)
		}
	}
	if len(leaf.Extensions) != 6 {
		t.Errorf("%d extensions", len(leaf.Extensions))
	}
}

func TestAttack_A12_ZeroResult(t *testing.T) {
	_, err := open(t).Issue(verifier.Result{})
	refused(t, err, evidence.CodeIssuingResult)
}

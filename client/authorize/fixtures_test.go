package authorize_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// authority is a root and an issuing CA below it, and what is revoked of theirs.
type authority struct {
	root, issuing *x509.Certificate
	rootKey, key  *ecdsa.PrivateKey
	unknown       error // of revocations, if it is not nil
	revoked       map[string]bool
	silent        bool // names no issuers
	heard         time.Time
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB, domain string) *authority {
	t.Helper()
	a := &authority{rootKey: newKey(t), key: newKey(t), heard: now, revoked: map[string]bool{}}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign, URIs: []*url.URL{{Scheme: "spiffe", Host: domain}},
	}
	a.root = sign(t, template, template, &a.rootKey.PublicKey, a.rootKey)
	below := *template
	below.Subject.CommonName, below.SerialNumber = "issuing", big.NewInt(2)
	a.issuing = sign(t, &below, a.root, &a.key.PublicKey, a.rootKey)
	return a
}

func sign(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *authority) Check(chain []*x509.Certificate) error {
	if len(chain) != 3 || !chain[1].Equal(a.issuing) {
		return evidence.Errorf(evidence.CodeRevocationUnknown, "", "%d certificates in the chain", len(chain))
	}
	if a.unknown == nil && a.revoked[chain[0].SerialNumber.String()] {
		return evidence.Errorf(evidence.CodeRevocationRevoked, "", "revoked")
	}
	return a.unknown
}

func (a *authority) Heard() time.Time { return a.heard }

func (a *authority) Issuers() []*x509.Certificate {
	if a.silent {
		return nil
	}
	return []*x509.Certificate{a.issuing}
}

// svid issues a workload's certificate, which change may turn into another.
func (a *authority) svid(t testing.TB, id string, change func(*x509.Certificate)) string {
	t.Helper()
	uri, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{uri}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	return text(sign(t, template, a.issuing, &newKey(t).PublicKey, a.key))
}

func text(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// envoy and nginx write a certificate as these proxies do into a variable.
func envoy(text string) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
}

func nginx(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// ear is an attestation result as a certificate carries it.
type ear map[any]any

func newEAR(id string) ear {
	return ear{
		2: id, 1000: 2, 266: map[string]any{"tdx": map[int]any{1000: 2, 1003: []string{"sha256:aa"}, -80000: map[int]any{3: false}}},
		-80000: map[int]any{0: "1", 1: now.Add(-10 * time.Minute).Unix(), 2: "challenge", 3: false, 5: "web"},
	}
}

// with puts a result into a certificate.
func (e ear) with(t testing.TB) func(*x509.Certificate) {
	t.Helper()
	return extension(wrapped(t, "application/eat+cwt", encoded(t, e), 8))
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	data, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func wrapped(t testing.TB, mediaType string, payload []byte, indicators int) []byte {
	t.Helper()
	message := append([]byte{0xd2}, encoded(t, []any{[]byte{0xa0}, map[int]any{}, payload, make([]byte, 64)})...)
	return encoded(t, []any{mediaType, message, indicators})
}

func extension(record []byte) func(*x509.Certificate) {
	value, err := asn1.Marshal(record)
	if err != nil {
		panic(err)
	}
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 35}, Value: value})
	}
}

func simulated(c *x509.Certificate) { c.Subject.Organization = []string{"SIMULATED"} }

// anybody lets all workloads of the trust domain in.
var anybody = authorize.Allow{SPIFFEIDs: []string{"spiffe://example.org/*"}}

// decide has a fresh Authorizer with rules decide, for a trust domain whose authority is a.
func (a *authority) authorizer(t testing.TB, rules ...authorize.Rule) *authorize.Authorizer {
	t.Helper()
	out, err := authorize.New(authorize.Config{Rules: rules, MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	out.Learn("example.org", []*x509.Certificate{a.root}, a, now)
	return out
}

func get(certificate, target string) authorize.Request {
	return authorize.Request{Certificate: certificate, Method: "GET", Host: "api.example.org", Target: target}
}

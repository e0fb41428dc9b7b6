package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// sampleProfile is a good profile for a new key.
func (a *Authority) sampleProfile(tb testing.TB) *profile {
	tb.Helper()
	p, err := a.active().workloadProfile(verifiertest.Accepted(tb, verifiertest.Request{DNSNames: []string{"a.example.org"}}), a.now())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// template is the profile in the standard library's terms, which encodes it
// independently of encode.
func (p *profile) template() *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber: new(big.Int).Set(p.serial), NotBefore: p.notBefore.UTC(), NotAfter: p.notAfter.UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, MaxPathLen: -1,
		SubjectKeyId: spkiID(p.spki), URIs: []*url.URL{p.id.URL()}, DNSNames: p.dnsNames, IPAddresses: p.addresses,
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	if p.simulated {
		t.Subject = pkix.Name{Organization: []string{evidence.SimulatedOrganization}}
	}
	return t
}

// public is the key that p certifies.
func (p *profile) public() crypto.PublicKey {
	key, err := x509.ParsePKIXPublicKey(p.spki)
	if err != nil {
		panic(err)
	}
	return key
}

// forge signs a changed template with the issuing key, as a thief would.
func (a *Authority) forge(tb testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	tb.Helper()
	p := a.sampleProfile(tb)
	template := p.template()
	change(template)
	return create(tb, template, a.active().issuing, p.public(), a.active().key)
}

// forgeBelow makes the issuing CA certify a CA, and that a leaf.
func (a *Authority) forgeBelow(tb testing.TB) []*x509.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := a.active().caTemplate("forged", &key.PublicKey, a.now(), time.Hour)
	middle := create(tb, template, a.active().issuing, &key.PublicKey, a.active().key)
	p := a.sampleProfile(tb)
	return []*x509.Certificate{create(tb, p.template(), middle, p.public(), key), middle}
}

func create(tb testing.TB, template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

// chainTo verifies a leaf, with further CAs above it, as a relying party does.
func (a *Authority) chainTo(chain ...*x509.Certificate) error {
	intermediates := x509.NewCertPool()
	for _, cert := range append(chain[1:], a.active().issuing) {
		intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: a.Roots(), Intermediates: intermediates, CurrentTime: a.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return err
}

// otherHierarchy is a second authority's folder.
func otherHierarchy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	openAt(t, dir, &clock{verifiertest.Now().Add(-time.Hour)})
	return dir
}

func swap(names ...string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		other := otherHierarchy(t)
		for _, name := range names {
			remove(t, dir, name)
			copyFile(t, filepath.Join(other, name), filepath.Join(dir, name))
		}
	}
}

func move(from, to string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		remove(t, dir, to)
		copyFile(t, filepath.Join(dir, from), filepath.Join(dir, to))
	}
}

func write(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func appendTo(name, other string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		data := append(readFile(t, filepath.Join(dir, name)), readFile(t, filepath.Join(dir, other))...)
		write(name, string(data))(t, dir)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, readFile(t, from), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		files[entry.Name()] = readFile(t, filepath.Join(dir, entry.Name()))
	}
	return files
}

package tpm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// thicket makes a leaf and levels of CAs above it, each in several variants, which all
// sign correctly. Its top says that root issued it.
func thicket(t *testing.T, leaf any, root pkix.Name) (certificates [][]byte) {
	t.Helper()
	const levels, variants = 4, 4
	names, keys := []pkix.Name{{CommonName: "leaf"}}, []*ecdsa.PrivateKey{nil}
	for n := range levels + 1 {
		names = append(names, pkix.Name{CommonName: fmt.Sprint("level ", n)})
		keys = append(keys, must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)))
	}
	names[levels+1] = root
	for level := range levels + 1 {
		public, count := leaf, 1
		if level > 0 {
			public, count = &keys[level].PublicKey, variants
		}
		for range count {
			template := &x509.Certificate{
				SerialNumber: big.NewInt(int64(len(certificates)) + 1), Subject: names[level], DNSNames: []string{fmt.Sprintf("n%d.example", len(certificates))},
				NotBefore: simulatedNow.Add(-time.Hour), NotAfter: simulatedNow.Add(time.Hour), BasicConstraintsValid: true, IsCA: level > 0,
			}
			issuer := &x509.Certificate{Subject: names[level+1]}
			certificates = append(certificates, must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, issuer, public, keys[level+1])))
		}
	}
	return certificates
}

// TestAttack_A21_ThicketOfCAs: among CAs that somebody made up, no path is searched for.
func TestAttack_A21_ThicketOfCAs(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, root := range map[string]pkix.Name{"a root of its own": {CommonName: "root"}, "the configured root": v.anchors[0].cert.Subject} {
		certificates := thicket(t, &key.PublicKey, root)
		item := *quoteOf(t, w.machine, w.nonce)
		item.AKCertificates = certificates[:evidence.MaxCertificates]
		e := &tee.Endorsements{}
		var between candidates
		for n, der := range certificates[1:] {
			cert := must[*x509.Certificate](t)(x509.ParseCertificate(der))
			between = append(between, cert)
			if n+1 >= evidence.MaxCertificates {
				e.AddCertificate(cert)
			}
		}
		if found := v.signed(between); len(found) > 0 {
			t.Errorf("%s: %d CAs count as signed", name, len(found))
		}
		if out := v.Verify(&item, e, tee.Params{Now: simulatedNow, Pooled: true}); out.Genuine() || out.Claims.TrustAnchor != nil {
			t.Errorf("%s: %v", name, out.Checks)
		}
	}
}

package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

func TestIssue(t *testing.T) {
	a := open(t)
	key := verifiertest.NewKey(t)
	svid, leaf := issue(t, a, verifiertest.Request{
		Key: key, SPIFFEID: "spiffe://example.org/ns/prod/web", DNSNames: []string{"web.example.org", "web"},
		IPAddresses: []string{"192.0.2.1", "2001:db8::1"}, TTL: 20 * time.Minute,
	})
	now := verifiertest.Now()
	switch {
	case svid.SPIFFEID != "spiffe://example.org/ns/prod/web" || leaf.URIs[0].String() != svid.SPIFFEID:
		t.Errorf("SPIFFE ID %s, URIs %v", svid.SPIFFEID, leaf.URIs)
	case len(leaf.DNSNames) != 2 || leaf.DNSNames[0] != "web.example.org":
		t.Errorf("DNS names %v", leaf.DNSNames)
	case len(leaf.IPAddresses) != 2 || leaf.IPAddresses[0].String() != "192.0.2.1" || leaf.IPAddresses[1].String() != "2001:db8::1" || len(svid.IPAddresses) != 2:
		t.Errorf("addresses %v", leaf.IPAddresses)
	case !bytes.Equal(leaf.RawSubjectPublicKeyInfo, key.SPKI()):
		t.Error("the certificate is for another key")
	case !leaf.NotBefore.Equal(now.Add(-time.Minute)) || !leaf.NotAfter.Equal(now.Add(20*time.Minute)):
		t.Errorf("valid from %s to %s", leaf.NotBefore, leaf.NotAfter)
	case len(leaf.Subject.Names) != 0 || svid.Simulated:
		t.Errorf("subject %s", leaf.Subject)
	case len(svid.Chain) != 2 || !bytes.Equal(svid.Chain[1], a.active().issuing.Raw):
		t.Errorf("a chain of %d certificates", len(svid.Chain))
	case len(svid.Serial) != 40 || leaf.SerialNumber.BitLen() != serialBits:
		t.Errorf("serial %s", svid.Serial)
	}
	if err := a.chainTo(leaf); err != nil {
		t.Error(err)
	}
	if block, rest := pem.Decode(svid.PEM()); block == nil || !bytes.Equal(block.Bytes, leaf.Raw) || len(rest) == 0 {
		t.Error("the PEM chain does not begin with the leaf")
	}
}

func TestSPIFFELibraryAccepts(t *testing.T) {
	a := open(t)
	svid, _ := issue(t, a, verifiertest.Request{})
	bundle := x509bundle.FromX509Authorities(a.realm.trustDomain, []*x509.Certificate{a.active().root})
	id, _, err := x509svid.ParseAndVerify(svid.Chain, bundle, x509svid.WithTime(a.now()))
	if err != nil || id != spiffeid.RequireFromString("spiffe://example.org/workload") {
		t.Errorf("%s, %v", id, err)
	}
}

// otherKeys are keys of the types that can be attested, besides P-256.
func otherKeys(t *testing.T) []crypto.PublicKey {
	t.Helper()
	p384, err1 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	edwards, _, err2 := ed25519.GenerateKey(rand.Reader)
	rsaKey, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return []crypto.PublicKey{&p384.PublicKey, edwards, &rsaKey.PublicKey}
}

// Every kind of key that may be attested gets a certificate.
func TestKeyTypes(t *testing.T) {
	a := open(t)
	for _, public := range otherKeys(t) {
		key, err := evidence.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		_, leaf := issue(t, a, verifiertest.Request{Key: key})
		if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, key.SPKI()) || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("%T: key usage %b", public, leaf.KeyUsage)
		}
	}
}

func TestAttack_B16_Lifetime(t *testing.T) {
	now := verifiertest.Now()
	for name, c := range map[string]struct {
		ttl   time.Duration
		until time.Time
		want  time.Duration
	}{
		"default":                           {0, time.Time{}, time.Hour},
		"of policy":                         {10 * time.Minute, time.Time{}, 10 * time.Minute},
		"cut to what the result rests on":   {0, now.Add(17 * time.Minute), 17 * time.Minute},
		"not lengthened by it":              {0, now.Add(48 * time.Hour), time.Hour},
		"rounded down to a second":          {0, now.Add(5*time.Minute + 999*time.Millisecond), 5 * time.Minute},
		"the least that is worth it":        {0, now.Add(minTTL), minTTL},
		"what the result rests on is ended": {0, now.Add(minTTL - time.Second), 0},
		"or has ended long ago":             {0, now.Add(-time.Hour), 0},
	} {
		t.Run(name, func(t *testing.T) {
			svid, err := open(t).Issue(verifiertest.Accepted(t, verifiertest.Request{
				TTL: c.ttl, Outcome: func(o *tee.Outcome) { o.ValidUntil = c.until },
			}))
			if c.want == 0 {
				refused(t, err, evidence.CodeIssuingValidity)
				return
			}
			if err != nil || svid.NotAfter.Sub(now) != c.want {
				t.Errorf("%v, lasts %s, want %s", err, svid.NotAfter.Sub(now), c.want)
			}
		})
	}
}

// The shortest life that policy may grant is issued at any time, not at full seconds alone.
func TestShortestLifeWithinASecond(t *testing.T) {
	c := &clock{verifiertest.Now().Add(700 * time.Millisecond)}
	a := openAt(t, t.TempDir(), c)
	svid, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: c.at, TTL: minTTL}))
	if err != nil || !svid.NotAfter.Equal(verifiertest.Now().Add(minTTL)) {
		t.Errorf("%v, until %s", err, svid.NotAfter)
	}
}

func TestRenewalIsSpread(t *testing.T) {
	a := open(t)
	result := verifiertest.Accepted(t, verifiertest.Request{})
	seen := map[time.Time]bool{}
	for range 50 {
		svid, err := a.Issue(result)
		if err != nil {
			t.Fatal(err)
		}
		share := float64(svid.RenewAt.Sub(a.now())) / float64(time.Hour)
		if share < 0.449 || share > 0.551 {
			t.Errorf("renewal after %.3f of the life", share)
		}
		seen[svid.RenewAt] = true
	}
	if len(seen) < 10 {
		t.Errorf("50 renewals at %d instants", len(seen))
	}
}

func TestSimulatedIsMarked(t *testing.T) {
	a := open(t)
	svid, leaf := issue(t, a, verifiertest.Request{Simulated: true, Kinds: evidence.Kinds()})
	if !svid.Simulated || !IsSimulated(leaf) || leaf.Subject.String() != "O=SIMULATED" {
		t.Errorf("simulated evidence gave a certificate for %q", leaf.Subject)
	}
	bundle := x509bundle.FromX509Authorities(a.realm.trustDomain, []*x509.Certificate{a.active().root})
	if _, _, err := x509svid.ParseAndVerify(svid.Chain, bundle, x509svid.WithTime(a.now())); err != nil {
		t.Error(err)
	}
	if _, leaf = issue(t, a, verifiertest.Request{}); IsSimulated(leaf) {
		t.Error("real evidence gave a marked certificate")
	}
}

// Only an accepted result for a certificate, just made, is certified.
func TestAttack_A15_ResultsThatAreNotCertified(t *testing.T) {
	now := verifiertest.Now()
	for name, result := range map[string]verifier.Result{
		"zero":             {},
		"rejected":         verifiertest.Rejected(t, verifiertest.Request{}),
		"for a token":      verifiertest.Accepted(t, verifiertest.Request{Purpose: evidence.PurposeToken}),
		"background check": verifiertest.Accepted(t, verifiertest.Request{Background: make([]byte, 64)}),
		"old":              verifiertest.Accepted(t, verifiertest.Request{At: now.Add(-maxResultAge - time.Second)}),
		"of the future":    verifiertest.Accepted(t, verifiertest.Request{At: now.Add(maxResultAge + time.Second)}),
	} {
		t.Run(name, func(t *testing.T) {
			svid, err := open(t).Issue(result)
			refused(t, err, evidence.CodeIssuingResult)
			if svid != nil {
				t.Error("something was issued")
			}
		})
	}
}

func BenchmarkIssue(b *testing.B) {
	a := open(b)
	result := verifiertest.Accepted(b, verifiertest.Request{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Issue(result); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareSign is the one operation that issuing cannot do without.
func BenchmarkBareSign(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	for b.Loop() {
		if _, err := ecdsa.SignASN1(rand.Reader, key, digest); err != nil {
			b.Fatal(err)
		}
	}
}

package authorize

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// issued is the value of the extension that a service puts into a certificate.
func issued(t testing.TB, r verifiertest.Request) ([]byte, tokens.Claims) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := tokens.NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := tokens.NewIssuer(tokens.Config{Key: key, Issuer: "spiffe://example.org/quotary", Build: "test", Now: verifiertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Issue(verifiertest.Accepted(t, r), tokens.Options{Audience: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	cmw, err := token.CMW()
	if err != nil {
		t.Fatal(err)
	}
	value, err := asn1.Marshal(cmw)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tokens.NewVerifier(tokens.VerifierConfig{Keys: issuer.Keys(), Issuer: "spiffe://example.org/quotary", Audience: "example.org", AcceptSimulated: true, Now: verifiertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.VerifyCWT(token.CWT)
	if err != nil {
		t.Fatal(err)
	}
	return value, claims
}

// What a service says of a machine is read here as its own verifier reads it.
func TestResultsOfAService(t *testing.T) {
	value, claims := issued(t, verifiertest.Request{})
	r := decode(value)
	if r == nil || r.subject != claims.Subject || !r.at.Equal(time.Unix(claims.Appraisal.At, 0)) || r.workload != claims.Appraisal.Workload ||
		string(r.status) != claims.Status.String() || r.simulated != claims.IsSimulated() {
		t.Fatalf("%+v, want %+v", r, claims)
	}
	for _, s := range claims.Submodules {
		if len(r.policies) != len(claims.Submodules) || !slices.Contains(r.policies, s.Policies[0]) {
			t.Errorf("policies %q, want %q", r.policies, s.Policies)
		}
	}
	for number, status := range statuses {
		if tokens.Status(number).String() != string(status) {
			t.Errorf("%d is %s here and %s there", number, status, tokens.Status(number))
		}
	}
}

// No value makes the reader fail otherwise than by saying nothing, and what it reads has all
// that rules can ask for.
func FuzzResult(f *testing.F) {
	value, _ := issued(f, verifiertest.Request{})
	f.Add(value)
	f.Add([]byte{4, 0})
	f.Add([]byte{4, 1, 0xa0})
	f.Fuzz(func(t *testing.T, value []byte) {
		r := decode(value)
		if r != nil && (r.at.Unix() <= 0 || r.status == "" || len(r.policies) == 0) {
			t.Errorf("%+v", r)
		}
	})
}

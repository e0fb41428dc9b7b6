package keytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// jwtSVID signs a JWT-SVID, which the reference implementation accepts by the bundle.
func (h *house) jwtSVID(a *ca.Authority) {
	h.Helper()
	issuer := must(tokens.NewSVIDIssuer(tokens.SVIDConfig{TrustDomain: a.TrustDomain(), Key: a.JWTKey, Now: h.config().Now}))(h.T)
	svid := must(issuer.Issue(h.result(""), []string{"a"}))(h.T)
	bundle := must(spiffebundle.Parse(spiffeid.RequireTrustDomainFromString(verifiertest.TrustDomain), must(a.Bundle())(h.T)))(h.T)
	if _, err := jwtsvid.ParseAndValidate(svid.Token, bundle, []string{"a"}); err != nil {
		h.Error(err)
	}
}

// store holds a store to what [ca.KeyStore] says.
func store(t *testing.T, s ca.KeyStore, open func(*testing.T) ca.Keys) {
	one, two := must(s.Create("one"))(t), must(s.Create("one"))(t)
	key := must(s.Open(one))(t)
	public := key.Public().(*ecdsa.PublicKey)
	if other := must(s.Open(two))(t); public.Equal(other.Public()) || public.Curve != elliptic.P256() {
		t.Error("two keys are the same, or are not of P-256")
	}
	sign := func(key crypto.Signer) {
		t.Helper()
		digest := sha256.Sum256([]byte("message"))
		signature := must(key.Sign(rand.Reader, digest[:], crypto.SHA256))(t)
		if !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Error("the signature does not verify")
		}
	}
	sign(key)
	sign(must(open(t).New.Open(one))(t))
	for name, wrong := range map[string][]byte{"none": nil, "cut": one[:len(one)-1], "longer": append(slices.Clone(one), 0)} {
		if _, err := s.Open(wrong); err == nil {
			t.Errorf("opened by a reference that is %s", name)
		}
	}
	for range 2 {
		if err := s.Destroy(two); err != nil {
			t.Error(err)
		}
	}
	sign(key)
}

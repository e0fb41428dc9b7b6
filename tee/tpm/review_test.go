package tpm

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// wantReview demands exactly these failures of a review.
func wantReview(tb testing.TB, v *Verifier, recorded evidence.Claims, e *tee.Endorsements, p tee.Params, want ...evidence.Code) (evidence.Claims, evidence.Checks) {
	tb.Helper()
	claims, checks := v.Review(recorded, e, p)
	failed := checks.Failed()
	if len(failed) != len(want) || len(want) > 0 && failed[0].Code != want[0] {
		tb.Errorf("failed %v, want %v", failed, want)
	}
	return claims, checks
}

// reviewsTheSame demands of a record that was made without lists what lists made of
// the quote; and without the certificate of who signed a list, that it tells nothing of a leaf.
func reviewsTheSame(t *testing.T, w *world, item *evidence.TPM, e *tee.Endorsements, status evidence.Status) {
	t.Helper()
	v := newVerifier(t, w.roots())
	recorded := v.Verify(item, nil, paramsNow).Claims
	var failing []evidence.Code
	if status == evidence.Fail {
		failing = []evidence.Code{evidence.CodeTPMAKRevocation}
	}
	e.AddCertificate(w.vendor.Intermediate.Certificate)
	claims, checks := wantReview(t, v, recorded, e, paramsNow, failing...)
	if check, _ := checks.Get(evidence.CodeTPMAKRevocation); check.Status != status {
		t.Errorf("%v, want %s", check, status)
	}
	if want := v.Verify(item, e, paramsNow).Claims; status != evidence.Fail && !reflect.DeepEqual(claims, want) {
		t.Errorf("by now %+v, want %+v", claims.TPM, want.TPM)
	}
	bare := recorded.Clone()
	bare.Certificates = nil
	wantReview(t, v, bare, e, paramsNow)
}

// TestReviewListOfUnknownIssuer: lists of an issuer whose certificate is not at hand,
// or has another key, tell nothing.
func TestReviewListOfUnknownIssuer(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	recorded := v.Verify(quoteOf(t, w.machine, w.nonce), nil, paramsNow).Claims
	evil, err := simulator.NewVendor(simulator.Options{Seed: "evil"})
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []simulator.Issuer{w.vendor.Intermediate, evil.Intermediate} {
		crl, err := by.CRL(simulatedNow, w.machine.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		e := &tee.Endorsements{}
		e.AddCRL(crl)
		e.AddCertificate(evil.Intermediate.Certificate)
		if got, _ := wantReview(t, v, recorded, e, paramsNow); !reflect.DeepEqual(got, recorded) {
			t.Errorf("by now %+v", got)
		}
	}
	// A configured intermediate is at hand.
	o := w.roots()
	o.Intermediates = [][]byte{w.vendor.Intermediate.Certificate.Raw}
	crl, err := w.vendor.Intermediate.CRL(simulatedNow, w.machine.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	e.AddCRL(crl)
	wantReview(t, newVerifier(t, o), recorded, e, paramsNow, evidence.CodeTPMAKRevocation)
}

// TestReviewTrust: what vouched for a key still does, or another does by now.
func TestReviewTrust(t *testing.T) {
	w := simulated(t)
	nobody, rooted, listed := newVerifier(t, Options{}), newVerifier(t, w.roots()), newVerifier(t, given(w.machine))
	item := quoteOf(t, w.machine, w.nonce)
	byRoot, byHand := rooted.Verify(item, nil, paramsNow).Claims, listed.Verify(item, nil, paramsNow).Claims
	for name, c := range map[string]struct {
		recorded evidence.Claims
		now      *Verifier
		source   string
		failing  []evidence.Code
	}{
		"a root":              {byRoot, rooted, evidence.AKSourceCertificate, nil},
		"a root no more":      {byRoot, nobody, evidence.AKSourceCertificate, []evidence.Code{evidence.CodeReviewAnchor}},
		"a given key":         {byHand, listed, evidence.AKSourceGiven, nil},
		"a given key no more": {byHand, nobody, evidence.AKSourceGiven, []evidence.Code{evidence.CodeReviewAnchor}},
		"a root, given now":   {byRoot, listed, evidence.AKSourceGiven, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := wantReview(t, c.now, c.recorded, nil, paramsNow, c.failing...)
			if got.TPM.AKSource != c.source || !got.Simulated {
				t.Errorf("by now %+v of %+v", got.TPM, got.TrustAnchor)
			}
			if want := c.now.Verify(item, nil, paramsNow).Claims; c.failing == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("by now %+v, want %+v", got, want)
			}
		})
	}
	byRoot.Simulated, byRoot.TrustAnchor.Origin = false, evidence.OriginConfigured
	if got, _ := wantReview(t, rooted, byRoot, nil, paramsNow); !got.Simulated || got.TrustAnchor.Origin != evidence.OriginSimulated {
		t.Errorf("by now it is %+v", got.TrustAnchor)
	}
}

// TestReviewVouched: a key that an item of a TEE vouches for rests on what that rests on.
func TestReviewVouched(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, Options{})
	recorded := newVerifier(t, w.roots()).Verify(quoteOf(t, w.machine, w.nonce), nil, paramsNow).Claims
	recorded.TPM.AKSource, recorded.TPM.AKVouchedBy, recorded.Certificates = evidence.AKSourceTEE, evidence.KindTDX, nil
	real := &evidence.TrustAnchor{Name: "CN=root", SHA256: evidence.Hex{1}, Origin: evidence.OriginPinned}
	for _, anchor := range []*evidence.TrustAnchor{nil, real} {
		p := paramsNow
		p.Vouched = &tee.VouchedKey{By: evidence.KindTDX, Anchor: anchor}
		got, _ := wantReview(t, v, recorded, nil, p)
		want := recorded.Clone()
		if anchor != nil {
			want.TrustAnchor, want.Simulated = anchor, false
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("by now %+v", got)
		}
	}
	wantReview(t, v, recorded, nil, paramsNow)
}

// TestReviewKeyRevokedSince: an administrator revoked the attestation key. That its
// TPM enrolled another one, or that the service forgot it, says nothing against it.
func TestReviewKeyRevokedSince(t *testing.T) {
	w := simulated(t)
	issuer := ownCA(t, w)
	ek := sha256Of("ek")
	enrolled := w.enrolled(t, issuer, identified(t, w, enrolledPrefix+hex.EncodeToString(ek)))
	plain, simulatedID := w.machine.AttestationKey(), tee.SimulatedID(w.machine.AttestationKey())
	for name, c := range map[string]struct {
		options Options
		item    *evidence.TPM
		id      evidence.Digest
	}{
		"enrolled":  {trusting(issuer, evidence.OriginConfigured), enrolled, plain},
		"simulated": {trusting(issuer, evidence.OriginSimulated), enrolled, simulatedID},
		"certified": {w.roots(), quoteOf(t, w.machine, w.nonce), simulatedID},
		"given":     {given(w.machine), quoteOf(t, w.machine, w.nonce), simulatedID},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, c.options)
			recorded := v.Verify(c.item, nil, paramsNow).Claims
			for _, s := range []struct {
				states  memory
				status  evidence.Status
				failing []evidence.Code
			}{
				{memory{c.id: {Revoked: true}}, evidence.Fail, []evidence.Code{evidence.CodeTPMAKRevoked}},
				{memory{c.id: {Revoked: true, Superseded: true}}, evidence.Warn, nil},
				{memory{c.id: {Quoted: true, Clock: 1 << 60}}, evidence.Pass, nil},
				{memory{{1}: {Revoked: true}}, evidence.NotPerformed, nil},
			} {
				got, checks := wantReview(t, v, recorded, nil, s.states.params(), s.failing...)
				if check, _ := checks.Get(evidence.CodeTPMAKRevoked); check.Status != s.status || !reflect.DeepEqual(got, recorded) {
					t.Errorf("%v, want %s", check, s.status)
				}
			}
			// The service's own CA is no anchor any more.
			wantReview(t, newVerifier(t, Options{}), recorded, nil, paramsNow, evidence.CodeReviewAnchor)
		})
	}
}

// TestReviewOfWhatIsNotThere: claims of any form are reviewed as far as they go.
func TestReviewOfWhatIsNotThere(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	recorded := v.Verify(quoteOf(t, w.machine, w.nonce), nil, paramsNow).Claims
	crl, err := w.vendor.Root.CRL(simulatedNow)
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	e.AddCRL(crl)
	for name, alter := range map[string]func(*evidence.Claims){
		"nothing of a TPM":  func(c *evidence.Claims) { c.TPM = nil },
		"no anchor":         func(c *evidence.Claims) { c.TrustAnchor = nil },
		"no key":            func(c *evidence.Claims) { c.TPM.AKSHA256 = evidence.Hex{1} },
		"no source":         func(c *evidence.Claims) { c.TPM.AKSource = "" },
		"a source to come":  func(c *evidence.Claims) { c.TPM.AKSource = "oracle" },
		"no serial numbers": func(c *evidence.Claims) { c.Certificates = make([]evidence.CertificateClaims, 9) },
	} {
		t.Run(name, func(t *testing.T) {
			c := recorded.Clone()
			alter(&c)
			wantReview(t, v, c, e, memory{}.params())
		})
	}
}

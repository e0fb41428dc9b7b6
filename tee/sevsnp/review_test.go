package sevsnp_test

import (
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// recordedOf are the claims of a machine that was accepted with these lists.
func recordedOf(tb testing.TB, m *simulator.Machine, lists ...*x509.RevocationList) evidence.Claims {
	tb.Helper()
	e := published(milan(), m.Certificate)
	if len(lists) > 0 {
		e = withAuthorities(tb, m, lists...)
	}
	out := trusting().Verify(item(tb, m), e, tee.Params{Now: now})
	wantGenuine(tb, out)
	return out.Claims
}

// withAuthorities are a machine's certificates, and the lists.
func withAuthorities(tb testing.TB, m *simulator.Machine, lists ...*x509.RevocationList) *tee.Endorsements {
	tb.Helper()
	asvk, err := milan().ASVK()
	if err != nil {
		tb.Fatal(err)
	}
	e := authorities(milan(), m.Certificate, asvk.Certificate)
	for _, crl := range lists {
		e.AddCRL(crl)
	}
	return e
}

// lists are endorsements with nothing else.
func lists(all ...*x509.RevocationList) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, crl := range all {
		e.AddCRL(crl)
	}
	return e
}

// wantReview reviews claims and demands exactly these failures.
func wantReview(tb testing.TB, v *sevsnp.Verifier, recorded evidence.Claims, e *tee.Endorsements, at time.Time, failing ...evidence.Code) evidence.Claims {
	tb.Helper()
	claims, checks := v.Review(recorded, e, tee.Params{Now: at})
	failed := checks.Failed()
	if len(failed) != len(failing) || len(failing) > 0 && failed[0].Code != failing[0] {
		tb.Errorf("want %v to fail\n%s", failing, lines(checks))
	}
	return claims
}

func zeroSerial() *x509.Certificate { return &x509.Certificate{SerialNumber: new(big.Int)} }

// TestAttack_S32_RevokedSince: what was revoked after a machine was accepted.
func TestAttack_S32_RevokedSince(t *testing.T) {
	ark, ask := milan().ARK(), milan().ASK().Certificate
	asvk, err := milan().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	ofChip := recordedOf(t, newMachine(t, milan(), "review"))
	m, err := milan().NewMachine(simulator.MachineOptions{Name: "review of a provider's", CSPID: "CN=cloud.example"})
	if err != nil {
		t.Fatal(err)
	}
	ofProvider := recordedOf(t, m)
	if got := ofChip.Certificates; len(got) != 2 || got[0].Serial.String() != "00" || got[1].SerialNumber().Cmp(ask.SerialNumber) != 0 {
		t.Fatalf("recorded %+v", got)
	}
	const code = 1
	for name, c := range map[string]struct {
		lists          []*x509.RevocationList
		chip, provider int
	}{
		"the issuer":                 {[]*x509.RevocationList{list(t, ark, 9, start, ask)}, code, 0},
		"the providers' issuer":      {[]*x509.RevocationList{list(t, ark, 9, start, asvk.Certificate)}, 0, code},
		"the root":                   {[]*x509.RevocationList{list(t, ark, 9, start, ark.Certificate)}, code, code},
		"every key":                  {[]*x509.RevocationList{list(t, ark, 9, start, zeroSerial())}, code, code},
		"in an old list":             {[]*x509.RevocationList{list(t, ark, 1, now.AddDate(-3, 0, 0), ask), list(t, ark, 9, start)}, code, 0},
		"in the newest list":         {[]*x509.RevocationList{list(t, ark, 8, start), list(t, ark, 9, start.Add(time.Hour), ask)}, code, 0},
		"in a list to come":          {[]*x509.RevocationList{list(t, ark, 9, now.Add(time.Second), ask)}, 0, 0},
		"in a forged list":           {[]*x509.RevocationList{list(t, forger().ARK(), 9, start, ask, asvk.Certificate, zeroSerial())}, 0, 0},
		"in the list of other chips": {[]*x509.RevocationList{list(t, genoa().ARK(), 9, start, ask, zeroSerial())}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, recorded := range []struct {
				claims evidence.Claims
				fails  int
			}{{ofChip, c.chip}, {ofProvider, c.provider}} {
				fails := []evidence.Code{evidence.CodeSNPRevocation}[:recorded.fails]
				wantReview(t, trusting(), recorded.claims, lists(c.lists...), now, fails...)
				bare := recorded.claims.Clone()
				bare.Certificates = nil
				wantReview(t, trusting(), bare, lists(c.lists...), now)
			}
		})
	}
}

// TestAttack_S33_ListsGrowOldInReview: what is known of revocation gets better by newer
// lists, and no worse by lists that grow old or disappear.
func TestAttack_S33_ListsGrowOldInReview(t *testing.T) {
	ark, m := milan().ARK(), newMachine(t, milan(), "review of lists")
	expired, current := list(t, ark, 2, now.AddDate(-1, 0, -1)), list(t, ark, 3, start)
	newer := list(t, ark, 4, start.Add(time.Hour))
	without, checked := recordedOf(t, m, list(t, ark, 1, now.Add(time.Hour))), recordedOf(t, m, current)
	if without.SEVSNP.RevocationChecked || !checked.SEVSNP.RevocationChecked {
		t.Fatal("the records are not what they should be")
	}
	for name, c := range map[string]struct {
		recorded evidence.Claims
		e        *tee.Endorsements
		checked  bool
		next     time.Time
	}{
		"none before, none now":     {without, nil, false, time.Time{}},
		"none before, expired now":  {without, lists(expired), false, expired.NextUpdate},
		"none before, current now":  {without, lists(expired, current), true, current.NextUpdate},
		"current before, none now":  {checked, nil, true, current.NextUpdate},
		"current before, older now": {checked, lists(expired), true, current.NextUpdate},
		"current before, same now":  {checked, lists(current), true, current.NextUpdate},
		"current before, newer now": {checked, lists(current, newer), true, newer.NextUpdate},
	} {
		got := wantReview(t, trusting(), c.recorded, c.e, now).SEVSNP
		if got.RevocationChecked != c.checked || !got.RevocationNextUpdate.Equal(c.next) {
			t.Errorf("%s: checked %v, next %v", name, got.RevocationChecked, got.RevocationNextUpdate)
		}
	}
}

// TestReviewTrustAnchor: the root of a record must be one of this verifier's.
func TestReviewTrustAnchor(t *testing.T) {
	recorded := recordedOf(t, newMachine(t, milan(), "review of roots"))
	wantReview(t, newVerifier(t, milan().Anchor()), recorded, nil, now)
	wantReview(t, newVerifier(t), recorded, nil, now, evidence.CodeReviewAnchor)
	wantReview(t, newVerifier(t, genoa().Anchor()), recorded, nil, now, evidence.CodeReviewAnchor)
	wantReview(t, newVerifier(t, forger().Anchor()), recorded, nil, now, evidence.CodeReviewAnchor)

	// A record cannot make a simulated root real.
	recorded.Simulated, recorded.TrustAnchor.Origin = false, evidence.OriginPinned
	if got := wantReview(t, trusting(), recorded, nil, now); !got.Simulated || got.TrustAnchor.Origin != evidence.OriginSimulated {
		t.Errorf("by now it is %+v", got.TrustAnchor)
	}
	for name, c := range map[string]evidence.Claims{
		"nothing": {}, "no anchor": {Kind: evidence.KindSEVSNP, SEVSNP: recorded.SEVSNP}, "no report": {Kind: evidence.KindSEVSNP, TrustAnchor: recorded.TrustAnchor},
	} {
		if _, checks := trusting().Review(c, nil, tee.Params{Now: now}); len(checks) != 1 || checks[0].Status != evidence.NotPerformed {
			t.Errorf("%s:\n%s", name, lines(checks))
		}
	}
}

package sevsnp_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file lie in what is revoked, and in who says so.

// list issues a revocation list, valid for a year from its date.
func list(tb testing.TB, by *simulator.Issuer, number int64, at time.Time, revoked ...*x509.Certificate) *x509.RevocationList {
	tb.Helper()
	crl, err := by.CRL(simulator.CRLOptions{Number: number, ThisUpdate: at, NextUpdate: at.AddDate(1, 0, 0), Revoked: revoked})
	if err != nil {
		tb.Fatal(err)
	}
	return crl
}

// withLists verifies a genuine machine with these lists.
func withLists(tb testing.TB, at time.Time, lists ...*x509.RevocationList) tee.Outcome {
	tb.Helper()
	m := newMachine(tb, milan(), "revocation")
	e := authorities(milan(), m.Certificate)
	for _, crl := range lists {
		e.AddCRL(crl)
	}
	return trusting().Verify(item(tb, m), e, tee.Params{Now: at})
}

// wantUnchecked asserts that the report is genuine, but revocation unknown.
func wantUnchecked(tb testing.TB, out tee.Outcome) {
	tb.Helper()
	wantGenuine(tb, out)
	wantStatus(tb, out, evidence.CodeSNPRevocation, evidence.NotPerformed)
	if out.Claims.SEVSNP.RevocationChecked {
		tb.Error("the claims say that revocation was examined")
	}
}

func wantChecked(tb testing.TB, out tee.Outcome) {
	tb.Helper()
	wantGenuine(tb, out)
	wantStatus(tb, out, evidence.CodeSNPRevocation, evidence.Pass)
	if !out.Claims.SEVSNP.RevocationChecked {
		tb.Error("the claims do not say that revocation was examined")
	}
}

func TestAttack_S32_Revoked(t *testing.T) {
	ark := milan().ARK()
	asvk, err := milan().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, withLists(t, now, list(t, ark, 2, start, milan().ASK().Certificate)), evidence.CodeSNPRevocation)
	wantRefused(t, withLists(t, now, list(t, ark, 2, start, ark.Certificate)), evidence.CodeSNPRevocation)
	wantChecked(t, withLists(t, now, list(t, ark, 2, start, asvk.Certificate)))

	m, err := milan().NewMachine(simulator.MachineOptions{Name: "revoked provider", CSPID: "CN=cloud.example"})
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	e.AddCRL(list(t, ark, 2, start, asvk.Certificate))
	wantRefused(t, trusting().Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPRevocation)

	key := newKey(t)
	cert := template(milan())
	cert.SerialNumber = big.NewInt(0x777)
	leaf := issue(t, milan().ASK(), cert, key.Public())
	e = authorities(milan(), leaf)
	e.AddCRL(list(t, ark, 2, start, leaf))
	wantRefused(t, trusting().Verify(key.report(t, milan()), e, tee.Params{Now: now}), evidence.CodeSNPRevocation)
}

func TestAttack_S33_ListOutOfItsTime(t *testing.T) {
	ark, ask := milan().ARK(), milan().ASK().Certificate
	expired, future := list(t, ark, 2, now.AddDate(-1, 0, -1)), list(t, ark, 3, now.Add(time.Second))
	wantUnchecked(t, withLists(t, now, expired))
	wantUnchecked(t, withLists(t, now, future))
	wantUnchecked(t, withLists(t, now, expired, future))

	last := list(t, ark, 2, now.AddDate(-1, 0, 0)) // ends now, and so is over
	wantUnchecked(t, withLists(t, now, last))
	wantChecked(t, withLists(t, now.Add(-time.Second), last))

	// A list that lists stays true when it is old.
	wantRefused(t, withLists(t, now, list(t, ark, 1, now.AddDate(-3, 0, 0), ask)), evidence.CodeSNPRevocation)
}

func TestAttack_S33_Rollback(t *testing.T) {
	ark, ask := milan().ARK(), milan().ASK().Certificate
	older, newer := list(t, ark, 7, start), list(t, ark, 8, start.Add(time.Hour), ask)
	wantRefused(t, withLists(t, now, older, newer), evidence.CodeSNPRevocation)
	wantRefused(t, withLists(t, now, newer, older), evidence.CodeSNPRevocation)
	// The newest decides whether the lists are current, whatever an older one promised.
	long, err := ark.CRL(simulator.CRLOptions{Number: 1, ThisUpdate: start, NextUpdate: start.AddDate(20, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	short := list(t, ark, 2, start)
	wantUnchecked(t, withLists(t, start.AddDate(2, 0, 0), long, short))
	wantUnchecked(t, withLists(t, start.AddDate(2, 0, 0), short, long))
	out := withLists(t, now, short, long)
	wantChecked(t, out)
	if !out.ValidUntil.Equal(short.NextUpdate) {
		t.Errorf("valid until %v, want %v", out.ValidUntil, short.NextUpdate)
	}
}

func TestAttack_S34_ForgedListDoesNotStick(t *testing.T) {
	m := newMachine(t, milan(), "forged list")
	forged := list(t, forger().ARK(), 99, start, milan().ASK().Certificate)
	good := list(t, milan().ARK(), 2, start)
	v := trusting()
	verify := func(lists ...*x509.RevocationList) tee.Outcome {
		e := authorities(milan(), m.Certificate)
		for _, crl := range lists {
			e.AddCRL(crl)
		}
		return v.Verify(item(t, m), e, tee.Params{Now: now})
	}
	for range 2 {
		wantUnchecked(t, verify(forged))
		wantChecked(t, verify(forged, good))
		wantChecked(t, verify(good))
	}
	if check, _ := verify(forged, good).Checks.Get(evidence.CodeSNPRevocation); check.Got != "list number 2 of 2026-03-01T12:00:00Z, next 2027-03-01T12:00:00Z; ignored: a list that the root did not sign" {
		t.Errorf("got %q", check.Got)
	}
}

func TestAttack_S34_ListThatSaysLess(t *testing.T) {
	ark := milan().ARK()
	signedList := func(edit func(*x509.RevocationList)) *x509.RevocationList {
		template := &x509.RevocationList{SignatureAlgorithm: x509.SHA384WithRSAPSS, Number: big.NewInt(9), ThisUpdate: start, NextUpdate: start.AddDate(1, 0, 0)}
		edit(template)
		der, err := x509.CreateRevocationList(nil, template, ark.Certificate, ark.Key)
		if err != nil {
			t.Fatal(err)
		}
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return crl
	}
	wantChecked(t, withLists(t, now, signedList(func(*x509.RevocationList) {})))
	wantUnchecked(t, withLists(t, now, signedList(func(l *x509.RevocationList) { // of limited scope
		l.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	})))
	wantUnchecked(t, withLists(t, now, signedList(func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA384WithRSA })))
}

func TestAttack_S35_NoList(t *testing.T) {
	wantUnchecked(t, withLists(t, now))
	wantUnchecked(t, withLists(t, now, list(t, genoa().ARK(), 2, start))) // another root's
}

// TestProofsOutliveNothing shows that what a verifier remembers does not carry a
// certificate over its end, nor over its revocation.
func TestProofsOutliveNothing(t *testing.T) {
	m := newMachine(t, milan(), "remembered")
	e := authorities(milan(), m.Certificate)
	v := trusting()
	for range 3 {
		wantGenuine(t, v.Verify(item(t, m), e, tee.Params{Now: now}))
	}
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: m.Certificate.NotAfter.Add(time.Second)}), evidence.CodeSNPValidity)
	current := list(t, milan().ARK(), 2, start)
	e.AddCRL(current)
	wantChecked(t, v.Verify(item(t, m), e, tee.Params{Now: now}))
	wantUnchecked(t, v.Verify(item(t, m), e, tee.Params{Now: current.NextUpdate}))
	e.AddCRL(list(t, milan().ARK(), 3, start, milan().ASK().Certificate))
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPRevocation)
	// A remembered chain clears no other report.
	report := item(t, m)
	report.Report[0x90] ^= 1
	wantRefused(t, v.Verify(report, authorities(milan(), m.Certificate), tee.Params{Now: now}), evidence.CodeSNPSignature)
}

// TestOnlyProofsAreRemembered shows that nothing unproven fills the memory.
func TestOnlyProofsAreRemembered(t *testing.T) {
	v := newVerifier(t, milan().Anchor(), genoa().Anchor())
	before := v.Remembered() // the issuers that the build carries
	e := published(forger())
	e.AddCRL(list(t, forger().ARK(), 2, start))
	v.Verify(item(t, newMachine(t, forger(), "unknown")), e, tee.Params{Now: now})
	if got := v.Remembered(); got != before {
		t.Errorf("without a proof %v are remembered, before %v", got, before)
	}
	m := newMachine(t, milan(), "known")
	report := item(t, m)
	report.Certificates = [][]byte{m.Certificate.Raw}
	for range 2 {
		wantGenuine(t, v.Verify(report, published(milan()), tee.Params{Now: now}))
	}
	if got := v.Remembered(); got != [4]int{before[0] + 1, before[1] + 1, before[2] + 1, before[3] + 1} {
		t.Errorf("%v are remembered, before %v; want one more of each", got, before)
	}
}

// TestVerifyConcurrent verifies on many goroutines with one verifier and one set
// of endorsements.
func TestVerifyConcurrent(t *testing.T) {
	report, e := sample(t)
	v := newVerifier(t)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for range 4 {
				if out := v.Verify(report, e, tee.Params{Now: sampleTime}); !out.Genuine() {
					t.Errorf("not genuine on goroutine %d", n)
				}
			}
		})
	}
	group.Wait()
}

package verifier_test

import (
	"crypto/x509"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

var (
	keyName = tee.EndorsementName{Type: "vcek", ID: "Milan/00"}
	crlName = tee.EndorsementName{Type: "crl", ID: "vcek/Milan"}
)

// collateral is an endorsement store for tests: a technology over it misses a key
// until there is an entry, and lacks a list until there are two.
type collateral struct {
	*service
	stored  *tee.Endorsements
	stray   bool // the sender's own certificate does not fit, which is a failure
	foreign bool // something else is wrong, too
	debug   bool // which no policy here allows
}

func (c *collateral) add(raw string) { c.stored = c.with(raw).Over(c.stored) }

func (c *collateral) with(raw string) *tee.Endorsements {
	e := &tee.Endorsements{}
	e.AddCertificate(&x509.Certificate{Raw: []byte(raw)})
	return e
}

func (c *collateral) judge(item evidence.Item, e *tee.Endorsements, _ tee.Params) tee.Outcome {
	claims := teetest.Claims(evidence.KindSEVSNP)
	claims.SEVSNP.RevocationChecked, claims.SEVSNP.Policy.Debug = e.Len() >= 2, c.debug
	o := teetest.Genuine(claims, teetest.ReportData(item))
	if e.Len() == 0 {
		o.Missing = []tee.EndorsementName{keyName}
		if c.stray {
			o.Checks.Fail(evidence.CodeSNPTCB, "", "")
		}
	}
	if c.foreign {
		o.Checks.Fail(evidence.CodeSNPSize, "", "")
		o.Missing = nil
	}
	if e.Len() < 2 {
		o.Lacking = []tee.EndorsementName{crlName}
	}
	return o
}

func newCollateral(t *testing.T) (*collateral, *verifier.Verifier) {
	t.Helper()
	c := &collateral{service: newService()}
	c.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindSEVSNP, Judge: c.judge}}
	c.endorsements = func() *tee.Endorsements { return c.stored }
	return c, c.verifier(t)
}

// One challenge, one identity: fetching what is wanted leads from undecided to
// accepted, under the same ID, and an old result cannot be used again.
func TestReappraise(t *testing.T) {
	for name, stray := range map[string]bool{"missing": false, "the sender's own does not fit": true} {
		t.Run(name, func(t *testing.T) {
			c, v := newCollateral(t)
			c.stray = stray
			a := c.answer(t, evidence.KindSEVSNP)
			first := appraise(t, v, a.request(t))
			want := verifier.Undecided
			if stray {
				want = verifier.Rejected
			}
			if got := first.Wanted(); first.Verdict() != want || !slices.Equal(got, []tee.EndorsementName{keyName}) {
				t.Fatalf("%s, wanting %v", first.Verdict(), got)
			}
			c.add("key")
			second := reappraise(t, v, first)
			if got := second.Wanted(); second.Verdict() != verifier.Undecided || !slices.Equal(got, []tee.EndorsementName{crlName}) {
				t.Fatalf("%s, wanting %v: %v", second.Verdict(), got, second.Checks().Failed())
			}
			c.add("list")
			third := reappraise(t, v, second)
			key, ok := third.CertificateKey()
			if !third.Accepted() || third.ID() != first.ID() || !ok || !key.Equal(a.key) || string(third.Nonce()) != string(a.challenge.Nonce[:]) {
				t.Fatalf("%s: %v", third.Verdict(), third.Checks().Failed())
			}
			for name, r := range map[string]verifier.Result{"first": first, "second": second, "accepted": third, "zero": {}} {
				if again, err := v.Reappraise(r); err == nil || again.Valid() {
					t.Errorf("the %s result was appraised again", name)
				}
			}
			refusedWith(t, v, a.request(t), evidence.CodeChallengeSpent)
		})
	}
}

// However many try at once, one of them replaces a result.
func TestReappraiseAtOnce(t *testing.T) {
	c, v := newCollateral(t)
	first := appraise(t, v, c.answer(t, evidence.KindSEVSNP).request(t))
	c.add("key")
	c.add("list")
	var accepted atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if r, err := v.Reappraise(first); err == nil && r.Accepted() {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d identities for one challenge", n)
	}
}

// The challenge does not outlive its time because a vendor is slow.
func TestReappraiseExpired(t *testing.T) {
	c, v := newCollateral(t)
	first := appraise(t, v, c.answer(t, evidence.KindSEVSNP).request(t))
	c.add("key")
	c.add("list")
	c.at = c.at.Add(verifier.ChallengeTTL + time.Second)
	again, err := v.Reappraise(first)
	if evidence.CodeOf(err) != evidence.CodeChallengeExpired || again.Valid() {
		t.Errorf("%v, valid: %v", err, again.Valid())
	}
}

// What no endorsement can change is not worth fetching for.
func TestNothingWanted(t *testing.T) {
	for name, spoil := range map[string]func(*collateral, *answer){
		"another failure": func(c *collateral, _ *answer) { c.foreign = true },
		"a stale binding": func(_ *collateral, a *answer) { a.challenge.Nonce[0]++ },
		"policy refuses":  func(c *collateral, _ *answer) { c.add("key"); c.add("list"); c.debug = true },
		"accepted":        func(c *collateral, _ *answer) { c.add("key"); c.add("list") },
	} {
		t.Run(name, func(t *testing.T) {
			c, v := newCollateral(t)
			a := c.answer(t, evidence.KindSEVSNP)
			spoil(c, &a)
			r := appraise(t, v, a.request(t))
			if got := r.Wanted(); len(got) > 0 {
				t.Errorf("%s, wanting %v", r.Verdict(), got)
			}
			if again, err := v.Reappraise(r); err == nil || again.Valid() {
				t.Error("it was appraised again")
			}
		})
	}
}

// Endorsements that come with the evidence are used for it, and for nothing else.
func TestStapledEndorsements(t *testing.T) {
	c, v := newCollateral(t)
	request := c.answer(t, evidence.KindSEVSNP).request(t)
	request.Endorsements = c.with("list").Over(c.with("key"))
	if r := appraise(t, v, request); !r.Accepted() {
		t.Errorf("%s: %v", r.Verdict(), r.Checks().Failed())
	}
	if r := appraise(t, v, c.answer(t, evidence.KindSEVSNP).request(t)); r.Verdict() != verifier.Undecided {
		t.Errorf("without them: %s", r.Verdict())
	}
}

func reappraise(t *testing.T, v *verifier.Verifier, r verifier.Result) verifier.Result {
	t.Helper()
	next, err := v.Reappraise(r)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// An examination wants what is missing and what left checks undone, unless nothing helps.
func TestExaminationWants(t *testing.T) {
	c, v := newCollateral(t)
	bundle := c.answer(t, evidence.KindSEVSNP).request(t).Bundle
	if got := v.Examine(bundle, nil).Wanted(); !slices.Equal(got, []tee.EndorsementName{keyName, crlName}) {
		t.Errorf("wanting %v", got)
	}
	if got := v.Examine(bundle, make([]byte, 64)).Wanted(); got != nil {
		t.Errorf("with another's report data: wanting %v", got)
	}
	c.foreign = true
	if got := v.Examine(bundle, nil).Wanted(); got != nil {
		t.Errorf("with another failure: wanting %v", got)
	}
}

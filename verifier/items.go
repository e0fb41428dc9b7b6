package verifier

import (
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Item is what was found in one item of evidence.
type Item struct {
	Kind    evidence.Kind
	Outcome tee.Outcome
}

// appraisal is what an appraisal judges.
type appraisal struct {
	bundle       evidence.Bundle
	expected     *expectation
	key          evidence.Key      // that is to be certified; the zero Key if none is
	endorsements *tee.Endorsements // came with the evidence
}

// judge verifies every item of a bundle, that it is bound, and that the items
// belong together. TPMs come last in a bundle: others may vouch for their keys.
func (v *Verifier) judge(a appraisal, earlier func(evidence.Digest) *tee.KeyState, now time.Time) []Item {
	endorsements := a.endorsements.Over(v.endorsements())
	c := newComposite(a.bundle)
	items := make([]Item, len(a.bundle))
	for i, item := range a.bundle {
		params := tee.Params{Now: now, Pooled: v.pooled}
		if item.Kind() == evidence.KindTPM {
			params.Vouched, params.Earlier = c.vouched, earlier
		}
		outcome := v.verify(item, endorsements, params)
		markSimulated(&outcome.Claims)
		outcome.Checks = slices.Clone(outcome.Checks) // a technology may remember them
		if item.Kind() != evidence.KindTPM {
			v.vouch(c, item, &outcome)
		}
		items[i] = Item{item.Kind(), outcome}
	}
	for i := range items {
		outcome := &items[i].Outcome
		c.bind(a, i, outcome, items)
		for j := range outcome.Checks {
			outcome.Checks[j].Kind = items[i].Kind
		}
	}
	return items
}

// verify calls the technology's verifier behind a fence: a verifier that panics
// has refused.
func (v *Verifier) verify(item evidence.Item, e *tee.Endorsements, p tee.Params) (outcome tee.Outcome) {
	technology, ok := v.technologies[item.Kind()]
	if !ok {
		outcome.Checks.Fail(evidence.CodeKindUnsupported, "a kind that this service verifies", string(item.Kind()))
		return outcome
	}
	defer func() {
		if fault := recover(); fault != nil || !isOf(item.Kind(), outcome.Claims) {
			outcome = tee.Outcome{}
			outcome.Checks.Fail(evidence.CodeVerifierFault, "a verdict", fmt.Sprintf("the %s verifier failed", item.Kind()))
		}
	}()
	return technology.Verify(item, e, p)
}

// isOf reports whether claims speak of no other kind than this.
func isOf(kind evidence.Kind, c evidence.Claims) bool {
	return (c.Kind == kind || c.Kind == "") &&
		(c.SEVSNP == nil || kind == evidence.KindSEVSNP) &&
		(c.TDX == nil || kind == evidence.KindTDX) &&
		(c.TPM == nil || kind == evidence.KindTPM)
}

// markSimulated holds the mark of simulation to the trust anchor's origin, so that
// neither can be forgotten.
func markSimulated(c *evidence.Claims) {
	if c.TrustAnchor != nil && c.TrustAnchor.Origin == evidence.OriginSimulated {
		c.Simulated = true
	}
}

package verifier

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Review judges claims that evidence was accepted by before once more: by the endorsements, trust anchors and
// consents of now. It returns the claims as they are by now, and checks: what fails is known to speak against them.
// That an endorsement is missing or has expired is no such thing: then what was recorded stands (not-performed/warn).
//
// The claims are those of one appraisal, all of them: a TPM's key may rest on
// another item. No policy is asked, and no challenge. It never panics, whatever
// the claims are.
func (v *Verifier) Review(recorded []evidence.Claims) (claims []evidence.Claims, checks evidence.Checks) {
	r := &review{
		v: v, endorsements: v.endorsements(),
		params: tee.Params{Now: v.now(), Pooled: v.pooled}, anchors: map[evidence.Kind]*evidence.TrustAnchor{},
	}
	if v.states != nil {
		r.params.Earlier = (&recall{states: v.states}).revocation
	}
	claims = make([]evidence.Claims, len(recorded))
	for _, isTPM := range []bool{false, true} { // others may vouch for a TPM's key
		for i, c := range recorded {
			if (c.Kind == evidence.KindTPM) != isTPM {
				continue
			}
			var found evidence.Checks
			claims[i], found = r.judge(c)
			for _, check := range found {
				check.Kind = c.Kind
				checks = append(checks, check)
			}
		}
	}
	return claims, checks
}

// review is one review of all claims of an appraisal.
type review struct {
	v            *Verifier
	endorsements *tee.Endorsements
	params       tee.Params
	anchors      map[evidence.Kind]*evidence.TrustAnchor // of items that nothing speaks against
}

// judge reviews the claims of one item.
func (r *review) judge(recorded evidence.Claims) (evidence.Claims, evidence.Checks) {
	p := r.params
	if recorded.TPM != nil && recorded.TPM.AKVouchedBy != "" {
		by := recorded.TPM.AKVouchedBy
		p.Vouched = &tee.VouchedKey{By: by, Anchor: r.anchors[by]}
	}
	c, checks := r.ask(recorded, p)
	markSimulated(&c)
	if c.Simulated && !r.v.simulated {
		checks.Fail(evidence.CodeSimulatedAllowed, "the consent of the service", "simulated evidence")
	}
	if len(checks.Failed()) == 0 {
		r.anchors[c.Kind] = c.Clone().TrustAnchor
	}
	return c, checks
}

// ask calls the technology's reviewer behind a fence: one that panics has found nothing.
func (r *review) ask(recorded evidence.Claims, p tee.Params) (c evidence.Claims, checks evidence.Checks) {
	technology, ok := r.v.technologies[recorded.Kind]
	if !ok {
		checks.Fail(evidence.CodeKindUnsupported, "a kind that this service verifies", fmt.Sprintf("%.32q", recorded.Kind))
		return recorded.Clone(), checks
	}
	reviewer, ok := technology.(tee.Reviewer)
	if !ok || !isOf(recorded.Kind, recorded) {
		checks.NotPerformed(evidence.CodeReviewClaims, "", "there is no reviewer, or the claims are of another kind")
		return recorded.Clone(), checks
	}
	defer func() {
		if recover() != nil {
			c, checks = recorded.Clone(), nil
			checks.NotPerformed(evidence.CodeReviewClaims, "a review", fmt.Sprintf("the %s verifier failed", recorded.Kind))
		}
	}()
	return reviewer.Review(recorded, r.endorsements, p)
}

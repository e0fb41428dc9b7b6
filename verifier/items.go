package verifier

import (
	"crypto/sha256"
	"crypto/subtle"
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

// expectation says which caller's data evidence of a kind must carry. Nil means
// that nobody expects anything: freshness is then not judged.
type expectation struct {
	want  string
	holds func(kind evidence.Kind, got []byte) bool
}

// appraisal is what an appraisal judges.
type appraisal struct {
	bundle       evidence.Bundle
	expected     *expectation
	endorsements *tee.Endorsements // came with the evidence
}

// judge verifies every item of a bundle and compares its binding.
func (v *Verifier) judge(a appraisal, now time.Time) []Item {
	endorsements := a.endorsements.Over(v.endorsements())
	items := make([]Item, len(a.bundle))
	for i, item := range a.bundle {
		outcome := v.verify(item, endorsements, tee.Params{Now: now, Pooled: v.pooled})
		markSimulated(&outcome.Claims)
		outcome.Checks = slices.Clone(outcome.Checks) // a technology may remember them
		compare(&outcome, item.Kind(), a.expected)
		for j := range outcome.Checks {
			outcome.Checks[j].Kind = item.Kind()
		}
		items[i] = Item{item.Kind(), outcome}
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

// compare adds the check of the binding, over all bytes and in constant time.
func compare(outcome *tee.Outcome, kind evidence.Kind, expected *expectation) {
	switch {
	case outcome.ReportData == nil:
		outcome.Checks.NotPerformed(evidence.CodeBinding, "", "the evidence could not be decoded")
	case expected == nil:
		outcome.Checks.NotPerformed(evidence.CodeBinding, "", "no report data to compare with was given, so freshness is not judged")
	case expected.holds(kind, outcome.ReportData):
		outcome.Checks.Pass(evidence.CodeBinding, fmt.Sprintf("%d bytes equal", len(outcome.ReportData)))
	default:
		outcome.Checks.Fail(evidence.CodeBinding, expected.want, evidence.Hex(outcome.ReportData).String())
	}
}

// ofBinding expects what the binding puts into evidence of each kind.
func ofBinding(binding evidence.Binding) *expectation {
	return &expectation{"the binding of this challenge, key, audience and bundle", func(kind evidence.Kind, got []byte) bool {
		return subtle.ConstantTimeCompare(binding.ReportData(kind), got) == 1
	}}
}

// ofCaller expects the caller's own data: exactly these bytes, or, in a TPM
// quote, whose qualifying data is short, the SHA-256 of 64 of them.
func ofCaller(data []byte) *expectation {
	if data == nil {
		return nil
	}
	return &expectation{evidence.Hex(data).String(), func(kind evidence.Kind, got []byte) bool {
		equal := subtle.ConstantTimeCompare(data, got)
		if kind == evidence.KindTPM && len(data) == 64 {
			sum := sha256.Sum256(data)
			equal |= subtle.ConstantTimeCompare(sum[:], got)
		}
		return equal == 1
	}}
}

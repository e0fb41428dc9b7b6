package verifier

import (
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
)

// Examination is a judgement of genuineness alone. Nothing can be issued on it.
type Examination struct {
	Verdict Verdict // Genuine, Rejected or Undecided
	Items   []Item
	// Checks lists the checks of every item; then, as warnings, what the default
	// policy would deny.
	Checks evidence.Checks
}

// Examine judges formats, signatures, chains, revocation, validity and, if
// reportData is not nil, that the evidence carries it. No policy is asked; what
// the strict defaults would deny is listed with status Warn.
// What is no bundle at all (empty, two items of one kind) is rejected.
func (v *Verifier) Examine(bundle evidence.Bundle, reportData []byte) Examination {
	return v.ExamineAt(bundle, reportData, v.now())
}

// ExamineAt is Examine as of another time.
func (v *Verifier) ExamineAt(bundle evidence.Bundle, reportData []byte, at time.Time) Examination {
	bundle, err := evidence.NewBundle(bundle...)
	if err != nil {
		var checks evidence.Checks
		checks.Fail(evidence.CodeOf(err), "a bundle of evidence", err.Error())
		return Examination{Verdict: Rejected, Checks: checks}
	}
	r := &result{items: v.judge(appraisal{bundle: bundle, expected: ofCaller(reportData)}, nil, at)}
	verdict := gather(r)
	if verdict == Genuine {
		r.checks = append(r.checks, policies.Advise(claimsOf(r.items))...)
	}
	return Examination{Verdict: verdict, Items: r.items, Checks: r.checks}
}

// Missing lists the endorsements that were needed and not at hand.
func (e Examination) Missing() []tee.EndorsementName { return missingOf(e.Items) }

// Wanted lists the endorsements with which an examination could say more: what is
// missing, and what left checks undone. It is empty if something speaks against
// the evidence that no endorsement could change.
func (e Examination) Wanted() []tee.EndorsementName {
	if !curable(e.Items) {
		return nil
	}
	return append(missingOf(e.Items), lackingOf(e.Items)...)
}

package verifier

import (
	"errors"

	"github.com/quotary/quotary/evidence"
)

// Reappraise judges the evidence of a result once more, with the endorsements that
// are at hand now: those that [Result.Wanted] names were fetched in between. The
// challenge stays spent, so the new result takes the place of the old one, under
// its ID, and each result can be replaced once. The error is an *evidence.Error
// with evidence.CodeChallengeExpired if fetching took longer than the challenge lives.
func (v *Verifier) Reappraise(r Result) (Result, error) {
	if !r.Valid() || len(r.Wanted()) == 0 {
		return Result{}, errors.New("verifier: no endorsement would change this result")
	}
	if !r.r.replaced.CompareAndSwap(false, true) {
		return Result{}, errors.New("verifier: this result was appraised again before")
	}
	now := v.now()
	if expires := r.r.challenge.Expires; !expires.IsZero() && !now.Before(expires) {
		return Result{}, evidence.Errorf(evidence.CodeChallengeExpired, "challenge",
			"the challenge expired while endorsements were fetched; ask for a new one")
	}
	next := &result{id: r.r.id, challenge: r.r.challenge, appraisal: r.r.appraisal, key: r.r.key, appraisedAt: now}
	v.conclude(next)
	return Result{next}, nil
}

package attacks

import (
	"context"

	"github.com/quotary/quotary/evidence"
)

// snpUnlisted is an honest machine at a service that has no revocation list but what
// is sent along.
const snpUnlisted = "snp-unlisted"

// unlistedSubject is that machine, beside the one that it is like.
func unlistedSubject(like Subject) Subject {
	return Subject{Name: snpUnlisted, Machine: like.Machine, Honest: unendorsed(stapled(list{number: 5}))}
}

// unlisted is a case at such a service, with these lists.
func unlisted(name string, lists ...list) Case {
	return Case{
		Name: name + ", where there is no other", Subject: snpUnlisted,
		Want: codes(evidence.CodeEndorsementsMissing), Behind: codes(evidence.CodePolicySNPRevocation), Try: unendorsed(stapled(lists...)),
	}
}

// unendorsed tries at the target's neighbour without endorsements.
func unendorsed(what try) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		other, err := a.Unendorsed()
		if err != nil {
			return Got{}, err
		}
		return what(ctx, other)
	}
}

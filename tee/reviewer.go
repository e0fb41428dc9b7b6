package tee

import "github.com/quotary/quotary/evidence"

// Reviewer judges claims of evidence that was accepted before, which is not at
// hand any more, by the trust anchors and endorsements of now. It is as pure as a
// [Verifier].
//
// Only what is known speaks against a machine: an authentic revocation list names
// a certificate, or a trust anchor is trusted no more. That an endorsement is
// absent, forged or out of date, or that certificates have expired since, proves
// nothing: then the check is not performed, and what was recorded stands. So
// do claims that do not say what a review needs.
type Reviewer interface {
	// Review returns the claims as they are by now, and checks, of which those that
	// fail speak against the evidence. Of p it takes Now, Earlier, and of Vouched By and
	// Anchor: which item vouches for a TPM's key, and what that rests on by now. It
	// changes nothing of recorded, and never panics on any claims.
	Review(recorded evidence.Claims, e *Endorsements, p Params) (evidence.Claims, evidence.Checks)
}

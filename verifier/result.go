package verifier

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
)

// Verdict is the end of an appraisal or examination.
type Verdict string

// The verdicts.
const (
	Accepted  Verdict = "accepted"  // genuine, bound, and a workload's policy grants it an identity
	Rejected  Verdict = "rejected"  // not genuine, not bound, or no policy grants it anything
	Undecided Verdict = "undecided" // an endorsement is missing
	Genuine   Verdict = "genuine"   // an examination only: genuine, and no policy was asked
)

// Result is a finished appraisal. Only [Verifier.Appraise] makes one; the zero
// Result is not valid. It is immutable.
type Result struct{ r *result }

type result struct {
	id           string
	verdict      Verdict
	challenge    evidence.Challenge // the zero Challenge for a background check
	appraisal    appraisal
	replaced     atomic.Bool // by a second appraisal
	nonce        []byte
	key          evidence.Key
	items        []Item
	checks       evidence.Checks
	decision     policies.Decision
	appraisedAt  time.Time
	validUntil   time.Time
	simulated    bool
	policyDigest string
	update       *KeyUpdate
}

// Valid reports whether r came from an appraisal.
func (r Result) Valid() bool { return r.r != nil }

// Accepted reports whether the evidence passed. It is false for the zero Result.
func (r Result) Accepted() bool { return r.r != nil && r.r.verdict == Accepted }

// CertificateKey returns the attested key and true if a certificate may be
// issued on r: accepted, for the purpose of a certificate, under a challenge of
// this service.
func (r Result) CertificateKey() (evidence.Key, bool) {
	if !r.Accepted() || r.r.challenge.Purpose != evidence.PurposeCertificate || r.r.key.IsZero() {
		return evidence.Key{}, false
	}
	return r.r.key, true
}

// ID is the appraisal's own random name, 32 hex digits.
func (r Result) ID() string { return r.r.id }

// Verdict returns Accepted, Rejected or Undecided.
func (r Result) Verdict() Verdict { return r.r.verdict }

// Purpose is what the challenge was for, or empty for a background check.
func (r Result) Purpose() evidence.Purpose { return r.r.challenge.Purpose }

// Audience is the trust domain of the challenge, or empty for a background check.
func (r Result) Audience() string { return r.r.challenge.Audience }

// Nonce is what proves freshness: the challenge's nonce, once the evidence was
// found to carry its binding; in a background check the caller's data as found in
// the evidence. Nil if neither was found.
func (r Result) Nonce() []byte { return slices.Clone(r.r.nonce) }

// Key is the attested key, or the zero Key for a background check.
func (r Result) Key() evidence.Key { return r.r.key }

// Identity is what policy grants; the zero Identity unless accepted.
func (r Result) Identity() policies.Identity {
	return r.r.decision.Identity.Clone()
}

// Workload is the name of the workload that matched, or that came nearest.
func (r Result) Workload() string { return r.r.decision.Workload }

// PolicyDigest identifies the policy set that decided.
func (r Result) PolicyDigest() string { return r.r.policyDigest }

// Relaxed names what the policy relaxed of the strict defaults.
func (r Result) Relaxed() []string { return slices.Clone(r.r.decision.Relaxed) }

// Advisories lists the security bulletins whose demands the platform does not meet,
// as the policy's table knows them, whatever the verdict.
func (r Result) Advisories() []policies.Advisory { return slices.Clone(r.r.decision.Advisories) }

// Checks lists every check that was made: of each item, then of policy.
func (r Result) Checks() evidence.Checks { return slices.Clone(r.r.checks) }

// Items lists what was found in each item, in the bundle's order. What an item
// claims counts only if r is Accepted.
func (r Result) Items() []Item {
	items := slices.Clone(r.r.items)
	for i := range items {
		o := &items[i].Outcome
		o.Checks, o.Missing, o.Lacking = slices.Clone(o.Checks), slices.Clone(o.Missing), slices.Clone(o.Lacking)
		o.Claims, o.ReportData = o.Claims.Clone(), slices.Clone(o.ReportData)
	}
	return items
}

// Claims lists the claims of each item, copied, in the bundle's order. They count
// only if r is Accepted.
func (r Result) Claims() []evidence.Claims {
	claims := claimsOf(r.r.items)
	for i := range claims {
		claims[i] = claims[i].Clone()
	}
	return claims
}

// ReportData lists the caller's data as each item carries it, in the bundle's order.
func (r Result) ReportData() [][]byte {
	var out [][]byte
	for _, item := range r.r.items {
		out = append(out, slices.Clone(item.Outcome.ReportData))
	}
	return out
}

// Missing lists the endorsements that were needed and not at hand: without
// which nothing can be decided, or without which the policy could not decide.
func (r Result) Missing() []tee.EndorsementName {
	if r.r.verdict == Undecided && r.r.policyDigest != "" {
		return lackingOf(r.r.items)
	}
	return missingOf(r.r.items)
}

// Wanted lists the endorsements with which the verdict could become another:
// see [Verifier.Reappraise]. It is empty if something speaks against the evidence
// that no endorsement could change, its binding for example.
func (r Result) Wanted() []tee.EndorsementName {
	if r.r.verdict == Undecided {
		return r.Missing()
	}
	if r.r.verdict == Accepted || r.r.policyDigest != "" || !curable(r.r.items) {
		return nil
	}
	return r.Missing()
}

// curable reports whether nothing speaks against any item but what endorsements
// could change.
func curable(items []Item) bool {
	for _, item := range items {
		binding, _ := item.Outcome.Checks.Get(evidence.CodeBinding)
		if !item.Outcome.Genuine() && (len(item.Outcome.Missing) == 0 || binding.Status == evidence.Fail) {
			return false
		}
	}
	return true
}

// KeyUpdate returns what must be recorded about the TPM's attestation key before
// anything leaves, or nil.
func (r Result) KeyUpdate() *KeyUpdate {
	if !r.Accepted() || r.r.update == nil {
		return nil
	}
	update := *r.r.update
	return &update
}

// Simulated reports whether any item rests on a simulated root.
func (r Result) Simulated() bool { return r.r.simulated }

// AppraisedAt is the instant of the appraisal.
func (r Result) AppraisedAt() time.Time { return r.r.appraisedAt }

// ValidUntil is the earliest end of validity of what the result rests on
// (certificates, CRLs, collateral, reference values); nothing issued on it
// should live longer. Zero means that nothing bounds it.
func (r Result) ValidUntil() time.Time { return r.r.validUntil }

func claimsOf(items []Item) []evidence.Claims {
	claims := make([]evidence.Claims, len(items))
	for i, item := range items {
		claims[i] = item.Outcome.Claims
	}
	return claims
}

// missingOf lists each once: what an item lacks, a key lacks that it vouches for.
func missingOf(items []Item) []tee.EndorsementName {
	var missing []tee.EndorsementName
	for _, item := range items {
		for _, name := range item.Outcome.Missing {
			if !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// lackingOf lists what left checks undone that a policy may ask for.
func lackingOf(items []Item) []tee.EndorsementName {
	var lacking []tee.EndorsementName
	for _, item := range items {
		lacking = append(lacking, item.Outcome.Lacking...)
	}
	return lacking
}

// earliest returns the earlier of two instants, where zero means unbounded.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

package policies

import (
	"cmp"
	"slices"
	"sync"

	"github.com/quotary/quotary/evidence"
)

// Shadow is a candidate set that is tried beside the active one. It is no [Set],
// and what it decides is no [Decision], so that nothing can be granted by it.
type Shadow struct{ set *Set }

// NewShadow makes a shadow of a set. A nil set accepts nothing.
func NewShadow(set *Set) *Shadow { return &Shadow{set} }

// Digest is the set's.
func (s *Shadow) Digest() string { return s.set.Digest() }

// Try evaluates like [Set.Evaluate].
func (s *Shadow) Try(in Input) ShadowDecision {
	d := s.set.Evaluate(in)
	return ShadowDecision{verdict: d.Verdict, workload: d.Workload, identity: d.Identity, reason: firstInTheWay(&d), digest: d.Digest}
}

// firstInTheWay returns the code of the first check that stands in the way, zero if none does.
func firstInTheWay(d *Decision) evidence.Code {
	if d.Verdict == Accepted || len(d.Checks) == 0 {
		return evidence.Code{}
	}
	if d.Checks[0].Code == evidence.CodePolicyWorkload {
		if found := inTheWay(d.Checks[1:]); len(found) > 0 {
			return found[0].Code
		}
	}
	return d.Checks[len(d.Checks)-1].Code
}

// ShadowDecision is what a shadow would have decided. Of the identity it keeps
// only whether it is the same as another.
type ShadowDecision struct {
	verdict  Verdict
	workload string
	identity Identity
	reason   evidence.Code
	digest   string
}

// Verdict is for records and counts.
func (d ShadowDecision) Verdict() Verdict { return d.verdict }

// Workload is the workload that matched or came nearest.
func (d ShadowDecision) Workload() string { return d.workload }

// Reason is the code of the first check that stands in the way, zero if the verdict is [Accepted].
func (d ShadowDecision) Reason() evidence.Code { return d.reason }

// Digest is the digest of the candidate set.
func (d ShadowDecision) Digest() string { return d.digest }

// Agrees reports whether an active decision has the same verdict and, if
// accepted, earns the same.
func (d ShadowDecision) Agrees(active *Decision) bool {
	if d.verdict != active.Verdict {
		return false
	}
	return d.verdict != Accepted || sameIdentity(&Decision{Workload: d.workload, Identity: d.identity}, active)
}

// ShadowCounter counts what a shadow would have decided otherwise. The zero
// counter is ready, and safe for concurrent use.
type ShadowCounter struct {
	mu     sync.Mutex
	counts map[shadowKey]uint64
	other  uint64
}

type shadowKey struct {
	active, candidate Verdict
	agrees            bool
	reason            evidence.Code
}

// ShadowCount is how often one pair of verdicts came, for one reason.
type ShadowCount struct {
	Active    Verdict `json:"active"`
	Candidate Verdict `json:"candidate"`
	// Agrees says that the verdicts are the same, and what they earn.
	Agrees bool `json:"agrees"`
	// Reason is the code of the candidate's first check that stands in the way, if any does.
	Reason string `json:"reason,omitempty"`
	Count  uint64 `json:"count"`
}

// Count compares a decision with that of the shadow on the same input.
func (c *ShadowCounter) Count(active *Decision, candidate ShadowDecision) {
	key := shadowKey{active.Verdict, candidate.verdict, candidate.Agrees(active), candidate.reason}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[shadowKey]uint64{}
	}
	if _, known := c.counts[key]; !known && len(c.counts) >= maxShadowCounts {
		c.other++
		return
	}
	c.counts[key]++
}

// Counts lists the counts, the highest first, and how often others came than
// the counter tells apart.
func (c *ShadowCounter) Counts() (counts []ShadowCount, other uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, n := range c.counts {
		counts = append(counts, ShadowCount{key.active, key.candidate, key.agrees, key.reason.String(), n})
	}
	slices.SortFunc(counts, func(a, b ShadowCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Active, b.Active), cmp.Compare(a.Candidate, b.Candidate), cmp.Compare(a.Reason, b.Reason))
	})
	return counts, c.other
}

package policies

import (
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Granted is an identity that claims earned before, as a certificate names it.
type Granted struct {
	Workload string // whose it was
	SPIFFEID string
	Names    []string // as [Identity.Names] has them; nil where it is not known which
}

// Standing is what a set makes of an identity that was granted before.
type Standing string

// The standings.
const (
	Stands  Standing = "stands"  // the claims earn it
	Refused Standing = "refused" // they earn nothing
	Moved   Standing = "moved"   // they earn another identity, or not all of its names
	Unknown Standing = "unknown" // the claims on record do not say
)

// Reconsidered is a standing with what stands in the way.
type Reconsidered struct {
	Standing Standing
	Reasons  evidence.Checks // that failed; none if it stands, or is unknown
	Digest   string          // of the set
}

// Reconsider says whether claims on record still earn an identity; see [Input.Recorded].
// It is refused only if something is known to speak against it: what waits for a check
// that cannot be made is unknown.
func (s *Set) Reconsider(in Input, granted Granted) Reconsidered {
	d := s.Evaluate(in)
	r := Reconsidered{Standing: Unknown, Digest: d.Digest}
	switch d.Verdict {
	case Accepted:
		r.Standing, r.Reasons = granted.under(&d)
	case Rejected:
		if code := d.Checks[0].Code; code == evidence.CodePolicyClaims || code == evidence.CodePolicyTrustAnchor {
			return r // no claims that could be judged
		}
		r.Standing = Refused
		r.Reasons, _ = s.reasons(in, &d, granted.Workload)
	case Undecided:
		r.Standing, r.Reasons = s.only(granted).reconsiderOnly(in, granted)
	}
	return r
}

// reconsiderOnly judges by the workloads that grant the identity, if others may match as well.
func (s *Set) reconsiderOnly(in Input, granted Granted) (Standing, evidence.Checks) {
	if len(s.workloads) == 0 {
		return Refused, evidence.Checks{{Code: evidence.CodePolicyWorkload, Status: evidence.Fail, Want: granted.String(), Got: "no workload grants it"}}
	}
	d := s.Evaluate(in)
	switch d.Verdict {
	case Accepted:
		return Stands, nil
	case Rejected:
		reasons, _ := s.reasons(in, &d, granted.Workload)
		return Refused, reasons
	}
	return Unknown, nil
}

// only is the part of the set that grants an identity.
func (s *Set) only(granted Granted) *Set {
	part := *s
	part.workloads = slices.DeleteFunc(slices.Clone(s.workloads), func(w *workload) bool { return !granted.within(&w.identity) })
	return &part
}

// within reports whether identity has all that was granted. It may have more names: the
// certificate says nothing that is not so.
func (g Granted) within(identity *Identity) bool {
	names := identity.Names()
	return g.SPIFFEID == identity.SPIFFEID && !slices.ContainsFunc(g.Names, func(name string) bool { return !slices.Contains(names, name) })
}

// under compares what was granted with what a decision grants.
func (g Granted) under(d *Decision) (Standing, evidence.Checks) {
	if g.within(&d.Identity) {
		return Stands, nil
	}
	return Moved, evidence.Checks{{
		Code: evidence.CodePolicyWorkload, Status: evidence.Fail,
		Want: g.String(), Got: Granted{SPIFFEID: d.Identity.SPIFFEID, Names: d.Identity.Names()}.String(),
	}}
}

// String is the SPIFFE ID and the names.
func (g Granted) String() string {
	if len(g.Names) == 0 {
		return g.SPIFFEID
	}
	return g.SPIFFEID + ", " + join(g.Names)
}

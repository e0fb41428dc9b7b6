package policies

import (
	"cmp"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Explanation says why evidence is accepted or not: how it fares against every
// workload and every alternative, and what would have to change.
type Explanation struct {
	// Decision is what [Set.Evaluate] says of the same input.
	Decision Decision `json:"-"`
	// Workloads are the nearest first: the first is the one that the decision names,
	// or one of those that match where several do.
	Workloads []WorkloadOutcome `json:"workloads"`
	// Omitted counts the workloads further away, which are not told.
	Omitted int `json:"omitted,omitempty"`
	// Remedies say what would have to change of the nearest alternative, all of it
	// together; or of the set, where several workloads match. None if the evidence is accepted.
	Remedies []Remedy `json:"remedies"`
}

// WorkloadOutcome is how evidence fares against one workload.
type WorkloadOutcome struct {
	Workload string  `json:"workload"`
	SPIFFEID string  `json:"spiffe_id"`
	Verdict  Verdict `json:"verdict"` // of the nearest alternative, as if there were no other workload
	Distance int     `json:"distance"`
	// Alternatives are the nearest first.
	Alternatives []AlternativeOutcome `json:"alternatives"`
}

// AlternativeOutcome is how evidence fares against one alternative of a workload.
type AlternativeOutcome struct {
	Alternative string  `json:"alternative"` // as decisions name it
	Verdict     Verdict `json:"verdict"`
	// Distance is the number of checks that fail, and 1000 for each kind of evidence
	// that is missing or too many. Where requirements fail, rules do not count;
	// alternatives of which only rules fail come before.
	Distance int `json:"distance"`
	// Checks are all of them but the one that exactly one workload must match.
	Checks  evidence.Checks `json:"checks"`
	Relaxed []string        `json:"relaxed,omitempty"`
	// Remedies say what would have to change for this alternative to match.
	Remedies []Remedy `json:"remedies,omitempty"`
}

// Failed returns the checks that stand in the way: those that fail, and those
// that could not be performed.
func (o *AlternativeOutcome) Failed() evidence.Checks {
	var failed evidence.Checks
	for _, check := range o.Checks {
		if check.Status == evidence.Fail || check.Status == evidence.NotPerformed {
			failed = append(failed, check)
		}
	}
	return failed
}

// Explain evaluates like [Set.Evaluate], which it agrees with, and tells how the
// evidence fares against the workloads that it did not match. It
// takes several times as long as an evaluation.
func (s *Set) Explain(in Input) Explanation {
	e := Explanation{Decision: s.Evaluate(in), Workloads: []WorkloadOutcome{}, Remedies: []Remedy{}}
	var refused evidence.Checks
	b, ok := newBundle(in.Claims, &refused)
	if !ok || s == nil || len(s.workloads) == 0 {
		e.Remedies = append(e.Remedies, remedyWithoutWorkload(e.Decision))
		return e
	}
	if b.snp != nil {
		b.found = s.table().find(b.snp)
	}
	all := make([]trials, len(s.workloads))
	for i, w := range s.workloads {
		all[i] = w.try(&in, b)
	}
	slices.SortStableFunc(all, func(a, b trials) int { return a[0].compare(&b[0]) })
	e.Omitted = max(0, len(all)-maxExplained)
	for _, t := range all[:len(all)-e.Omitted] {
		e.Workloads = append(e.Workloads, t.outcome(&in, b))
	}
	e.Remedies = append(e.Remedies, e.remedies()...)
	return e
}

// remedies returns what would have to change for the evidence to be accepted.
func (e *Explanation) remedies() []Remedy {
	if check, ok := e.Decision.Checks.Get(evidence.CodePolicyAmbiguous); ok {
		return []Remedy{remedyAmbiguous(check)}
	}
	if e.Decision.Verdict == Accepted {
		return nil
	}
	return e.Workloads[0].Alternatives[0].Remedies
}

// trial is how the evidence fares against one alternative. Its report is the one
// that [Set.Evaluate] compares.
type trial struct {
	outcome
	short bool // requirements fail, so that rules did not count
}

// trials are those of one workload, the nearest first.
type trials []trial

// compare orders trials as [Set.Evaluate] chooses among them.
func (t *trial) compare(other *trial) int {
	switch {
	case t.short != other.short && other.short:
		return -1
	case t.short != other.short:
		return 1
	}
	return cmp.Or(cmp.Compare(t.report.failed, other.report.failed), cmp.Compare(t.report.pending, other.report.pending))
}

// try holds the evidence against each alternative of the workload.
func (w *workload) try(in *Input, b *bundle) trials {
	all := make(trials, len(w.alternatives))
	for i, a := range w.alternatives {
		t := trial{outcome: outcome{workload: w, alternative: a, report: newReport(in)}}
		a.judge(&t.report, w, in, b)
		if t.short = t.report.failed > 0; !t.short {
			t.tell(in, b)
		}
		all[i] = t
	}
	slices.SortStableFunc(all, func(a, b trial) int { return a.compare(&b) })
	return all
}

func (t trials) outcome(in *Input, b *bundle) WorkloadOutcome {
	w := t[0].workload
	o := WorkloadOutcome{Workload: w.name, SPIFFEID: w.identity.SPIFFEID, Verdict: t[0].verdict(), Distance: t[0].report.failed}
	for i := range t {
		o.Alternatives = append(o.Alternatives, t[i].explain(in, b))
	}
	return o
}

func (t *trial) explain(in *Input, b *bundle) AlternativeOutcome {
	o := AlternativeOutcome{
		Alternative: t.alternative.label, Verdict: t.verdict(), Distance: t.report.failed, Relaxed: slices.Clone(t.alternative.relaxed),
	}
	if t.short { // only counted so far
		t.tell(in, b)
	}
	o.Checks = t.checks[1:]
	for _, check := range o.Failed() {
		o.Remedies = append(o.Remedies, t.remedy(check, b))
	}
	return o
}

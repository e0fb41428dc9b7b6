package policies

import (
	"slices"

	"github.com/quotary/quotary/evidence"
)

// missingKind is what a missing or superfluous kind of evidence counts in the
// search for the nearest workload: more than all checks of a requirement.
const missingKind = 1000

// Evaluate decides which workload the claims belong to. It never panics, and
// the same input gives the same decision.
//
// Exactly one workload must match. Where several do, or one does and another
// only waits for a check that could not be performed, the evidence does not
// say who the machine is, and nothing is accepted.
func (s *Set) Evaluate(in Input) Decision {
	d := Decision{Verdict: Rejected, Digest: s.Digest()}
	b, ok := newBundle(in.Claims, &d.Checks)
	if !ok {
		return d
	}
	if b.snp != nil {
		b.found = s.table().find(b.snp)
		d.Advisories = b.found.list
	}
	if s == nil || len(s.workloads) == 0 {
		d.Checks.Fail(evidence.CodePolicyNoWorkload, "at least one workload", "the active policy has none")
		return d
	}
	outcomes := s.appraise(&in, b)
	var accepted, pending []*outcome
	for i := range outcomes {
		switch outcomes[i].verdict() {
		case Accepted:
			accepted = append(accepted, &outcomes[i])
		case Undecided:
			pending = append(pending, &outcomes[i])
		}
	}
	d.conclude(outcomes, accepted, pending)
	return d
}

// table returns the set's advisories, or those of this build.
func (s *Set) table() *advisoryTable {
	if s == nil || s.advisories == nil {
		return builtinAdvisories
	}
	return s.advisories
}

// outcome is how the evidence fares against one workload, at its best alternative.
type outcome struct {
	workload    *workload
	alternative *alternative
	report      report
	checks      evidence.Checks // the first one is kept free for the decision's own
}

func (o *outcome) verdict() Verdict {
	switch {
	case o.report.failed > 0:
		return Rejected
	case o.report.pending > 0:
		return Undecided
	}
	return Accepted
}

// better reports whether o comes nearer to acceptance than p.
func (o *outcome) better(p *outcome) bool {
	if o.report.failed != p.report.failed {
		return o.report.failed < p.report.failed
	}
	return o.report.pending < p.report.pending
}

// appraise returns the outcomes of the workloads whose requirements do not fail,
// before and after their rules; or, if there are none, the nearest one alone.
func (s *Set) appraise(in *Input, b *bundle) []outcome {
	var candidates []outcome
	var nearest outcome
	for _, w := range s.workloads {
		best := w.count(in, b)
		if best.report.failed == 0 {
			candidates = append(candidates, w.tell(in, b, best))
		} else if nearest.workload == nil || best.better(&nearest) {
			nearest = best
		}
	}
	if len(candidates) > 0 {
		return candidates
	}
	nearest.tell(in, b)
	return []outcome{nearest}
}

// count finds the workload's nearest alternative by its typed requirements.
func (w *workload) count(in *Input, b *bundle) outcome {
	var best outcome
	for _, a := range w.alternatives {
		o := outcome{workload: w, alternative: a, report: newReport(in)}
		a.judge(&o.report, w, in, b)
		if best.workload == nil || o.better(&best) {
			best = o
		}
	}
	return best
}

// tell returns the workload's best outcome with checks and rules. The requirements of
// counted, one of its alternatives, do not fail.
func (w *workload) tell(in *Input, b *bundle, counted outcome) outcome {
	var best outcome
	for _, a := range w.alternatives {
		o := counted
		if a != counted.alternative {
			o = outcome{workload: w, alternative: a, report: newReport(in)}
			a.judge(&o.report, w, in, b)
		}
		if o.report.failed > 0 {
			continue
		}
		o.tell(in, b)
		if best.workload == nil || o.better(&best) {
			best = o
		}
	}
	return best
}

// tell appraises the outcome's alternative again, which was counted, with checks and rules.
func (o *outcome) tell(in *Input, b *bundle) {
	o.checks = make(evidence.Checks, 1, 1+o.report.noted+len(o.alternative.rules))
	o.report = newReport(in)
	o.report.checks = &o.checks
	o.alternative.judge(&o.report, o.workload, in, b)
	judgeRules(&o.report, o.alternative.rules, b)
	o.report.checks = nil
}

// conclude draws the decision from the outcomes.
func (d *Decision) conclude(outcomes []outcome, accepted, pending []*outcome) {
	best := &outcomes[0]
	for i := range outcomes {
		if outcomes[i].better(best) {
			best = &outcomes[i]
		}
	}
	d.Workload, d.Checks = best.workload.name, best.checks
	matching := append(slices.Clip(accepted), pending...)
	code, status, text := evidence.CodePolicyWorkload, evidence.Fail, best.alternative.label
	switch {
	case len(accepted) > 1:
		d.Workload = ""
		code, text = evidence.CodePolicyAmbiguous, labels(accepted)+" match"
	case len(matching) > 1:
		d.Verdict, d.Workload = Undecided, ""
		code, status = evidence.CodePolicyAmbiguous, evidence.NotPerformed
		text = labels(matching) + " may match, and checks are missing to tell them apart"
	case len(pending) == 1:
		d.Verdict = Undecided
		status, text = evidence.NotPerformed, text+" may match, but checks are missing"
	case len(accepted) == 1:
		d.accept(best)
		status = evidence.Pass
	default:
		text = "none; the nearest is " + text
	}
	d.Checks[0] = evidence.Check{Code: code, Status: status, Want: "exactly one workload", Got: text}
}

func (d *Decision) accept(o *outcome) {
	d.Verdict, d.Alternative = Accepted, o.alternative.label
	d.Identity = o.workload.identity.Clone()
	d.Relaxed = slices.Clone(o.alternative.relaxed)
	d.ValidUntil = o.report.validUntil
}

func labels(outcomes []*outcome) string {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = o.alternative.label
	}
	return join(names)
}

// judge holds the evidence against everything that the alternative requires,
// but for its rules.
func (a *alternative) judge(r *report, w *workload, in *Input, b *bundle) {
	if in.TrustDomain != "" {
		r.judge(w.trustDomain == in.TrustDomain, "", evidence.CodePolicyTrustDomain, in.TrustDomain, func() string { return w.trustDomain })
	}
	if b.simulated {
		r.judge(in.SimulatedAccepted && w.allowSimulated, "", evidence.CodeSimulatedAllowed, "the consent of the service and of the workload", func() string {
			return "service: " + yesNo(in.SimulatedAccepted, "yes", "no") + ", workload: " + yesNo(w.allowSimulated, "yes", "no")
		})
	}
	if a.hasKind(r, snp, a.snp != nil, b.snp != nil) {
		a.snp.judge(r, b.snp, b.found)
	}
	if a.hasKind(r, tdx, a.tdx != nil, b.tdx != nil) {
		a.tdx.judge(r, b.tdx)
	}
	if a.hasKind(r, tpm, a.tpm != nil, b.tpm != nil) {
		a.tpm.judge(r, b.tpm, b)
	} else if a.tpm == nil && b.tpm != nil && b.tpm.AKSource == evidence.AKSourceTEE {
		// The quote stands for the report, which is as old as the key.
		r.member(tpm, evidence.CodePolicyTPMAKSource, ownSources, b.tpm.AKSource)
	}
	a.judgeParavisor(r, b)
}

// hasKind judges whether a kind of evidence is there exactly if it is required,
// and reports whether its requirement can be judged.
func (a *alternative) hasKind(r *report, kind evidence.Kind, required, there bool) bool {
	switch {
	case required && there:
		r.judge(true, kind, evidence.CodePolicyBundle, "evidence of this kind", func() string { return "present" })
		return true
	case required && r.isRecord():
		r.wait(kind, evidence.CodePolicyBundle, "evidence of this kind", notRecorded)
	case required:
		r.judge(false, kind, evidence.CodePolicyBundle, "evidence of this kind", func() string { return "none in the bundle" })
		r.failed += missingKind
	case there && !slices.Contains(a.tolerated, kind):
		r.judge(false, kind, evidence.CodePolicyBundle, "no evidence of this kind", func() string { return "present, but the workload does not mention it" })
		r.failed += missingKind
	}
	return false
}

package policies

import (
	"slices"
	"time"

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

// outcome is how the evidence fares against one workload, at its best alternative.
type outcome struct {
	workload    *workload
	alternative *alternative
	report      report
	checks      evidence.Checks
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
			candidates = append(candidates, w.tell(in, b))
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
		o := outcome{workload: w, alternative: a, report: report{now: in.Now}}
		a.judge(&o.report, w, in, b)
		if best.workload == nil || o.better(&best) {
			best = o
		}
	}
	return best
}

// tell returns the workload's best outcome with checks and rules.
func (w *workload) tell(in *Input, b *bundle) outcome {
	var best outcome
	for _, a := range w.alternatives {
		counted := report{now: in.Now}
		if a.judge(&counted, w, in, b); counted.failed > 0 {
			continue
		}
		o := outcome{workload: w, alternative: a}
		o.tell(in, b)
		if best.workload == nil || o.better(&best) {
			best = o
		}
	}
	return best
}

// tell appraises the outcome's alternative again, with checks and rules.
func (o *outcome) tell(in *Input, b *bundle) {
	const usual = 32 // checks of one technology
	o.checks = make(evidence.Checks, 0, usual+len(o.alternative.rules))
	o.report = report{now: in.Now, checks: &o.checks}
	o.alternative.judge(&o.report, o.workload, in, b)
	judgeRules(&o.report, o.alternative.rules, b)
	o.report.checks = nil
}

// conclude draws the decision from the outcomes.
func (d *Decision) conclude(outcomes []outcome, accepted, pending []*outcome) {
	const want = "exactly one workload"
	best := &outcomes[0]
	for i := range outcomes {
		if outcomes[i].better(best) {
			best = &outcomes[i]
		}
	}
	matching := append(slices.Clip(accepted), pending...)
	d.Workload = best.workload.name
	switch {
	case len(accepted) > 1:
		d.Workload = ""
		d.Checks.Fail(evidence.CodePolicyAmbiguous, want, labels(accepted)+" match")
	case len(matching) > 1:
		d.Verdict, d.Workload = Undecided, ""
		d.Checks.NotPerformed(evidence.CodePolicyAmbiguous, want, labels(matching)+" may match, and checks are missing to tell them apart")
	case len(pending) == 1:
		d.Verdict = Undecided
		d.Checks.NotPerformed(evidence.CodePolicyWorkload, want, best.alternative.label+" may match, but checks are missing")
	case len(accepted) == 1:
		d.accept(best)
	default:
		d.Checks.Fail(evidence.CodePolicyWorkload, want, "none; the nearest is "+best.alternative.label)
	}
	d.Checks = append(d.Checks, best.checks...)
}

func (d *Decision) accept(o *outcome) {
	d.Verdict = Accepted
	d.Identity = o.workload.identity
	d.Identity.DNSNames = slices.Clone(d.Identity.DNSNames)
	d.Relaxed = slices.Clone(o.alternative.relaxed)
	d.ValidUntil = o.report.validUntil
	d.Checks.Pass(evidence.CodePolicyWorkload, o.alternative.label)
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
		a.snp.judge(r, b.snp)
	}
	if a.hasKind(r, tdx, a.tdx != nil, b.tdx != nil) {
		a.tdx.judge(r, b.tdx)
	}
	if a.hasKind(r, tpm, a.tpm != nil, b.tpm != nil) {
		a.tpm.judge(r, b.tpm, b.tpmAnchor)
	}
}

// hasKind judges whether a kind of evidence is there exactly if it is required,
// and reports whether its requirement can be judged.
func (a *alternative) hasKind(r *report, kind evidence.Kind, required, there bool) bool {
	switch {
	case required && there:
		r.judge(true, kind, evidence.CodePolicyBundle, "evidence of this kind", func() string { return "present" })
		return true
	case required:
		r.judge(false, kind, evidence.CodePolicyBundle, "evidence of this kind", func() string { return "none in the bundle" })
		r.failed += missingKind
	case there && !slices.Contains(a.tolerated, kind):
		r.judge(false, kind, evidence.CodePolicyBundle, "no evidence of this kind", func() string { return "present, but the workload does not mention it" })
		r.failed += missingKind
	}
	return false
}

// bundle is the claims of one decision, by kind.
type bundle struct {
	snp       *evidence.SNPClaims
	tdx       *evidence.TDXClaims
	tpm       *evidence.TPMClaims
	tpmAnchor *evidence.TrustAnchor
	simulated bool
}

// newBundle sorts claims by kind and refuses those that cannot be what a
// verifier found in genuine evidence. Refusals go to checks.
func newBundle(claims []evidence.Claims, checks *evidence.Checks) (*bundle, bool) {
	b := &bundle{}
	if len(claims) == 0 {
		checks.Fail(evidence.CodePolicyClaims, "claims of at least one kind", "none")
		return nil, false
	}
	for i := range claims {
		c := &claims[i]
		if !b.add(c) {
			*checks = append(*checks, evidence.Check{
				Code: evidence.CodePolicyClaims, Kind: c.Kind, Status: evidence.Fail,
				Want: "one complete set of claims for each kind", Got: "claims of kind " + shownText(string(c.Kind)) + " that are empty, mixed or repeated",
			})
			return nil, false
		}
		if c.TrustAnchor == nil || c.TrustAnchor.Origin == "" {
			*checks = append(*checks, evidence.Check{
				Code: evidence.CodePolicyTrustAnchor, Kind: c.Kind, Status: evidence.Fail, Want: "a root of trust", Got: absent,
			})
			return nil, false
		}
		b.simulated = b.simulated || c.Simulated || c.TrustAnchor.Origin == evidence.OriginSimulated
	}
	return b, true
}

func (b *bundle) add(c *evidence.Claims) bool {
	if b.has(c.Kind) {
		return false
	}
	isSNP, isTDX, isTPM := c.SEVSNP != nil, c.TDX != nil, c.TPM != nil
	switch c.Kind {
	case snp:
		b.snp = c.SEVSNP
		return isSNP && !isTDX && !isTPM
	case tdx:
		b.tdx = c.TDX
		return isTDX && !isSNP && !isTPM
	case tpm:
		b.tpm, b.tpmAnchor = c.TPM, c.TrustAnchor
		return isTPM && !isSNP && !isTDX
	}
	return false
}

func (b *bundle) has(kind evidence.Kind) bool {
	return kind == snp && b.snp != nil || kind == tdx && b.tdx != nil || kind == tpm && b.tpm != nil
}

// kinds lists the kinds of evidence that are there, in canonical order.
func (b *bundle) kinds() []string {
	var kinds []string
	for _, kind := range evidence.Kinds() {
		if b.has(kind) {
			kinds = append(kinds, string(kind))
		}
	}
	return kinds
}

// Advise judges claims where no policy is in force: it makes the checks that
// hold whatever a document says, and reports as a warning what they would
// deny. It decides nothing.
func Advise(claims []evidence.Claims) evidence.Checks {
	checks := evidence.Checks{}
	b, ok := newBundle(claims, &checks)
	if ok {
		r := report{now: time.Time{}, checks: &checks}
		if b.simulated {
			r.judge(false, "", evidence.CodeSimulatedAllowed, "evidence under a real root", func() string { return "simulated" })
		}
		if b.snp != nil {
			defaultSNP().judge(&r, b.snp)
		}
		if b.tdx != nil {
			defaultTDX().judge(&r, b.tdx)
		}
		if b.tpm != nil {
			(&tpmRequirement{}).judge(&r, b.tpm, b.tpmAnchor)
		}
	}
	for i := range checks {
		if s := checks[i].Status; s == evidence.Fail || s == evidence.NotPerformed {
			checks[i].Status = evidence.Warn
		}
	}
	return checks
}

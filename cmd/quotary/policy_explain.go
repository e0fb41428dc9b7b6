package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/verifier"
)

const policyExplainHelp = `usage: quotary policy explain --policy PATH [FLAG]… EVIDENCE
       quotary policy explain [FLAG]… EVIDENCE|ATTESTATION

Say why evidence is accepted or refused: by every workload, the nearest first, the checks
that stand in the way, and what would have to change.

With --policy it is judged here, by those documents. Without, the service is asked, about
evidence or about an attestation that it recorded, by the set in force or a candidate.

  --policy PATH          policy documents, a file or directory; repeatable
` + keysHelp + `  --candidate PATH       documents that the service is to judge by instead of the set in
                         force, a file or directory; repeatable
  --all                  every workload and all checks, also those that passed

` + adminHelp + `
` + judgingHelp + `
exit codes: 0 accepted, 2 rejected, or the service refuses; 3 undecided; 1 everything
else that went wrong

examples:
  quotary policy explain --policy ./policy --endorsements ./amd evidence.json
  quotary policy explain 01JD3V7M2Q
  quotary policy explain --candidate ./policy 01JD3V7M2Q
`

// explanation is explain's answer, as the service's.
type explanation struct {
	Verdict      policies.Verdict   `json:"verdict"`
	Workload     string             `json:"workload,omitempty"`
	PolicyDigest string             `json:"policy_digest"`
	Subject      explanationSubject `json:"subject"`
	policies.Explanation
}

// explanationSubject is what an explanation is about.
type explanationSubject struct {
	AttestationID string          `json:"attestation_id,omitempty"`
	Workload      string          `json:"workload,omitempty"` // as it was decided then
	PolicyDigest  string          `json:"policy_digest,omitempty"`
	Kinds         []evidence.Kind `json:"kinds"`
	Simulated     bool            `json:"simulated"`
	Incomplete    bool            `json:"incomplete,omitempty"`
}

// explainOptions are explain's flags and operand.
type explainOptions struct {
	judging           verifyOptions
	service           adminFlags
	policy, candidate list
	keys              signingKeys
	all               bool
	operand           string
}

func policyExplain(s streams, args []string) (exit, error) {
	o := &explainOptions{}
	fs := flagSet("policy explain")
	o.judging.define(fs)
	o.service.register(fs)
	fs.Var(&o.policy, "policy", "")
	o.keys.register(fs)
	fs.Var(&o.candidate, "candidate", "")
	fs.BoolVar(&o.all, "all", false, "")
	var err error
	if o.operand, err = oneOperand(fs, args, "EVIDENCE or ATTESTATION"); err != nil {
		return exitFailed, err
	}
	if err := o.judging.complete(); err != nil {
		return exitFailed, err
	}
	switch {
	case len(o.policy) > 0 && len(o.candidate) > 0:
		return exitFailed, usage("--policy and --candidate are two ways to ask", "--policy judges here, --candidate has the service judge")
	case len(o.policy) > 0:
		return o.explain(s)
	case len(o.judging.endorsements)+len(o.judging.trust)+len(o.judging.ak) > 0 || o.judging.fetch:
		return exitFailed, usage("a service goes by its own roots and endorsements", "leave --endorsements, --trust, --ak and --fetch out, or judge here with --policy")
	}
	return o.ask(s)
}

// explain judges evidence here.
func (o *explainOptions) explain(s streams) (exit, error) {
	set, err := o.keys.load(o.policy)
	if err != nil {
		return exitFailed, err
	}
	claims, r, err := o.judging.genuine(s, o.operand)
	if err != nil {
		return exitFailed, err
	}
	if claims == nil {
		s.note("the evidence is %s, so it claims nothing that a policy could judge", r.Verdict)
		return exitOf(r.Verdict), r.write(s, o.service.output.value)
	}
	e := set.Explain(policies.Input{Claims: claims, Now: o.judging.at.Time, SimulatedAccepted: len(o.judging.trust) > 0})
	subject := explanationSubject{Simulated: r.Simulated}
	for _, c := range claims {
		subject.Kinds = append(subject.Kinds, c.Kind)
	}
	full := explanation{e.Decision.Verdict, e.Decision.Workload, e.Decision.Digest, subject, e}
	return exitOf(verifier.Verdict(full.Verdict)), writeValue(s, o.service.output.value, full, func() error {
		full.show(s, o.all)
		return nil
	})
}

// ask has the service explain.
func (o *explainOptions) ask(s streams) (exit, error) {
	var q admin.Question
	var err error
	if len(o.candidate) > 0 {
		if q.Candidate, err = candidate(o.candidate); err != nil {
			return exitFailed, err
		}
	}
	if _, isQuote, err := findQuote(o.operand, &tpmFlags{}); err == nil && (isQuote || o.operand == standardInput || isFile(o.operand)) {
		if q.Evidence, err = readEvidence(s, o.operand, o.judging.tpm); err != nil {
			return exitFailed, withHint(err, "an attestation is named by the identifier that quotary attestations list shows")
		}
	} else if strings.ContainsAny(o.operand, "./") {
		return exitFailed, usage("there is no file "+o.operand, "name evidence, or an attestation by the identifier that quotary attestations list shows")
	} else {
		q.AttestationID = o.operand
	}
	if o.judging.at.given {
		q.At = o.judging.at.UTC()
	}
	code := exitRejected
	done, err := administer(s, &o.service, o.role(q), func(ctx context.Context, c *admin.Client) error {
		raw, err := c.Explain(ctx, q)
		if err != nil {
			return err
		}
		var verdict struct {
			Verdict policies.Verdict `json:"verdict"`
		}
		if err := json.Unmarshal(raw, &verdict); err != nil {
			return err
		}
		code = exitOf(verifier.Verdict(verdict.Verdict))
		return writeValue(s, o.service.output.value, raw, func() error {
			e, ok := decoded[explanation](raw)
			if !ok {
				return showYAML(s, raw) // a newer service's
			}
			e.show(s, o.all)
			return nil
		})
	})
	if err != nil || done != exitAccepted {
		return done, err
	}
	return code, nil
}

// role is what the service demands of who asks.
func (o *explainOptions) role(q admin.Question) string {
	if q.Evidence != nil || q.Candidate != nil {
		return operator
	}
	return viewer
}

// show writes the explanation for people.
func (e *explanation) show(s streams, all bool) {
	style := map[policies.Verdict]style{policies.Accepted: green, policies.Rejected: red, policies.Undecided: yellow}[e.Verdict]
	fmt.Fprintf(s.out, "%s: %s\n", s.terminal.paint(style, printable(strings.ToUpper(string(e.Verdict)))), e.sentence())
	if e.Subject.Simulated {
		fmt.Fprintln(s.out, s.terminal.paint(yellow, "SIMULATED")+": this rests on a simulated or test root and says nothing of real hardware")
	}
	fmt.Fprintln(s.out)
	incomplete := ""
	if e.Subject.Incomplete {
		incomplete = "not all that was claimed; checks on the rest are not performed"
	}
	s.fields(row{"policy", e.PolicyDigest}, row{"attestation", e.Subject.AttestationID}, row{"decided then", e.Subject.Workload},
		row{"policy then", e.Subject.PolicyDigest}, row{"recorded", incomplete})
	shown := e.Workloads
	if !all {
		shown = shown[:min(len(shown), maxExplainedWorkloads)]
	}
	for _, w := range shown {
		workloadOutcome{w}.show(s, all)
	}
	if rest := len(e.Workloads) - len(shown) + e.Omitted; rest > 0 {
		fmt.Fprintf(s.out, "\n… and %s further away; see them with --all\n", count(rest, "workload"))
	}
	if len(e.Remedies) > 0 {
		fmt.Fprintln(s.out, "\n"+s.terminal.paint(bold, "what would have to change:"))
	}
	for _, remedy := range e.Remedies {
		fmt.Fprintf(s.out, "  %s\n", printable(remedy.Text))
		if remedy.Caution != "" {
			fmt.Fprintf(s.out, "    %s: %s\n", s.terminal.paint(yellow, "caution"), printable(remedy.Caution))
		}
	}
}

// sentence says what the verdict means.
func (e *explanation) sentence() string {
	name := printable(cmp.Or(e.Workload, "none"))
	switch e.Verdict {
	case policies.Accepted:
		return "this is workload " + name
	case policies.Undecided:
		return "checks that could not be performed stand in the way; the nearest workload is " + name
	}
	if e.Workload == "" {
		return "no workload is near"
	}
	return "the nearest workload is " + name
}

type workloadOutcome struct{ policies.WorkloadOutcome }

// show writes how the evidence fares against a workload's nearest alternative, or all.
func (w workloadOutcome) show(s streams, all bool) {
	alternatives := w.Alternatives
	if !all {
		alternatives = alternatives[:min(len(alternatives), 1)]
	}
	for _, a := range alternatives {
		fmt.Fprintf(s.out, "\n%s (%s): %s\n", s.terminal.paint(bold, printable(a.Alternative)), printable(w.SPIFFEID), printable(string(a.Verdict)))
		checks := a.Failed()
		if all {
			checks = slices.Clone(byWeight(a.Checks))
		}
		t := newTable(column{"", true}, column{"CHECK", true}, column{"WANT AND GOT", false})
		for _, check := range checks {
			t.add(mark(check.Status), check.Code, sayCheck(check))
		}
		if len(checks) > 0 {
			t.write(s)
		}
	}
}

package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Sources turn the files that cases name into claims. A case that needs a nil one is in error.
type Sources struct {
	// Claims returns a file's contents, for [ReadClaims].
	Claims func(file string) ([]byte, error)
	// Judge has the verifiers judge a file of evidence at an instant, and returns what
	// they found. Evidence that is not genuine is an error: no policy is asked about it.
	Judge func(file string, at time.Time) ([]evidence.Claims, error)
}

// Outcome is how a case went.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed" // the decision is another one
	Errored Outcome = "error"  // there was nothing to decide on
)

// Result is the result of a case.
type Result struct {
	Name    string  `json:"name"`
	Line    int     `json:"line"`
	Outcome Outcome `json:"outcome"`
	// Error says why there was nothing to decide on.
	Error string `json:"error,omitempty"`
	// Differences are what was expected and not decided.
	Differences []Difference `json:"differences,omitempty"`
	// Verdict and Workload are the decision's.
	Verdict  policies.Verdict `json:"verdict,omitempty"`
	Workload string           `json:"workload,omitempty"`
	// Checks are those that stood in the way, where the case failed; the first of them.
	Checks evidence.Checks `json:"checks,omitempty"`
}

// Difference is a key of an expectation that the decision does not meet.
type Difference struct {
	Key  string   `json:"key"`
	Want []string `json:"want"`
	Got  []string `json:"got"`
}

// String spells the difference out in one line.
func (d Difference) String() string {
	return d.Key + ": want " + orNone(d.Want) + ", got " + orNone(d.Got)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Report is the results of a suite under one policy set, in the order of the cases.
type Report struct {
	File    string   `json:"file"`
	Policy  string   `json:"policy"` // the set's digest
	Results []Result `json:"results"`
}

// Run decides every case by the set.
func (s Suite) Run(set *policies.Set, from Sources) Report {
	report := Report{File: s.File, Policy: set.Digest(), Results: make([]Result, 0, len(s.Cases))}
	for i := range s.Cases {
		report.Results = append(report.Results, s.Cases[i].run(set, from))
	}
	return report
}

// Count returns how many cases had an outcome.
func (r *Report) Count(outcome Outcome) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Outcome == outcome {
			n++
		}
	}
	return n
}

// Passed reports whether there are cases and all of them passed.
func (r *Report) Passed() bool { return len(r.Results) > 0 && r.Count(Passed) == len(r.Results) }

func (c *Case) run(set *policies.Set, from Sources) Result {
	result := Result{Name: c.Name, Line: c.Line, Outcome: Passed}
	claims, err := c.claims(from)
	if err != nil {
		result.Outcome, result.Error = Errored, err.Error()
		return result
	}
	d := set.Evaluate(policies.Input{Claims: claims, Now: c.At, TrustDomain: c.TrustDomain, SimulatedAccepted: c.SimulatedAccepted})
	result.Verdict, result.Workload = d.Verdict, d.Workload
	result.Differences = c.Expect.differences(&d)
	if len(result.Differences) > 0 {
		result.Outcome, result.Checks = Failed, inTheWay(&d)
		result.Checks = result.Checks[:min(len(result.Checks), maxDetails)]
	}
	return result
}

// claims returns what is to be decided on.
func (c *Case) claims(from Sources) ([]evidence.Claims, error) {
	switch {
	case c.EvidenceFile != "" && from.Judge == nil:
		return nil, fmt.Errorf("%s: evidence cannot be judged here; give the case claims", c.EvidenceFile)
	case c.EvidenceFile != "":
		claims, err := from.Judge(c.EvidenceFile, c.At)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.EvidenceFile, err)
		}
		return claims, nil
	case c.ClaimsFile == "":
		return c.Claims, nil
	case from.Claims == nil:
		return nil, fmt.Errorf("%s: files cannot be read here; write the claims into the case", c.ClaimsFile)
	}
	data, err := from.Claims(c.ClaimsFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ClaimsFile, err)
	}
	claims, err := ReadClaims(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ClaimsFile, err)
	}
	return claims, nil
}

// differences holds a decision against the expectation.
func (e *Expectation) differences(d *policies.Decision) []Difference {
	var found []Difference
	compare := func(key string, asked bool, want, got []string) {
		if asked && !slices.Equal(want, got) {
			found = append(found, Difference{key, want, got})
		}
	}
	compare("verdict", true, []string{string(e.Verdict)}, []string{string(d.Verdict)})
	compare("workload", e.Workload != "", []string{e.Workload}, texts(d.Workload))
	compare("spiffe_id", e.SPIFFEID != "", []string{e.SPIFFEID}, texts(d.Identity.SPIFFEID))
	compare("failing", e.Failing != nil, codes(e.Failing), codes(e.failing(d)))
	compare("relaxed", e.Relaxed != nil, sorted(e.Relaxed), sorted(d.Relaxed))
	return found
}

// failing lists the codes of the checks in the way. The decision's own counts only
// where the expectation lists it.
func (e *Expectation) failing(d *policies.Decision) []evidence.Code {
	var list []evidence.Code
	for _, check := range inTheWay(d) {
		if check.Code != evidence.CodePolicyWorkload || slices.Contains(e.Failing, check.Code) {
			list = append(list, check.Code)
		}
	}
	return list
}

// inTheWay returns the checks that keep a decision from being accepted.
func inTheWay(d *policies.Decision) evidence.Checks {
	status := evidence.Fail
	if d.Verdict == policies.Undecided {
		status = evidence.NotPerformed
	}
	var list evidence.Checks
	for _, check := range d.Checks {
		if check.Status == status {
			list = append(list, check)
		}
	}
	return list
}

// codes returns names, each once and sorted.
func codes(list []evidence.Code) []string {
	var names []string
	for _, code := range list {
		names = append(names, code.String())
	}
	return sorted(names)
}

func sorted(list []string) []string {
	return slices.Compact(append([]string{}, slices.Sorted(slices.Values(list))...))
}

func texts(text string) []string {
	if text == "" {
		return []string{}
	}
	return []string{text}
}

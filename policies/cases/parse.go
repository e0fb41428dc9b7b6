package cases

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Parse reads a file of cases; name stands in messages. The error is a
// [policies.Problems] with all that is wrong, each with its line and column. A file
// without cases is an error: it would test nothing and pass.
func Parse(name string, data []byte) (Suite, error) {
	r := &reader{file: name}
	suite := Suite{File: name}
	root := r.parse(data)
	if root == nil {
		return Suite{}, r.err()
	}
	values := r.mapping(root, "a file of cases", "cases")
	list := values["cases"]
	switch {
	case values == nil:
	case list == nil:
		r.problem(root, evidence.CodePolicyMissingKey, "the file has no cases")
	default:
		entries := r.sequence(list, "cases")
		if list.Kind == yaml.SequenceNode && len(entries) == 0 {
			r.problem(list, evidence.CodePolicyMissingKey, "cases is empty")
		}
		if len(entries) > maxCases {
			r.problem(entries[maxCases], evidence.CodePolicyTooLarge, "a file has at most %d cases", maxCases)
			entries = entries[:maxCases]
		}
		suite.Cases = r.cases(entries)
	}
	if err := r.err(); err != nil {
		return Suite{}, err
	}
	return suite, nil
}

func (r *reader) cases(entries []*yaml.Node) []Case {
	lines := map[string]int{}
	var list []Case
	for _, entry := range entries {
		c := r.oneCase(entry)
		if first, repeated := lines[c.Name]; repeated && c.Name != "" {
			r.problem(entry, evidence.CodePolicyDuplicateName, "there is a case named %q already, on line %d", clip(c.Name), first)
		}
		lines[c.Name] = c.Line
		list = append(list, c)
	}
	return list
}

func (r *reader) oneCase(n *yaml.Node) Case {
	c := Case{Line: n.Line}
	values := r.mapping(n, "a case", "name", "claims", "evidence", "at", "simulated_accepted", "trust_domain", "expect")
	if values == nil {
		return c
	}
	r.need(n, values, "name", "give the case a name")
	r.need(n, values, "at", "give the instant of the decision, such as 2026-11-22T08:00:00Z")
	r.need(n, values, "expect", "say what the policy must decide")
	c.Name = r.text(values["name"], "name")
	c.At = r.instant(values["at"])
	c.SimulatedAccepted = r.boolean(values["simulated_accepted"], "simulated_accepted")
	c.TrustDomain = r.text(values["trust_domain"], "trust_domain")
	claims, item := values["claims"], values["evidence"]
	switch {
	case (claims == nil) == (item == nil):
		r.problem(n, evidence.CodePolicyMissingKey, "a case has either claims or evidence")
	case item != nil:
		c.EvidenceFile = r.text(item, "evidence")
	case claims.Kind == yaml.ScalarNode:
		c.ClaimsFile = r.text(claims, "claims")
	default:
		c.Claims = r.claims(claims)
	}
	if at := values["expect"]; at != nil {
		c.Expect = r.expectation(at)
	}
	return c
}

// need reports a key that is not there.
func (r *reader) need(n *yaml.Node, values map[string]*yaml.Node, key, hint string) {
	if values[key] == nil {
		r.problem(n, evidence.CodePolicyMissingKey, "%s is missing; %s", key, hint)
	}
}

func (r *reader) instant(n *yaml.Node) time.Time {
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || t.IsZero() {
		r.problem(n, evidence.CodePolicyType, "at: expected a time such as 2026-11-22T08:00:00Z, not %s", describe(n))
	}
	return t
}

var verdicts = []policies.Verdict{policies.Accepted, policies.Rejected, policies.Undecided}

func (r *reader) expectation(n *yaml.Node) Expectation {
	var e Expectation
	values := r.mapping(n, "expect", "verdict", "workload", "spiffe_id", "failing", "relaxed")
	if values == nil {
		return e
	}
	r.need(n, values, "verdict", "write accepted, rejected or undecided")
	if at := values["verdict"]; at != nil {
		if e.Verdict = policies.Verdict(r.text(at, "verdict")); e.Verdict != "" && !slices.Contains(verdicts, e.Verdict) {
			r.problem(at, evidence.CodePolicyValue, "verdict %q is none; use accepted, rejected or undecided", clip(string(e.Verdict)))
		}
	}
	e.Workload, e.SPIFFEID = r.text(values["workload"], "workload"), r.text(values["spiffe_id"], "spiffe_id")
	e.Failing, e.Relaxed = r.codes(values["failing"]), r.words(values["relaxed"], "relaxed")
	accepted := e.Verdict == policies.Accepted
	if at := values["failing"]; at != nil && accepted {
		r.problem(at, evidence.CodePolicyValue, "nothing fails where the verdict is accepted")
	}
	for _, key := range []string{"spiffe_id", "relaxed"} {
		if at := values[key]; at != nil && !accepted {
			r.problem(at, evidence.CodePolicyValue, "%s goes with the verdict accepted alone", key)
		}
	}
	return e
}

// codes reads the codes of checks, of which there must be one.
func (r *reader) codes(n *yaml.Node) []evidence.Code {
	if n == nil {
		return nil
	}
	words := r.words(n, "failing")
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		r.problem(n, evidence.CodePolicyValue, "failing is empty; list codes, or leave it out")
	}
	var codes []evidence.Code
	for i, word := range words {
		var code evidence.Code
		if err := code.UnmarshalText([]byte(word)); err != nil {
			r.problem(n.Content[i], evidence.CodePolicyValue, "failing: there is no code %q; docs/codes.md lists them", clip(word))
		}
		codes = append(codes, code)
	}
	return codes
}

// words reads a list of texts, none of them twice. An empty list is not nil.
func (r *reader) words(n *yaml.Node, what string) []string {
	if n == nil {
		return nil
	}
	words := []string{}
	for _, entry := range r.sequence(n, what) {
		word := r.text(entry, what)
		if word != "" && slices.Contains(words, word) {
			r.problem(entry, evidence.CodePolicyValue, "%s has %q twice", what, clip(word))
		}
		words = append(words, word)
	}
	return words
}

package scenarios_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/scenarios"
)

// TestLibrary runs every scenario that comes along.
func TestLibrary(t *testing.T) {
	all, err := scenarios.Library()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 12 {
		t.Errorf("%d scenarios come along", len(all))
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			out := scenarios.Run(t.Context(), s, nil)
			if out.Verdict == scenarios.Met {
				return
			}
			t.Errorf("%s: %s", out.Verdict, out.Reason)
			for _, r := range out.Steps {
				t.Logf("%d %s: want %s, got %s: %s %s", r.Line, r.Step, r.Want, r.Got, r.Verdict, r.Reason)
			}
		})
	}
}

// story is a scenario of one machine.
func story(t *testing.T, steps string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Parse("story.yaml", []byte("name: story\ntitle: a story\nmachines:\n  - {name: web, technology: sev-snp}\nsteps:\n"+steps))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What happens otherwise ends a scenario, and every step is told once.
func TestOtherwise(t *testing.T) {
	for _, test := range []struct {
		steps string
		want  []scenarios.Verdict
		as    scenarios.Verdict
	}{
		{"  - {attest: web, expect: refused, codes: [policy.workload]}\n  - reboot: web\n", []scenarios.Verdict{scenarios.Other, scenarios.NotRun}, scenarios.Other},
		{"  - {attest: web, expect: accepted, spiffe_id: \"spiffe://sim.test/another\"}\n", []scenarios.Verdict{scenarios.Other}, scenarios.Other},
		{"  - {inject: snp-debug, on: [web]}\n  - {attest: web, expect: refused, codes: [policy.sev-snp.debug]}\n", []scenarios.Verdict{scenarios.Met, scenarios.Other}, scenarios.Other},
		{"  - {relay: web, expect: accepted}\n", []scenarios.Verdict{scenarios.Failed}, scenarios.Failed},
		{"  - {inject: tdx-debug, on: [web]}\n", []scenarios.Verdict{scenarios.Failed}, scenarios.Failed},
		{"  - {extend: {machine: web, register: rtmr3, data: x}}\n", []scenarios.Verdict{scenarios.Failed}, scenarios.Failed},
	} {
		var told []scenarios.Verdict
		out := scenarios.Run(t.Context(), story(t, test.steps), func(r scenarios.Result) { told = append(told, r.Verdict) })
		if !slices.Equal(told, test.want) || out.Verdict != test.as || len(out.Steps) != len(test.want) || out.Reason == "" {
			t.Errorf("%q: %v, %+v", test.steps, told, out)
		}
	}
}

// A scenario whose machines cannot be made could not be run.
func TestNoStage(t *testing.T) {
	s, err := scenarios.Parse("f", []byte("name: story\ntitle: a story\nmachines:\n  - {name: web, technology: sgx}\nsteps:\n  - {attest: web, expect: accepted}\n"))
	if err != nil {
		t.Fatal(err)
	}
	out := scenarios.Run(t.Context(), s, nil)
	if out.Verdict != scenarios.Failed || !strings.Contains(out.Reason, "f:4:5") || out.Steps[0].Verdict != scenarios.NotRun {
		t.Errorf("%+v", out)
	}
}

// The report says the same in every format.
func TestReport(t *testing.T) {
	report := scenarios.Report{
		{File: "a.yaml", Name: "a", Title: "good", Verdict: scenarios.Met, Steps: []scenarios.Result{{Line: 3, Step: "attest web", Want: "accepted", Got: "accepted", Verdict: scenarios.Met}}},
		{File: "b.yaml", Name: "b", Title: "bad", Verdict: scenarios.Other, Reason: "why", Steps: []scenarios.Result{
			{Line: 3, Step: "attest web", Want: "accepted", Got: "refused policy.workload", Verdict: scenarios.Other, Reason: "got something"},
			{Line: 4, Step: "reboot web", Want: "done", Verdict: scenarios.NotRun, Reason: "the scenario ended before"},
		}},
		{File: "c.yaml", Name: "c", Title: "none", Verdict: scenarios.Failed, Reason: "no stage", Steps: []scenarios.Result{{Line: 3, Step: "attest web", Want: "accepted", Verdict: scenarios.NotRun}}},
	}
	want := scenarios.Totals{Scenarios: 3, Met: 1, Other: 1, Failed: 1, Steps: 4}
	if got := report.Totals(); got != want {
		t.Errorf("%+v", got)
	}
	var text, object, junit bytes.Buffer
	for _, err := range []error{report.Text(&text), report.JSON(&object), report.JUnit(&junit)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, says := range []string{"other: got something", "could not be set up: no stage", "3 scenarios, 4 steps: 1 as they should, 1 not, 1 could not be run"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("the text does not say %q:\n%s", says, text.String())
		}
	}
	var decoded struct{ Totals scenarios.Totals }
	if err := json.Unmarshal(object.Bytes(), &decoded); err != nil || decoded.Totals != want {
		t.Errorf("%v: %+v", err, decoded)
	}
	var suites struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suites); err != nil || len(suites.Suites) != 3 {
		t.Fatalf("%v: %s", err, junit.String())
	}
	if b, c := suites.Suites[1], suites.Suites[2]; b.Tests != 3 || b.Failures != 1 || b.Skipped != 1 || b.Errors != 0 || c.Errors != 1 || c.Skipped != 1 {
		t.Errorf("%+v", suites)
	}
}

package scenarios

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Report is what came of several scenarios.
type Report []Outcome

// Totals count scenarios by their verdicts, and steps.
type Totals struct {
	Scenarios int `json:"scenarios"`
	Met       int `json:"met"`
	Other     int `json:"other"`
	Failed    int `json:"error"`
	Steps     int `json:"steps"`
}

// Totals counts them.
func (r Report) Totals() (t Totals) {
	for _, o := range r {
		t.Scenarios++
		t.Steps += len(o.Steps)
		switch o.Verdict {
		case Met:
			t.Met++
		case Other:
			t.Other++
		default:
			t.Failed++
		}
	}
	return t
}

// Text writes the report for people.
func (r Report) Text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, o := range r {
		fmt.Fprintf(w, "%s: %s\n", o.Name, o.Title)
		for _, s := range o.Steps {
			fmt.Fprintf(w, "  %d\t%s\t%s\t%s\n", s.Line, s.Step, s.Want, s.told())
		}
		if len(o.Steps) > 0 && o.Steps[0].Verdict == NotRun {
			fmt.Fprintf(w, "  could not be set up: %s\n", o.Reason)
		}
		fmt.Fprintln(w)
	}
	t := r.Totals()
	fmt.Fprintf(w, "%d scenarios, %d steps: %d as they should, %d not, %d could not be run\n", t.Scenarios, t.Steps, t.Met, t.Other, t.Failed)
	return w.Flush()
}

// told is the verdict, with what happened if it is not what should.
func (r Result) told() string {
	if r.Verdict == Other || r.Verdict == Failed {
		return fmt.Sprintf("%s: %s", r.Verdict, r.Reason)
	}
	return string(r.Verdict)
}

// JSON writes the report with its totals.
func (r Report) JSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Scenarios Report `json:"scenarios"`
		Totals    Totals `json:"totals"`
	}{r, r.Totals()})
}

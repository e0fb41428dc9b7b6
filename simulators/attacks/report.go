package attacks

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Report is what came of a run, in the order of rows and cases.
type Report struct {
	Target      string   `json:"target"`
	TrustDomain string   `json:"trust_domain"`
	Results     []Result `json:"results"`
}

// Totals count cases by what came of them.
type Totals struct {
	Rows     int `json:"rows"`
	Cases    int `json:"cases"`
	Held     int `json:"held"`
	Other    int `json:"other"`
	Accepted int `json:"accepted"`
	Skipped  int `json:"skipped"`
	Failed   int `json:"error"`
	Proofs   struct {
		Check      int `json:"check"`
		Parser     int `json:"parser"`
		Service    int `json:"service"`
		Acceptance int `json:"acceptance"`
	} `json:"proofs"` // of all cases, whatever came of them here
}

// Totals counts the cases of a series, or of all for an empty letter.
func (r Report) Totals(letter string) (t Totals) {
	rows := map[string]bool{}
	for _, result := range r.Results {
		if !strings.HasPrefix(result.Row, letter) {
			continue
		}
		rows[result.Row] = true
		t.Cases++
		t.prove(result.Proof)
		switch result.Verdict {
		case Held:
			t.Held++
		case Other:
			t.Other++
		case Accepted:
			t.Accepted++
		case Skipped:
			t.Skipped++
		case Failed:
			t.Failed++
		}
	}
	t.Rows = len(rows)
	return t
}

func (t *Totals) prove(p Proof) {
	switch p {
	case ByCheck:
		t.Proofs.Check++
	case ByParser:
		t.Proofs.Parser++
	case ByService:
		t.Proofs.Service++
	case ByAcceptance:
		t.Proofs.Acceptance++
	}
}

// Holds reports whether the target held: something was tried, and nothing but what it does
// not offer was not held.
func (r Report) Holds() bool {
	t := r.Totals("")
	return t.Held > 0 && t.Held+t.Skipped == t.Cases
}

// Untried says why nothing could be tried, by the first case that could not be, or that
// the target offers nothing for. It is empty if anything was tried.
func (r Report) Untried() string {
	t := r.Totals("")
	if t.Failed+t.Skipped < t.Cases {
		return ""
	}
	for _, result := range r.Results {
		if result.Verdict == Failed || t.Failed == 0 {
			return result.Reason
		}
	}
	return "there are no cases"
}

// Text writes the report as a table with totals.
func (r Report) Text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\ttitle\texpected\tgot\tverdict")
	for _, result := range r.Results {
		fmt.Fprintf(w, "%s\t%s: %s\t%s\t%s\t%s\n", result.Row, result.Title, result.Case, result.expected(), result.Got, result.told())
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "series\trows\tcases\theld\tother\taccepted\tskipped\terror\tproved by: check\tparser\tservice\tacceptance\t")
	for _, s := range allSeries() {
		if t := r.Totals(s.letter); t.Cases > 0 {
			t.print(w, s.letter+" "+s.title)
		}
	}
	r.Totals("").print(w, "all")
	return w.Flush()
}

func (t Totals) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, t.Rows, t.Cases, t.Held, t.Other, t.Accepted, t.Skipped, t.Failed,
		t.Proofs.Check, t.Proofs.Parser, t.Proofs.Service, t.Proofs.Acceptance)
}

// expected is what should refuse the case.
func (r Result) expected() string {
	if len(r.Want) == 0 {
		return "accepted"
	}
	return join(r.Want)
}

// told is the verdict, with the reason if it is not held.
func (r Result) told() string {
	if r.Reason == "" {
		return string(r.Verdict)
	}
	return string(r.Verdict) + ": " + r.Reason
}

// JSON writes the report with its totals.
func (r Report) JSON(out io.Writer) error {
	series := map[string]Totals{}
	for _, s := range allSeries() {
		if t := r.Totals(s.letter); t.Cases > 0 {
			series[s.letter] = t
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Report
		Totals Totals            `json:"totals"`
		Series map[string]Totals `json:"series"`
		Holds  bool              `json:"holds"`
	}{r, r.Totals(""), series, r.Holds()})
}

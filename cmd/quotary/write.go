package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// writeText writes the report for people: the verdict, what counts most, every
// check with the bad ones first, and what to do next.
func (r report) writeText(out *bytes.Buffer) {
	fmt.Fprintf(out, "%s: %s\n", strings.ToUpper(string(r.Verdict)), r.sentence())
	if r.Simulated {
		fmt.Fprintln(out, "SIMULATED: this rests on a simulated or test root and says nothing of real hardware")
	}
	out.WriteByte('\n')
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range r.summary() {
		fmt.Fprintf(table, "  %s\t%s\n", row.name, printable(row.value))
	}
	table.Flush()
	fmt.Fprintln(out, "\nchecks:")
	for _, check := range byWeight(r.Checks) {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", mark(check.Status), check.Code, sayCheck(check))
	}
	table.Flush()
	if steps := r.next(); len(steps) > 0 {
		fmt.Fprintln(out, "\nnext:")
		for _, step := range steps {
			fmt.Fprintf(out, "  %s\n", printable(step))
		}
	}
}

// sentence says what the verdict means.
func (r report) sentence() string {
	what := "the evidence"
	if r.Kind != "" && len(r.Items) == 0 {
		what = "the " + string(r.Kind) + " evidence"
	}
	switch r.Verdict {
	case verifier.Accepted:
		return what + " is genuine and the policy accepts it as workload " + printable(r.Policy.Workload)
	case verifier.Genuine:
		return what + " is what it says it is; no policy was given, so nothing says that it is good enough"
	case verifier.Undecided:
		if r.Policy != nil && len(r.Missing) == 0 {
			return what + " lacks something that the policy needs to decide"
		}
		return what + " can be neither accepted nor refused without the endorsements that are missing"
	}
	if r.Error != nil {
		return "this is not evidence that can be judged"
	}
	if n := len(r.Checks.Failed()); n > 1 {
		return fmt.Sprintf("%s fails %d checks", what, n)
	}
	return what + " fails a check"
}

// byWeight sorts checks so that what decided comes first.
func byWeight(checks evidence.Checks) evidence.Checks {
	order := []evidence.Status{evidence.Fail, evidence.Warn, evidence.NotPerformed, evidence.Pass, evidence.NotApplicable}
	sorted := slices.Clone(checks)
	slices.SortStableFunc(sorted, func(a, b evidence.Check) int {
		return cmp.Compare(slices.Index(order, a.Status), slices.Index(order, b.Status))
	})
	return sorted
}

// mark makes failures stand out where there is no colour.
func mark(s evidence.Status) string {
	switch s {
	case evidence.Fail:
		return "FAIL"
	case evidence.NotApplicable:
		return "n/a"
	case evidence.NotPerformed:
		return "not done"
	}
	return string(s)
}

func sayCheck(c evidence.Check) string {
	got := printable(shorten(c.Got))
	if c.Want == "" || c.Status == evidence.Pass || c.Status == evidence.NotApplicable {
		return got
	}
	want := "want " + printable(shorten(c.Want))
	if got == "" {
		return want
	}
	return want + "; got " + got
}

// row is a line of the summary.
type row struct{ name, value string }

func (r report) summary() []row {
	var rows []row
	items := r.Items
	if items == nil && r.Kind != "" {
		items = []reportItem{{Kind: r.Kind, Claims: r.Claims, UnverifiedClaims: r.UnverifiedClaims}}
	}
	for _, item := range items {
		rows = append(rows, row{"kind", string(item.Kind)})
		if item.Claims != nil {
			rows = append(rows, summarise(item.Claims)...)
		} else if item.UnverifiedClaims != nil {
			rows = append(rows, row{"", "(what follows is unverified: the evidence is not proven genuine)"})
			rows = append(rows, summarise(item.UnverifiedClaims)...)
		}
	}
	for _, anchor := range r.TrustAnchors {
		rows = append(rows, row{"trust anchor", fmt.Sprintf("%s (%s)", anchor.Name, anchor.Origin)})
	}
	rows = append(rows, row{"judged as of", r.At.Format(time.RFC3339)})
	if !r.ValidUntil.IsZero() {
		rows = append(rows, row{"valid until", r.ValidUntil.UTC().Format(time.RFC3339)})
	}
	return append(rows, r.policyRows()...)
}

func (r report) policyRows() []row {
	if r.Policy == nil {
		return nil
	}
	rows := []row{{"policy", r.Policy.Digest}}
	if identity := r.Policy.Identity; identity != nil {
		rows = append(rows, row{"identity", identity.SPIFFEID}, row{"for", identity.TTL})
	}
	if len(r.Policy.Relaxed) > 0 {
		rows = append(rows, row{"relaxed", strings.Join(r.Policy.Relaxed, ", ")})
	}
	for _, a := range r.Policy.Advisories {
		rows = append(rows, row{"advisory", fmt.Sprintf("%s: %s %s → %s", a.ID, a.Component, a.Have, a.Need)})
	}
	return rows
}

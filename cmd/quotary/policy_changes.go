package main

import (
	"fmt"

	"github.com/quotary/quotary/policies"
)

// showChanges writes what differs between two sets.
func showChanges(s streams, c policies.Changes) {
	if len(c.Documents) == 0 {
		fmt.Fprintln(s.out, "both say the same")
		return
	}
	for _, d := range c.Documents {
		showDocumentChange(s, d)
	}
	for _, relaxed := range c.RelaxationsGained {
		fmt.Fprintf(s.out, "%s: %s\n", s.terminal.paint(yellow, "waives now"), printable(relaxed))
	}
	for _, relaxed := range c.RelaxationsLost {
		fmt.Fprintf(s.out, "waives no longer: %s\n", printable(relaxed))
	}
}

func showDocumentChange(s streams, d policies.DocumentChange) {
	style := yellow
	switch d.Change {
	case policies.ChangeAdded:
		style = green
	case policies.ChangeRemoved:
		style = red
	}
	values := ""
	if d.ValuesAdded > 0 || d.ValuesRemoved > 0 {
		values = fmt.Sprintf(", values: %d added, %d removed", d.ValuesAdded, d.ValuesRemoved)
	}
	fmt.Fprintf(s.out, "%s %s: %s (%s)%s\n", printable(d.Kind), printable(d.Name), s.terminal.paint(style, printable(d.Change)), printable(d.File), values)
	for _, k := range d.Keys {
		showKeyChange(s, k)
	}
}

// showKeyChange writes a key with what it was and is; of a list, the first entries.
func showKeyChange(s streams, k policies.KeyChange) {
	text := ""
	switch {
	case k.Before != "" && k.After != "":
		text = shorten(k.Before) + " → " + shorten(k.After)
	case k.Before != "":
		text = "removed, was " + shorten(k.Before)
	case k.After != "":
		text = "added, " + shorten(k.After)
	default:
		text = fmt.Sprintf("%d added, %d removed", k.AddedCount, k.RemovedCount)
	}
	fmt.Fprintf(s.out, "  %s: %s\n", printable(k.Key), printable(text))
	for _, entry := range k.Added {
		fmt.Fprintf(s.out, "    %s\n", s.terminal.paint(green, "+ "+printable(shorten(entry))))
	}
	for _, entry := range k.Removed {
		fmt.Fprintf(s.out, "    %s\n", s.terminal.paint(red, "- "+printable(shorten(entry))))
	}
	if rest := k.AddedCount + k.RemovedCount - len(k.Added) - len(k.Removed); rest > 0 {
		fmt.Fprintf(s.out, "    … and %d more\n", rest)
	}
}

// showReport writes what a plan found: the sums with their reasons, and the first
// records that would fall out or come in.
func showReport(s streams, r *policies.PlanReport) {
	if r.Records == 0 {
		fmt.Fprintln(s.out, "nothing is recorded that could be replayed")
	}
	for i, line := range r.Lines() {
		if i > 0 || r.Records > 0 {
			fmt.Fprintln(s.out, printable(line))
		}
	}
	for _, group := range []struct {
		title string
		style style
		policies.PlanGroup
	}{
		{"would be denied", red, r.Denied}, {"would be undecided", yellow, r.Undecided}, {"would be newly admitted", yellow, r.Admitted}, {"would get another identity", yellow, r.Moved},
	} {
		if len(group.Changes) > 0 {
			fmt.Fprintf(s.out, "\n%s:\n", s.terminal.paint(group.style, group.title))
			showPlanChanges(s, group.PlanGroup)
		}
	}
}

func showPlanChanges(s streams, group policies.PlanGroup) {
	t := newTable(column{"ATTESTATION", true}, column{"AT", true}, column{"LIVE", true}, column{"WORKLOAD", true}, column{"WHY", false})
	shown := group.Changes[:min(len(group.Changes), maxPlanRows)]
	for _, c := range shown {
		live, why := "", ""
		if c.Live {
			live = "yes"
		}
		switch {
		case c.To != "":
			why = "as " + c.To
		case c.Reason != nil:
			why = c.Reason.Code.String() + ": " + sayCheck(*c.Reason)
		}
		t.add(c.ID, stamp(c.At), live, c.Workload, why)
	}
	t.write(s)
	if rest := group.Count - len(shown); rest > 0 {
		fmt.Fprintf(s.out, "… and %d more; -o json has the first %d\n", rest, len(group.Changes))
	}
}

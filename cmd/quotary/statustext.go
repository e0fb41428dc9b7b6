package main

import (
	"bytes"
	"fmt"
	"text/tabwriter"
	"time"
)

// nameWidth keeps a line within 80 columns: the identifier of a chip alone has
// 128 digits. The JSON output has them all.
const nameWidth = 30

// writeText writes the status for people: how things stand, a line for each name
// with its error beneath, and what to do.
func (r *storeReport) writeText(out *bytes.Buffer) {
	fmt.Fprintf(out, "%s: %s\n", printable(r.Store), r.summary())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	vendor := ""
	for _, e := range r.Endorsements {
		if e.Vendor != vendor {
			table.Flush()
			vendor = e.Vendor
			fmt.Fprintf(out, "\n%s:\n", printable(vendor))
			fmt.Fprintln(table, "  NAME\tSTATE\tAGE\tEXPIRES\tCHECKED\tREFRESH")
		}
		r.writeEntry(table, e)
	}
	table.Flush()
	if len(r.Unusable) > 0 {
		fmt.Fprintln(out, "\nnot used:")
		for _, file := range r.Unusable {
			fmt.Fprintf(out, "  %s: %s\n", printable(file.Name), printable(shorten(file.Note)))
		}
	}
	r.writeNext(out)
}

func (r *storeReport) writeEntry(table *tabwriter.Writer, e storeEntry) {
	fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", printable(cutTo(nameWidth, e.Type+" "+e.ID)), e.State,
		since(r.At, e.Issued), date(e.Expires), since(r.At, e.Checked), until(r.At, e.Refresh))
	if e.Error != nil {
		table.Flush()
		fmt.Fprintf(table, "    %s: %s: %s\n", e.Failed.Format(time.RFC3339), e.Error.Code, printable(shorten(e.Error.Detail)))
		table.Flush()
	}
}

// writeNext says what to do.
func (r *storeReport) writeNext(out *bytes.Buffer) {
	if r.exit() == exitAccepted {
		return
	}
	fmt.Fprintln(out, "\nnext:")
	if r.Missing > 0 || r.Expired > 0 {
		fmt.Fprintf(out, "  with a network: quotary endorsements prefetch --store %s\n", printable(r.Store))
		fmt.Fprintf(out, "  without: import a bundle that quotary endorsements export wrote elsewhere\n")
	}
	if len(r.Unusable) > 0 {
		fmt.Fprintln(out, "  see where the files that are not used come from, and remove them; a simulated")
		fmt.Fprintln(out, "  or test root is named with --trust")
	}
}

// cutTo shortens a text to a number of characters.
func cutTo(most int, text string) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// since is a rough time between two instants, "-" if there is none.
func since(later, earlier time.Time) string {
	if later.IsZero() || earlier.IsZero() {
		return "-"
	}
	return rough(later.Sub(earlier))
}

// until is the time to an instant that may have come.
func until(now, instant time.Time) string {
	if !instant.IsZero() && !instant.After(now) {
		return "due"
	}
	return since(instant, now)
}

// rough is a duration for people who want to know its size.
func rough(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + rough(-d)
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

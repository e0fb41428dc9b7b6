package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/tee/endorsements/store"
)

// nameWidth keeps a line within 80 columns: the identifier of a chip alone has
// 128 digits. The JSON output has them all.
const nameWidth = 30

// lineWidth is what a line of text may take.
const lineWidth = 80

// writeText writes the status for people: how things stand, a line for each name
// with its error beneath, and what to do.
func (r *storeReport) writeText(out *bytes.Buffer) {
	fmt.Fprintf(out, "%s: %s\n", printable(r.Store), r.summary())
	rest := r.Endorsements
	for len(rest) > 0 {
		end := slices.IndexFunc(rest, func(e storeEntry) bool { return e.Vendor != rest[0].Vendor })
		if end < 0 {
			end = len(rest)
		}
		fmt.Fprintf(out, "\n%s:\n", printable(rest[0].Vendor))
		r.writeTable(out, rest[:end])
		rest = rest[end:]
	}
	if len(r.Unused) > 0 {
		fmt.Fprintln(out, "\nunused:")
		writeWrapped(out, "  ", printable(strings.Join(r.Unused, ", ")))
	}
	if len(r.Unusable) > 0 {
		fmt.Fprintln(out, "\nunusable:")
		for _, file := range r.Unusable {
			writeWrapped(out, "  ", printable(file.Name+": "+file.Note))
		}
	}
	r.writeNext(out)
}

// writeTable writes a line for each name, in columns, and errors between the lines.
func (r *storeReport) writeTable(out *bytes.Buffer, entries []storeEntry) {
	var lines bytes.Buffer
	table := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  NAME\tSTATE\tAGE\tEXPIRES\tCHECKED\tREFRESH")
	for _, e := range entries {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", printable(cutTo(nameWidth, e.Type+" "+e.ID)), e.State,
			since(r.At, e.Issued), date(e.Expires), since(r.At, e.Checked), until(r.At, e.Refresh))
	}
	table.Flush()
	head, _ := lines.ReadString('\n')
	out.WriteString(head)
	for _, e := range entries {
		line, _ := lines.ReadString('\n')
		out.WriteString(line)
		if e.Error != nil {
			writeWrapped(out, "    ", fmt.Sprintf("%s ago: %s: %s", since(r.At, e.Failed), e.Error.Code, printable(e.Error.Detail)))
		}
	}
}

// writeWrapped writes a text in lines of words.
func writeWrapped(out *bytes.Buffer, indent, text string) {
	width := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i > 0 && width+1+n <= lineWidth:
			out.WriteString(" " + word)
			width += 1 + n
			continue
		case i > 0:
			out.WriteString("\n")
		}
		out.WriteString(indent + word)
		width = len(indent) + n
	}
	out.WriteString("\n")
}

// writeNext says what to do.
func (r *storeReport) writeNext(out *bytes.Buffer) {
	if r.exit() == exitAccepted {
		return
	}
	fmt.Fprintln(out, "\nnext:")
	if r.Missing > 0 || r.Expired > 0 {
		fmt.Fprintf(out, "  with a network: quotary endorsements prefetch --store %s%s\n", printable(r.Store), r.vendorsToAsk())
		fmt.Fprintf(out, "  without: import a bundle that quotary endorsements export wrote elsewhere\n")
	}
	if len(r.Unusable) > 0 {
		fmt.Fprintln(out, "  see where the files that are not used come from, and remove them; a simulated")
		fmt.Fprintln(out, "  or test root is named with --trust")
	}
}

// vendorsToAsk are the flags that have prefetch ask those whose is to be fetched.
func (r *storeReport) vendorsToAsk() string {
	var flags string
	for _, vendor := range []string{vendorAMD, vendorIntel} {
		if slices.ContainsFunc(r.Endorsements, func(e storeEntry) bool {
			return e.Vendor == vendor && (e.State == store.StateMissing || e.State == store.StateExpired)
		}) {
			flags += " --vendor " + vendor
		}
	}
	return flags
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

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// story prints what happens, for somebody who sees it for the first time.
type story struct {
	out     io.Writer
	chapter int
}

// begin starts a chapter and says in a sentence what it is about.
func (s *story) begin(title, about string) {
	s.chapter++
	fmt.Fprintf(s.out, "\n%d  %s\n", s.chapter, title)
	for _, line := range wrap(about, 76) {
		fmt.Fprintf(s.out, "   %s\n", line)
	}
	fmt.Fprintln(s.out)
}

// fact prints a name and a value.
func (s *story) fact(name, format string, args ...any) {
	fmt.Fprintf(s.out, "   %-13s %s\n", name, fmt.Sprintf(format, args...))
}

// line prints a line of its own.
func (s *story) line(format string, args ...any) {
	fmt.Fprintf(s.out, "   "+format+"\n", args...)
}

// checks prints every check of a report.
func (s *story) checks(checks evidence.Checks) {
	for _, c := range checks {
		s.check(c)
	}
}

func (s *story) check(c evidence.Check) {
	said := c.Got
	if c.Status == evidence.Fail || c.Status == evidence.Warn {
		said = fmt.Sprintf("wanted %s, got %s", clip(c.Want, 40), clip(c.Got, 40))
	}
	fmt.Fprintf(s.out, "     %-14s %-36s %s\n", c.Status, c.Code, clip(said, 88))
}

// clip shortens what is too long to read.
func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

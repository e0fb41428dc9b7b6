package main

import (
	"fmt"
	"strings"
	"unicode"
)

// printable makes foreign text (names in certificates, file names, evidence)
// safe to show: it can neither move a terminal's cursor nor forge a line.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

// shorten keeps a line readable; the JSON output has everything.
func shorten(s string) string {
	const most = 100 // a hex digest of 48 bytes fits
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

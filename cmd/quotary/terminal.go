package main

import (
	"io"
	"os"
)

// terminal is what is known of where text goes. The zero terminal is none: a file,
// a pipe or a test.
type terminal struct {
	width  int  // in columns; 0 if it is no terminal
	colour bool // may be coloured
}

// terminalOf looks at what w is. Colours are left out where the user wants none
// (https://no-color.org) or the terminal has none.
func terminalOf(w io.Writer) terminal {
	file, ok := w.(*os.File)
	if !ok {
		return terminal{}
	}
	width := columns(file)
	kind := os.Getenv("TERM")
	return terminal{width, width > 0 && os.Getenv("NO_COLOR") == "" && kind != "" && kind != "dumb"}
}

// style is how text looks on a terminal: parameters of SGR (ECMA-48, section 8.3.117).
type style string

const (
	none   style = ""
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// paint returns text in a style, if the terminal has colours. The text must be
// printable.
func (t terminal) paint(s style, text string) string {
	if !t.colour || s == none || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

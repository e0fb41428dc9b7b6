package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// column is a column of a table. One that is whole is never cut: people copy what
// is in it.
type column struct {
	name  string
	whole bool
}

// cell is a cell of a table: any text, and how it looks.
type cell struct {
	text  string
	style style
}

// table is rows of text. On a terminal, columns are cut until the rows fit; in
// files and pipes they are whole.
type table struct {
	columns []column
	rows    [][]cell
}

func newTable(columns ...column) *table { return &table{columns: columns} }

// add adds a row of plain texts and cells.
func (t *table) add(values ...any) {
	row := make([]cell, len(t.columns))
	for i, value := range values {
		c, ok := value.(cell)
		if !ok {
			c.text = fmt.Sprint(value)
		}
		c.text = printable(c.text)
		row[i] = c
	}
	t.rows = append(t.rows, row)
}

const (
	gap      = 2 // spaces between columns
	leastCut = 8 // columns are not cut to fewer characters
)

// write writes the table with its head.
func (t *table) write(s streams) {
	widths := t.fit(s.terminal.width)
	head := make([]cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = cell{c.name, bold}
	}
	for _, row := range append([][]cell{head}, t.rows...) {
		s.out.WriteString(rowLine(s, row, widths))
	}
}

// rowLine is a row as a line, without blanks at its end.
func rowLine(s streams, row []cell, widths []int) string {
	last := len(row) - 1
	for last > 0 && row[last].text == "" {
		last--
	}
	var b strings.Builder
	for i, c := range row[:last+1] {
		text := cutTo(widths[i], c.text)
		b.WriteString(s.terminal.paint(c.style, text))
		if i < last {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap))
		}
	}
	return b.String() + "\n"
}

// fit returns the columns' widths: those of their texts, or, where a line has only
// so much room, less for the widest of those that may be cut.
func (t *table) fit(room int) []int {
	widths := make([]int, len(t.columns))
	total := gap * (len(widths) - 1)
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
		total += widths[i]
	}
	for room > 0 && total > room {
		widest := -1
		for i, c := range t.columns {
			if !c.whole && widths[i] > leastCut && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break // the terminal wraps what is left
		}
		widths[widest]--
		total--
	}
	return widths
}

// fields writes names and values in two columns. Rows without a value are left out.
func (s streams) fields(rows ...row) {
	width := 0
	for _, r := range rows {
		if r.value != "" {
			width = max(width, utf8.RuneCountInString(r.name))
		}
	}
	for _, r := range rows {
		if r.value != "" {
			fmt.Fprintf(s.out, "  %s%s  %s\n", s.terminal.paint(bold, r.name), strings.Repeat(" ", width-utf8.RuneCountInString(r.name)), printable(r.value))
		}
	}
}

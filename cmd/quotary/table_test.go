package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func writeTable(of terminal, rows ...[]any) string {
	s := streams{out: &bytes.Buffer{}, terminal: of}
	t := newTable(column{"ID", true}, column{"NAME", false}, column{"STATE", false})
	for _, row := range rows {
		t.add(row...)
	}
	t.write(s)
	return s.out.String()
}

func TestTable(t *testing.T) {
	long := strings.Repeat("x", 30)
	for name, tc := range map[string]struct {
		terminal terminal
		rows     [][]any
		want     string
	}{
		"in a file, nothing is cut": {
			terminal{}, [][]any{{"1", long, "ok"}, {"22", "y", cell{"bad", red}}, {"3", "z", ""}},
			"ID  NAME                            STATE\n1   " + long + "  ok\n22  y                               bad\n3   z\n",
		},
		"on a terminal, what may be cut is": {
			terminal{width: 24}, [][]any{{"1", long, "ok"}},
			"ID  NAME           STATE\n1   xxxxxxxxxxxx…  ok\n",
		},
		"what must be whole is": {
			terminal{width: 10}, [][]any{{long, long, long}},
			"ID                              NAME      STATE\n" + long + "  xxxxxxx…  xxxxxxx…\n",
		},
		"in colour":          {terminal{80, true}, [][]any{{1, "a", cell{"bad", red}}}, "\x1b[1mID\x1b[0m  \x1b[1mNAME\x1b[0m  \x1b[1mSTATE\x1b[0m\n1   a     \x1b[31mbad\x1b[0m\n"},
		"hostile text":       {terminal{}, [][]any{{"1", "a\x1b[2Jb", "c\nd"}}, "ID  NAME         STATE\n1   a\\u001b[2Jb  c\\u000ad\n"},
		"letters, not bytes": {terminal{}, [][]any{{"ü", "äöü", "x"}}, "ID  NAME  STATE\nü   äöü   x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, writeTable(tc.terminal, tc.rows...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for width := 20; width < 100; width++ {
		for line := range strings.Lines(writeTable(terminal{width: width}, []any{"1", long, long})) {
			if n := utf8.RuneCountInString(line) - 1; n > max(width, 2+8+8+4) {
				t.Errorf("a line of %d columns on a terminal of %d", n, width)
			}
		}
	}
}

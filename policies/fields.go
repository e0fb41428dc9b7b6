package policies

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

func (s source) add(line, column int, code evidence.Code, format string, args ...any) {
	s.problems.add(problem{s.file, line, column, code, fmt.Sprintf(format, args...)})
}

// place is where n stands; a nil node stands where the file begins.
func (s source) place(n *yaml.Node) problem {
	if n == nil {
		return problem{file: s.file, line: 1, column: 1}
	}
	return problem{file: s.file, line: n.Line, column: n.Column}
}

func (s source) problem(n *yaml.Node, code evidence.Code, format string, args ...any) {
	s.add(n.Line, n.Column, code, format, args...)
}

// warn reports what may be a mistake, and keeps nothing from loading.
func (s source) warn(n *yaml.Node, code evidence.Code, format string, args ...any) {
	if len(s.problems.warnings) < MaxProblems {
		s.problems.warnings = append(s.problems.warnings, problem{s.file, n.Line, n.Column, code, fmt.Sprintf(format, args...)})
	}
}

// fields are the keys of a mapping. Every key that a reader takes is known; the
// others are reported by done.
type fields struct {
	source
	at     *yaml.Node
	what   string // the mapping's name in messages
	values map[string]*yaml.Node
	known  []string
}

// mapping returns n's fields, or nil, reported, if n is no mapping.
func (s source) mapping(n *yaml.Node, what string) *fields {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		s.problem(n, evidence.CodePolicyType, "%s must be a mapping of keys to values, not %s", what, describe(n))
		return nil
	}
	f := &fields{source: s, at: n, what: what, values: make(map[string]*yaml.Node, len(n.Content)/2)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		f.values[n.Content[i].Value] = n.Content[i+1]
	}
	return f
}

// take returns the value of an optional key, or nil if the key is absent.
func (f *fields) take(key string) *yaml.Node {
	return f.value(key, "leave the key out to get the default")
}

// value returns the value of a key that may be absent. An empty value is
// reported with the hint: it never means the default.
func (f *fields) value(key, hint string) *yaml.Node {
	f.known = append(f.known, key)
	n, ok := f.values[key]
	if ok && isNull(n) {
		f.problem(n, evidence.CodePolicyValue, "%s has no value; %s", key, hint)
		return nil
	}
	return n
}

// need returns the value of a key, or nil, reported with the hint, if it is absent.
func (f *fields) need(key, hint string) *yaml.Node {
	if _, ok := f.values[key]; !ok {
		f.known = append(f.known, key)
		f.problem(f.at, evidence.CodePolicyMissingKey, "%s needs %s: %s", f.what, key, hint)
		return nil
	}
	return f.value(key, hint)
}

// done reports the keys that nobody took.
func (f *fields) done() {
	for i := 0; i+1 < len(f.at.Content); i += 2 {
		key := f.at.Content[i]
		if slices.Contains(f.known, key.Value) {
			continue
		}
		hint := "; known are " + strings.Join(f.known, ", ")
		if near := nearest(key.Value, f.known); near != "" {
			hint = "; did you mean " + near + "?"
		}
		f.problem(key, evidence.CodePolicyUnknownKey, "%s has no key %q%s", f.what, clip(key.Value), hint)
	}
}

// sequence returns the entries of a list, which must not be empty.
func (s source) sequence(n *yaml.Node, what string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		s.problem(n, evidence.CodePolicyType, "%s must be a list, not %s", what, describe(n))
		return nil
	case len(n.Content) == 0:
		s.problem(n, evidence.CodePolicyValue, "%s is empty, and an empty list would match nothing; leave the key out or list a value", what)
	}
	return n.Content
}

// text returns a non-empty text of at most maxText printable characters, or "".
func (s source) text(n *yaml.Node) string {
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.ScalarNode:
		s.problem(n, evidence.CodePolicyType, "expected a text, not %s", describe(n))
		return ""
	case n.ShortTag() != "!!str":
		s.problem(n, evidence.CodePolicyType, "expected a text, not %s; write it in quotes", describe(n))
		return ""
	case n.Value == "":
		s.problem(n, evidence.CodePolicyValue, "the text is empty")
	case len(n.Value) > maxText:
		s.problem(n, evidence.CodePolicyValue, "the text is longer than %d characters", maxText)
		return ""
	case strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) }):
		s.problem(n, evidence.CodePolicyValue, "the text holds characters that do not print")
		return ""
	}
	return n.Value
}

// boolean returns whether n is true. Only true and false are booleans.
func (s source) boolean(n *yaml.Node) bool {
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Style != 0 || n.Value != "true" && n.Value != "false" {
		s.problem(n, evidence.CodePolicyType, "expected true or false, not %s", describe(n))
		return false
	}
	return n.Value == "true"
}

// number returns a decimal number of at most most.
func (s source) number(n *yaml.Node, most uint64) uint64 {
	if n == nil {
		return 0
	}
	value, err := strconv.ParseUint(n.Value, 10, 64)
	plain := n.Kind == yaml.ScalarNode && n.Style == 0 && strconv.FormatUint(value, 10) == n.Value
	if err != nil || !plain || value > most {
		s.problem(n, evidence.CodePolicyType, "expected a decimal number from 0 to %d, not %s", most, describe(n))
		return 0
	}
	return value
}

// instant returns a time as RFC 3339 writes it.
func (s source) instant(n *yaml.Node) time.Time {
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		s.problem(n, evidence.CodePolicyType, "expected a time such as 2027-01-31T00:00:00Z, not %s", describe(n))
		return time.Time{}
	}
	return t
}

// date returns a day as RFC 3339 writes it, at its beginning in UTC.
func (s source) date(n *yaml.Node) time.Time {
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		s.problem(n, evidence.CodePolicyType, "expected a date such as 2027-01-31, not %s", describe(n))
		return time.Time{}
	}
	return t
}

// duration returns a whole number of seconds, from least to most.
func (s source) duration(n *yaml.Node, what string, least, most time.Duration) time.Duration {
	value := s.text(n)
	if value == "" {
		return 0
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		s.problem(n, evidence.CodePolicyType, "expected a duration such as 30m or 12h, not %q", clip(value))
	case d < least || d > most:
		s.problem(n, evidence.CodePolicyValue, "%s %s is outside of %s to %s", what, value, least, most)
	case d%time.Second != 0:
		s.problem(n, evidence.CodePolicyValue, "%s %s is not a whole number of seconds", what, value)
	}
	return d
}

// word returns n's text if it is one of words, and reports it otherwise.
func (s source) word(n *yaml.Node, what string, words []string) string {
	value := s.text(n)
	if value == "" || slices.Contains(words, value) {
		return value
	}
	s.problem(n, evidence.CodePolicyValue, "%s has no value %q; use %s", what, clip(value), orList(words))
	return ""
}

// words returns the entries of a list, each one of words and none of them twice.
func (s source) words(n *yaml.Node, what string, words []string) []string {
	var out []string
	for _, entry := range s.sequence(n, what) {
		value := s.word(entry, what, words)
		if slices.Contains(out, value) {
			s.problem(entry, evidence.CodePolicyValue, "%s has %q twice", what, value)
		} else if value != "" {
			out = append(out, value)
		}
	}
	return out
}

// texts reads a list of texts, none of them twice.
func (s source) texts(n *yaml.Node, what string) []string {
	var out []string
	for _, entry := range s.sequence(n, what) {
		value := s.text(entry)
		if slices.Contains(out, value) {
			s.problem(entry, evidence.CodePolicyValue, "%s has %q twice", what, clip(value))
		} else if value != "" {
			out = append(out, value)
		}
	}
	return out
}

// describe says what n is, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(clip(n.Value))
}

// clip keeps foreign text in messages short.
func clip(s string) string { return clipTo(s, 48) }

func clipTo(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest returns the word that s is most likely a slip for, or "".
func nearest(s string, words []string) string {
	best, found := 3, "" // two slips at most
	for _, word := range words {
		if d := distance(s, word, best); d < best {
			best, found = d, word
		}
	}
	return found
}

// distance is the Levenshtein distance of a and b, or at least most where they
// are further apart.
func distance(a, b string, most int) int {
	if len(a) >= len(b)+most || len(b) >= len(a)+most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package strictjson

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads a text of JSON (RFC 8259) front to back.
type scanner struct {
	text   string
	at     int
	rules  *Rules // nil: form alone counts, and nothing is kept
	stack  []Item // of the objects and arrays that are open
	places []Item // for those that are closed
	odd    bool   // the replacement character is somewhere in the text
	half   bool   // half of a surrogate pair was read
}

// peek returns the next byte behind white space, or 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
		default:
			return s.text[s.at]
		}
	}
	return 0
}

// take reads one byte behind white space if it is the next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.at == len(s.text) {
		return false
	}
	s.at++
	return true
}

// word reads a literal name.
func (s *scanner) word(w string) bool {
	if !strings.HasPrefix(s.text[s.at:], w) {
		return false
	}
	s.at += len(w)
	return true
}

// number reads a number and returns it as it is written.
func (s *scanner) number() (string, error) {
	start := s.at
	s.sign("-")
	ok := s.word("0") || s.digits()
	if ok && s.word(".") {
		ok = s.digits()
	}
	if ok && s.sign("eE") {
		s.sign("+-")
		ok = s.digits()
	}
	if !ok {
		return "", errNotJSON
	}
	return s.text[start:s.at], nil
}

// sign reads one of the characters in set, if the next is one.
func (s *scanner) sign(set string) bool {
	if s.at == len(s.text) || strings.IndexByte(set, s.text[s.at]) < 0 {
		return false
	}
	s.at++
	return true
}

// digits reads at least one digit.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// quoted reads a text. Where there are no rules it stays as it is written.
func (s *scanner) quoted() (string, error) {
	literal, escaped, ok := s.literal()
	switch {
	case s.half:
		return "", errUnencoded
	case !ok:
		return "", errNotJSON
	}
	if s.rules == nil {
		return literal, nil
	}
	text, err := unquoted(literal, escaped)
	if err != nil {
		return "", err
	}
	return text, s.rules.text(text, escaped || s.odd)
}

// literal reads a text as it is written, with its quotes.
func (s *scanner) literal() (literal string, escaped, ok bool) {
	start := s.at
	for s.at++; s.at < len(s.text); {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return s.text[start:s.at], escaped, true
		case c < ' ', c == '\\' && !s.escape():
			return "", escaped, false
		case c == '\\':
			escaped = true
		}
	}
	return "", escaped, false
}

// escape reads what stands behind a backslash. Half of a surrogate pair stands for
// no character: readers make different things of it (RFC 8259 §8.2).
func (s *scanner) escape() bool {
	if !s.sign("u") {
		return s.sign(`"\/bfnrt`)
	}
	unit, ok := s.unit()
	if !ok || !utf16.IsSurrogate(unit) {
		return ok
	}
	s.half = true
	if !s.word(`\u`) {
		return false
	}
	low, ok := s.unit()
	s.half = utf16.DecodeRune(unit, low) == utf8.RuneError
	return ok && !s.half
}

// unit reads the four digits of a UTF-16 code unit.
func (s *scanner) unit() (unit rune, ok bool) {
	for range 4 {
		if s.at == len(s.text) {
			return 0, false
		}
		digit := strings.IndexByte("0123456789abcdef", s.text[s.at]|0x20)
		if digit < 0 || s.text[s.at] < '0' {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
		s.at++
	}
	return unit, true
}

// unquoted is the text of a literal. Without escapes it is a part of it; else the
// standard library decodes it.
func unquoted(literal string, escaped bool) (string, error) {
	if escaped {
		return unescape(literal)
	}
	return literal[1 : len(literal)-1], nil
}

func unescape(literal string) (string, error) {
	var text string
	if json.Unmarshal([]byte(literal), &text) != nil {
		return "", errNotJSON
	}
	return text, nil
}

// isASCII reports whether s has ASCII characters only.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

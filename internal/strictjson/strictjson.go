// Package strictjson reads JSON that means one thing only. The standard library
// lets the last of two equal members win and folds their case, so two readers of
// the same signed bytes can see different values; here a repeated member is an
// error, and nothing may follow the value.
//
// [Members] takes one object apart and leaves its values as they are. [Parse] reads
// a whole text by rules. [Check] looks at one, after which decoding it by any means
// gives the same.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Member is a name and a value of an object, the value in its exact bytes.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members reads data as one JSON object of at most most members, in order.
// Names are compared exactly. Values are well-formed, but not looked into. The
// errors are safe to show: they hold no more of the data than one short name.
func Members(data []byte, most int) ([]Member, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	s := &scanner{text: string(data)}
	if !s.take('{') {
		return nil, errors.New("not a JSON object")
	}
	var members []Member
	seen := map[string]bool{}
	for !s.take('}') {
		if len(members) > 0 && !s.take(',') {
			return nil, errNotJSON
		}
		literal, err := s.memberName()
		if err != nil {
			return nil, err
		}
		name, err := unquoted(literal, strings.Contains(literal, `\`))
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, &Repeated{name}
		}
		if len(members) == most {
			return nil, fmt.Errorf("an object with more than %d members", most)
		}
		seen[name] = true
		s.peek()
		start := s.at
		if err := s.value(&Value{}, 1); err != nil {
			return nil, err
		}
		members = append(members, Member{name, json.RawMessage(s.text[start:s.at])})
	}
	return members, s.end()
}

// Get returns the value of a name, or nil.
func Get(members []Member, name string) json.RawMessage {
	for _, m := range members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Repeated is the error for a member that is there twice.
type Repeated struct{ Name string }

func (r *Repeated) Error() string { return fmt.Sprintf("the member %q is there twice", brief(r.Name)) }

var (
	errNotUTF8   = errors.New("not UTF-8")
	errNotJSON   = errors.New("not JSON")
	errNull      = errors.New("null says nothing")
	errBehind    = errors.New("something stands behind the JSON value")
	errUnencoded = errors.New("a text holds a character that was not encoded")
)

// brief keeps foreign text in messages short.
func brief(s string) string {
	if len(s) > 32 {
		return strings.ToValidUTF8(s[:32], "") + "…"
	}
	return s
}

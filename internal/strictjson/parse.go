package strictjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	Text
	Array
	Object
)

// Value is a JSON value. The zero Value is null.
type Value struct {
	Kind Kind
	// Text is a text's contents, a number as it is written, "true" or "false".
	Text string
	// Items are an object's members in their order, or an array's elements.
	Items []Item
}

// Item is a member of an object, or an element, which has no name.
type Item struct {
	Name string
	Value
}

// Get returns the member of this name, or nil if there is none or v is no object.
func (v *Value) Get(name string) *Value {
	if v.Kind != Object {
		return nil
	}
	for i := range v.Items {
		if v.Items[i].Name == name {
			return &v.Items[i].Value
		}
	}
	return nil
}

// fewItems is what is open at a time in documents as people write them.
const fewItems = 64

// Parse reads data as one JSON value that [Check] has nothing against.
func Parse(data []byte, rules Rules) (Value, error) {
	if !utf8.Valid(data) {
		return Value{}, errNotUTF8
	}
	s := &scanner{text: string(data), rules: &rules, stack: make([]Item, 0, fewItems), odd: bytes.ContainsRune(data, utf8.RuneError)}
	var v Value
	if err := s.value(&v, 0); err != nil {
		return Value{}, err
	}
	return v, s.end()
}

// value reads the next value, which stands in depth objects and arrays.
func (s *scanner) value(v *Value, depth int) (err error) {
	switch c := s.peek(); {
	case c == '"':
		v.Kind = Text
		v.Text, err = s.quoted()
		return err
	case c == '{' || c == '[':
		return s.container(v, c, depth)
	case c == '-' || c >= '0' && c <= '9':
		v.Kind = Number
		v.Text, err = s.number()
		return err
	case s.word("true"):
		v.Kind, v.Text = Bool, "true"
	case s.word("false"):
		v.Kind, v.Text = Bool, "false"
	case !s.word("null"):
		return errNotJSON
	case s.rules != nil && s.rules.NoNull:
		return errNull
	}
	return nil
}

// container reads an object or an array.
func (s *scanner) container(v *Value, open byte, depth int) error {
	if err := s.deeper(depth); err != nil {
		return err
	}
	s.at++
	end := byte(']')
	if v.Kind = Array; open == '{' {
		v.Kind, end = Object, '}'
	}
	base := len(s.stack)
	for n := 1; !s.take(end); n++ {
		if n > 1 && !s.take(',') {
			return errNotJSON
		}
		if err := s.item(v.Kind, depth+1, n); err != nil {
			return err
		}
	}
	v.Items = s.keep(s.stack[base:])
	s.stack = s.stack[:base]
	if v.Kind == Object {
		return distinct(v.Items)
	}
	return nil
}

// keep copies items to a place of their own, many of which are made at once.
func (s *scanner) keep(items []Item) []Item {
	if len(items) == 0 {
		return nil
	}
	if len(items) > len(s.places) {
		s.places = make([]Item, max(len(items), min(manyPlaces, len(s.text)/bytesPerItem)))
	}
	kept := s.places[:len(items):len(items)]
	s.places = s.places[len(items):]
	copy(kept, items)
	return kept
}

// A text of bytesPerItem bytes has about one item.
const (
	manyPlaces   = 128
	bytesPerItem = 16
)

// deeper judges one more level of nesting.
func (s *scanner) deeper(depth int) error {
	switch {
	case s.rules == nil && depth == maxDepth:
		return errNotJSON
	case s.rules != nil && depth == s.rules.Depth:
		return fmt.Errorf("nested deeper than %d", s.rules.Depth)
	}
	return nil
}

// item reads the nth member or element, and keeps it where there are rules.
func (s *scanner) item(in Kind, depth, n int) (err error) {
	var item Item
	if in == Object {
		if item.Name, err = s.memberName(); err != nil {
			return err
		}
	}
	if s.rules == nil {
		return s.value(&item.Value, depth)
	}
	if err = s.rules.count(n); err != nil {
		return err
	}
	if err = s.value(&item.Value, depth); err == nil {
		s.stack = append(s.stack, item)
	}
	return err
}

// memberName reads a member's name with the colon behind it.
func (s *scanner) memberName() (string, error) {
	if s.peek() != '"' {
		return "", errNotJSON
	}
	name, err := s.quoted()
	if err != nil {
		return "", err
	}
	if s.rules != nil && s.rules.Name != nil && !s.rules.Name(name) {
		return "", fmt.Errorf("no member may be named %q", brief(name))
	}
	if !s.take(':') {
		return "", errNotJSON
	}
	return name, nil
}

// end refuses anything behind the value that was read.
func (s *scanner) end() error {
	if s.peek(); s.at < len(s.text) {
		return errBehind
	}
	return nil
}

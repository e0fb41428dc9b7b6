package strictjson

import (
	"fmt"
	"slices"
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

// Parse reads data as one JSON value that [Check] has nothing against.
func Parse(data []byte, rules Rules) (Value, error) {
	if !utf8.Valid(data) {
		return Value{}, errNotUTF8
	}
	s := &scanner{text: string(data), rules: &rules}
	v, err := s.value(0)
	if err != nil {
		return Value{}, err
	}
	return v, s.end()
}

// value reads the next value, which stands in depth objects and arrays.
func (s *scanner) value(depth int) (v Value, err error) {
	switch c := s.peek(); {
	case c == '{' || c == '[':
		return s.container(c, depth)
	case c == '"':
		if v.Kind = Text; s.rules == nil {
			_, err = s.quoted()
			return v, err
		}
		if v.Text, err = s.quoted(); err == nil {
			err = s.rules.text(v.Text)
		}
		return v, err
	case c == '-' || c >= '0' && c <= '9':
		text, ok := s.number()
		if !ok {
			return v, errNotJSON
		}
		return Value{Kind: Number, Text: text}, nil
	case s.word("true"):
		return Value{Kind: Bool, Text: "true"}, nil
	case s.word("false"):
		return Value{Kind: Bool, Text: "false"}, nil
	case !s.word("null"):
		return v, errNotJSON
	case s.rules != nil && s.rules.NoNull:
		return v, errNull
	}
	return v, nil
}

// container reads an object or an array.
func (s *scanner) container(open byte, depth int) (Value, error) {
	if err := s.deeper(depth); err != nil {
		return Value{}, err
	}
	s.at++
	v, end := Value{Kind: Object}, byte('}')
	if open == '[' {
		v.Kind, end = Array, ']'
	}
	base := len(s.stack)
	var seen map[string]bool
	for n := 0; !s.take(end); n++ {
		if n > 0 && !s.take(',') {
			return v, errNotJSON
		}
		item, err := s.item(v.Kind, depth+1, n+1, s.stack[base:], &seen)
		if err != nil {
			return v, err
		}
		if s.rules != nil {
			s.stack = append(s.stack, item)
		}
	}
	v.Items = slices.Clone(s.stack[base:])
	s.stack = s.stack[:base]
	return v, nil
}

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

// item reads a member or an element, the nth behind those before it.
func (s *scanner) item(in Kind, depth, n int, before []Item, seen *map[string]bool) (item Item, err error) {
	if in == Object {
		if item.Name, err = s.memberName(); err != nil {
			return item, err
		}
		if s.rules != nil {
			if err = s.rules.name(item.Name); err != nil {
				return item, err
			}
			if repeated(item.Name, before, seen) {
				return item, &Repeated{item.Name}
			}
		}
	}
	if s.rules != nil {
		if err = s.rules.count(n); err != nil {
			return item, err
		}
	}
	item.Value, err = s.value(depth)
	return item, err
}

// memberName reads a member's name with the colon behind it.
func (s *scanner) memberName() (string, error) {
	if s.peek() != '"' {
		return "", errNotJSON
	}
	name, err := s.quoted()
	if err != nil || !s.take(':') {
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

package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Rules are what a text must keep to besides being JSON in UTF-8 without
// repeated members.
type Rules struct {
	Depth    int // how deep objects and arrays may nest
	Elements int // how many members an object, and elements an array, may have
	Text     int // how many bytes a text may have, names among them
	// Name, if set, says which member names may occur at all.
	Name func(string) bool
	// NoNull refuses null, which says nothing.
	NoNull bool
}

// Check refuses a text that breaks the rules, or that two readers could read
// differently: repeated members, members that differ in case only, characters
// that were not encoded (a lone surrogate), anything behind the value.
func Check(data []byte, rules Rules) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	c := checker{json.NewDecoder(bytes.NewReader(data)), rules}
	c.decoder.UseNumber()
	if err := c.value(0); err != nil {
		return err
	}
	return end(c.decoder)
}

type checker struct {
	decoder *json.Decoder
	Rules
}

func (c checker) value(depth int) error {
	token, err := c.decoder.Token()
	if err != nil {
		return errNotJSON
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == c.Depth {
			return fmt.Errorf("nested deeper than %d", c.Depth)
		}
		if t == '{' {
			return c.object(depth + 1)
		}
		return c.array(depth + 1)
	case string:
		return c.text(t)
	case nil:
		if c.NoNull {
			return errors.New("null says nothing")
		}
	}
	return nil
}

func (c checker) object(depth int) error {
	seen := map[string]bool{}
	for c.decoder.More() {
		name, err := readName(c.decoder)
		if err != nil {
			return err
		}
		if err := c.name(name, seen); err != nil {
			return err
		}
		if err := c.value(depth); err != nil {
			return err
		}
	}
	return c.close()
}

// name judges a member's name and remembers it.
func (c checker) name(name string, seen map[string]bool) error {
	if c.Name != nil && !c.Name(name) {
		return fmt.Errorf("no member may be named %q", brief(name))
	}
	if err := c.text(name); err != nil {
		return err
	}
	folded := strings.ToLower(strings.ToUpper(name)) // both ways: some letters fold in one alone
	if seen[folded] {
		return &Repeated{name}
	}
	seen[folded] = true
	return c.count(len(seen))
}

func (c checker) array(depth int) error {
	for n := 1; c.decoder.More(); n++ {
		if err := c.count(n); err != nil {
			return err
		}
		if err := c.value(depth); err != nil {
			return err
		}
	}
	return c.close()
}

// close reads the closing brace or bracket.
func (c checker) close() error {
	if _, err := c.decoder.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

func (c checker) count(n int) error {
	if n > c.Elements {
		return fmt.Errorf("more than %d members or elements", c.Elements)
	}
	return nil
}

func (c checker) text(s string) error {
	if len(s) > c.Text {
		return fmt.Errorf("a text of more than %d bytes", c.Text)
	}
	if strings.ContainsRune(s, utf8.RuneError) {
		return errors.New("a text holds a character that was not encoded")
	}
	return nil
}

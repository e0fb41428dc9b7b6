package strictjson

import (
	"errors"
	"fmt"
	"slices"
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
	_, err := Parse(data, rules)
	return err
}

// name judges a member's name.
func (r *Rules) name(name string) error {
	if r.Name != nil && !r.Name(name) {
		return fmt.Errorf("no member may be named %q", brief(name))
	}
	return r.text(name)
}

func (r *Rules) count(n int) error {
	if n > r.Elements {
		return fmt.Errorf("more than %d members or elements", r.Elements)
	}
	return nil
}

func (r *Rules) text(s string) error {
	if len(s) > r.Text {
		return fmt.Errorf("a text of more than %d bytes", r.Text)
	}
	if strings.ContainsRune(s, utf8.RuneError) {
		return errors.New("a text holds a character that was not encoded")
	}
	return nil
}

// fewNames is how many names are compared with each other; more are looked up.
const fewNames = 16

// repeated reports whether name is the same as one of those before it, in either
// case. Once there are many, seen holds them.
func repeated(name string, before []Item, seen *map[string]bool) bool {
	if len(before) <= fewNames {
		return slices.ContainsFunc(before, func(i Item) bool { return sameFolded(i.Name, name) })
	}
	if *seen == nil {
		*seen = make(map[string]bool, 2*len(before))
		for i := range before {
			(*seen)[folded(before[i].Name)] = true
		}
	}
	key := folded(name)
	twice := (*seen)[key]
	(*seen)[key] = true
	return twice
}

// folded folds both ways: some letters fold in one alone.
func folded(name string) string { return strings.ToLower(strings.ToUpper(name)) }

func sameFolded(a, b string) bool {
	if isASCII(a) && isASCII(b) {
		return strings.EqualFold(a, b)
	}
	return folded(a) == folded(b)
}

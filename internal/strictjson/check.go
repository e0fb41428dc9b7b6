package strictjson

import (
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
	_, err := Parse(data, rules)
	return err
}

func (r *Rules) count(n int) error {
	if n > r.Elements {
		return fmt.Errorf("more than %d members or elements", r.Elements)
	}
	return nil
}

// text judges a text, of which odd says that it may hold the replacement character.
func (r *Rules) text(s string, odd bool) error {
	if len(s) > r.Text {
		return fmt.Errorf("a text of more than %d bytes", r.Text)
	}
	if odd && strings.ContainsRune(s, utf8.RuneError) {
		return errUnencoded
	}
	return nil
}

// fewNames is how many names are compared with each other; more are looked up.
const fewNames = 16

// distinct refuses members that are there twice, in either case.
func distinct(members []Item) error {
	if len(members) > fewNames {
		return distinctMany(members)
	}
	for i := range members {
		for j := range i {
			if sameFolded(members[i].Name, members[j].Name) {
				return &Repeated{members[i].Name}
			}
		}
	}
	return nil
}

func distinctMany(members []Item) error {
	seen := make(map[string]bool, len(members))
	for i := range members {
		key := folded(members[i].Name)
		if seen[key] {
			return &Repeated{members[i].Name}
		}
		seen[key] = true
	}
	return nil
}

// folded folds both ways: some letters fold in one alone.
func folded(name string) string { return strings.ToLower(strings.ToUpper(name)) }

func sameFolded(a, b string) bool {
	if a == b {
		return true
	}
	if isASCII(a) && isASCII(b) {
		return len(a) == len(b) && strings.EqualFold(a, b)
	}
	return folded(a) == folded(b)
}

package evidence

import (
	"fmt"
	"regexp"
	"slices"
)

//go:generate go run ../internal/gencodes

// Code is a stable name for a check or a refusal, such as "sev-snp.signature".
// Codes are defined in this package only (the codes_*.go files), so that every
// code has a description, and docs/codes.md is generated from them. The zero
// Code means none.
type Code struct{ name string }

// registry holds every code with its description; it is written while the
// package's variables are initialised, and only read after that.
var registry = map[string]string{}

var codeForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$`)

// define registers a code. It panics on a malformed or repeated name: that is a
// mistake in this package.
func define(name, description string) Code {
	if _, taken := registry[name]; taken || !codeForm.MatchString(name) || description == "" {
		panic("evidence: bad or repeated code " + name)
	}
	registry[name] = description
	return Code{name}
}

func (c Code) String() string { return c.name }

// IsZero reports whether c is no code at all.
func (c Code) IsZero() bool { return c.name == "" }

// Description says in a sentence what the code means.
func (c Code) Description() string { return registry[c.name] }

// MarshalText returns the code's name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.name), nil }

// UnmarshalText reads the name of a registered code.
func (c *Code) UnmarshalText(text []byte) error {
	name := string(text)
	if _, ok := registry[name]; !ok {
		return fmt.Errorf("evidence: %q is no registered code", truncate(name))
	}
	c.name = name
	return nil
}

// Codes lists all codes, sorted by name.
func Codes() []Code {
	codes := make([]Code, 0, len(registry))
	for name := range registry {
		codes = append(codes, Code{name})
	}
	slices.SortFunc(codes, func(a, b Code) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return codes
}

package machines

import (
	"bytes"
	"unicode/utf8"

	"github.com/quotary/quotary/internal/strictyaml"
)

// Parse reads one description in YAML, or in JSON, which is YAML as well. Unknown and
// repeated keys, aliases, nulls and values of another type are errors with line and column,
// and the file's name in front: [evidence.CodeConfigMalformed]. Whether such a machine can be
// made, and its files, are not looked at.
func Parse(file string, data []byte) (Spec, error) {
	switch {
	case len(data) > maxSpec:
		return Spec{}, wrong(file, "a description has at most %d bytes, this one has %d", maxSpec, len(data))
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return Spec{}, wrong(file, "the description is not UTF-8 text")
	}
	var s Spec
	if err := strictyaml.Parse(file, data, &s); err != nil {
		return Spec{}, err
	}
	if s.Name == "" || s.Technology == "" {
		return Spec{}, wrong(file, "a machine needs the keys name and technology")
	}
	return s, nil
}

// UnmarshalJSON reads a description as [Parse] does.
func (s *Spec) UnmarshalJSON(data []byte) error {
	read, err := Parse("machine", data)
	if err == nil {
		*s = read
	}
	return err
}

package machines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Parse reads one description in YAML, or in JSON, which is YAML as well. Unknown and
// repeated keys, anchors, aliases, tags and values of another type are errors, all of them
// [evidence.CodeConfigMalformed] with line and column. Whether such a machine can be made,
// and its files, are not looked at.
func Parse(data []byte) (Spec, error) {
	switch {
	case len(data) > maxSpec:
		return Spec{}, wrong("", "a description has at most %d bytes, this one has %d", maxSpec, len(data))
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return Spec{}, wrong("", "the description is not UTF-8 text")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node, more yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return Spec{}, wrong("", "there is no description")
		}
		return Spec{}, wrong("", "not valid YAML: %w", err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return Spec{}, wrong("", "there is more than one description")
	}
	var s Spec
	if len(node.Content) != 1 {
		return Spec{}, wrong("", "there is no description")
	}
	return s, s.UnmarshalYAML(node.Content[0])
}

// UnmarshalJSON reads a description as [Parse] does.
func (s *Spec) UnmarshalJSON(data []byte) error {
	read, err := Parse(data)
	if err == nil {
		*s = read
	}
	return err
}

// UnmarshalYAML reads a description that is a part of another document.
func (s *Spec) UnmarshalYAML(n *yaml.Node) error {
	r := &reader{}
	var read Spec
	r.spec(n, &read)
	if err := errors.Join(r.errs...); err != nil {
		return err
	}
	*s = read
	return nil
}

// MarshalJSON writes an artefact as it is described: a name, or a file.
func (a Artefact) MarshalJSON() ([]byte, error) {
	if a.File != "" {
		return json.Marshal(map[string]string{"file": a.File})
	}
	return json.Marshal(a.Name)
}

// reader reads nodes, and gathers what is wrong with them.
type reader struct{ errs []error }

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, wrong(fmt.Sprintf("line %d, column %d", n.Line, n.Column), format, args...))
}

// member is a key of a mapping, and what reads its value.
type member struct {
	name string
	read func(*yaml.Node)
}

// mapping reads a mapping of these members, each at most once.
func (r *reader) mapping(n *yaml.Node, what string, members []member) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is a mapping", what)
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(members, func(m member) bool { return m.name == key.Value })
		switch {
		case !r.plain(key):
		case key.Kind != yaml.ScalarNode || at < 0:
			r.fail(key, "%s has no key %.60q", what, key.Value)
		case slices.Contains(seen, key.Value):
			r.fail(key, "the key %s is there twice", key.Value)
		default:
			seen = append(seen, key.Value)
			members[at].read(value)
		}
	}
}

// plain refuses the YAML that lets a document say something else than it shows.
func (r *reader) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fail(n, "anchors and aliases are not allowed; write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n, "tags such as %.40s are not allowed", n.Tag)
	default:
		return true
	}
	return false
}

// list reads a list of at most so many items.
func (r *reader) list(n *yaml.Node, most int, item func(*yaml.Node)) {
	switch {
	case !r.plain(n):
	case n.Kind != yaml.SequenceNode || len(n.Content) == 0:
		r.fail(n, "there must be a list of at least one item")
	case len(n.Content) > most:
		r.fail(n, "a list of %d items; at most %d are read", len(n.Content), most)
	default:
		for _, child := range n.Content {
			item(child)
		}
	}
}

// text reads a text that is not empty: a number or a boolean is none.
func (r *reader) text(n *yaml.Node) string {
	switch {
	case !r.plain(n):
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "":
		r.fail(n, "there must be a text; quote it if it is one")
	default:
		return n.Value
	}
	return ""
}

// number reads a positive decimal number.
func (r *reader) number(n *yaml.Node) int {
	if !r.plain(n) {
		return 0
	}
	value, err := strconv.ParseUint(n.Value, 10, 16)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || value == 0 {
		r.fail(n, "there must be a number from 1 to 65535 in decimal")
	}
	return int(value)
}

// truth reads true or false.
func (r *reader) truth(n *yaml.Node) bool {
	if r.plain(n) && (n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false") {
		r.fail(n, "there must be true or false")
	}
	return n.Value == "true"
}

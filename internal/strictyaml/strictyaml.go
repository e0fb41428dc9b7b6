// Package strictyaml reads configuration files: one YAML document that fits a Go type
// exactly. Unknown and repeated keys, values of another type, aliases, nulls and empty
// texts are errors, with line and column.
//
// Start at [Parse].
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// Parse decodes one document into out, a pointer to a struct whose fields have yaml tags;
// an empty file leaves it as it is. name stands in errors, which have the code
// evidence.CodeConfigMalformed.
func Parse(name string, data []byte, out any) error {
	var root, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return evidence.Errorf(evidence.CodeConfigMalformed, name, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return evidence.Errorf(evidence.CodeConfigMalformed, name, "the file holds more than one document")
	}
	s := shape{name}
	if err := s.check(root.Content[0], reflect.TypeOf(out).Elem()); err != nil {
		return err
	}
	if err := root.Decode(out); err != nil {
		return evidence.Errorf(evidence.CodeConfigMalformed, name, "%s", err)
	}
	return nil
}

// shape compares a YAML tree with a type, because the library's own errors have
// no column, and it takes aliases, nulls and repeated merges.
type shape struct{ file string }

func (s shape) check(n *yaml.Node, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Pointer: // what may be left out
		return s.check(n, t.Elem())
	case reflect.Struct:
		return s.mapping(n, t)
	case reflect.Slice:
		return s.sequence(n, t)
	case reflect.Bool:
		return s.scalar(n, "!!bool", "true or false")
	case reflect.Int:
		return s.scalar(n, "!!int", "a whole number")
	default:
		return s.scalar(n, "!!str", "text")
	}
}

func (s shape) mapping(n *yaml.Node, t reflect.Type) error {
	if n.Kind != yaml.MappingNode {
		return s.problem(n, "expected keys and values")
	}
	fields := map[string]reflect.Type{}
	var names []string
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == "-" { // which no file says
			continue
		}
		fields[f.Tag.Get("yaml")] = f.Type
		names = append(names, f.Tag.Get("yaml"))
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := fields[key.Value]
		if !known || key.Kind != yaml.ScalarNode {
			return s.problem(key, "unknown key %q; the keys here are %s", key.Value, strings.Join(names, ", "))
		}
		if seen[key.Value] {
			return s.problem(key, "the key %q is there twice", key.Value)
		}
		seen[key.Value] = true
		if err := s.check(value, field); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) sequence(n *yaml.Node, t reflect.Type) error {
	if n.Kind != yaml.SequenceNode {
		return s.problem(n, "expected a list")
	}
	for _, element := range n.Content {
		if err := s.check(element, t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) scalar(n *yaml.Node, tag, what string) error {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tag || tag == "!!str" && n.Value == "" {
		return s.problem(n, "expected %s", what)
	}
	return nil
}

func (s shape) problem(n *yaml.Node, format string, args ...any) error {
	at := fmt.Sprintf("%s:%d:%d", s.file, n.Line, n.Column)
	return evidence.Errorf(evidence.CodeConfigMalformed, at, format, args...)
}

package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// ReadConfig reads a configuration file.
func ReadConfig(path string) (Config, error) {
	data, err := readBounded(path, "configuration", maxConfig)
	if err != nil {
		return Config{}, err
	}
	c, err := parseConfig(path, data)
	if err != nil {
		return Config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, err
	}
	c.resolve(dir)
	return c, nil
}

// parseConfig decodes one YAML document strictly; name stands in errors.
func parseConfig(name string, data []byte) (Config, error) {
	var c Config
	var root, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return c, nil // an empty file: all defaults
	} else if err != nil {
		return c, evidence.Errorf(evidence.CodeConfigMalformed, name, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return c, evidence.Errorf(evidence.CodeConfigMalformed, name, "the file holds more than one document")
	}
	s := shape{name}
	if err := s.check(root.Content[0], reflect.TypeFor[Config]()); err != nil {
		return c, err
	}
	if err := root.Decode(&c); err != nil {
		return c, evidence.Errorf(evidence.CodeConfigMalformed, name, "%s", err)
	}
	return c, nil
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

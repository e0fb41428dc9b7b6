package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// showYAML writes value as YAML: what JSON has, in the same order.
func showYAML(s streams, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	root, err := yamlNode(decoder)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	// Foreign text is as safe to show on a terminal as in JSON: where there is an
	// unprintable character, the scalar is in double quotes and may have it escaped.
	for _, r := range text.String() {
		switch {
		case r == '\n' || !unprintable(r):
			s.out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(s.out, `\U%08x`, r)
		default:
			fmt.Fprintf(s.out, `\u%04x`, r)
		}
	}
	return nil
}

// yamlNode reads one JSON value.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return yamlCollection(d, v)
	case string:
		return yamlText(v)
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
}

// yamlCollection reads the rest of an object or array.
func yamlCollection(d *json.Decoder, open json.Delim) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if open == '[' {
		n.Kind = yaml.SequenceNode
	}
	for d.More() { // a name is a value, too
		element, err := yamlNode(d)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, element)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle // {} and []
	}
	_, err := d.Token() // the end
	return n, err
}

// yamlText is a text, which no reader takes for something else: not even one of
// YAML 1.1, to whom no is a truth value and 1:30 a number.
func yamlText(text string) (*yaml.Node, error) {
	n := &yaml.Node{}
	err := n.Encode(text)
	if n.Tag != "!!str" || n.Value != text || strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), unprintable) {
		n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
	}
	return n, err
}

// writeValue writes value in one of the output formats; text writes it for people.
func writeValue(s streams, format string, value any, text func() error) error {
	switch format {
	case "json":
		return writeJSON(s, value)
	case "yaml":
		return showYAML(s, value)
	}
	return text()
}

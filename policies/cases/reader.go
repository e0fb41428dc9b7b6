package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// reader reads a file and collects what is wrong with it.
type reader struct {
	file     string
	problems policies.Problems
	more     int // problems that are not told
}

func (r *reader) add(line, column int, code evidence.Code, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
	field := fmt.Sprintf("%s:%d:%d", r.file, line, column)
	r.problems = append(r.problems, &evidence.Error{Code: code, Field: field, Detail: fmt.Sprintf(format, args...)})
}

func (r *reader) problem(n *yaml.Node, code evidence.Code, format string, args ...any) {
	r.add(n.Line, n.Column, code, format, args...)
}

// err returns the problems, or nil if there are none.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	if r.more > 0 {
		last := r.problems[len(r.problems)-1]
		last.Detail += fmt.Sprintf("; and %d more problems in this file", r.more)
	}
	return r.problems
}

// parse returns the root of the file's one document, or nil.
func (r *reader) parse(data []byte) *yaml.Node {
	switch {
	case len(data) > maxFile:
		r.add(1, 1, evidence.CodePolicyTooLarge, "a file of cases has at most %d bytes, this one has %d", maxFile, len(data))
		return nil
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		r.add(1, 1, evidence.CodePolicySyntax, "the file is not UTF-8 text")
		return nil
	case countTokens(data) > maxTokens:
		r.add(1, 1, evidence.CodePolicyTooLarge, "the file has too many values; split it, or put claims into files")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, behind yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			r.add(1, 1, evidence.CodePolicyMissingKey, "the file has no cases")
		} else {
			r.syntax(err)
		}
		return nil
	}
	if err := decoder.Decode(&behind); !errors.Is(err, io.EOF) {
		if err != nil {
			r.syntax(err)
		} else {
			r.problem(&behind, evidence.CodePolicySyntax, "a file of cases is one document")
		}
		return nil
	}
	root := document.Content[0]
	if !r.guard(root, 0) {
		return nil
	}
	return root
}

// countTokens returns an upper bound of the YAML nodes in data: each but the first
// follows one of these characters.
func countTokens(data []byte) int {
	count := 1
	for _, c := range data {
		if strings.IndexByte("\n\r,[{:?-&*!", c) >= 0 {
			count++
		}
	}
	return count
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (?s:(.*))$`)

// syntax takes the line from the YAML parser's message, which knows no column.
func (r *reader) syntax(err error) {
	line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line, text = max(n, 1), m[2]
		}
	}
	r.add(line, 1, evidence.CodePolicySyntax, "not valid YAML: %s", text)
}

// guard refuses the YAML that lets a document say something else than it shows:
// anchors, aliases, merge keys, tags, duplicate keys, keys that are no text.
func (r *reader) guard(n *yaml.Node, depth int) bool {
	before := len(r.problems) + r.more
	switch {
	case depth > maxDepth:
		r.problem(n, evidence.CodePolicySyntax, "values are nested more than %d deep", maxDepth)
		return false
	case n.Kind == yaml.AliasNode:
		r.problem(n, evidence.CodePolicySyntax, "aliases are not allowed; write the value out")
		return false
	case n.Anchor != "":
		r.problem(n, evidence.CodePolicySyntax, "anchors are not allowed; write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0:
		r.problem(n, evidence.CodePolicySyntax, "tags are not allowed")
	}
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			switch line, repeated := seen[key.Value]; {
			case key.Kind != yaml.ScalarNode || key.Value == "<<" || isNull(key):
				r.problem(key, evidence.CodePolicySyntax, "a key must be a plain word")
			case repeated:
				r.problem(key, evidence.CodePolicyDuplicateKey, "key %q is there already, on line %d", clip(key.Value), line)
			}
			seen[key.Value] = key.Line
		}
	}
	for _, child := range n.Content {
		r.guard(child, depth+1)
	}
	return len(r.problems)+r.more == before
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!null"
}

// mapping returns the values of a mapping by their keys, which must be among these;
// nil, reported, if n is none or is empty.
func (r *reader) mapping(n *yaml.Node, what string, keys ...string) map[string]*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.problem(n, evidence.CodePolicyType, "%s: expected keys (%s), not %s", what, strings.Join(keys, ", "), describe(n))
		return nil
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(keys, key.Value) {
			r.problem(key, evidence.CodePolicyUnknownKey, "%s has no key %q; it has %s", what, clip(key.Value), strings.Join(keys, ", "))
			continue
		}
		values[key.Value] = n.Content[i+1]
	}
	return values
}

// sequence returns the entries of a list, which may be empty.
func (r *reader) sequence(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, evidence.CodePolicyType, "%s: expected a list, not %s", what, describe(n))
		return nil
	}
	return n.Content
}

// text returns a text that is not empty, or "".
func (r *reader) text(n *yaml.Node, what string) string {
	switch {
	case n == nil:
	case n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "":
		r.problem(n, evidence.CodePolicyType, "%s: expected a text, not %s", what, describe(n))
	case len(n.Value) > maxText:
		r.problem(n, evidence.CodePolicyTooLarge, "%s has more than %d bytes", what, maxText)
	default:
		return n.Value
	}
	return ""
}

func (r *reader) boolean(n *yaml.Node, what string) bool {
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Style != 0 || n.Value != "true" && n.Value != "false" {
		r.problem(n, evidence.CodePolicyType, "%s: expected true or false, not %s", what, describe(n))
	}
	return n.Value == "true"
}

// describe says what n is, for messages.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		return "nothing"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return strconv.Quote(clip(n.Value))
}

// clip keeps foreign text in messages short.
func clip(text string) string {
	const most = 64
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

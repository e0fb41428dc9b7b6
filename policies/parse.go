package policies

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// The kinds of documents.
const (
	kindWorkload        = "Workload"
	kindReferenceValues = "ReferenceValues"
	kindAdvisories      = "Advisories"
)

// document is one YAML document of a known kind.
type document struct {
	source
	kind   string
	fields *fields // the document's keys; apiVersion and kind are taken
	root   *yaml.Node
}

// parseFiles splits files into documents and checks what is common to all.
func parseFiles(files []File, keys []ReferenceKey, found *problems) []document {
	if len(files) > MaxFiles {
		found.add(problem{files[MaxFiles].Name, 1, 1, evidence.CodePolicyTooLarge, "a policy has at most " + strconv.Itoa(MaxFiles) + " files"})
		return nil
	}
	var documents []document
	total := 0
	for _, file := range files {
		src := source{file: file.Name, data: file.Data, problems: found}
		if total += len(file.Data); total > MaxTotalSize {
			src.add(1, 1, evidence.CodePolicyTooLarge, "the files of a policy have at most %d bytes together", MaxTotalSize)
			break
		}
		if !src.unseal(keys) {
			continue
		}
		for _, root := range src.parse() {
			if d, ok := src.document(root); ok {
				documents = append(documents, d)
			}
		}
	}
	return documents
}

// document checks apiVersion and kind.
func (s source) document(root *yaml.Node) (document, bool) {
	if !s.guard(root, 0) {
		return document{}, false
	}
	f := s.mapping(root, "a policy document")
	if f == nil {
		return document{}, false
	}
	version := s.text(f.need("apiVersion", "write apiVersion: "+apiVersion))
	if version != "" && version != apiVersion {
		s.problem(f.values["apiVersion"], evidence.CodePolicyValue, "apiVersion %q is none that this build knows; use %s", clip(version), apiVersion)
	}
	kind := s.text(f.need("kind", "write kind: Workload, kind: ReferenceValues or kind: Advisories"))
	switch kind {
	case kindWorkload, kindReferenceValues, kindAdvisories:
		return document{source: s, kind: kind, fields: f, root: root}, version == apiVersion
	case "":
	default:
		s.problem(f.values["kind"], evidence.CodePolicyValue, "kind %q is none that this build knows; use Workload, ReferenceValues or Advisories", clip(kind))
	}
	return document{}, false
}

// source is a file that is being read.
type source struct {
	file     string
	data     []byte
	problems *problems
	signedBy []string // the keys that signed data, if it was signed
}

// parse returns the roots of the file's documents.
func (s source) parse() []*yaml.Node {
	switch {
	case len(s.data) > MaxFileSize:
		s.add(1, 1, evidence.CodePolicyTooLarge, "a policy file has at most %d bytes, this one has %d", MaxFileSize, len(s.data))
		return nil
	case !utf8.Valid(s.data) || bytes.IndexByte(s.data, 0) >= 0:
		s.add(1, 1, evidence.CodePolicySyntax, "the file is not UTF-8 text")
		return nil
	case countTokens(s.data) > maxTokens:
		s.add(1, 1, evidence.CodePolicyTooLarge, "the file has too many values; split it")
		return nil
	}
	if line, column, char := hidden(s.data); line > 0 {
		s.add(line, column, evidence.CodePolicySyntax, "%U shows otherwise than it is read, or not at all; take it out, or write it as \"\\u%04X\"", char, char)
		return nil
	}
	var roots []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(s.data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, column, text := s.syntaxError(err)
			s.add(line, column, evidence.CodePolicySyntax, "%s", text)
			return roots
		}
		if len(node.Content) == 1 && !isNull(node.Content[0]) {
			roots = append(roots, node.Content[0])
		}
	}
	if len(roots) == 0 {
		s.add(1, 1, evidence.CodePolicyMissingKey, "the file has no policy document")
	}
	return roots
}

// hidden returns the place of the first character that YAML takes for the end of a line, or
// of a comment, and editors do not, or that turns the direction of what follows it: what
// looks like a comment to who approves of a document would be read. Line 0 means none.
func hidden(data []byte) (line, column int, char rune) {
	line, column = 1, 1
	for at, char := range string(data) {
		switch {
		case char == '\n':
			line, column = line+1, 0
		case char == '\r' && !bytes.HasPrefix(data[at+1:], []byte("\n")),
			char > unicode.MaxASCII && (strings.ContainsRune(hiddenBreaks, char) || unicode.Is(unicode.Bidi_Control, char)):
			return line, column, char
		}
		column++
	}
	return 0, 0, 0
}

// hiddenBreaks end a line in YAML 1.1: next line, line separator, paragraph separator.
const hiddenBreaks = "\u0085\u2028\u2029"

// countTokens returns an upper bound of the YAML nodes in data: each but the
// first follows one of these characters.
func countTokens(data []byte) int {
	count := 1
	for _, c := range data {
		switch c {
		case '\n', '\r', ',', '[', '{', ':', '?', '-', '&', '*', '!':
			count++
		}
	}
	return count
}

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): (?s:(.*))$`)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '([^']*)' referenced$`)
)

// syntaxError takes the place from the YAML parser's message, which knows at
// most a line.
func (s source) syntaxError(err error) (line, column int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return max(n, 1), 1, "not valid YAML: " + m[2]
		}
	}
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		before, _, _ := strings.Cut(string(s.data), "*"+m[1])
		start := strings.LastIndexByte(before, '\n') + 1
		return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1, "aliases are not allowed; write the value out"
	}
	return 1, 1, "not valid YAML: " + text
}

// guard refuses the YAML that lets a document say something else than it
// shows: anchors, aliases, merge keys, tags, duplicate keys, keys that are no text.
func (s source) guard(n *yaml.Node, depth int) bool {
	ok := true
	fault := func(code evidence.Code, format string, args ...any) {
		s.problem(n, code, format, args...)
		ok = false
	}
	switch {
	case depth > maxDepth:
		fault(evidence.CodePolicySyntax, "values are nested more than %d deep", maxDepth)
		return false
	case n.Kind == yaml.AliasNode:
		fault(evidence.CodePolicySyntax, "aliases are not allowed; write the value out")
		return false
	case n.Anchor != "":
		fault(evidence.CodePolicySyntax, "anchors are not allowed; write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0:
		fault(evidence.CodePolicySyntax, "tags such as %s are not allowed", clip(n.Tag))
	}
	if n.Kind == yaml.MappingNode && !s.guardKeys(n) {
		ok = false
	}
	for _, child := range n.Content {
		if !s.guard(child, depth+1) {
			ok = false
		}
	}
	return ok
}

func (s source) guardKeys(n *yaml.Node) bool {
	ok := true
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		first, repeated := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || isNull(key):
			s.problem(key, evidence.CodePolicySyntax, "a key must be a plain word")
			ok = false
		case key.Value == "<<":
			s.problem(key, evidence.CodePolicySyntax, "merge keys are not allowed; write the values out")
			ok = false
		case repeated:
			s.problem(key, evidence.CodePolicyDuplicateKey, "key %q is there already, on line %d", clip(key.Value), first.Line)
			ok = false
		default:
			seen[key.Value] = key
		}
	}
	return ok
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!null"
}

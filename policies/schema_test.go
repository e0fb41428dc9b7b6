package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/policies"
)

// schemas reads JSON Schema as far as policy.schema.json uses it; a keyword that
// is not known fails the test.
type schemas struct {
	t     testing.TB
	defs  map[string]any
	root  map[string]any
	forms map[string]*regexp.Regexp
}

func readSchema(t testing.TB) *schemas {
	t.Helper()
	s := &schemas{t: t, forms: map[string]*regexp.Regexp{}}
	if err := json.Unmarshal(policies.Schema, &s.root); err != nil {
		t.Fatal(err)
	}
	s.defs = s.root["$defs"].(map[string]any)
	return s
}

func (s *schemas) resolve(reference string) map[string]any {
	def, ok := s.defs[strings.TrimPrefix(reference, "#/$defs/")].(map[string]any)
	if !ok {
		s.t.Fatalf("no schema %s", reference)
	}
	return def
}

func (s *schemas) form(pattern string) *regexp.Regexp {
	if s.forms[pattern] == nil {
		s.forms[pattern] = regexp.MustCompile(pattern)
	}
	return s.forms[pattern]
}

// wrong returns what is wrong with a value, or "".
func (s *schemas) wrong(schema map[string]any, value any, at string) string {
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		if wrong := s.keyword(schema, keyword, value, at); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (s *schemas) keyword(schema map[string]any, keyword string, value any, at string) string {
	argument := schema[keyword]
	text, isText := value.(string)
	number, isNumber := value.(int)
	switch keyword {
	case "$schema", "$id", "title", "description", "$defs", "then":
	case "$ref":
		return s.wrong(s.resolve(argument.(string)), value, at)
	case "type":
		if got := kindOf(value); got != argument {
			return fmt.Sprintf("%s is %s, want %s", at, got, argument)
		}
	case "const":
		if value != argument {
			return fmt.Sprintf("%s is %v, want %v", at, value, argument)
		}
	case "enum":
		if !slices.ContainsFunc(argument.([]any), func(a any) bool { return fmt.Sprint(a) == fmt.Sprint(value) && kindOf(value) != "object" }) {
			return fmt.Sprintf("%s is %v, want one of %v", at, value, argument)
		}
	case "pattern":
		if isText && !s.form(argument.(string)).MatchString(text) {
			return fmt.Sprintf("%s is %.80q, which does not match %s", at, text, argument)
		}
	case "format":
		layout := map[any]string{"date-time": time.RFC3339, "date": time.DateOnly}[argument]
		if _, err := time.Parse(layout, text); layout == "" || isText && err != nil {
			return fmt.Sprintf("%s is %q, no %s", at, text, argument)
		}
	case "minLength", "maxLength":
		if limit := int(argument.(float64)); isText && (keyword == "minLength" && len(text) < limit || keyword == "maxLength" && len(text) > limit) {
			return fmt.Sprintf("%s has %d characters, %s %d", at, len(text), keyword, limit)
		}
	case "minimum", "maximum":
		if limit := int(argument.(float64)); isNumber && (keyword == "minimum" && number < limit || keyword == "maximum" && number > limit) {
			return fmt.Sprintf("%s is %d, %s %d", at, number, keyword, limit)
		}
	case "minItems", "maxItems", "uniqueItems", "items":
		return s.items(keyword, argument, value, at)
	case "required", "minProperties", "properties", "additionalProperties":
		return s.members(schema, keyword, value, at)
	case "oneOf", "anyOf", "allOf":
		return s.branches(keyword, argument.([]any), value, at)
	case "if":
		if s.wrong(argument.(map[string]any), value, at) == "" {
			return s.wrong(schema["then"].(map[string]any), value, at)
		}
	default:
		s.t.Fatalf("the schema uses %s, which the test does not know", keyword)
	}
	return ""
}

func (s *schemas) items(keyword string, argument, value any, at string) string {
	list, ok := value.([]any)
	switch {
	case !ok:
	case keyword == "minItems" && len(list) < int(argument.(float64)), keyword == "maxItems" && len(list) > int(argument.(float64)):
		return fmt.Sprintf("%s has %d entries", at, len(list))
	case keyword == "items":
		for i, item := range list {
			if wrong := s.wrong(argument.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case keyword == "uniqueItems":
		for i := range list {
			if slices.ContainsFunc(list[:i], func(other any) bool { return reflect.DeepEqual(other, list[i]) }) {
				return fmt.Sprintf("%s has %v twice", at, list[i])
			}
		}
	}
	return ""
}

func (s *schemas) members(schema map[string]any, keyword string, value any, at string) string {
	object, ok := value.(map[string]any)
	if !ok {
		return ""
	}
	properties, _ := schema["properties"].(map[string]any)
	switch argument := schema[keyword].(type) {
	case []any:
		for _, name := range argument {
			if _, there := object[name.(string)]; !there {
				return fmt.Sprintf("%s has no %s", at, name)
			}
		}
	case float64:
		if len(object) < int(argument) {
			return at + " is empty"
		}
	case bool: // additionalProperties: false
		for name := range object {
			if properties[name] == nil {
				return at + " has an unknown key " + name
			}
		}
	case map[string]any:
		for name, member := range object {
			one, known := argument[name].(map[string]any)
			if keyword == "additionalProperties" {
				one, known = argument, properties[name] == nil
			}
			if wrong := ""; known {
				if wrong = s.wrong(one, member, at+"."+name); wrong != "" {
					return wrong
				}
			}
		}
	}
	return ""
}

func (s *schemas) branches(keyword string, branches []any, value any, at string) string {
	matches, first := 0, ""
	for _, branch := range branches {
		wrong := s.wrong(branch.(map[string]any), value, at)
		if wrong == "" {
			matches++
		} else if len(wrong) > len(first) { // the deepest is the most telling
			first = wrong
		}
	}
	if matches == 0 || keyword == "oneOf" && matches > 1 || keyword == "allOf" && matches < len(branches) {
		return fmt.Sprintf("%s: %d of %d branches of %s match; %s", at, matches, len(branches), keyword, first)
	}
	return ""
}

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", value)
}

// keysAt returns the keys that objects may have at a place of a value, by all
// branches that the value is valid by.
func (s *schemas) keysAt(schema map[string]any, value any, path []string) map[string]bool {
	found := map[string]bool{}
	if s.wrong(schema, value, "") != "" {
		return found
	}
	visit := func(next map[string]any, value any, path []string) { maps.Copy(found, s.keysAt(next, value, path)) }
	for keyword, argument := range schema {
		switch keyword {
		case "$ref":
			visit(s.resolve(argument.(string)), value, path)
		case "oneOf", "anyOf", "allOf":
			for _, branch := range argument.([]any) {
				visit(branch.(map[string]any), value, path)
			}
		case "if":
			if s.wrong(argument.(map[string]any), value, "") == "" {
				visit(schema["then"].(map[string]any), value, path)
			}
		case "items":
			if list, ok := value.([]any); ok && len(path) > 0 {
				var i int
				fmt.Sscan(path[0], &i)
				visit(argument.(map[string]any), list[i], path[1:])
			}
		case "properties":
			object, ok := value.(map[string]any)
			for key, property := range argument.(map[string]any) {
				switch {
				case !ok:
				case len(path) == 0:
					found[key] = true
				case key == path[0]:
					visit(property.(map[string]any), object[key], path[1:])
				}
			}
		}
	}
	return found
}

// plain turns YAML into the values of JSON, as editors do: only numbers and
// booleans are more than text.
func plain(t testing.TB, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			object[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := []any{}
		for _, entry := range n.Content {
			list = append(list, plain(t, entry))
		}
		return list
	}
	var number int
	var boolean bool
	switch {
	case n.ShortTag() == "!!int" && n.Decode(&number) == nil:
		return number
	case n.ShortTag() == "!!bool" && n.Decode(&boolean) == nil:
		return boolean
	}
	return n.Value
}

// roots are the documents of files.
func roots(t testing.TB, files ...policies.File) []*yaml.Node {
	t.Helper()
	var all []*yaml.Node
	for _, file := range files {
		decoder := yaml.NewDecoder(strings.NewReader(string(file.Data)))
		for {
			var n yaml.Node
			if decoder.Decode(&n) != nil {
				break
			}
			if len(n.Content) > 0 {
				all = append(all, n.Content[0])
			}
		}
	}
	return all
}

// exemplary are documents that load, which have every mapping that there is.
func exemplary(t *testing.T) []policies.File {
	t.Helper()
	files, err := policies.ReadFiles("testdata/examples", "amd_advisories.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(files, examples(t, docsPage), examples(t, "../README.md"), filesOf(
		snpWith("products: {allow: [Milan], deny: [Genoa]}", "csp_ids: {deny: [a]}", "minimum_mitigation: {launch: \"0000000000000001\"}", "revocation: {stale_ok: 24h}", "advisories: {deny_except: [AMD-SB-3019]}", "guest_policy: {smt: forbidden}", "platform: {ecc: required}"),
		withRules(turinPolicy, "sev_snp.vmpl == 0"),
		tdxWith("tcb_statuses: [{status: OutOfDate, until: 2027-01-31T00:00:00Z, advisories: [{id: INTEL-SA-00001, until: 2027-01-01T00:00:00Z}]}]", "advisories: none"),
		tpmWith("ak: {eks: {deny: [\""+hexOf(1, 32)+"\"]}}", "boot: {mok: {list: ["+fingerprint(9).String()+"]}}"),
		advisories(),
	))
}

func TestSchemaAcceptsExamples(t *testing.T) {
	s := readSchema(t)
	files := exemplary(t)
	count := 0
	for _, n := range roots(t, files...) {
		if wrong := s.wrong(s.root, plain(t, n), "document"); wrong != "" {
			t.Errorf("line %d: %s", n.Line, wrong)
		}
		count++
	}
	if count < 20 {
		t.Errorf("only %d documents", count)
	}
}

var knownKeys = regexp.MustCompile(`has no key "completely-unknown-key"; known are ([^\n]*) \(policy.unknown-key\)`)

// The schema has at every place exactly the keys that the loader knows there: an
// unknown one makes the loader list them, and the schema refuse the document.
func TestSchemaHasEveryKeyOfTheLoader(t *testing.T) {
	s := readSchema(t)
	places := map[string]bool{}
	for _, root := range roots(t, exemplary(t)...) {
		document := plain(t, root)
		if s.wrong(s.root, document, "") != "" {
			continue // told by another test
		}
		eachMapping(root, nil, func(n *yaml.Node, path []string) {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "completely-unknown-key"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "1", Tag: "!!int"})
			defer func() { n.Content = n.Content[:len(n.Content)-2] }()
			text, err := yaml.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			_, err = policies.Load(policies.File{Name: "p", Data: text})
			if err == nil {
				t.Fatalf("the loader knows every key at %v", path)
			}
			told := knownKeys.FindStringSubmatch(err.Error())
			at := strings.Join(path, ".")
			if told == nil {
				if !strings.Contains(at, "pcrs") && !strings.Contains(at, "events") {
					t.Errorf("the loader lists no keys at %s: %.200s", at, err)
				}
				return
			}
			if s.wrong(s.root, plain(t, root), "") == "" {
				t.Errorf("the schema takes unknown keys at %s", at)
			}
			want := strings.Split(told[1], ", ")
			got := s.keysAt(s.root, document, path)
			slices.Sort(want)
			if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, slices.Compact(want)) && !oneLine(have, want) {
				t.Errorf("at %s the schema knows %v\nthe loader %v", at, have, want)
			}
			places[regexp.MustCompile(`\.\d+`).ReplaceAllString(at, "")] = true
		})
	}
	if len(places) < 40 {
		t.Errorf("only %d places: %v", len(places), slices.Sorted(maps.Keys(places)))
	}
}

// oneLine reports whether the loader knows a product line's components where the
// schema, which does not follow products, knows fmc besides.
func oneLine(have, want []string) bool {
	return slices.Contains(have, "bootloader") && slices.Equal(slices.DeleteFunc(slices.Clone(have), func(key string) bool { return key == "fmc" }), want)
}

// eachMapping calls visit for every mapping below n, with its path.
func eachMapping(n *yaml.Node, path []string, visit func(n *yaml.Node, path []string)) {
	switch n.Kind {
	case yaml.MappingNode:
		visit(n, path)
		for i := 0; i+1 < len(n.Content); i += 2 {
			eachMapping(n.Content[i+1], append(slices.Clip(path), n.Content[i].Value), visit)
		}
	case yaml.SequenceNode:
		for i, entry := range n.Content {
			eachMapping(entry, append(slices.Clip(path), fmt.Sprint(i)), visit)
		}
	}
}

// What the schema refuses, the loader refuses too, and the common mistakes are
// seen by the schema already.
func TestSchemaRefuses(t *testing.T) {
	s := readSchema(t)
	for name, text := range map[string]string{
		"kind": replace(snpWith(), "kind: Workload", "kind: Workloads"), "version": replace(snpWith(), "quotary.dev/v1", "quotary.dev/v2"),
		"short value": replace(snpWith(), m11, m11[2:]), "any where it is not": replace(snpWith(), "[\""+m11+"\"]", "[any]"), "no minimum": replace(snpWith(), "      minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}\n", ""),
		"a level too high": replace(snpWith(), "snp: 24", "snp: 256"), "a word": snpWith("platform: {smt: maybe}"), "an empty list": snpWith("host_data: []"), "a value twice": snpWith("allow: [debug, debug]"),
		"a resettable PCR": replace(tpmWith(), "7: [", "16: ["), "SHA-1": replace(tpmWith(), "sha256: {0", "sha1: {0"), "PCR 10": replace(tpmWith(), "7: [", "10: ["), "two technologies": replace(reference("a", "2027-01-01T00:00:00Z"), "sev-snp", "tpm"),
		"no end": replace(reference("a", "2027-01-01T00:00:00Z"), "not_after: 2027-01-01T00:00:00Z\n", ""), "another end": replace(reference("a", "2027-01-01T00:00:00Z"), "2027-01-01T00:00:00Z", "tomorrow"),
		"rtmr0": replace(tdxWith(), "rtmr0: [\""+m30+"\"]", "rtmr0: boot"), "a status": tdxWith("tcb_statuses: [Revoked]"), "empty rules": snpWith() + "    require: []\n",
	} {
		if _, err := policies.Load(filesOf(text)...); err == nil {
			t.Errorf("%s: the loader accepts\n%s", name, text)
		}
		if wrong := s.wrong(s.root, plain(t, roots(t, filesOf(text)...)[0]), ""); wrong == "" {
			t.Errorf("%s: the schema accepts\n%s", name, text)
		}
	}
}

// The file is what is embedded, and every part of it is used.
func TestSchemaHasNoLeftovers(t *testing.T) {
	s := readSchema(t)
	text, err := os.ReadFile("policy.schema.json")
	if err != nil || string(text) != string(policies.Schema) {
		t.Error(err)
	}
	for name := range s.defs {
		if !strings.Contains(string(text), `"#/$defs/`+name+`"`) {
			t.Errorf("nothing refers to %s", name)
		}
	}
}

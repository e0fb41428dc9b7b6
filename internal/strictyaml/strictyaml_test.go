package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictyaml"
)

type part struct {
	Name string `yaml:"name"`
}

type config struct {
	Text  string   `yaml:"text"`
	Yes   bool     `yaml:"yes"`
	Count *int     `yaml:"count"`
	List  []string `yaml:"list"`
	Parts []part   `yaml:"parts"`
	One   *part    `yaml:"one"`
}

func TestParse(t *testing.T) {
	var got config
	err := strictyaml.Parse("f", []byte("text: a\nyes: true\ncount: 0\nlist: [b]\nparts: [{name: c}]\none: {name: d}\n"), &got)
	want := config{"a", true, new(0), []string{"b"}, []part{{"c"}}, &part{"d"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	got = config{Text: "default"}
	if err := strictyaml.Parse("f", nil, &got); err != nil || got.Text != "default" {
		t.Errorf("an empty file: %v, %+v", err, got)
	}
}

// What does not fit is an error that says where.
func TestParseRefuses(t *testing.T) {
	for source, where := range map[string]string{
		"txet: a\n":                   "f:1:1",
		"text: a\ntext: b\n":          "f:2:1",
		"text: 1\n":                   "f:1:7",
		"text: \"\"\n":                "f:1:7",
		"text: ~\n":                   "f:1:7",
		"text: [a]\n":                 "f:1:7",
		"yes: 1\n":                    "f:1:6",
		"count: 1.5\n":                "f:1:8",
		"list: a\n":                   "f:1:7",
		"list: [a, 2]\n":              "f:1:11",
		"parts: [{nam: c}]\n":         "f:1:10",
		"one: {name: {a: b}}\n":       "f:1:13",
		"- text\n":                    "f:1:1",
		"text: a\n---\ntext: b\n":     "f",
		"text: [\n":                   "f",
		"text: &x a\nlist: [*x]\n":    "f:2:8",
		"<<: {text: a}\nyes: true\n":  "f:1:1",
		"? {text: a}\n: b\n":          "f:1:3",
		"text: !!binary aGVsbG8=\n":   "f:1:7",
		"count: 99999999999999999999": "f",
	} {
		err := strictyaml.Parse("f", []byte(source), &config{})
		if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error()+" ", " "+where+":") {
			t.Errorf("%q: %v, want one at %s", source, err, where)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("text: a\nyes: true\ncount: 0\nlist: [b]\nparts: [{name: c}]\none: {name: d}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(_ *testing.T, source []byte) { _ = strictyaml.Parse("f", source, &config{}) })
}

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestYAML(t *testing.T) {
	s := streams{out: &bytes.Buffer{}}
	value := json.RawMessage(`{"b":1,"a":[],"text":"two\nlines","no":"no","n":"1e3","null":null,"esc":"x\u001b[31m\u202e😀","list":[{"x":true,"y":1.5}],"o":{}}`)
	if err := showYAML(s, value); err != nil {
		t.Fatal(err)
	}
	want := `b: 1
a: []
text: |-
  two
  lines
"no": "no"
"n": "1e3"
"null": null
esc: "x\e[31m\u202e\U0001F600"
list:
  - x: true
    "y": 1.5
o: {}
`
	if diff := cmp.Diff(want, s.out.String()); diff != "" {
		t.Error(diff)
	}
}

// FuzzYAML: a reader of the YAML finds what the JSON had, and a terminal shows it
// harmlessly.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{"", "no", "1", "0x1f", "2026-06-01", "a: b", "- x", "#", "x\ny", "\x1b[31m", "\u202e", "\u2028", "~", "<<", "=", "\U000e0001", " x ", "'", `"`, "\t", "*a", "&a", "!!int 1"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, key, text string) {
		value := map[string]any{"k" + key: text, "list": []any{text, map[string]any{key: text}}}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		s := streams{out: &bytes.Buffer{}}
		if err := showYAML(s, value); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(strings.ReplaceAll(s.out.String(), "\n", ""), unprintable) {
			t.Fatalf("unprintable: %q", s.out.String())
		}
		if err := yaml.Unmarshal(s.out.Bytes(), &got); err != nil {
			t.Fatalf("%v in %q", err, s.out.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s in %q", diff, s.out.String())
		}
	})
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/policies"
)

func setOf(t *testing.T, text string) *documentSet {
	t.Helper()
	set, err := newDocumentSet([]policies.File{{Name: "policy/web.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func textOf(set *documentSet) string { return string(set.files()[0].Data) }

// Only what is to be replaced changes, however it is written.
func TestSetTextChangesNothingElse(t *testing.T) {
	const before, after = "2099-01-01T00:00:00Z", "2098-01-01T00:00:00Z"
	for name, text := range map[string]string{
		"plain":               aWorkload,
		"double quotes":       strings.Replace(aWorkload, before, `"`+before+`"`, 1),
		"single quotes":       strings.Replace(aWorkload, before, `'`+before+`'`, 1),
		"carriage returns":    strings.ReplaceAll(aWorkload, "\n", "\r\n"),
		"flow":                strings.Replace(aWorkload, "technology: tdx\n", "technology:    tdx   # é\n", 1),
		"no end of line":      strings.TrimSuffix(aWorkload, "\n"),
		"a marker with words": strings.Replace(aWorkload, "---\n", "--- # ---\n", 1),
		"first in the file":   aWorkload[strings.Index(aWorkload, "# kept"):],
		"the same elsewhere":  strings.Replace(aWorkload, "source: web 1", "source: "+before, 1),
	} {
		set := setOf(t, text)
		if textOf(set) != text {
			t.Fatalf("%s: the documents are not the file", name)
		}
		p, err := set.reference("web-tdx")
		if err == nil {
			err = p.setText("not_after", after)
		}
		at := strings.LastIndex(text, before)
		if want := text[:at] + after + text[at+len(before):]; err != nil || textOf(set) != want || p.scalar("not_after") != after {
			t.Errorf("%s: %v\n%s", name, err, textOf(set))
		}
	}
	for name, text := range map[string]string{
		"folded":  strings.Replace(aWorkload, before, ">-\n  "+before, 1),
		"escaped": strings.Replace(aWorkload, before, `"\x32`+before[1:]+`"`, 1),
		"a list":  strings.Replace(aWorkload, before, "["+before+"]", 1),
		"missing": strings.Replace(aWorkload, "not_after: ", "after: ", 1),
	} {
		set := setOf(t, text)
		p, err := set.reference("web-tdx")
		if err == nil {
			err = p.setText("not_after", after)
		}
		if err == nil || textOf(set) != text {
			t.Errorf("%s: %v\n%s", name, err, textOf(set))
		}
	}
}

const nextValues = `# the next release
apiVersion: quotary.dev/v1
kind: ReferenceValues
name: %NAME%
technology: tdx
provenance: {source: web 2, created_by: pipeline, created_at: 2026-02-01T00:00:00Z}
not_after: 2099-06-01T00:00:00Z
values:
  mrtd: [5f83d9abfb41bd6b5be0cd19137e2179cbbb9d5dc1059ed8629a292a367cd507bb67ae8584caa73b3c6ef372fe94f82b]`

func TestTakeReferences(t *testing.T) {
	next := strings.Replace(nextValues, "%NAME%", "next-tdx", 1)
	newer := strings.Replace(nextValues, "%NAME%", "web-tdx", 1)
	workload, values, _ := strings.Cut(aWorkload, "---\n")
	for name, tc := range map[string]struct {
		add     string
		replace bool
		place   string
		want    string // empty: refused
	}{
		"into a file":       {next, false, "policy/web.yaml", aWorkload + "---\n" + next + "\n"},
		"into another":      {next, false, "policy/next.yaml", aWorkload + "|" + next + "\n"},
		"with a marker":     {"---\n" + next, false, "policy/next.yaml", aWorkload + "|" + next + "\n"},
		"the same name":     {newer, false, "policy/next.yaml", ""},
		"in its place":      {newer, true, "policy/next.yaml", workload + "---\n" + newer + "\n"},
		"several":           {next + "\n---\n" + newer, true, "policy/next.yaml", workload + "---\n" + newer + "\n|" + next + "\n"},
		"a workload":        {workload, true, "policy/next.yaml", ""},
		"values beside one": {workload + "---\n" + values, true, "policy/next.yaml", ""},
		"comments alone":    {"# nothing\n", true, "policy/next.yaml", ""},
		"an envelope":       {`{"payload": "bm8=", "payloadType": "application/vnd.quotary.reference-values+yaml", "signatures": []}`, false, "policy/next.yaml", aWorkload + "|" + `{"payload": "bm8=", "payloadType": "application/vnd.quotary.reference-values+yaml", "signatures": []}`},
		"a message":         {"-----BEGIN COSE SIGN1-----\nAAAA\n-----END COSE SIGN1-----\n", false, "policy/next.yaml", aWorkload + "|-----BEGIN COSE SIGN1-----\nAAAA\n-----END COSE SIGN1-----\n"},
		"a message in YAML": {"-----BEGIN COSE SIGN1-----\nAAAA\n-----END COSE SIGN1-----\n", true, "policy/web.yaml", ""},
	} {
		added, err := newDocumentSet([]policies.File{{Name: "next.yaml", Data: []byte(tc.add)}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		set := setOf(t, aWorkload)
		err = set.take(added, tc.replace, func(string) string { return tc.place })
		var texts []string
		for _, file := range set.files() {
			texts = append(texts, string(file.Data))
		}
		if got := strings.Join(texts, "|"); (err == nil) != (tc.want != "") || err == nil && got != tc.want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// Files that this program wrote load and say what they said.
func TestEditedFilesLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.yaml")
	if err := os.WriteFile(file, []byte(aWorkload), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, notes := quotary("reference", "expire", "--policy", dir, "--at", "2098-01-01T00:00:00Z", "web-tdx"); code != exitAccepted || !strings.Contains(out, "2099-01-01T00:00:00Z → 2098-01-01T00:00:00Z") {
		t.Fatalf("exit %d: %s%s", code, out, notes)
	}
	if got := string(must(os.ReadFile(file))); got != strings.Replace(aWorkload, "2099-", "2098-", 1) {
		t.Errorf("got %s", got)
	}
}

func FuzzDocumentSet(f *testing.F) {
	f.Add(aWorkload)
	f.Add("---\n---\n# nothing\n--- # more\nkind: ReferenceValues\nname: web-tdx\nnot_after: 'x'\n...\n")
	f.Add("a: |\n  ---\n  b\n---\tkind: ReferenceValues\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := newDocumentSet([]policies.File{{Name: "web.yaml", Data: []byte(text)}})
		if err != nil {
			return
		}
		if textOf(set) != text {
			t.Fatalf("%q became %q", text, textOf(set))
		}
		for _, p := range set.pieces() {
			if p.setText("not_after", "2098-01-01T00:00:00Z") == nil && p.scalar("not_after") != "2098-01-01T00:00:00Z" {
				t.Errorf("%q: not_after became %q", p.text, p.scalar("not_after"))
			}
		}
		again, err := newDocumentSet(set.files())
		if err != nil || len(again.pieces()) != len(set.pieces()) {
			t.Errorf("%q became %q: %v", text, textOf(set), err)
		}
	})
}

// What is in signed files is not looked into, and who asks for it is told how to get it.
func TestReferenceInSignedFile(t *testing.T) {
	set, err := newDocumentSet([]policies.File{{Name: "web.dsse.json", Data: []byte(`{"payloadType":"x","payload":"","signatures":[]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.reference("web")
	var told hinted
	if !errors.As(err, &told) || !strings.Contains(told.hint, "it has none; signed files are kept as they are (web.dsse.json)") {
		t.Fatalf("%v, hint %q", err, told.hint)
	}
}

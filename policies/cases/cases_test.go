package cases_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/cases"
)

const (
	policy = `apiVersion: quotary.dev/v1
kind: Workload
name: edge
identity: {spiffe_id: spiffe://example.org/edge}
any_of:
  - tpm:
      pcrs: {sha256: {4: ["5454545454545454545454545454545454545454545454545454545454545454"], 12: any}}
      ak: {sources: [enrolled]}
`
	claims = `
      kind: tpm
      simulated: false
      trust_anchor: {name: root, sha256: "aa", origin: configured}
      tpm:
        ak_source: enrolled
        ak_sha256: "4141414141414141414141414141414141414141414141414141414141414141"
        bank: sha256
        pcrs: {4: "5454545454545454545454545454545454545454545454545454545454545454", 12: "00"}
        safe: true
`
	one = "cases:\n  - name: one\n    at: 2026-11-22T08:00:00Z\n    claims:" + claims
)

func load(t testing.TB, text string) *policies.Set {
	t.Helper()
	set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func parse(t testing.TB, text string) cases.Suite {
	t.Helper()
	suite, err := cases.Parse("cases.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return suite
}

func run(t testing.TB, text string) cases.Report {
	t.Helper()
	return parse(t, text).Run(load(t, policy), cases.Sources{})
}

func TestExpectations(t *testing.T) {
	unsafe := strings.Replace(one, "safe: true", "safe: false", 1)
	for _, test := range []struct{ name, text, expect, want string }{
		{"accepted", one, "{verdict: accepted, workload: edge, spiffe_id: spiffe://example.org/edge, relaxed: [tpm.pcr.12.any]}", ""},
		{"the verdict alone", one, "{verdict: accepted}", ""},
		{"another verdict", one, "{verdict: rejected}", "verdict: want rejected, got accepted"},
		{"another identity", one, "{verdict: accepted, spiffe_id: spiffe://example.org/web}", "spiffe_id: want spiffe://example.org/web, got spiffe://example.org/edge"},
		{"another workload", one, "{verdict: accepted, workload: web}", "workload: want web, got edge"},
		{"relaxes more", one, "{verdict: accepted, relaxed: []}", "relaxed: want none, got tpm.pcr.12.any"},
		{"fails as expected", unsafe, "{verdict: rejected, workload: edge, failing: [policy.tpm.clock-safe]}", ""},
		{"fails as expected, with the decision's own", unsafe, "{verdict: rejected, failing: [policy.workload, policy.tpm.clock-safe]}", ""},
		{"fails otherwise", unsafe, "{verdict: rejected, failing: [policy.tpm.pcr]}", "failing: want policy.tpm.pcr, got policy.tpm.clock-safe"},
		{"fails in less", unsafe, "{verdict: rejected, failing: [policy.tpm.pcr, policy.tpm.clock-safe]}", "failing: want policy.tpm.clock-safe, policy.tpm.pcr, got policy.tpm.clock-safe"},
		{"another trust domain", one + "    trust_domain: example.com\n", "{verdict: rejected, failing: [policy.trust-domain]}", ""},
		{"without consent", strings.Replace(one, "simulated: false", "simulated: true", 1), "{verdict: rejected, failing: [trust.simulated]}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := run(t, test.text+"    expect: "+test.expect+"\n")
			got := ""
			for _, d := range report.Results[0].Differences {
				got += d.String()
			}
			if got != test.want || report.Passed() != (test.want == "") {
				t.Errorf("got %q, want %q: %+v", got, test.want, report.Results)
			}
		})
	}
}

// What a file has wrong is told with its place, all of it at once.
func TestRefuses(t *testing.T) {
	good := one + "    expect: {verdict: accepted}\n"
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "c:1:1: the file has no cases (policy.missing-key)"},
		{"no cases", "cases: []", "c:1:8: cases is empty (policy.missing-key)"},
		{"an empty file", "{}", "c:1:1: a file of cases: expected keys (cases), not nothing (policy.type)"},
		{"another key", "case: []", "c:1:1: a file of cases has no key \"case\"; it has cases (policy.unknown-key)"},
		{"no list", "cases: {}", "c:1:8: cases: expected a list, not nothing (policy.type)"},
		{"an empty expectation", one + "    expect: {}\n", "c:14:13: expect: expected keys (verdict, workload, spiffe_id, failing, relaxed), not nothing (policy.type)"},
		{"no expectation", one, "c:2:5: expect is missing; say what the policy must decide (policy.missing-key)"},
		{"no verdict", one + "    expect: {workload: a}\n", "c:14:13: verdict is missing; write accepted, rejected or undecided (policy.missing-key)"},
		{"a slip", one + "    expect: {verdict: accepted, spife_id: a}\n", `c:14:33: expect has no key "spife_id"; it has verdict, workload, spiffe_id, failing, relaxed (policy.unknown-key)`},
		{"a verdict of its own", one + "    expect: {verdict: ok}\n", `c:14:23: verdict "ok" is none; use accepted, rejected or undecided (policy.value)`},
		{"no code", one + "    expect: {verdict: rejected, failing: [a.b]}\n", `c:14:43: failing: there is no code "a.b"; docs/codes.md lists them (policy.value)`},
		{"no codes", one + "    expect: {verdict: rejected, failing: []}\n", "c:14:42: failing is empty; list codes, or leave it out (policy.value)"},
		{"failing and accepted", one + "    expect: {verdict: accepted, failing: [policy.claims]}\n", "c:14:42: nothing fails where the verdict is accepted (policy.value)"},
		{"relaxed and rejected", one + "    expect: {verdict: rejected, relaxed: []}\n", "c:14:42: relaxed goes with the verdict accepted alone (policy.value)"},
		{"a key twice", good + "    name: two\n", `c:15:5: key "name" is there already, on line 2 (policy.duplicate-key)`},
		{"a name twice", good + strings.TrimPrefix(good, "cases:\n"), `c:15:5: there is a case named "one" already, on line 2 (policy.duplicate-name)`},
		{"an anchor", "cases: &a []", "c:1:8: anchors are not allowed; write the value out where it is needed (policy.syntax)"},
		{"an alias", "a: &a 1\ncases: *a", "c:1:4: anchors are not allowed; write the value out where it is needed (policy.syntax)\nc:2:8: aliases are not allowed; write the value out (policy.syntax)"},
		{"a tag", "cases: !!seq []", "c:1:8: tags are not allowed (policy.syntax)"},
		{"two documents", good + "---\ncases: []\n", "c:15:1: a file of cases is one document (policy.syntax)"},
		{"no YAML", "cases: [", "c:1:1: not valid YAML: did not find expected node content (policy.syntax)"},
		{"no text", "cases: \xff", "c:1:1: the file is not UTF-8 text (policy.syntax)"},
		{"both sources", good + "    evidence: a\n", "c:2:5: a case has either claims or evidence (policy.missing-key)"},
		{"no time", strings.Replace(good, "at: 2026-11-22T08:00:00Z", "at: today", 1), `c:3:9: at: expected a time such as 2026-11-22T08:00:00Z, not "today" (policy.type)`},
		{"a claim misspelt", strings.Replace(good, "safe:", "save:", 1), "c:5:7: not claims as verdicts show them: json: unknown field \"save\" (policy.claims)"},
		{"a claim in another case", strings.Replace(good, "safe:", "Safe:", 1), "c:5:7: the claims are not strict JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cases.Parse("c", []byte(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			var coded *evidence.Error
			if !errors.As(err, &coded) {
				t.Errorf("%T has no code", err)
			}
		})
	}
}

// Files of claims and of evidence come from the caller.
func TestSources(t *testing.T) {
	const files = `cases:
  - {name: claims, claims: good.json, at: 2026-11-22T08:00:00Z, expect: {verdict: accepted}}
  - {name: evidence, evidence: good.cbor, at: 2026-11-22T08:00:00Z, expect: {verdict: accepted}}
  - {name: not genuine, evidence: bad.cbor, at: 2026-11-22T08:00:00Z, expect: {verdict: rejected}}
  - {name: malformed, claims: bad.json, at: 2026-11-22T08:00:00Z, expect: {verdict: rejected}}
`
	good := parse(t, one+"    expect: {verdict: accepted}\n").Cases[0].Claims
	data, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var at time.Time
	from := cases.Sources{
		Claims: func(file string) ([]byte, error) {
			return map[string][]byte{"good.json": data, "bad.json": []byte("{}}")}[file], nil
		},
		Judge: func(file string, now time.Time) ([]evidence.Claims, error) {
			if at = now; file != "good.cbor" {
				return nil, errors.New("the signature does not verify")
			}
			return good, nil
		},
	}
	report := parse(t, files).Run(load(t, policy), from)
	if report.Count(cases.Passed) != 2 || report.Count(cases.Errored) != 2 || report.Passed() || at.Year() != 2026 {
		t.Errorf("%+v", report)
	}
	if without := parse(t, files).Run(load(t, policy), cases.Sources{}); without.Count(cases.Errored) != 4 {
		t.Errorf("%+v", without)
	}
	if empty := (cases.Suite{}).Run(nil, from); empty.Passed() {
		t.Error("no cases passed")
	}
}

func reports(t testing.TB) []cases.Report {
	hostile := strings.Replace(one, "name: one", `name: "a\u0001]]> <b> \"&"`, 1)
	return []cases.Report{
		run(t, one+"    expect: {verdict: accepted}\n"),
		run(t, hostile+"    expect: {verdict: rejected}\n"),
		{File: "c.yaml", Policy: "sha256:00", Results: []cases.Result{{Name: "lost", Line: 7, Outcome: cases.Errored, Error: "no such file: \x1b[31m\xff"}}},
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := cases.Text(&b, reports(t)...); err != nil {
		t.Fatal(err)
	}
	const want = `pass    cases.yaml:2: one
FAIL    cases.yaml:2: a\x01]]> <b> \"&
        - verdict: rejected
        + verdict: accepted
ERROR   c.yaml:7: lost
        no such file: \x1b[31m\xff
1 passed, 1 failed, 1 in error
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := cases.JSON(&b, reports(t)...); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Passed  bool
		Reports []cases.Report
	}
	if err := json.Unmarshal(b.Bytes(), &read); err != nil || read.Passed || len(read.Reports) != 3 || read.Reports[1].Results[0].Differences[0].Key != "verdict" {
		t.Errorf("%v %+v", err, read)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := cases.JUnit(&b, reports(t)...); err != nil {
		t.Fatal(err)
	}
	wantJUnit(t, b.Bytes(), 3)
	for _, want := range []string{
		`<testsuites name="policy" tests="3" failures="1" errors="1">`, `name="a�]]&gt; &lt;b&gt; &#34;&amp;"`,
		`<failure message="verdict: want rejected, got accepted" type="decision">`, `<error message="no such file: �[31m�" type="claims">`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, &b)
		}
	}
}

// wantJUnit holds XML against what the schemas of JUnit's XML have in common: these
// elements in this nesting, their required attributes, and characters of XML 1.0.
func wantJUnit(t testing.TB, text []byte, tests int) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Fatal("not UTF-8")
	}
	parents := map[string]string{
		"testsuites": "", "testsuite": "testsuites", "properties": "testsuite", "property": "properties", "testcase": "testsuite", "failure": "testcase", "error": "testcase",
	}
	required := map[string][]string{"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name", "classname"}, "failure": {"message", "type"}, "error": {"message", "type"}}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var path []string
	count := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name, parent := token.Name.Local, ""
			if len(path) > 0 {
				parent = path[len(path)-1]
			}
			if wanted, known := parents[name]; !known || wanted != parent {
				t.Fatalf("<%s> in <%s>", name, parent)
			}
			for _, attribute := range required[name] {
				found := false
				for _, a := range token.Attr {
					found = found || a.Name.Local == attribute
				}
				if !found {
					t.Errorf("<%s> without %s", name, attribute)
				}
			}
			if name == "testcase" {
				count++
			}
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	if count != tests {
		t.Errorf("%d cases, want %d", count, tests)
	}
}

// Whatever the file says, reading it ends, and what was read can be run and written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(one + "    expect: {verdict: accepted, relaxed: [tpm.pcr.12.any]}\n"))
	f.Add([]byte("cases:\n  - {name: a, claims: f, at: 2026-11-22T08:00:00Z, simulated_accepted: true, trust_domain: a, expect: {verdict: rejected, failing: [policy.tpm.pcr]}}\n"))
	f.Add([]byte("cases: [*a, &a {}, !!x y, <<: {}]"))
	set := load(f, policy)
	f.Fuzz(func(t *testing.T, data []byte) {
		suite, err := cases.Parse("fuzz", data)
		if err != nil {
			if len(suite.Cases) > 0 {
				t.Error("cases beside an error")
			}
			return
		}
		report := suite.Run(set, cases.Sources{})
		if len(report.Results) == 0 || len(report.Results) != len(suite.Cases) {
			t.Errorf("%d results of %d cases", len(report.Results), len(suite.Cases))
		}
		var b bytes.Buffer
		if err := cases.JUnit(&b, report); err != nil {
			t.Fatal(err)
		}
		wantJUnit(t, b.Bytes(), len(suite.Cases))
		if err := errors.Join(cases.Text(io.Discard, report), cases.JSON(io.Discard, report)); err != nil {
			t.Error(err)
		}
	})
}

// Claims that are read are the same when they are written and read again.
func FuzzReadClaims(f *testing.F) {
	suite := parse(f, one+"    expect: {verdict: accepted}\n")
	data, err := json.Marshal(suite.Cases[0].Claims)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"kind":"tpm","Kind":"tdx"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		claims, err := cases.ReadClaims(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(claims)
		if err != nil {
			t.Skip("a time that JSON does not hold")
		}
		var again []evidence.Claims
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		if second, err := json.Marshal(again); err != nil || !bytes.Equal(second, written) {
			t.Errorf("%s becomes %s, %v", written, second, err)
		}
	})
}

// The example of the documentation passes.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy-testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for i, part := range strings.Split(string(data), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks[map[int]string{0: "policy", 1: "cases"}[i]] = block
	}
	report := parse(t, blocks["cases"]).Run(load(t, blocks["policy"]), cases.Sources{})
	if !report.Passed() {
		var b bytes.Buffer
		_ = cases.Text(&b, report)
		t.Errorf("%s", &b)
	}
}

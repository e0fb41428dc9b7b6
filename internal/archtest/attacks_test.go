package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestAttacks holds docs/attacks.yaml to the tests of the repository. With -v it
// prints the totals.
func TestAttacks(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "docs", "attacks.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ReadAttacks(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range Attacks(repository(t), AllSeries(), rows) {
		t.Error(violation)
	}
	all := TallyOf(rows, "")
	for _, s := range AllSeries() {
		n := TallyOf(rows, s.Letter)
		t.Logf("%s %-27s %3d tested, %2d not applicable, %2d missing (%3d tests)", s.Letter, s.Title, n.Tested, n.NotApplicable, n.Missing, n.Tests)
		if n.Tested+n.NotApplicable+n.Missing != s.Rows {
			t.Errorf("series %s: the totals are not those of its rows", s.Letter)
		}
	}
	t.Logf("all: %d attacks, %d tested, %d not applicable, %d missing", len(rows), all.Tested, all.NotApplicable, all.Missing)
}

const goodAttacks = `
- {id: X01, title: one, must: One is one., where: evidence, tests: [a.TestAttack_X01_One, a.TestAttack_X01_X02_Two]}
- {id: X02, title: two, must: Two is two., where: build, tests: [a.TestAttack_X01_X02_Two, a.TestAttack_Cases/X02_Two]}
- {id: X03, title: three, must: Three is three., where: log, tests: [a.TestAttack_X01_X02_Two/X03_Three, b/c.TestAttack_X03_Elsewhere]}
- {id: X04, title: four, must: Four is four., where: api, not_applicable: There is no four.}
- {id: Y01, title: five, must: Five is five., where: token, missing: Five is not built yet.}
`

// TestAttackSamples holds lists that are right, and wrong in each way, to a small
// tree.
func TestAttackSamples(t *testing.T) {
	tree, err := Load(fstest.MapFS{
		"a/a_test.go":   {Data: []byte("package a\nfunc TestAttack_X01_One() {}\nfunc TestAttack_X01_X02_Two() { _ = \"X03_Three\" }\nfunc TestOther() {}\nfunc TestNext_Z99() {}\nfunc TestAttack_Cases() { _ = \"X02_Two\" }\n")},
		"b/c/b_test.go": {Data: []byte("package c\nfunc TestAttack_X03_Elsewhere() {}\n")},
		"b/b.go":        {Data: []byte("// Package b is no test.\npackage b\nfunc TestAttack_X01_NoTest() {}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	series := []Series{{"X", "x", 4}, {"Y", "y", 1}}
	for name, c := range map[string]struct{ old, new, want string }{
		"right":            {"", "", ""},
		"no entry":         {"- {id: X04, title: four, must: Four is four., where: api, not_applicable: There is no four.}\n", "", "X04: attacks are tested: has no entry"},
		"unknown entry":    {"id: Y01", "id: Y02", "Y01: attacks are tested: has no entry"},
		"one too many":     {"- {id: Y01", "- {id: Y02, title: t, must: M., where: log, missing: N.}\n- {id: Y01", "doubled, unknown or not in order"},
		"twice":            {"- {id: Y01", "- {id: X04, title: four, must: M., where: api, not_applicable: No.}\n- {id: Y01", "doubled, unknown or not in order"},
		"no title":         {"title: one", `title: ""`, "has no title"},
		"no must":          {"must: One is one., ", "", "X01: attacks are tested: does not say what must"},
		"two sentences":    {"One is one.", `"One. Is one."`, "not exactly one sentence"},
		"half a sentence":  {"One is one.", "One is one", "not exactly one sentence"},
		"another place":    {"where: log", "where: somewhere", "is on somewhere"},
		"nothing":          {", missing: Five is not built yet.", "", "not exactly one of"},
		"two reasons":      {"missing: Five", "not_applicable: No., missing: Five", "not exactly one of"},
		"tests and reason": {"tests: [a.TestAttack_X01_One,", "missing: Not there., tests: [a.TestAttack_X01_One,", "not exactly one of"},
		"no tests":         {", tests: [a.TestAttack_X01_X02_Two, a.TestAttack_Cases/X02_Two]}", ", tests: []}", "not exactly one of"},
		"a test twice":     {", b/c.Test", ", b/c.TestAttack_X03_Elsewhere, b/c.Test", "names a test twice"},
		"unknown test":     {", b/c.Test", ", b/c.TestAttack_X03_Gone, b/c.Test", "TestAttack_X03_Gone, which is not there"},
		"unknown folder":   {"b/c.Test", "b.Test", "which is not there"},
		"no folder":        {"[a.TestAttack_X01_One", "[TestAttack_X01_One", "which is not there"},
		"unknown case":     {"X03_Three", "X03_Four", "which is not there"},
		"no test function": {"[a.TestAttack_X01_One", "[b.TestAttack_X01_NoTest, a.TestAttack_X01_One", "which is not there"},
		"another's test":   {"[a.TestAttack_X01_One", "[a.TestOther, a.TestAttack_X01_One", "X01: attacks are tested: names a.TestOther, which does not carry"},
		"cases not listed": {", a.TestAttack_Cases/X02_Two", "", "a.TestAttack_Cases: attacks are tested: is listed with no attack"},
		"not listed":       {"[a.TestAttack_X01_One, a.TestAttack_X01_X02_Two]", "[a.TestAttack_X01_One]", "X01: attacks are tested: does not list a.TestAttack_X01_X02_Two"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := ReadAttacks([]byte(strings.Replace(goodAttacks, c.old, c.new, 1)))
			if err != nil || c.old != "" && !strings.Contains(goodAttacks, c.old) {
				t.Fatalf("the sample cannot be made: %v", err)
			}
			holdSample(t, Attacks(tree, series, rows), c.want)
		})
	}
}

func holdSample(t *testing.T, got []Violation, want string) {
	t.Helper()
	var lines []string
	for _, v := range got {
		lines = append(lines, v.String())
	}
	if text := strings.Join(lines, "\n"); (text == "") != (want == "") || !strings.Contains(text, want) {
		t.Errorf("got %q, want %q", text, want)
	}
}

// TestAttackSourceIsStrict reads lists that are none.
func TestAttackSourceIsStrict(t *testing.T) {
	for name, source := range map[string]string{
		"unknown key":      strings.Replace(goodAttacks, "must: One", "mst: One", 1),
		"doubled key":      strings.Replace(goodAttacks, "title: one", "title: one, title: uno", 1),
		"another type":     strings.Replace(goodAttacks, "title: one", "title: [one]", 1),
		"no list":          "id: X01",
		"another document": goodAttacks + "---\n- {id: X05}\n",
		"nothing":          "",
	} {
		if rows, err := ReadAttacks([]byte(source)); err == nil {
			t.Errorf("%s: reads %d entries", name, len(rows))
		}
	}
	if rows, err := ReadAttacks([]byte(goodAttacks)); err != nil || len(rows) != 5 {
		t.Errorf("%d entries, %v", len(rows), err)
	}
}

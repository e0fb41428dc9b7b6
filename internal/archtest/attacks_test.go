package archtest

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestAttacks holds tables that are right, and wrong in each way, to a small package.
func TestAttacks(t *testing.T) {
	tree, err := Load(fstest.MapFS{
		"a/a_test.go": {Data: []byte("package a\nfunc TestAttack_X01_One() {}\nfunc TestAttack_X01_X02_Two() { _ = \"X03_Three\" }\nfunc TestOther() {}\n")},
		"b/b_test.go": {Data: []byte("package b\nfunc TestAttack_X03_Elsewhere() {}\n")},
		"b/b.go":      {Data: []byte("// Package b is no test.\npackage b\nfunc TestAttack_X01_NoTest() {}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"X01", "X02", "X03"}
	good := func() map[string]AttackRow {
		return map[string]AttackRow{
			"X01": {"one", "TestAttack_X01_One TestAttack_X01_X02_Two"},
			"X02": {"two", "TestAttack_X01_X02_Two"},
			"X03": {"three", "TestAttack_X01_X02_Two/X03_Three b.TestAttack_X03_Elsewhere"},
		}
	}
	for name, c := range map[string]struct {
		alter func(map[string]AttackRow)
		want  string // "" where nothing is wrong
	}{
		"right":            {func(map[string]AttackRow) {}, ""},
		"no row":           {func(m map[string]AttackRow) { delete(m, "X03") }, "X03 has no test"},
		"no test":          {func(m map[string]AttackRow) { m["X03"] = AttackRow{"three", " "} }, "X03 has no test"},
		"unknown row":      {func(m map[string]AttackRow) { m["X04"] = AttackRow{"four", "b.TestAttack_X03_Elsewhere"} }, "X04 is no row"},
		"unknown test":     {func(m map[string]AttackRow) { m["X03"] = AttackRow{"three", "b.TestAttack_X03_Gone"} }, "which is not there"},
		"unknown case":     {func(m map[string]AttackRow) { m["X03"] = AttackRow{"three", "TestAttack_X01_One/X03_Three"} }, "which is not there"},
		"no test function": {func(m map[string]AttackRow) { m["X01"] = AttackRow{"one", m["X01"][1] + " b.TestAttack_X01_NoTest"} }, "which is not there"},
		"another's test":   {func(m map[string]AttackRow) { m["X03"] = AttackRow{"three", "TestOther"} }, "does not carry X03"},
		"not listed":       {func(m map[string]AttackRow) { m["X01"] = AttackRow{"one", "TestAttack_X01_One"} }, "TestAttack_X01_X02_Two is not listed with X01"},
	} {
		t.Run(name, func(t *testing.T) {
			table := good()
			c.alter(table)
			var got []string
			for _, v := range Attacks(tree, "a", ids, table) {
				got = append(got, v.String())
			}
			if text := strings.Join(got, "\n"); (len(got) == 0) != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

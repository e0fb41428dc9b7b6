package archtest

import (
	"go/ast"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// AttackRow is one row of a table of known attacks: what the attack is, and the
// tests that show it to fail. A test is named by its function, with "/case"
// behind it where one case of it is meant, and with its folder and a dot before it
// where it stands elsewhere: "policies.TestAttack_T20_NewAdvisory".
type AttackRow [2]string

func (r AttackRow) tests() []string { return strings.Fields(r[1]) }

// Attacks holds a table to the tests: each of ids has a row, each test named in
// it is there and carries the id, and no test function of dir that carries an id of
// this series is left out.
func Attacks(t Tree, dir string, ids []string, table map[string]AttackRow) []Violation {
	const rule = "attacks are tested"
	var out []Violation
	report := func(where, what string) { out = append(out, Violation{rule, where, what}) }
	listed := map[string]bool{}
	for id, row := range table {
		if !slices.Contains(ids, id) {
			report(dir, id+" is no row")
		}
		for _, named := range row.tests() {
			folder, test, elsewhere := strings.Cut(named, ".")
			if !elsewhere {
				folder, test = dir, named
			}
			function, part, _ := strings.Cut(test, "/")
			listed[id+" "+function] = true
			if !t.hasTest(folder, function, part) {
				report(folder, id+" names "+test+", which is not there")
			}
			if !slices.Contains(rowIDs(test), id) {
				report(folder, test+" does not carry "+id)
			}
		}
	}
	for _, id := range ids {
		if row := table[id]; row[0] == "" || len(row.tests()) == 0 {
			report(dir, id+" has no test")
		}
	}
	for _, f := range t.tests(dir) {
		for _, id := range rowIDs(f.Name.Name) {
			if slices.Contains(ids, id) && !listed[id+" "+f.Name.Name] {
				report(dir, f.Name.Name+" is not listed with "+id)
			}
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// rowID is the form of an id: S07.
var rowID = regexp.MustCompile(`^[A-Z]\d\d$`)

// rowIDs lists the ids that a test's name carries.
func rowIDs(name string) (ids []string) {
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '/' || r == ' ' }) {
		if rowID.MatchString(word) {
			ids = append(ids, word)
		}
	}
	return ids
}

// tests lists the test functions of dir.
func (t Tree) tests(dir string) (functions []*ast.FuncDecl) {
	for _, file := range t[dir] {
		for _, decl := range file.AST.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && file.Test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				functions = append(functions, f)
			}
		}
	}
	return functions
}

// hasTest reports whether dir has this test function and, if part is given, the
// function has a text of that name.
func (t Tree) hasTest(dir, function, part string) bool {
	return slices.ContainsFunc(t.tests(dir), func(f *ast.FuncDecl) bool {
		return f.Name.Name == function && (part == "" || hasText(f, part))
	})
}

func hasText(in ast.Node, text string) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Value == strconv.Quote(text) {
			found = true
		}
		return !found
	})
	return found
}

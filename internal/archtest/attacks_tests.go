package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

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

// Tally counts the attacks of one series, or of all.
type Tally struct {
	Tested, NotApplicable, Missing int
	Tests                          int // test functions and cases that are named
}

// TallyOf counts the rows whose ids begin with letter.
func TallyOf(rows []Attack, letter string) (n Tally) {
	for _, row := range rows {
		switch {
		case !strings.HasPrefix(row.ID, letter):
		case row.Missing != "":
			n.Missing++
		case row.NotApplicable != "":
			n.NotApplicable++
		default:
			n.Tested++
			n.Tests += len(row.Tests)
		}
	}
	return n
}

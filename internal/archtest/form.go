package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// documented reports packages that do not have exactly one package comment, in
// the form that go doc expects.
func documented(t Tree) []Violation {
	const rule = "one package comment"
	var out []Violation
	for _, dir := range t.Dirs() {
		files := t.Code(dir)
		if len(files) == 0 {
			continue
		}
		var docs []string
		for _, file := range files {
			if file.AST.Doc != nil {
				docs = append(docs, file.AST.Doc.Text())
			}
		}
		start := "Package " + files[0].AST.Name.Name + " "
		if files[0].AST.Name.Name == "main" {
			start = "Command " + path.Base(dir) + " "
		}
		switch {
		case len(docs) != 1:
			out = append(out, Violation{rule, dir, fmt.Sprintf("%d package comments", len(docs))})
		case !strings.HasPrefix(docs[0], start):
			out = append(out, Violation{rule, dir, fmt.Sprintf("the package comment does not start with %q", start)})
		}
	}
	return out
}

// reasoned reports bounds in a limits.go without a comment. Bounds on directly
// following lines share one.
func reasoned(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		for _, file := range t.Code(dir) {
			if path.Base(file.Path) != "limits.go" {
				continue
			}
			for _, decl := range file.AST.Decls {
				out = append(out, unreasoned(file, decl)...)
			}
		}
	}
	return out
}

func unreasoned(file *File, decl ast.Decl) []Violation {
	group, ok := decl.(*ast.GenDecl)
	if !ok || group.Tok != token.CONST && group.Tok != token.VAR {
		return nil
	}
	var out []Violation
	reasonedTo := -1 // the last line that a comment speaks of
	for _, spec := range group.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		first, last := file.fset.Position(value.Pos()).Line, file.fset.Position(value.End()).Line
		alone := !group.Lparen.IsValid() && group.Doc != nil
		if value.Doc != nil || value.Comment != nil || alone || first == reasonedTo+1 {
			reasonedTo = last
			continue
		}
		out = append(out, Violation{"every bound has its reason", file.At(value), value.Names[0].Name + " has no comment"})
	}
	return out
}

// Bounds on size: beyond them a room wants a wall.
const (
	maxFileLines     = 600
	maxFunctionLines = 100
)

// sized reports files, and functions outside of tests, that are too long.
func sized(t Tree) []Violation {
	const rule = "size"
	var out []Violation
	for _, dir := range t.Dirs() {
		for _, file := range t[dir] {
			if file.Lines > maxFileLines {
				out = append(out, Violation{rule, file.Path, fmt.Sprintf("%d lines; at most %d", file.Lines, maxFileLines)})
			}
		}
	}
	t.eachFunction(func(file *File, f *ast.FuncDecl) {
		lines := file.fset.Position(f.End()).Line - file.fset.Position(f.Pos()).Line + 1
		if lines > maxFunctionLines && !file.Test {
			out = append(out, Violation{rule, file.At(f), fmt.Sprintf("%s has %d lines; at most %d", f.Name.Name, lines, maxFunctionLines)})
		}
	})
	return out
}

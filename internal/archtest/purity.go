package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// pure are the rooms whose outcome depends on their input alone.
var pure = []string{"evidence", "tee", "policies", "verifier"}

// impure are parts of them to which that does not apply: one fetches, the others are
// of tests, measure them and start programs.
var impure = []string{"tee/endorsements", "tee/teetest", "tee/tpm/tpmtest"}

// unclocked reports calls of the clock, and loggers, in pure rooms. Naming the
// clock as a default that the caller may replace is no call.
func unclocked(t Tree) []Violation {
	const rule = "pure rooms"
	var out []Violation
	for _, dir := range t.Dirs() {
		if !withinAny(dir, pure...) || withinAny(dir, impure...) {
			continue
		}
		for _, file := range t.Code(dir) {
			for _, imported := range file.Imports() {
				if withinAny(imported, "log", "os/exec", "math/rand") {
					out = append(out, Violation{rule, file.Path, "imports " + imported})
				}
			}
			out = append(out, clockCalls(rule, file)...)
		}
	}
	return out
}

func clockCalls(rule string, file *File) []Violation {
	var out []Violation
	ast.Inspect(file.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok {
			x, _ := f.X.(*ast.Ident)
			if x != nil && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, f.Sel.Name) {
				out = append(out, Violation{rule, file.At(call), "calls time." + f.Sel.Name})
			}
		}
		return true
	})
	return out
}

// uninitialised reports init functions: importing a package of ours does nothing.
func uninitialised(t Tree) []Violation {
	var out []Violation
	t.eachFunction(func(file *File, f *ast.FuncDecl) {
		if f.Name.Name == "init" && f.Recv == nil && !file.Test {
			out = append(out, Violation{"no init", file.At(f), "an init function"})
		}
	})
	return out
}

// flagTypes are the names of package flag that do not touch its global set.
var flagTypes = []string{"NewFlagSet", "FlagSet", "Flag", "Value", "Getter", "ErrHelp", "ContinueOnError", "ExitOnError", "PanicOnError", "ErrorHandling", "UnquoteUsage"}

// unflagged reports uses of the process's global flags outside of main packages.
func unflagged(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		for _, file := range t.Code(dir) {
			if file.AST.Name.Name == "main" {
				continue
			}
			for _, use := range file.Uses("flag") {
				if !slices.Contains(flagTypes, use.Name) {
					out = append(out, Violation{"no global flags", use.Where, "flag." + use.Name})
				}
			}
		}
	}
	return out
}

// untestingLibraries reports packages that import testing although they are
// part of the product.
func untestingLibraries(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		if !strings.HasSuffix(dir, "test") && t.imports(dir, "testing") {
			out = append(out, Violation{"no testing in code", dir, "imports testing; only test files and *test packages do"})
		}
	}
	return out
}

// eachFunction calls visit for every declared function.
func (t Tree) eachFunction(visit func(*File, *ast.FuncDecl)) {
	for _, dir := range t.Dirs() {
		for _, file := range t[dir] {
			for _, decl := range file.AST.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok {
					visit(file, f)
				}
			}
		}
	}
}

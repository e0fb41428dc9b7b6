package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
)

// secretive are the rooms that compare what a requester sends with what only the
// right one knows.
var secretive = []string{"verifier", "internal/admin", "internal/server", "tokens"}

// secret is in the names of such things.
var secret = regexp.MustCompile(`(?i)(secret|credential|nonce|bootstrap|password)`)

// equalities are the functions that compare and stop at the first difference.
var equalities = []string{"bytes.Equal", "bytes.Compare", "slices.Equal", "slices.Compare", "strings.Compare", "strings.EqualFold", "reflect.DeepEqual"}

// comparedEarly reports comparisons of secrets that tell by their time how much was
// right; crypto/subtle has one that does not. Lengths and constants may be compared.
func comparedEarly(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		if !slices.Contains(secretive, dir) {
			continue
		}
		for _, file := range t.Code(dir) {
			ast.Inspect(file.AST, func(n ast.Node) bool {
				if name := comparedSecret(n); name != "" {
					out = append(out, Violation{"secrets", file.At(n), name + " is compared in a time that depends on it"})
				}
				return true
			})
		}
	}
	return out
}

// comparedSecret names the secret that n compares, if it does.
func comparedSecret(n ast.Node) string {
	var operands []ast.Expr
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			operands = []ast.Expr{n.X, n.Y}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok {
			if pkg, ok := f.X.(*ast.Ident); ok && slices.Contains(equalities, pkg.Name+"."+f.Sel.Name) {
				operands = n.Args
			}
		}
	}
	if slices.ContainsFunc(operands, constant) {
		return ""
	}
	for _, operand := range operands {
		if name := nameOf(operand); secret.MatchString(name) {
			return name
		}
	}
	return ""
}

// constant reports whether everybody can read the value in the source: literals,
// nil, and exported names.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.CompositeLit:
		return true
	case *ast.Ident:
		return e.Name == "nil"
	case *ast.SelectorExpr:
		return ast.IsExported(e.Sel.Name)
	}
	return false
}

// nameOf returns the name of a variable, a field or a part of one; calls, such as
// len, have none.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return nameOf(e.X)
	case *ast.SliceExpr:
		return nameOf(e.X)
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.UnaryExpr:
		return nameOf(e.X)
	case *ast.ParenExpr:
		return nameOf(e.X)
	}
	return ""
}

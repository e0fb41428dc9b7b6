package policies

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/quotary/quotary/evidence"
)

// What compiles may still not be a rule: one that reads nothing holds always or
// never, and so does a comparison of hex with text that is none.

// suspect says why a checked rule cannot mean what it says, or "".
func suspect(rule *ast.AST) string {
	root := ast.NavigateAST(rule)
	if len(ast.MatchDescendants(root, readsVariable)) == 0 {
		return "it reads neither claims nor now, so it says nothing of the evidence"
	}
	for _, loop := range ast.MatchDescendants(root, ast.KindMatcher(ast.ComprehensionKind)) {
		if over := loop.AsComprehension().IterRange(); over.Kind() == ast.ListKind && over.AsList().Size() == 0 {
			return "it loops over a list without entries, of which everything holds"
		}
	}
	for _, call := range ast.MatchDescendants(root, ast.KindMatcher(ast.CallKind)) {
		if index, ok := resettable(rule, call.AsCall()); ok {
			return fmt.Sprintf("PCR %d can be reset by the running system, so it proves nothing of the boot", index)
		}
		if text, ok := notHex(rule, call.AsCall()); ok {
			return fmt.Sprintf("%q is compared with a byte string, which reads as lower-case hex without 0x, so it never equals it", clip(text))
		}
	}
	return ""
}

// readsVariable matches the variables of rules. A variable that a macro declares
// may have such a name, but then it ranges over something.
func readsVariable(e ast.NavigableExpr) bool {
	if e.Kind() != ast.IdentKind {
		return false
	}
	switch e.AsIdent() {
	case "now", "simulated", "kinds", "sev_snp", "tdx", "tpm", "paravisor", "workload", "spiffe_id":
		return true
	}
	return false
}

// resettable returns the index of a PCR that call reads and that proves nothing.
func resettable(rule *ast.AST, call ast.CallExpr) (int, bool) {
	if call.FunctionName() != operators.Index || claimGoType(rule, call.Args()[0]) != reflect.TypeFor[map[int]evidence.Hex]() {
		return 0, false
	}
	if key := call.Args()[1]; key.Kind() == ast.LiteralKind {
		if index, ok := key.AsLiteral().(types.Int); ok && slices.Contains(resettablePCRs, int(index)) {
			return int(index), true
		}
	}
	return 0, false
}

// comparisons are the functions that compare a byte string with text.
var comparisons = map[string]bool{
	operators.Equals: true, operators.NotEquals: true, operators.In: true,
	"startsWith": true, "endsWith": true, "contains": true,
}

// notHex returns a literal that call compares with a byte string, and that no
// byte string can equal, nor begin, end or be anywhere in.
func notHex(rule *ast.AST, call ast.CallExpr) (string, bool) {
	if !comparisons[call.FunctionName()] {
		return "", false
	}
	sides := call.Args()
	if call.IsMemberFunction() {
		sides = append([]ast.Expr{call.Target()}, sides...)
	}
	hex := false
	for _, side := range sides {
		hex = hex || isByteString(rule, side)
	}
	if !hex {
		return "", false
	}
	for _, side := range sides {
		for _, text := range literals(side) {
			if strings.Trim(text, "0123456789abcdef") != "" {
				return text, true
			}
		}
	}
	return "", false
}

// isByteString reports whether an expression is a claim that is a byte string or a
// list of them, or a member of such a list or map.
func isByteString(rule *ast.AST, e ast.Expr) bool {
	switch e.Kind() {
	case ast.SelectKind:
		goType := claimGoType(rule, e)
		return goType == hexType || goType != nil && goType.Kind() == reflect.Slice && holdsHex(goType)
	case ast.CallKind:
		call := e.AsCall()
		return call.FunctionName() == operators.Index && holdsHex(claimGoType(rule, call.Args()[0]))
	}
	return false
}

// holdsHex reports whether a claim is a list of byte strings, or a map to them.
func holdsHex(goType reflect.Type) bool {
	return goType != nil && (goType.Kind() == reflect.Slice || goType.Kind() == reflect.Map) && goType.Elem() == hexType
}

// literals returns the text of a literal, or of the literals in a list.
func literals(e ast.Expr) []string {
	switch e.Kind() {
	case ast.LiteralKind:
		if text, ok := e.AsLiteral().(types.String); ok {
			return []string{string(text)}
		}
	case ast.ListKind:
		var all []string
		for _, element := range e.AsList().Elements() {
			all = append(all, literals(element)...)
		}
		return all
	}
	return nil
}

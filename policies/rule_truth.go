package policies

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// A rule that can never be true denies everything, and one that is always true
// says nothing. Neither is found out by looking at decisions that were right.

// linear are the operators that look at each of their operands once.
var linear = map[string]bool{
	operators.LogicalAnd: true, operators.LogicalOr: true, operators.LogicalNot: true, operators.Conditional: true, operators.Index: true,
	operators.Equals: true, operators.NotEquals: true, operators.Less: true, operators.LessEquals: true, operators.Greater: true, operators.GreaterEquals: true,
}

// isLoopless reports whether a rule's cost is bounded by its own size and that of the
// claims that it reads, each read once: then nobody needs to count it as it runs,
// which takes as long again.
func isLoopless(checked *ast.AST) bool {
	root := ast.NavigateAST(checked)
	if len(ast.MatchDescendants(root, ast.KindMatcher(ast.ComprehensionKind))) > 0 {
		return false
	}
	for _, call := range ast.MatchDescendants(root, ast.KindMatcher(ast.CallKind)) {
		if !linear[call.AsCall().FunctionName()] {
			return false
		}
	}
	return true
}

// truth is what an expression may come to, besides an error.
type truth struct{ yes, no bool }

// constancy says why a rule has one outcome for all evidence, or "".
func constancy(e *cel.Env, checked *cel.Ast) string {
	root := checked.NativeRep().Expr()
	if folded := fold(e, checked); folded != nil {
		root = folded
	}
	t := truthOf(root)
	switch {
	case !t.yes:
		return "it can never be true, so it denies everything"
	case !t.no:
		return "it is always true, so it says nothing of the evidence"
	}
	return ""
}

// fold returns the expression with its constant parts computed, or nil. What it is
// given has passed the estimate of its cost.
func fold(e *cel.Env, checked *cel.Ast) ast.Expr {
	folding, err := cel.NewConstantFoldingOptimizer()
	if err != nil {
		return nil
	}
	optimizer, err := cel.NewStaticOptimizer(folding)
	if err != nil {
		return nil
	}
	folded, issues := optimizer.Optimize(e, checked)
	if issues != nil && issues.Err() != nil {
		return nil
	}
	return folded.NativeRep().Expr()
}

// truthOf follows the logical operators; what is below them may be either.
func truthOf(e ast.Expr) truth {
	either := truth{true, true}
	if e.Kind() == ast.LiteralKind {
		return truth{e.AsLiteral() == types.True, e.AsLiteral() == types.False}
	}
	if e.Kind() != ast.CallKind {
		return either
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd:
		a, b := truthOf(args[0]), truthOf(args[1])
		return truth{a.yes && b.yes && !contradicts(conjuncts(e, nil), nil), a.no || b.no}
	case operators.LogicalOr:
		a, b := truthOf(args[0]), truthOf(args[1])
		return truth{a.yes || b.yes, a.no && b.no}
	case operators.LogicalNot:
		a := truthOf(args[0])
		return truth{a.no, a.yes}
	case operators.Conditional:
		a, b := truthOf(args[1]), truthOf(args[2])
		return truth{a.yes || b.yes, a.no || b.no}
	}
	return either
}

// conjuncts lists what all must be true for e to be.
func conjuncts(e ast.Expr, found []ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		for _, arg := range e.AsCall().Args() {
			found = conjuncts(arg, found)
		}
		return found
	}
	return append(found, e)
}

// contradicts reports whether no claims of which the facts hold can make all of the
// expressions true.
func contradicts(all []ast.Expr, known facts) bool {
	domains := domainsOf(all, known)
	for _, e := range all {
		claim, values, ok := comparison(e)
		if !ok {
			continue
		}
		d := domains[claim]
		if d.add(values); d.empty() {
			return true
		}
	}
	return false
}

// domain is what a claim may still be.
type domain struct {
	among       []ref.Val // nil: anything
	not         []ref.Val
	least, most int64 // of numbers
}

func newDomain() *domain { return &domain{least: math.MinInt64, most: math.MaxInt64} }

// constraint is what one comparison says of a claim.
type constraint struct {
	operator string
	values   []ref.Val
}

func (d *domain) add(c constraint) {
	switch c.operator {
	case operators.Equals, operators.In:
		if d.among == nil {
			d.among = slices.Clone(c.values)
			return
		}
		d.among = slices.DeleteFunc(d.among, func(v ref.Val) bool { return !holds(c.values, v) })
	case operators.NotEquals:
		d.not = append(d.not, c.values...)
	default:
		n, ok := c.values[0].(types.Int)
		if !ok {
			return
		}
		d.bound(c.operator, int64(n))
	}
}

func (d *domain) bound(operator string, n int64) {
	switch {
	case operator == operators.Greater && n < math.MaxInt64:
		d.least = max(d.least, n+1)
	case operator == operators.GreaterEquals:
		d.least = max(d.least, n)
	case operator == operators.Less && n > math.MinInt64:
		d.most = min(d.most, n-1)
	case operator == operators.LessEquals:
		d.most = min(d.most, n)
	}
}

func (d *domain) empty() bool {
	if d.least > d.most {
		return true
	}
	if d.among == nil {
		return false
	}
	return !slices.ContainsFunc(d.among, func(v ref.Val) bool {
		n, isInt := v.(types.Int)
		return !holds(d.not, v) && (!isInt || int64(n) >= d.least && int64(n) <= d.most)
	})
}

func holds(list []ref.Val, value ref.Val) bool {
	return slices.ContainsFunc(list, func(v ref.Val) bool { return v.Equal(value) == types.True })
}

// mirrored are the operators with their sides exchanged.
var mirrored = map[string]string{
	operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals, operators.Less: operators.Greater,
	operators.Greater: operators.Less, operators.LessEquals: operators.GreaterEquals, operators.GreaterEquals: operators.LessEquals,
}

// comparison reads CLAIM, !CLAIM, CLAIM == LITERAL, CLAIM in [LITERAL, …] and the like.
func comparison(e ast.Expr) (claim string, c constraint, ok bool) {
	if claim, ok := claimPath(e); ok {
		return claim, constraint{operators.Equals, []ref.Val{types.True}}, true
	}
	if e.Kind() != ast.CallKind || e.AsCall().IsMemberFunction() {
		return "", c, false
	}
	call := e.AsCall()
	args := call.Args()
	if call.FunctionName() == operators.LogicalNot {
		claim, c, ok = comparison(args[0])
		return claim, c.negated(), ok && c.negated().operator != ""
	}
	if len(args) != 2 || mirrored[call.FunctionName()] == "" && call.FunctionName() != operators.In {
		return "", c, false
	}
	left, operator, right := args[0], call.FunctionName(), args[1]
	if _, constant := literalValue(left); constant && operator != operators.In {
		left, operator, right = right, mirrored[operator], left
	}
	claim, isClaim := claimPath(left)
	values, isValue := literalValues(right, operator == operators.In)
	return claim, constraint{operator, values}, isClaim && isValue
}

// negated is the constraint that holds where this one does not; without an
// operator, if that is none.
func (c constraint) negated() constraint {
	opposite := map[string]string{
		operators.Equals: operators.NotEquals, operators.NotEquals: operators.Equals, operators.In: operators.NotEquals,
		operators.Less: operators.GreaterEquals, operators.GreaterEquals: operators.Less, operators.Greater: operators.LessEquals, operators.LessEquals: operators.Greater,
	}
	return constraint{opposite[c.operator], c.values}
}

func literalValues(e ast.Expr, list bool) (values []ref.Val, ok bool) {
	if !list {
		value, ok := literalValue(e)
		return []ref.Val{value}, ok
	}
	if e.Kind() == ast.LiteralKind { // a list that was folded is a list still
		return nil, false
	}
	if e.Kind() != ast.ListKind {
		return nil, false
	}
	values = []ref.Val{}
	for _, element := range e.AsList().Elements() {
		value, ok := literalValue(element)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// literalValue returns what an expression says itself: a literal, or an instant as [instantOf]
// has it. The type check saw to it that instants are compared with instants alone.
func literalValue(e ast.Expr) (ref.Val, bool) {
	if e.Kind() == ast.LiteralKind {
		return e.AsLiteral(), true
	}
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "timestamp" || len(e.AsCall().Args()) != 1 || e.AsCall().Args()[0].Kind() != ast.LiteralKind {
		return nil, false
	}
	text, _ := e.AsCall().Args()[0].AsLiteral().(types.String)
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return nil, false
	}
	return instantOf(t)
}

// instantOf is an instant as a number that keeps its order: nanoseconds from 1970 on.
// ok is false for the years that such numbers do not reach.
func instantOf(t time.Time) (n ref.Val, ok bool) {
	return types.Int(t.UnixNano()), 1700 < t.Year() && t.Year() < 2260
}

// claimPath writes a claim that is selected by names and constant indices. What
// has() asks is none.
func claimPath(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), true
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return "", false
		}
		path, ok := claimPath(e.AsSelect().Operand())
		return path + "." + e.AsSelect().FieldName(), ok
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[1].Kind() != ast.LiteralKind {
			return "", false
		}
		path, ok := claimPath(call.Args()[0])
		return path + "[" + strconv.Quote(indexText(call.Args()[1].AsLiteral())) + "]", ok
	}
	return "", false
}

func indexText(v ref.Val) string {
	text, _ := v.ConvertToType(types.StringType).(types.String)
	return string(text)
}

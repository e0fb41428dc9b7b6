package policies

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/types"
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// rule is a named CEL expression over claims that must be true.
type rule struct {
	name    string
	want    string // the name with the message, for checks
	holds   string // what checks got where it is true
	program cel.Program
	tree    ast.Expr
	files   bool // it reads the files of a measurement list, or may
}

// readRules reads a list of {name, rule, message}; variables are those that the
// rules may use.
func (l *loader) readRules(s source, n *yaml.Node, allowed variables) []rule {
	var rules []rule
	for _, entry := range s.sequence(n, "require") {
		f := s.mapping(entry, "a rule")
		if f == nil {
			continue
		}
		r := rule{name: s.name(f.need("name", "give the rule a name; a denial will show it"))}
		text := f.need("rule", "write a CEL expression that must be true")
		message := s.text(f.need("message", "say in a sentence what the rule asks for; a denial will show it"))
		f.done()
		r.want, r.holds = r.name+": "+message, r.name+" is true"
		if text != nil && l.mayCompile(s, text) {
			r.program, r.tree = l.rules.compile(s, text, allowed)
			r.files = strings.Contains(text.Value, listIMAFiles)
		}
		if r.program != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// mayCompile counts a rule, and reports whether it is among the first that a set
// may have. The first beyond is a problem.
func (l *loader) mayCompile(s source, text *yaml.Node) bool {
	within := func() bool { return l.ruleCount <= maxSetRules && l.ruleText <= maxSetRuleText }
	before := within()
	l.ruleCount++
	l.ruleText += len(text.Value)
	if before && !within() {
		s.problem(text, evidence.CodePolicyTooLarge, "the workloads of a set have at most %d rules, of %d bytes together", maxSetRules, maxSetRuleText)
	}
	return within()
}

// joinRules puts a workload's rules before those of one of its alternatives.
func joinRules(s source, at *yaml.Node, shared, own []rule) []rule {
	all := append(append([]rule(nil), shared...), own...)
	seen := map[string]bool{}
	for _, r := range all {
		if seen[r.name] && r.name != "" {
			s.problem(at, evidence.CodePolicyDuplicateName, "two rules that apply here are named %q", r.name)
		}
		seen[r.name] = true
	}
	if len(all) > maxRules {
		s.problem(at, evidence.CodePolicyTooLarge, "more than %d rules apply here", maxRules)
	}
	var together []ast.Expr
	for _, r := range all {
		together = conjuncts(r.tree, together)
	}
	if contradicts(together, nil) {
		s.problem(at, evidence.CodePolicyContradiction, "the rules that apply here contradict each other, so that nothing passes")
	}
	return all
}

// judgeRules evaluates rules. An error is a denial: absent is not false.
func judgeRules(r *report, rules []rule, b *bundle) {
	if len(rules) == 0 {
		return
	}
	vars := &activation{bundle: b, now: r.now}
	if r.isRecord() { // claims get old, and their vendors' dates with them
		vars.now = r.recorded
	}
	for i := range rules {
		rule := &rules[i]
		if rule.files && b.tpm != nil && b.tpm.IMA != nil && b.tpm.IMA.FilesOmitted {
			r.wait("", evidence.CodePolicyRule, rule.want, notRecorded)
			continue
		}
		out, _, err := rule.program.Eval(vars)
		if err != nil && r.isRecord() {
			r.wait("", evidence.CodePolicyRule, rule.want, notRecorded)
			continue
		}
		ok := err == nil && out == types.True
		r.judge(ok, "", evidence.CodePolicyRule, rule.want, func() string {
			switch {
			case err != nil:
				return "error: " + clipTo(err.Error(), maxText)
			case ok:
				return rule.holds
			}
			return "false"
		})
	}
}

// variables are the evidence that rules may read.
type variables struct {
	snp, tdx, tpm, paravisor bool
	identity                 bool // and what was granted; not for rules, which decide on that
}

var allVariables = variables{snp: true, tdx: true, tpm: true, paravisor: true}

// variables returns the kinds that the alternative mentions: a rule about
// another kind would always deny.
func (a *alternative) variables() variables {
	v := variables{snp: a.snp != nil, tdx: a.tdx != nil, tpm: a.tpm != nil, paravisor: a.paravisor != nil}
	for _, kind := range a.tolerated {
		v.snp, v.tdx, v.tpm = v.snp || kind == snp, v.tdx || kind == tdx, v.tpm || kind == tpm
	}
	return v
}

// ruleCompiler compiles rules. It makes its environments when they are first needed.
type ruleCompiler struct {
	environments map[variables]*cel.Env
}

// excluded are functions that rules do without: matches, because a pattern that
// is not anchored says less than it seems to; dyn and type, because they would
// let a misspelt claim through the type check.
var excluded = &env.LibrarySubset{ExcludeFunctions: []*env.Function{
	env.NewFunction("matches"), env.NewFunction("dyn"), env.NewFunction("type"),
}}

func (c *ruleCompiler) environment(allowed variables) (*cel.Env, error) {
	if e := c.environments[allowed]; e != nil {
		return e, nil
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(excluded)),
		withClaimTypes,
		cel.ParserExpressionSizeLimit(maxRuleSize),
		cel.ParserRecursionLimit(maxRuleDepth),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("simulated", cel.BoolType),
		cel.Variable("kinds", cel.ListType(cel.StringType)),
	}
	for name, declared := range map[string]bool{"sev_snp": allowed.snp, "tdx": allowed.tdx, "tpm": allowed.tpm, "paravisor": allowed.paravisor} {
		if declared {
			options = append(options, cel.Variable(name, claimTypes.variable(name)))
		}
	}
	if allowed.identity {
		options = append(options, cel.Variable("workload", cel.StringType), cel.Variable("spiffe_id", cel.StringType))
	}
	e, err := cel.NewCustomEnv(options...)
	if err == nil {
		if c.environments == nil {
			c.environments = map[variables]*cel.Env{}
		}
		c.environments[allowed] = e
	}
	return e, err
}

// compile returns the program of a rule's text, or nil with the problems reported.
func (c *ruleCompiler) compile(s source, n *yaml.Node, allowed variables) (cel.Program, ast.Expr) {
	if n.Kind != yaml.ScalarNode {
		s.problem(n, evidence.CodePolicyType, "expected a CEL expression, not %s", describe(n))
		return nil, nil
	}
	e, err := c.environment(allowed)
	if err != nil {
		s.problem(n, evidence.CodePolicyRuleInvalid, "cannot compile rules: %s", err)
		return nil, nil
	}
	checked, issues := e.Compile(n.Value)
	if list := issues.Errors(); len(list) > 0 {
		for _, issue := range list {
			line, column := s.ruleAt(n, issue.Location.Line(), issue.Location.Column())
			s.add(line, column, evidence.CodePolicyRuleInvalid, "rule: %s", ruleMessage(issue.Message, allowed))
		}
		return nil, nil
	}
	return c.program(s, n, e, checked), checked.NativeRep().Expr()
}

func (c *ruleCompiler) program(s source, n *yaml.Node, e *cel.Env, checked *cel.Ast) cel.Program {
	refuse := func(format string, args ...any) cel.Program {
		s.problem(n, evidence.CodePolicyRuleInvalid, "rule: "+format, args...)
		return nil
	}
	if checked.OutputType() != cel.BoolType {
		return refuse("gives %s, but a rule must give a boolean", checked.OutputType())
	}
	if why := suspect(checked.NativeRep()); why != "" {
		return refuse("%s", why)
	}
	cost, err := e.EstimateCost(checked, sizes{})
	if err != nil {
		return refuse("its cost cannot be estimated: %s", err)
	}
	if cost.Max > maxRuleCost {
		return refuse("may cost up to %d units, and the limit is %d; loop over less", cost.Max, maxRuleCost)
	}
	if why := constancy(e, checked); why != "" {
		return refuse("%s", why)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !isLoopless(checked.NativeRep()) {
		options = append(options, cel.CostLimit(maxRuleCost))
	}
	program, err := e.Program(checked, options...)
	if err != nil {
		return refuse("%s", err)
	}
	return program
}

// ruleMessage turns the compiler's message into one short line, with a hint
// where there is one.
func ruleMessage(message string, allowed variables) string {
	message, _, _ = strings.Cut(message, " expecting {")
	message = strings.ReplaceAll(message, " (in container '')", "")
	message = clipTo(strings.Join(strings.Fields(message), " "), maxText)
	undeclared := func(name string) bool { return strings.Contains(message, "undeclared reference to '"+name+"'") }
	switch {
	case !allowed.snp && undeclared("sev_snp"), !allowed.tdx && undeclared("tdx"), !allowed.tpm && undeclared("tpm"), !allowed.paravisor && undeclared("paravisor"):
		message += "; the alternative does not mention this kind of evidence"
	case undeclared("matches"), undeclared("dyn"), undeclared("type"):
		message += "; rules have no such function, compare with == or in"
	}
	return message
}

// ruleAt turns a place in a rule's text (line from 1, column from 0) into a
// place in the file, as exactly as the YAML style allows.
func (s source) ruleAt(n *yaml.Node, line, column int) (fileLine, fileColumn int) {
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockAt(n, line, column)
	case strings.Contains(n.Value, "\n") || line != 1:
		return n.Line, n.Column
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		column++ // the quote
	}
	return n.Line, n.Column + column
}

// blockAt is ruleAt for block scalars, whose text starts on the line after the
// indicator and is indented as its first line is.
func (s source) blockAt(n *yaml.Node, line, column int) (fileLine, fileColumn int) {
	lines := strings.Split(string(s.data), "\n")
	if n.Line >= len(lines) {
		return n.Line, n.Column
	}
	lines = lines[n.Line:]
	indent := func(text string) int { return len(text) - len(strings.TrimLeft(text, " ")) }
	base := 0
	for _, text := range lines {
		if strings.TrimSpace(text) != "" {
			base = indent(text) - indent(n.Value)
			break
		}
	}
	if n.Style&yaml.LiteralStyle != 0 {
		return n.Line + line, base + column + 1
	}
	for i, text := range lines { // folding joined the lines with spaces
		size := len(strings.TrimSpace(text))
		if column <= size {
			return n.Line + i + 1, base + column + 1
		}
		column -= size + 1
	}
	return n.Line, n.Column
}

// sizes tells the cost estimate how large claims can be.
type sizes struct{}

func (sizes) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	switch element.Type().Kind() {
	case types.StringKind, types.BytesKind:
		return &checker.SizeEstimate{Max: maxClaimText}
	case types.ListKind, types.MapKind:
		return &checker.SizeEstimate{Max: maxClaimList}
	}
	return &checker.SizeEstimate{Min: 1, Max: 1} // counted as one whole
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

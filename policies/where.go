package policies

import (
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// Where is a condition that picks attestations by what they claimed and were granted: a CEL
// expression as rules are, checked and bounded in cost as they are, over the same claims of
// every kind, and over workload and spiffe_id.
type Where struct {
	program cel.Program
	files   bool // it reads the files of a measurement list, or may
}

// Attested is what a [Where] judges: the claims that were accepted, and what they earned.
type Attested struct {
	Claims             []evidence.Claims
	Workload, SPIFFEID string
}

// NewWhere compiles a condition. The error is a [Problems], with lines and columns of text.
func NewWhere(text string) (*Where, error) {
	found := &problems{}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text, Line: 1, Column: 1}
	s := source{file: "where", data: []byte(text), problems: found}
	everything := allVariables
	everything.identity = true
	program, _ := new(ruleCompiler).compile(s, n, everything)
	if err := found.err(); err != nil {
		return nil, err
	}
	return &Where{program, strings.Contains(text, listIMAFiles)}, nil
}

// Picks reports whether the condition is true. An error says that it is neither true nor
// false: of evidence of another kind, say, or that does not claim what is asked for.
func (w *Where) Picks(a Attested, now time.Time) (bool, error) {
	var checks evidence.Checks
	b, ok := newBundle(a.Claims, &checks)
	if !ok {
		return false, evidence.Errorf(evidence.CodePolicyClaims, "", "the claims of the attestation are not in order")
	}
	if w.files && b.tpm != nil && b.tpm.IMA != nil && b.tpm.IMA.FilesOmitted {
		return false, evidence.Errorf(evidence.CodePolicyClaims, "", "%s", notRecorded)
	}
	out, _, err := w.program.Eval(&attested{activation{bundle: b, now: now}, a})
	return err == nil && out == types.True, err
}

// attested gives a condition its variables.
type attested struct {
	activation
	is Attested
}

func (a *attested) ResolveName(name string) (any, bool) {
	switch name {
	case "workload":
		return types.String(a.is.Workload), true
	case "spiffe_id":
		return types.String(a.is.SPIFFEID), true
	}
	return a.activation.ResolveName(name)
}

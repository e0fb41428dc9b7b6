package policies

import (
	"fmt"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// activation gives a rule its variables.
type activation struct {
	*bundle
	now time.Time
}

func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "now":
		return types.Timestamp{Time: a.now}, true
	case "simulated":
		return types.Bool(a.simulated), true
	case "kinds":
		return a.kinds(), true
	case "sev_snp":
		return present(a.snp, name), true
	case "tdx":
		return present(a.tdx, name), true
	case "tpm":
		return present(a.tpm, name), true
	case "paravisor":
		return present(a.paravisor, name), true
	}
	return nil, false
}

func present[T any](claims *T, name string) any {
	if claims == nil {
		return types.WrapErr(fmt.Errorf("there is no evidence of kind %s", name))
	}
	return claims
}

func (*activation) Parent() cel.Activation { return nil }

package policies

import (
	"fmt"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// activation gives the rules of one decision their variables.
type activation struct {
	*bundle
	now   time.Time
	views struct{ snp, tdx, tpm, paravisor *claimView }
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
		return view(&a.views.snp, a.snp, name), true
	case "tdx":
		return view(&a.views.tdx, a.tdx, name), true
	case "tpm":
		return view(&a.views.tpm, a.tpm, name), true
	case "paravisor":
		return view(&a.views.paravisor, a.paravisor, name), true
	}
	return nil, false
}

// view gives the claims of a kind, with what earlier rules read of them.
func view[T any](seen **claimView, claims *T, name string) any {
	if claims == nil {
		return types.WrapErr(fmt.Errorf("there is no evidence of kind %s", name))
	}
	if *seen == nil {
		*seen = newClaimView(claims)
	}
	return *seen
}

func (*activation) Parent() cel.Activation { return nil }

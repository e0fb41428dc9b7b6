package machines

import (
	"context"
	"crypto/sha512"

	"github.com/quotary/quotary/evidence"
)

// earlier is the binding of a challenge that is long over.
var earlier = evidence.Binding(sha512.Sum512([]byte("SIMULATED challenge of another day")))

// generalFaults are those that befall every technology.
func generalFaults() []fault {
	return []fault{
		{Fault: Fault{
			Name: "stale-nonce", Title: "answers every challenge with evidence for an earlier one",
			Technologies: everyTechnology, Code: evidence.CodeBinding,
		}, send: func(ctx context.Context, _ *Machine, _ evidence.Binding, honest attest) (evidence.Bundle, error) {
			return honest(ctx, earlier)
		}},
		{Fault: Fault{
			Name: "relay", Title: "passes on evidence that another, healthy machine gave to somebody else",
			Technologies: everyTechnology, Code: evidence.CodeBinding,
		}, send: func(ctx context.Context, m *Machine, _ evidence.Binding, _ attest) (evidence.Bundle, error) {
			other, err := m.neighbour()
			if err != nil {
				return nil, err
			}
			return other.honest.Attest(ctx, earlier)
		}},
	}
}

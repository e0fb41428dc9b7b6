package machines

import (
	"context"
	"crypto/sha512"
	"slices"

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
		{Fault: Fault{
			Name: "oversize", Title: "sends a report that is larger than evidence may be",
			Technologies: everyTechnology, Code: evidence.CodeEvidenceTooLarge,
		}, send: func(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
			bundle, err := honest(ctx, binding)
			return oversize(bundle), err
		}},
	}
}

// oversize blows up the first item of a bundle.
func oversize(bundle evidence.Bundle) evidence.Bundle {
	bundle = slices.Clone(bundle)
	for i, item := range bundle[:min(len(bundle), 1)] {
		switch item := item.(type) {
		case *evidence.SNP:
			large := *item
			large.Report = append(slices.Clone(item.Report), make([]byte, evidence.MaxReport)...)
			bundle[i] = &large
		case *evidence.TDX:
			large := *item
			large.Quote = append(slices.Clone(item.Quote), make([]byte, evidence.MaxReport)...)
			bundle[i] = &large
		case *evidence.TPM:
			large := *item
			large.Attest = append(slices.Clone(item.Attest), make([]byte, evidence.MaxTPMStructure)...)
			bundle[i] = &large
		}
	}
	return bundle
}

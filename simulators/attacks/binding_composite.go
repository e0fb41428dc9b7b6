package attacks

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tpm"
)

// compositeRows take composite evidence apart, and put together what does not belong
// together. What is left of two items is tried where the policy asks for no more, so
// that the list of kinds is what refuses it.
func compositeRows() []Row {
	both := []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM}
	return []Row{{"B23", "items dropped, added or exchanged", []Case{
		{
			Name: "the TPM's quote dropped", Subject: snpPlain, Want: codes(evidence.CodeBinding),
			Try: func(ctx context.Context, a *Attacker) (Got, error) { return a.Attest(ctx, Attempt{Kinds: both}) },
		},
		{
			Name: "the report dropped", Subject: lone, Want: codes(evidence.CodeBinding),
			Try: func(ctx context.Context, a *Attacker) (Got, error) { return a.Attest(ctx, Attempt{Kinds: both}) },
		},
		{
			Name: "both bound, but not to each other", Subject: composed, Want: codes(evidence.CodeCompositeLink, evidence.CodeBinding),
			Try: recomposed(func(ctx context.Context, c composite, b evidence.Binding) (evidence.Bundle, error) {
				return together(ctx, c.guest, c.tpm, b)
			}),
		},
		{
			Name: "the TPM of another machine", Subject: composed, Want: codes(evidence.CodeCompositeLink, evidence.CodeBinding),
			Try: stitched(func(a *Attacker, c composite) (*sevsnp.Machine, *tpm.Machine, error) {
				other, err := newTPM(a.World(), tpm.MachineOptions{Name: "attacks/stitched", PCRs: []int{7}})
				if err == nil {
					err = other.Measure(7, []byte(composed))
				}
				return c.guest, other, err
			}),
		},
	}}}
}

// recomposed attests with what make does with the parts of a composite machine.
func recomposed(make func(context.Context, composite, evidence.Binding) (evidence.Bundle, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		machine, ok := a.Machine().(composite)
		if !ok {
			return Got{}, fmt.Errorf("the subject %q is no composite", a.subject.Name)
		}
		return a.Attest(ctx, Attempt{Evidence: func(ctx context.Context, b evidence.Binding) (evidence.Bundle, error) {
			return make(ctx, machine, b)
		}})
	}
}

// stitched attests with a report that covers the honest machine's TPM, and the
// quote of the TPM that exchange brings.
func stitched(exchange func(*Attacker, composite) (*sevsnp.Machine, *tpm.Machine, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		machine, ok := a.Machine().(composite)
		if !ok {
			return Got{}, fmt.Errorf("the subject %q is no composite", a.subject.Name)
		}
		guest, module, err := exchange(a, machine)
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Evidence: func(ctx context.Context, b evidence.Binding) (evidence.Bundle, error) {
			report, err := guest.Attest(ctx, b.Covering(machine.tpm.AttestationKey()))
			if err != nil {
				return nil, err
			}
			quote, err := module.Attest(ctx, b)
			return append(report, quote...), err
		}})
	}
}

// together has both machines attest, each for itself.
func together(ctx context.Context, guest *sevsnp.Machine, module *tpm.Machine, b evidence.Binding) (evidence.Bundle, error) {
	report, err := guest.Attest(ctx, b)
	if err != nil {
		return nil, err
	}
	quote, err := module.Attest(ctx, b)
	return append(report, quote...), err
}

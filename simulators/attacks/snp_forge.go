package attacks

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// try is what a case does.
type try = func(ctx context.Context, a *Attacker) (Got, error)

// snpMachine is a copy of the honest machine of the case's subject.
func (a *Attacker) snpMachine() (*sevsnp.Machine, error) {
	m, ok := a.Machine().(*sevsnp.Machine)
	if !ok {
		return nil, fmt.Errorf("the subject %q is no SEV-SNP guest", a.subject.Name)
	}
	own := *m
	return &own, nil
}

// changed attests with what change makes of the honest machine's report, signed again.
func changed(change func(*sevsnp.Report)) try {
	return forged(func(m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		change(&m.Template)
		return m.Item(data)
	})
}

// edited attests with the honest machine's report after edit, signed again.
func edited(edit func(report []byte)) try {
	return forged(func(m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		item, err := m.Item(data)
		if err != nil {
			return nil, err
		}
		edit(item.Report)
		item.Report, err = m.Sign(item.Report)
		return item, err
	})
}

// unsigned attests with the honest machine's report after edit, as it then is.
func unsigned(edit func(report []byte) []byte) try {
	return forged(func(m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		item, err := m.Item(data)
		if err == nil {
			item.Report = edit(item.Report)
		}
		return item, err
	})
}

// forged attests with what forge makes with a copy of the honest machine.
func forged(forge func(m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		m, err := a.snpMachine()
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Evidence: func(_ context.Context, binding evidence.Binding) (evidence.Bundle, error) {
			item, err := forge(m, binding)
			if err != nil {
				return nil, err
			}
			return evidence.NewBundle(item)
		}})
	}
}

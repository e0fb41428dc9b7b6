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
	return forged(func(_ *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		change(&m.Template)
		return m.Item(data)
	})
}

// edited attests with the honest machine's report after edit, signed again.
func edited(edit func(report []byte)) try {
	return forged(func(_ *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
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
	return forged(func(_ *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		item, err := m.Item(data)
		if err == nil {
			item.Report = edit(item.Report)
		}
		return item, err
	})
}

// remade attests as a machine of that chip and provider, whose key is certified for
// what change makes of the honest machine's report; and then with lies about it.
func remade(chip, csp string, change func(*sevsnp.Report), lies ...func(*sevsnp.Report)) try {
	return forged(func(a *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		report := m.Template
		report.ChipID = a.World().SEVSNP.Report(chipName(chip)).ChipID
		change(&report)
		other, err := a.World().SEVSNP.NewMachine(sevsnp.MachineOptions{Name: chipName(chip), Report: &report, CSPID: csp})
		if err != nil {
			return nil, err
		}
		for _, lie := range lies {
			lie(&other.Template)
		}
		return other.Item(data)
	})
}

// forged attests with what forge makes with a copy of the honest machine.
func forged(forge func(a *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		return a.Attest(ctx, snpAttempt(a, forge))
	}
}

// snpAttempt is the attempt of forged, for cases that lie elsewhere as well.
func snpAttempt(a *Attacker, forge func(a *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error)) Attempt {
	return Attempt{Evidence: func(_ context.Context, binding evidence.Binding) (evidence.Bundle, error) {
		m, err := a.snpMachine()
		if err != nil {
			return nil, err
		}
		item, err := forge(a, m, binding)
		if err != nil {
			return nil, err
		}
		return evidence.NewBundle(item)
	}}
}

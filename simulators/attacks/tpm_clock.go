package attacks

import (
	"context"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmClockRows come after a quote that was accepted, with what was before it.
func tpmClockRows() []Row {
	return []Row{
		{"P20", "clock and counters that run backwards", []Case{
			backwards("a clock that ran backwards", func(s *tpm2.TPMSAttest) { s.ClockInfo.Clock -= 3600_000 }),
			backwards("no clock", func(s *tpm2.TPMSAttest) { s.ClockInfo.Clock = 0 }),
			backwards("a reset less", func(s *tpm2.TPMSAttest) { s.ClockInfo.ResetCount-- }),
			backwards("a restart less", func(s *tpm2.TPMSAttest) { s.ClockInfo.RestartCount-- }),
			backwards("half of all resets more", func(s *tpm2.TPMSAttest) { s.ClockInfo.ResetCount += 1 << 31 }),
			backwards("cleared", func(s *tpm2.TPMSAttest) { s.ClockInfo = tpm2.TPMSClockInfo{Safe: true} }),
			{
				Name: "a quote that was held back", Subject: tpmPlain, Want: codes(evidence.CodeTPMClock),
				Try: afterwards(func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error) {
					return a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) {
						earlier, err := m.Quote(data)
						if err != nil {
							return nil, err
						}
						return earlier, a.accepted(ctx, m)
					}))
				}),
			},
			{
				Name: "a copy of a TPM that was rebooted", Subject: tpmPlain, Want: codes(evidence.CodeTPMClock),
				Try: afterwards(func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error) {
					copied := m.Clone()
					if err := m.Reboot(); err != nil {
						return Got{}, err
					}
					h, err := a.host()
					if err != nil {
						return Got{}, err
					}
					if err := h.prepare(m); err != nil {
						return Got{}, err
					}
					if err := a.accepted(ctx, m); err != nil {
						return Got{}, err
					}
					return a.Attest(ctx, tpmAttempt(copied.Quote))
				}),
			},
			{
				Name: "a clock that may have been set back", Subject: tpmPlain, Want: codes(evidence.CodePolicyTPMSafe),
				Try: stated(func(s *tpm2.TPMSAttest) { s.ClockInfo.Safe = false }),
			},
		}},
	}
}

// backwards is a case with a statement that was changed, after another was accepted.
func backwards(name string, change func(*tpm2.TPMSAttest)) Case {
	return Case{
		Name: name, Subject: tpmPlain, Want: codes(evidence.CodeTPMClock),
		Try: afterwards(func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error) {
			return a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) { return restate(m, data, change) }))
		}),
	}
}

// afterwards goes on with a machine that was accepted. It is one of its own, so that no
// other case's quotes are overtaken.
func afterwards(goOn func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		m, err := a.another()
		if err != nil {
			return Got{}, err
		}
		if err := a.accepted(ctx, m); err != nil {
			return Got{}, err
		}
		return goOn(ctx, a, m)
	}
}

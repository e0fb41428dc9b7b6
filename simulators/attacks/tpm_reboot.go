package attacks

import (
	"context"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmRebootRows set a TPM back below a machine that runs on, and say less than before.
// The policy asks for no log, but there was one.
func tpmRebootRows() []Row {
	reboot := codes(evidence.CodeTPMReboot)
	whole := func(*evidence.TPM) {}
	without := func(item *evidence.TPM) { item.EventLog = nil }
	return []Row{{"P21", "TPM set back while its machine runs on", []Case{
		{Name: "reset, without its event log", Subject: tpmLogged, Want: reboot, Try: restarted((*tpm.Machine).Reboot, without)},
		{
			Name: "reset, without its list of files", Subject: tpmLogged, Want: reboot,
			Try: restarted((*tpm.Machine).Reboot, func(item *evidence.TPM) { item.IMALog = nil }),
		},
		{
			Name: "reset, with no new entries of its list", Subject: tpmLogged, Want: reboot, Behind: codes(evidence.CodeTPMIMAReplay),
			Try: restarted((*tpm.Machine).Reboot, func(item *evidence.TPM) { item.IMALog, item.IMAOffset = nil, 3 }),
		},
		{Name: "restarted, without its event log", Subject: tpmLogged, Want: reboot, Try: restarted(suspend, without)},
		{
			Name: "after a quote without logs", Subject: tpmLogged, Want: reboot,
			Try: restarted(func(*tpm.Machine) error { return nil }, without, func(ctx context.Context, a *Attacker, m *tpm.Machine) error {
				got, err := a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) {
					item, err := m.Quote(data)
					if err == nil {
						item.EventLog, item.IMALog = nil, nil
					}
					return item, err
				}))
				if err != nil || !got.Accepted {
					return Skip("the service wants logs again before a restart")
				}
				return m.Reboot()
			}),
		},
		{Name: "reset, with everything sent again", Subject: tpmLogged, Proof: ByAcceptance, Why: "so does a machine that was rebooted", Try: restarted((*tpm.Machine).Reboot, whole)},
	}}}
}

func suspend(m *tpm.Machine) error {
	m.Suspend()
	return nil
}

// restarted attests with a machine that was accepted, was then started again, and lies
// about it.
func restarted(start func(*tpm.Machine) error, lie func(*evidence.TPM), before ...func(context.Context, *Attacker, *tpm.Machine) error) try {
	return afterwards(func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error) {
		for _, step := range before {
			if err := step(ctx, a, m); err != nil {
				return Got{}, err
			}
		}
		if err := start(m); err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) {
			item, err := m.Quote(data)
			if err == nil {
				lie(item)
			}
			return item, err
		}))
	})
}

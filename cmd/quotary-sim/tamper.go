package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// intruder is a machine that must be refused, for one reason.
type intruder struct {
	what    string
	because evidence.Code
	machine tee.Attester
}

// tamper lets machines try that must not get an identity.
func (t *tale) tamper(ctx context.Context) error {
	intruders, err := t.intruders(ctx)
	if err != nil {
		return err
	}
	t.begin("Machines that must be refused", "Their hardware keys are good and their signatures verify. What they say is not good enough; each is refused for the reason shown, and the refusal is in the ledger.")
	for _, x := range intruders {
		if err := t.refused(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func (t *tale) intruders(ctx context.Context) ([]intruder, error) {
	swapped, err := snpMachine(t.lab.World(), "swapped", "payments 1.4.2 with a back door")
	if err != nil {
		return nil, err
	}
	debugged, err := debuggedMachine(t.lab.World())
	if err != nil {
		return nil, err
	}
	stolen, err := t.workloads[0].machine.Attest(ctx, evidence.Binding{})
	if err != nil {
		return nil, err
	}
	return []intruder{
		{"another image was launched", evidence.CodePolicySNPMeasurement, swapped.machine},
		{"its owner can read its memory (debugging is on)", evidence.CodePolicySNPDebug, debugged},
		{"somebody else's evidence, for a key of its own", evidence.CodeBinding, replay{stolen}},
	}, nil
}

// debuggedMachine runs the right image in a guest that the host can debug.
func debuggedMachine(w *simulators.World) (tee.Attester, error) {
	const debug = 1 << 19 // guest policy (SEV-SNP ABI 56860, table 8)
	report := w.SEVSNP.Report("debugged")
	report.Measurement = launched("payments 1.4.2")
	report.Policy |= debug
	return w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "debugged", Report: report})
}

// replay answers every challenge with the same evidence.
type replay struct{ bundle evidence.Bundle }

func (r replay) Kinds() []evidence.Kind { return r.bundle.Kinds() }

func (r replay) Attest(context.Context, evidence.Binding) (evidence.Bundle, error) {
	return r.bundle, nil
}

// refused lets an intruder attest and shows why it got nothing.
func (t *tale) refused(ctx context.Context, x intruder) error {
	_, err := attest(ctx, t.client, workload{machine: x.machine})
	var problem *client.Problem
	if !errors.As(err, &problem) {
		return unexpected{fmt.Errorf("an intruder (%s) was not refused: %v", x.what, err)}
	}
	check, ok := problem.Checks.Get(x.because)
	if !ok || check.Status != evidence.Fail {
		return unexpected{fmt.Errorf("an intruder (%s) was refused for another reason: %w", x.what, err)}
	}
	t.line("%s", x.what)
	t.check(check)
	return nil
}

package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/tee"
)

// Machine is a machine of a fleet. It implements tee.Attester and is safe for
// concurrent use.
type Machine struct {
	world *simulators.World

	mu           sync.Mutex
	machine      *machines.Machine
	boots        int             // after the first
	certificates [][]byte        // of the attestation key, that an enrolment gave
	sent         evidence.Bundle // last
}

var _ tee.Attester = (*Machine)(nil)

// now returns the machine as it is launched now.
func (m *Machine) now() *machines.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.machine
}

// Name returns the machine's name.
func (m *Machine) Name() string { return m.Spec().Name }

// Spec returns the machine's description, with the faults that it has now.
func (m *Machine) Spec() machines.Spec { return m.now().Spec() }

// Kinds returns the kinds of evidence that the machine sends.
func (m *Machine) Kinds() []evidence.Kind { return m.now().Kinds() }

// Attest returns evidence that carries the binding, unless a fault has it otherwise.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	bundle, err := m.now().Attest(ctx, binding)
	if err == nil {
		m.mu.Lock()
		m.sent = bundle
		m.mu.Unlock()
	}
	return bundle, err
}

// Workload returns the policy document that fits the machine without faults.
func (m *Machine) Workload(trustDomain string) policies.File { return m.now().Workload(trustDomain) }

// Requirement returns what that document requires, as YAML.
func (m *Machine) Requirement() string { return m.now().Requirement() }

// Extend measures data into a register, as software on the machine does.
func (m *Machine) Extend(register string, data []byte) error { return m.now().Extend(register, data) }

// Reboot starts the machine again.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boots >= maxBoots {
		return wrong("", "the machine was started %d times; make another one", maxBoots)
	}
	m.boots++
	return m.machine.Reboot()
}

// EnrolmentRequest, Activate and UseCertificates are those of an enrolment: see
// package client.
func (m *Machine) EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error) {
	return m.now().EnrolmentRequest(ctx)
}

// Activate has the machine's TPM decrypt the credential of an enrolment.
func (m *Machine) Activate(ctx context.Context, credential tee.Credential) ([]byte, error) {
	return m.now().Activate(ctx, credential)
}

// UseCertificates makes the machine's evidence carry these certificates of its
// attestation key, DER, from now on.
func (m *Machine) UseCertificates(certificates [][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.certificates = slices.Clone(certificates)
	return m.machine.UseCertificates(certificates)
}

// inject launches the machine again with one more fault.
func (m *Machine) inject(fault string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.machine.Spec()
	if slices.Contains(s.Faults, fault) {
		return wrong("fault", "%s has the fault %s already", s.Name, fault)
	}
	return m.relaunch(append(s.Faults, fault))
}

// clear launches the machine again without a fault.
func (m *Machine) clear(fault string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.machine.Spec()
	at := slices.Index(s.Faults, fault)
	if at < 0 {
		return wrong("fault", "%s does not have the fault %s", s.Name, fault)
	}
	return m.relaunch(slices.Delete(s.Faults, at, at+1))
}

// relaunch makes the machine anew: the same hardware, whose TPM counts one more reset.
func (m *Machine) relaunch(faults []string) error {
	if m.boots >= maxBoots {
		return wrong("", "the machine was started %d times; make another one", maxBoots)
	}
	s := m.machine.Spec()
	s.Faults = faults
	made, err := machines.New(m.world, s)
	if err != nil {
		return err
	}
	for range m.boots + 1 {
		if err := made.Reboot(); err != nil {
			return errors.Join(err, made.Close())
		}
	}
	if m.certificates != nil {
		if err := made.UseCertificates(m.certificates); err != nil {
			return errors.Join(err, made.Close())
		}
	}
	before := m.machine
	m.machine, m.boots = made, m.boots+1
	return before.Close()
}

func (m *Machine) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.machine.Close()
}

// Overheard returns somebody who has seen what the machine sent last, and sends it again.
// Its Attest fails where nothing was sent.
func (m *Machine) Overheard() tee.Attester {
	m.mu.Lock()
	defer m.mu.Unlock()
	return relayed{m.machine.Spec().Name, m.machine.Kinds(), m.sent}
}

// relayed are the kinds of a machine, and what it sent.
type relayed struct {
	name  string
	kinds []evidence.Kind
	sent  evidence.Bundle
}

// Kinds returns the kinds of what was sent.
func (r relayed) Kinds() []evidence.Kind { return r.kinds }

// Attest returns what was sent, whatever is asked.
func (r relayed) Attest(context.Context, evidence.Binding) (evidence.Bundle, error) {
	if r.sent == nil {
		return nil, wrong("relay", "%s has sent no evidence yet that could be passed on", r.name)
	}
	return r.sent, nil
}

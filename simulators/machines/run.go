package machines

import (
	"context"
	"crypto/sha512"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-configfs-tsm/rtmr"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Extend measures data into a register, as software on the machine does: "rtmr2" and
// "rtmr3" of a trust domain through the kernel's configfs-tsm, "pcr0" to "pcr23" of a TPM in
// each of its banks. No event log has it.
func (m *Machine) Extend(register string, data []byte) error {
	number := func(prefix string) (int, bool) {
		n, err := strconv.Atoi(strings.TrimPrefix(register, prefix))
		return n, err == nil && strings.HasPrefix(register, prefix) && n >= 0
	}
	if n, ok := number("rtmr"); ok && m.kernel != nil && m.kernel.registers != nil {
		digest := sha512.Sum384(data)
		m.mu.Lock() // one at a time finds or makes a register's entry
		defer m.mu.Unlock()
		if err := rtmr.ExtendDigest(m.kernel.configFS(), n, digest[:]); err != nil {
			return wrong("register", "%s: %w", register, err)
		}
		return nil
	}
	if n, ok := number("pcr"); ok && m.module != nil && n <= evidence.MaxPCR {
		return m.module.Measure(n, data)
	}
	return wrong("register", "%s has no register %.20q that software could extend", m.spec.Name, register)
}

// Reboot starts the machine again: registers begin anew and hold what its boot measures.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	m.reboots++
	m.mu.Unlock()
	if m.domain != nil {
		m.domain.Reboot()
	}
	if m.module != nil {
		return m.module.Reboot()
	}
	return nil
}

// Inject has a fault begin that is in what the machine sends. Others are in how a machine is
// made: describe one that has them.
func (m *Machine) Inject(name string) error {
	s := m.spec.clone()
	s.Faults = []string{name}
	begun, err := faultsOf(s)
	if err != nil {
		return err
	}
	if !begun[0].Sent {
		return wrong("faults", "%s is in how a machine is made: describe a machine with it", name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.faults) == maxFaults {
		return wrong("faults", "a machine has at most %d faults", maxFaults)
	}
	m.faults = slices.Concat(m.faults, begun)
	return nil
}

// Clear ends the faults that are in what the machine sends.
func (m *Machine) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = slices.DeleteFunc(slices.Clone(m.faults), func(f fault) bool { return f.Sent })
}

// EnrolmentRequest returns what a service needs to enrol the machine's TPM: see
// package client. A machine without a TPM has [evidence.CodeAttesterAbsent].
func (m *Machine) EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error) {
	if m.module == nil {
		return evidence.Enrolment{}, m.withoutTPM()
	}
	return m.module.EnrolmentRequest(ctx)
}

// Activate has the machine's TPM decrypt the credential of an enrolment.
func (m *Machine) Activate(ctx context.Context, credential tee.Credential) ([]byte, error) {
	if m.module == nil {
		return nil, m.withoutTPM()
	}
	return m.module.Activate(ctx, credential)
}

// UseCertificates makes the machine's evidence carry these certificates of its attestation
// key, DER: those that an enrolment gave, the key's first.
func (m *Machine) UseCertificates(certificates [][]byte) error {
	if m.module == nil {
		return m.withoutTPM()
	}
	m.module.UseCertificates(certificates)
	return nil
}

func (m *Machine) withoutTPM() error {
	return evidence.Errorf(evidence.CodeAttesterAbsent, "", "%s has no TPM", m.spec.Name)
}

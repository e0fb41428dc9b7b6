// Package paravisor simulates confidential VMs whose virtual TPM a layer below the
// guest holds, in memory that the hardware protects. When such a VM starts, the layer
// has the hardware's report cover the TPM's attestation key; from then on the report stays
// the same, and only the TPM's quotes are fresh. There are two ways to cover it:
//
//   - [RuntimeData], that of Azure: REPORT_DATA is the SHA-256 of a JSON text that
//     names the keys, and the guest finds text and report in an NV index of the TPM;
//   - [PublicArea]: REPORT_DATA is the SHA-256 of the key's TPMT_PUBLIC.
//
// Everything rests on the roots of simulators/sevsnp and simulators/tdx, which say
// SIMULATED. Nothing that is deployed may import this package.
//
// Start at [New].
package paravisor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// Form is the way in which REPORT_DATA covers the attestation key.
type Form uint8

// The forms.
const (
	RuntimeData Form = iota
	PublicArea
)

// Options say what the layer below the guest is like. The zero value is a paravisor of
// Azure's that writes version 1.
type Options struct {
	Form Form
	// Version of [Machine.Report]'s header, 1 (also if zero) or 2.
	Version int
	// Capabilities writes the newer form of the data behind the hardware's report, which
	// has a bitmap of capabilities.
	Capabilities bool
	// VMID is the machine's vmUniqueId; empty is one that never changes.
	VMID              string
	WithoutSecureBoot bool // secure boot is off
	Console           bool // the host has a console
}

// Machine is a confidential VM with a virtual TPM. It implements tee.Attester and is
// safe for concurrent use as long as nobody changes the hardware's template.
type Machine struct {
	// TPM is the virtual TPM.
	TPM *tpm.Machine

	hardware hardware
	kind     evidence.Kind
	options  Options

	mu       sync.Mutex
	userData [64]byte // guarded by mu
}

var _ tee.Attester = (*Machine)(nil)

// New puts a virtual TPM into a machine of package sevsnp or tdx. In the form
// [RuntimeData] both of the TPM's keys must be RSA.
func New(machine tee.Attester, vtpm *tpm.Machine, o Options) (*Machine, error) {
	if o.Version == 0 {
		o.Version = 1
	}
	if o.VMID == "" {
		o.VMID = "51544E59-0000-4000-8000-000000000001"
	}
	m := &Machine{TPM: vtpm, options: o}
	switch machine := machine.(type) {
	case *sevsnp.Machine:
		m.kind, m.hardware = evidence.KindSEVSNP, processorSNP{machine}
	case *tdx.Machine:
		m.kind, m.hardware = evidence.KindTDX, processorTDX{machine}
	default:
		return nil, fmt.Errorf("paravisor: %T is no machine with a TEE", machine)
	}
	_, err := m.covered() // keys of another type show now
	return m, err
}

// Kinds returns the hardware's kind and the TPM's.
func (m *Machine) Kinds() []evidence.Kind {
	kinds := []evidence.Kind{m.kind, evidence.KindTPM}
	slices.Sort(kinds)
	return kinds
}

// Attest returns the hardware's report, which knows nothing of the binding, and a quote
// by the key that it covers, which carries it.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	quotes, err := m.TPM.Attest(ctx, binding)
	if err != nil {
		return nil, err
	}
	item, err := m.Hardware()
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(append(quotes, item)...)
}

// Hardware returns the hardware's report or quote as evidence.
func (m *Machine) Hardware() (evidence.Item, error) {
	text, err := m.covered()
	if err != nil {
		return nil, err
	}
	if m.options.Form == PublicArea {
		return m.hardware.item(reportData(text), nil)
	}
	return m.HardwareOver(text)
}

// HardwareOver returns genuine evidence of the hardware over any runtime data, as a
// dishonest layer below the guest could have made.
func (m *Machine) HardwareOver(runtime []byte) (evidence.Item, error) {
	return m.hardware.item(reportData(runtime), runtime)
}

// covered returns what REPORT_DATA is the SHA-256 of.
func (m *Machine) covered() ([]byte, error) {
	if m.options.Form == PublicArea {
		return slices.Clone(m.TPM.Public), nil
	}
	return m.RuntimeData()
}

// reportData is the SHA-256 of what is covered, and zeros.
func reportData(covered []byte) (data [64]byte) {
	sum := sha256.Sum256(covered)
	copy(data[:], sum[:])
	return data
}

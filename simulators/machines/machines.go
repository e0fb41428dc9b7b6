// Package machines puts simulated machines together from a description: what a
// machine is, what it boots, and what is wrong with it. A [Spec] says so in YAML or JSON,
// [New] makes the [Machine], and the machine attests as a real one does.
//
// Everything that its evidence says is computed from the inputs: launch measurements by
// tee/launch, registers and event logs by simulators/eventlog. So is the policy that
// fits it: [Machine.Requirement] looks at the inputs and never at a report, and a
// machine that boots something else is refused. Evidence of SEV-SNP and TDX goes
// through the very code that collects it on real machines (tee/sevsnp/guest and
// tee/tdx/guest), over a kernel that is a fake.
//
// A machine is hostile by choice: [Faults] lists what can be wrong, each with the code
// that a service refuses it with. Whatever a fault changes is signed again by the
// hardware's key, so that nothing but the fault can be noticed.
//
// Nothing that is deployed may import this package. Start at [New].
package machines

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// Machine is a simulated machine. It implements tee.Attester, with a TPM tee.KeyAttester, and is safe for
// concurrent use. Close it when it is not needed any more.
type Machine struct {
	spec    Spec // as it was asked for, with the defaults filled in
	inputs  software
	fits    launched // what a machine without faults measures
	world   *simulators.World
	amd     *sevsnp.Vendor // of the product; nil without SEV-SNP
	kernel  *kernel        // of a TEE's guest; nil without one
	guest   *sevsnp.Machine
	domain  *tdx.Machine
	module  module // the TPM; nil without one
	virtual *paravisor.Machine
	honest  tee.Attester // as the machine would attest if it only did as it should

	clone     *tpm.Machine             // of its TPM; nil unless a fault has one
	neighbour func() (*Machine, error) // another machine with the same software, made when needed

	mu       sync.Mutex
	reboots  int
	attested int     // how often the machine has attested
	faults   []fault // that it has
}

var _ tee.KeyAttester = (*Machine)(nil)

// New makes a machine of a world and starts it. Files that the description names must
// have been read ([Spec.Load]). Errors have [evidence.CodeConfigMalformed] where the
// description is at fault, or the codes of tee/launch.
func New(w *simulators.World, s Spec) (*Machine, error) {
	s = s.filled()
	if err := s.check(); err != nil {
		return nil, err
	}
	m := &Machine{spec: s, world: w, inputs: s.software()}
	var err error
	if m.faults, err = faultsOf(s); err != nil {
		return nil, err
	}
	if m.fits, err = launch(s, m.inputs); err != nil {
		return nil, err
	}
	if s.Technology.hasTPM() && s.Pinned {
		if m.fits.ak, err = w.TPM.AttestationKey(s.moduleOptions()); err != nil {
			return nil, err
		}
	}
	if s.Technology.hasSNP() {
		if m.amd, err = w.Line(s.Product); err != nil {
			return nil, err
		}
	}
	m.neighbour = sync.OnceValues(m.newNeighbour)
	p, err := m.plan()
	if err != nil {
		return nil, err
	}
	if err := m.build(p); err != nil {
		return nil, fmt.Errorf("machines: %s: %w", s.Name, err)
	}
	return m, nil
}

// Spec returns the machine's description, with defaults filled in.
func (m *Machine) Spec() Spec { return m.spec.clone() }

// Kinds returns the kinds of evidence that the machine sends.
func (m *Machine) Kinds() []evidence.Kind { return m.honest.Kinds() }

// AttestationKey returns the SHA-256 of the SubjectPublicKeyInfo of the TPM's attestation
// key; zero if the machine has no TPM.
func (m *Machine) AttestationKey() evidence.Digest {
	if m.module == nil {
		return evidence.Digest{}
	}
	return m.module.AttestationKey()
}

// Attest returns evidence that carries the binding, unless a fault has it otherwise.
func (m *Machine) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	m.mu.Lock()
	before, faults := m.attested, m.faults
	m.attested++
	m.mu.Unlock()
	attest := m.honest.Attest
	for _, f := range faults {
		if f.send == nil || before < f.After {
			continue
		}
		honest := attest
		attest = func(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
			return f.send(ctx, m, binding, honest)
		}
	}
	return attest(ctx, binding)
}

// newNeighbour makes another machine that nothing is wrong with and that launches the
// same: it would be accepted in m's place.
func (m *Machine) newNeighbour() (*Machine, error) {
	s := m.spec.clone()
	s.Name, s.Faults, s.TPM.Backend = neighbourOf(s.Name), nil, ""
	return New(m.world, s)
}

// neighbourOf returns a name that differs and is no longer than names may be.
func neighbourOf(name string) string {
	const prefix = "beside-"
	return prefix + strings.TrimRight(name[:min(len(name), maxName-len(prefix))], "-")
}

// Close stops what the machine runs.
func (m *Machine) Close() error {
	if m.module == nil {
		return nil
	}
	return m.module.Close()
}

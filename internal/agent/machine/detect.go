package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	snp "github.com/quotary/quotary/tee/sevsnp/guest"
	tdx "github.com/quotary/quotary/tee/tdx/guest"
	tpm "github.com/quotary/quotary/tee/tpm/guest"
)

// Devices are the ways to a machine. What is not set is the machine's own.
type Devices struct {
	// SEVSNP and TDX return an attester, or an error with evidence.CodeAttesterAbsent
	// where the machine is no such guest.
	SEVSNP func(vmpl uint) (tee.Attester, error)
	TDX    func(withoutEventLog bool) (tee.Attester, error)
	// TPM is the address of the TPM that the platform has ("/dev/tpmrm0").
	TPM string
	// Logs has the logs as Linux has them in /sys/kernel/security.
	Logs fs.FS
}

func (d Devices) orOwn() Devices {
	if d.SEVSNP == nil {
		d.SEVSNP = func(vmpl uint) (tee.Attester, error) { return snp.Open(snp.Options{VMPL: vmpl}) }
	}
	if d.TDX == nil {
		d.TDX = func(withoutEventLog bool) (tee.Attester, error) {
			return tdx.Open(tdx.Options{WithoutEventLog: withoutEventLog})
		}
	}
	if d.TPM == "" {
		d.TPM = tpm.DefaultAddress
	}
	return d
}

// open finds out what the machine is, once.
func (m *Machine) open(ctx context.Context) error {
	if m.opened {
		return nil
	}
	environment, err := m.environment(ctx)
	if err != nil {
		return err
	}
	module, err := m.module(ctx, environment != nil)
	if err != nil {
		return err
	}
	if environment == nil && module == nil {
		return evidence.Errorf(evidence.CodeAttesterAbsent, "", "this machine is no SEV-SNP or TDX guest, and has no TPM at %s", m.config.Devices.TPM)
	}
	if m.config.KeyInTPM && module == nil {
		return evidence.Errorf(evidence.CodeAttesterAbsent, "machine.key", "keys are to be made in the TPM, and this machine is proved without one")
	}
	m.tee, m.tpm, m.opened = environment, module, true
	return nil
}

// environment opens the machine's TEE; nil where it is none. That one is there shows
// only when it is asked, so it is.
func (m *Machine) environment(ctx context.Context) (tee.Attester, error) {
	ways := map[TEE]func() (tee.Attester, error){
		SEVSNP: func() (tee.Attester, error) { return m.config.Devices.SEVSNP(m.config.VMPL) },
		TDX:    func() (tee.Attester, error) { return m.config.Devices.TDX(m.config.WithoutEventLog) },
	}
	if way := ways[m.config.TEE]; way != nil {
		return way()
	}
	if m.config.TEE == None {
		return nil, nil
	}
	for _, kind := range []TEE{SEVSNP, TDX} {
		attester, err := ways[kind]()
		if err == nil {
			_, err = attester.Attest(ctx, evidence.Binding{})
		}
		switch {
		case err == nil:
			m.config.Logger.Info("this machine is a trusted execution environment", "tee", string(kind))
			return attester, nil
		case !absent(err):
			return nil, fmt.Errorf("looking for %s: %w", kind, err)
		}
	}
	return nil, nil
}

// module opens the machine's TPM: the one that is configured, or, where there is no TEE,
// that of the platform. It is nil where there is neither.
func (m *Machine) module(ctx context.Context, beside bool) (*module, error) {
	if m.config.TPM != nil {
		return m.openTPM(ctx, *m.config.TPM)
	}
	if beside {
		return nil, nil
	}
	// The key of an Azure confidential VM's paravisor proves most: look for it first.
	module, azure := m.openTPM(ctx, TPM{Platform: Azure})
	if azure == nil {
		m.config.Logger.Info("this machine is an Azure confidential VM")
		return module, nil
	}
	module, err := m.openTPM(ctx, TPM{})
	if err != nil && absent(err) {
		return nil, nil
	}
	if err != nil {
		err = errors.Join(err, ctx.Err())
	}
	return module, err
}

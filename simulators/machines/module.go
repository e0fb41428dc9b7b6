package machines

import (
	"context"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// module is a machine's TPM.
type module interface {
	tee.KeyAttester
	// Measure extends a PCR in every bank with the digest of data. No log has it.
	Measure(pcr int, data []byte) error
	// Reboot starts the machine again.
	Reboot() error
	// EnrolmentRequest and Activate are the two steps of an enrolment.
	EnrolmentRequest(ctx context.Context) (evidence.Enrolment, error)
	Activate(ctx context.Context, credential tee.Credential) ([]byte, error)
	// UseCertificates makes the evidence carry these certificates of the attestation key.
	UseCertificates(certificates [][]byte)
	Close() error
}

// newModule makes the TPM and boots the machine around it.
func newModule(p *plan) (module, error) {
	if p.spec.TPM.Backend == SWTPM {
		return newExternal(p)
	}
	made, err := p.maker.NewMachine(p.module)
	if err != nil {
		return nil, err
	}
	m := inProcess{made, p.spec.IMA, p.violated}
	return m, m.measureFiles()
}

// inProcess is a TPM of simulators/tpm, and the files that the kernel measures.
type inProcess struct {
	*tpm.Machine
	files    []File
	violated []string
}

// Reboot starts the machine again, up to where its kernel has measured the files.
func (m inProcess) Reboot() error {
	if err := m.Machine.Reboot(); err != nil {
		return err
	}
	return m.measureFiles()
}

func (m inProcess) measureFiles() error {
	for _, f := range m.files {
		digest := f.digest()
		if err := m.MeasureFile(f.Path, digest[:]); err != nil {
			return err
		}
	}
	for _, path := range m.violated {
		if err := m.Violate(path); err != nil {
			return err
		}
	}
	return nil
}

// EnrolmentRequest returns the TPM's keys, with a certificate of the endorsement key.
func (m inProcess) EnrolmentRequest(context.Context) (evidence.Enrolment, error) {
	return m.Enrolment()
}

// Activate has the TPM decrypt a credential.
func (m inProcess) Activate(_ context.Context, credential tee.Credential) ([]byte, error) {
	return m.Machine.Activate(credential)
}

// Close does nothing: there is nothing to stop.
func (inProcess) Close() error { return nil }

package machines

import (
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
	Close() error
}

// newModule makes the TPM and boots the machine around it.
func newModule(p *plan) (module, error) {
	made, err := p.maker.NewMachine(p.module)
	if err != nil {
		return nil, err
	}
	m := inProcess{made, p.spec.IMA}
	return m, m.measureFiles()
}

// inProcess is a TPM of simulators/tpm, and the files that the kernel measures.
type inProcess struct {
	*tpm.Machine
	files []File
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
	return nil
}

// Close does nothing: there is nothing to stop.
func (inProcess) Close() error { return nil }

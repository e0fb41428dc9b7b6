package attacks

import (
	"fmt"
	"slices"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// bindingRows are the attacks on binding and freshness.
func bindingRows() []Row {
	return slices.Concat(challengeRows(), boundKeyRows(), relayRows(), compositeRows())
}

// The subjects of the attacks on binding, besides those of SEV-SNP.
const (
	composed = "snp-with-tpm" // a guest with a TPM of its own, whose key its report covers
	lone     = "tpm-alone"    // a machine that has only a TPM
)

// composite is the machine of that subject, and its parts.
type composite struct {
	tee.Attester
	guest *sevsnp.Machine
	tpm   *tpm.Machine
}

// bindingSubjects are what they are tried on.
func bindingSubjects(w *simulators.World) ([]Subject, error) {
	guest, err := snpGuest{name: composed}.subject(w)
	if err != nil {
		return nil, err
	}
	module, pcrs, err := quoting(w, composed)
	if err != nil {
		return nil, err
	}
	machine := guest.Machine.(*sevsnp.Machine)
	guest.Machine = composite{tee.Compose(machine, module), machine, module}
	guest.Requires += "\n" + pcrs
	alone, err := measured{name: lone}.subject(w)
	return []Subject{guest, alone}, err
}

// quoting makes a TPM with a value of its own in one register, and what a policy
// requires of it.
func quoting(w *simulators.World, name string) (*tpm.Machine, string, error) {
	m, err := newTPM(w, tpm.MachineOptions{Name: "attacks/" + name, PCRs: []int{7}})
	if err != nil {
		return nil, "", err
	}
	if err := m.Measure(7, []byte(name)); err != nil {
		return nil, "", err
	}
	return m, fmt.Sprintf("tpm: {ak: {sources: [certificate]}, pcrs: {sha256: {7: [%s]}}}", m.PCRs()[tpm.SHA256][7]), nil
}

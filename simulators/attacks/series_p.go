package attacks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmRows are the attacks on TPMs.
func tpmRows() []Row {
	return slices.Concat(tpmQuoteRows(), tpmRegisterRows(), tpmSignatureRows(), tpmAreaRows(), tpmCertificateRows(),
		tpmClockRows(), tpmRebootRows(), tpmCertifyRows(), tpmLogRows(), tpmCommandRows(),
		tpmActivationRows(), tpmEndorsementRows(), tpmIdentityRows(), tpmInsideRows())
}

// The subjects of the attacks on TPMs, besides those of the attacks on binding.
const (
	tpmPlain  = "tpm"        // asks for no more than must be asked for
	tpmStrict = "tpm-strict" // asks for a hierarchy and a firmware
	tpm384    = "tpm-sha384" // quotes its bank of SHA-384
	tpmKeyed  = "tpm-keyed"  // asks for a key that lives in the TPM
)

// tpmSubjects are what they are tried on.
func tpmSubjects(w *simulators.World) ([]Subject, error) {
	var all []Subject
	for _, m := range []measured{
		{name: tpmPlain},
		{name: tpmStrict, lines: []string{"hierarchy: endorsement"}, more: []string{`minimum_firmware: "2026010100000001"`}, firmware: 0x2026010100000001},
		{name: tpm384, bank: tpm.SHA384},
		{name: tpmKeyed, more: []string{"key: tpm"}},
	} {
		s, err := m.subject(w)
		if err != nil {
			return nil, err
		}
		if m.name == tpmKeyed {
			s.Honest = certified(honestCertification)
		}
		all = append(all, s)
	}
	for _, make := range []func(*simulators.World) (Subject, error){enrolledSubject, insideSubject} {
		s, err := make(w)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	booted, err := bootSubjects(w)
	return append(all, booted...), err
}

// measured is a subject with values in some registers, before it is made.
type measured struct {
	name, bank string
	lines      []string // of what is required of the attestation key
	more       []string // of what else is required
	firmware   uint64   // zero is one of its own
}

// pinned are the registers that hold values of the subject's own. They are some, so that of
// all workloads the subject's own is the nearest to whatever a mutant has.
var pinned = []int{0, 2, 4, 7}

func (m measured) subject(w *simulators.World) (Subject, error) {
	if m.bank == "" {
		m.bank = tpm.SHA256
	}
	h, err := newHost(w, m.name, tpm.MachineOptions{Bank: m.bank, Firmware: m.firmware}, m.measure)
	if err != nil {
		return Subject{}, err
	}
	all := []string{
		"ak: {" + strings.Join(append([]string{"sources: [certificate]"}, m.lines...), ", ") + "}", "pcrs: {" + m.bank + ": {" + h.pins(m.bank, pinned...) + "}}",
	}
	return Subject{Name: m.name, Machine: h, Requires: h.workload(append(all, m.more...)...)}, nil
}

// measure extends the registers that are pinned.
func (m measured) measure(machine *tpm.Machine) error {
	for _, n := range pinned {
		if err := machine.Measure(n, []byte(fmt.Sprint(m.name, "/", n))); err != nil {
			return err
		}
	}
	return nil
}

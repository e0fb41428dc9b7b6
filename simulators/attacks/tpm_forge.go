package attacks

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tpm"
)

// host is a machine with a TPM, and what it was made of.
type host struct {
	*tpm.Machine
	options tpm.MachineOptions
	prepare func(*tpm.Machine) error // what happens to it after its start; nil is nothing
	rule    string                   // of its workload; empty is none
}

// newHost makes the machine of a subject. Its firmware is its own.
func newHost(w *simulators.World, name string, o tpm.MachineOptions, prepare func(*tpm.Machine) error) (host, error) {
	o.Name = "attacks/" + name
	rule := ""
	if o.Firmware == 0 {
		o.Firmware = firmwareOf(name)
		rule = fmt.Sprintf("\nrequire: [{name: firmware, rule: 'tpm.firmware_version == \"%016x\"', message: the TPM has its own firmware}]", o.Firmware)
	}
	m, err := newTPM(w, o)
	if err == nil && prepare != nil {
		err = prepare(m)
	}
	return host{m, o, prepare, rule}, err
}

// firmwareOf is the version of a subject's firmware. It is older than that of all simulated
// TPMs otherwise.
func firmwareOf(name string) uint64 {
	digest := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(digest[:]) >> 8
}

// pins are values of registers as policies have them.
func (h host) pins(bank string, registers ...int) string {
	var values []string
	for _, n := range registers {
		values = append(values, fmt.Sprintf("%d: [%s]", n, hexed(h.PCRs()[bank][n])))
	}
	return strings.Join(values, ", ")
}

// workload requires these lines of the machine's TPM, and its firmware: where the check of
// its registers is taken away, that still says which machine it is.
func (h host) workload(lines ...string) string {
	return "tpm:\n    " + strings.Join(lines, "\n    ") + h.rule
}

// host is the honest machine of the case's subject. Nobody changes it: what is done to
// one that was accepted is done to another.
func (a *Attacker) host() (host, error) {
	h, ok := a.Machine().(host)
	if !ok {
		return h, fmt.Errorf("the subject %q is no machine with a TPM alone", a.subject.Name)
	}
	return h, nil
}

// another is a machine that is the honest one but for a change, with another TPM, which
// no service has seen before.
func (a *Attacker) another(changes ...func(*tpm.MachineOptions)) (*tpm.Machine, error) {
	h, err := a.host()
	if err != nil {
		return nil, err
	}
	o := h.options
	o.Name += "/" + rand.Text()
	for _, change := range changes {
		change(&o)
	}
	m, err := newTPM(a.World(), o)
	if err == nil && h.prepare != nil {
		err = h.prepare(m)
	}
	return m, err
}

// attested attests with the evidence that quote makes with the honest machine.
func attested(quote func(a *Attacker, h host, data []byte) (*evidence.TPM, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		h, err := a.host()
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) { return quote(a, h, data) }))
	}
}

// tpmAttempt is an attempt with the evidence that quote makes for this extra data.
func tpmAttempt(quote func(data []byte) (*evidence.TPM, error)) Attempt {
	return Attempt{Evidence: func(_ context.Context, binding evidence.Binding) (evidence.Bundle, error) {
		item, err := quote(binding.ReportData(evidence.KindTPM))
		if err != nil {
			return nil, err
		}
		return evidence.NewBundle(item)
	}}
}

// stated attests with what change makes of the honest TPM's statement, signed again.
func stated(change func(*tpm2.TPMSAttest)) try {
	return attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) { return restate(h.Machine, data, change) })
}

// restate is a quote whose statement was changed before it was signed.
func restate(m *tpm.Machine, data []byte, change func(*tpm2.TPMSAttest)) (*evidence.TPM, error) {
	statement, err := m.Attestation(data)
	if err != nil {
		return nil, err
	}
	change(&statement)
	return m.Sign(tpm2.Marshal(statement))
}

// selected changes what a quote says of registers.
func selected(change func(*tpm2.TPMSQuoteInfo)) func(*tpm2.TPMSAttest) {
	return func(s *tpm2.TPMSAttest) {
		if info, err := s.Attested.Quote(); err == nil {
			change(info)
		}
	}
}

// rewrittenStatement attests with the honest TPM's statement after edit, signed again.
func rewrittenStatement(edit func(statement []byte) []byte) try {
	return attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
		statement, err := h.Attestation(data)
		if err != nil {
			return nil, err
		}
		return h.Sign(edit(tpm2.Marshal(statement)))
	})
}

// beside attests with the honest quote after something beside it was changed.
func beside(change func(a *Attacker, item *evidence.TPM) error) try {
	return attested(func(a *Attacker, h host, data []byte) (*evidence.TPM, error) {
		item, err := h.Quote(data)
		if err != nil {
			return nil, err
		}
		return item, change(a, item)
	})
}

// otherTPM attests with the quote of a machine that is the honest one but for a change,
// and then with lies beside it.
func otherTPM(change func(*tpm.MachineOptions), lies ...func(m *tpm.Machine, item *evidence.TPM) error) try {
	return attested(func(a *Attacker, _ host, data []byte) (*evidence.TPM, error) {
		m, err := a.another(change)
		if err != nil {
			return nil, err
		}
		item, err := m.Quote(data)
		for _, lie := range lies {
			if err == nil {
				err = lie(m, item)
			}
		}
		return item, err
	})
}

// accepted has a machine attest. The error says that it was refused.
func (a *Attacker) accepted(ctx context.Context, m *tpm.Machine) error {
	got, err := a.Attest(ctx, Attempt{Evidence: m.Attest})
	if err == nil && !got.Accepted {
		err = fmt.Errorf("an honest quote is refused: %s", got)
	}
	return err
}

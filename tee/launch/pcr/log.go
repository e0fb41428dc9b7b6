// Package pcr foretells what a boot extends the PCRs of a TPM with: from the
// images that firmware loads, the command line and initrd that boot loaders and
// kernel measure, the sections of a unified kernel image, and the variables of
// Secure Boot. The same events go into the runtime registers of a trust domain.
//
// It foretells registers whole or not at all: a register into which something
// goes that the artefacts do not tell (the disk's partitions, the firmware's
// settings) has no value here, and [Boot.Log] says why.
//
// Start at [Boot]. Sources are the TCG PC Client Platform Firmware Profile 1.06,
// EDK II, systemd's TPM2 PCR measurements and the kernel's EFI stub.
package pcr

import (
	"crypto"
	"unicode/utf16"

	"github.com/quotary/quotary/evidence"
)

// Measured computes the digest of what is measured, in a bank:
// [pe.Image.Authenticode], [pe.Section.Digest], [Bytes].
type Measured func(bank crypto.Hash) []byte

// Bytes is measured as it is.
func Bytes(data []byte) Measured {
	return func(bank crypto.Hash) []byte {
		h := bank.New()
		h.Write(data)
		return h.Sum(nil)
	}
}

// Text is measured as UEFI has it: UTF-16 with a NUL behind it.
func Text(s string) Measured {
	return Bytes(append(encodeUTF16(s), 0, 0))
}

func encodeUTF16(s string) []byte {
	var data []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		data = append(data, byte(unit), byte(unit>>8))
	}
	return data
}

// Event is one extension of a register.
type Event struct {
	PCR       int
	What      string
	Digest    []byte
	Separator bool // it separates what is before the boot from it
}

// Log is what a boot extends, in its order.
type Log struct {
	Bank   crypto.Hash
	Events []Event
	// Unknown are registers that the boot extends with something that is not in
	// Events, and why; they have no value.
	Unknown map[int]string
}

func (l *Log) extend(pcr int, what string, m Measured) {
	l.Events = append(l.Events, Event{PCR: pcr, What: what, Digest: m(l.Bank)})
}

func (l *Log) unknown(pcr int, why string) { l.Unknown[pcr] = why }

// Values returns the registers that the log determines, of which each begins with
// zeros and becomes the digest of its old value and an event's digest.
func (l *Log) Values() map[int]evidence.Hex {
	values := map[int]evidence.Hex{}
	for _, e := range l.Events {
		if l.Unknown[e.PCR] != "" {
			continue
		}
		old := values[e.PCR]
		if old == nil {
			old = make([]byte, l.Bank.Size())
		}
		h := l.Bank.New()
		h.Write(old)
		h.Write(e.Digest)
		values[e.PCR] = h.Sum(nil)
	}
	return values
}

// ParseBank returns the hash of a bank whose values a policy may name.
func ParseBank(name string) (crypto.Hash, error) {
	switch name {
	case "sha256":
		return crypto.SHA256, nil
	case "sha384":
		return crypto.SHA384, nil
	case "sha512":
		return crypto.SHA512, nil
	}
	return 0, wrong("bank", "%.64q is no bank that a policy may name; use sha256, sha384 or sha512", name)
}

func wrong(option, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchOption, option, format, args...)
}

// Package tdx computes the registers of a TDX trust domain before it is
// launched: MRTD from the firmware, and the runtime registers RTMR1 and RTMR2 from
// the boot chain. RTMR0 cannot be computed from artefacts: what the hypervisor
// tells of memory and devices goes into it.
//
// Start at [MRTD] and [Runtime]. Sources are the TDX Module Base Architecture
// Specification (TDH.MEM.PAGE.ADD, TDH.MR.EXTEND), the TDX Virtual Firmware Design
// Guide and UEFI 2.10, 38.4.
package tdx

import (
	"crypto"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/pcr"
)

// Order says in which order the hypervisor adds and measures pages.
type Order int

// The orders.
const (
	PageByPage     Order = iota // each page is added and measured, as Linux does
	SectionPassing              // all pages of a section are added, then measured: hosts of before Linux 6.16 with QEMU 8
)

// MRTD returns the measurement of the domain's initial memory. Errors have
// [evidence.CodeLaunchFirmware] or [evidence.CodeLaunchUnsupported].
func MRTD(firmware []byte, order Order) ([sha512.Size384]byte, error) {
	sections, err := readSections(firmware)
	if err != nil {
		return [sha512.Size384]byte{}, err
	}
	h := sha512.New384()
	for _, s := range sections {
		s.measure(h, order)
	}
	return [sha512.Size384]byte(h.Sum(nil)), nil
}

func (s section) measure(h hash.Hash, order Order) {
	if s.attributes&attributeAugment != 0 {
		return
	}
	for at := uint64(0); at < s.size; at += pageSize {
		operation(h, "MEM.PAGE.ADD", s.address+at)
		if order == PageByPage {
			s.extend(h, at)
		}
	}
	for at := uint64(0); at < s.size && order == SectionPassing; at += pageSize {
		s.extend(h, at)
	}
}

// extend measures the contents of a page, if they are to be.
func (s section) extend(h hash.Hash, at uint64) {
	if s.attributes&attributeExtend == 0 {
		return
	}
	for end := at + pageSize; at < end; at += chunkSize {
		operation(h, "MR.EXTEND", s.address+at)
		var chunk [chunkSize]byte
		if at < uint64(len(s.data)) {
			copy(chunk[:], s.data[at:])
		}
		h.Write(chunk[:])
	}
}

// operation measures that something was done at an address: 128 bytes with the
// operation's name and, from byte 16 on, the address.
func operation(h hash.Hash, name string, address uint64) {
	var block [128]byte
	copy(block[:], name)
	binary.LittleEndian.PutUint64(block[16:], address)
	h.Write(block[:])
}

// ConfigurationVolume returns the digest of the firmware's volume of variables, as
// its event in RTMR0 has it (EV_EFI_PLATFORM_FIRMWARE_BLOB2). A hypervisor that
// keeps variables in a file of their own has that measured instead.
func ConfigurationVolume(firmware []byte) (evidence.Hex, error) {
	sections, err := readSections(firmware)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		if s.what == configurationVolume && len(s.data) > 0 {
			sum := sha512.Sum384(s.data)
			return sum[:], nil
		}
	}
	return nil, evidence.Errorf(evidence.CodeLaunchUnsupported, "", "the firmware has no volume of variables")
}

// register returns the runtime register that stands for a PCR (UEFI 2.10, 38.4.1).
func register(pcr int) (int, bool) {
	switch {
	case pcr == 1 || pcr == 7:
		return 0, true
	case pcr >= 2 && pcr <= 6:
		return 1, true
	case pcr >= 8 && pcr <= 15:
		return 2, true
	}
	return 0, false
}

// Events sorts the events of a boot by the runtime register that they extend. Each
// register gets one separator, whatever the number of PCRs that it stands for.
func Events(boot *pcr.Log) map[int][]pcr.Event {
	events := map[int][]pcr.Event{}
	separated := map[int]bool{}
	for _, e := range boot.Events {
		r, ok := register(e.PCR)
		if !ok || e.Separator && separated[r] {
			continue
		}
		separated[r] = separated[r] || e.Separator
		events[r] = append(events[r], e)
	}
	return events
}

// HostDependent says why RTMR0 is not known.
const HostDependent = "it depends on the memory and the devices that the host gives the domain"

// Runtime folds the events of a boot into runtime registers, by their number, and
// says which are not known, and why. RTMR0 never is.
func Runtime(boot *pcr.Log) (values map[int]evidence.Hex, unknown map[int]string, err error) {
	if boot.Bank != crypto.SHA384 {
		return nil, nil, evidence.Errorf(evidence.CodeLaunchOption, "bank", "runtime registers are of SHA-384")
	}
	values, unknown = map[int]evidence.Hex{}, map[int]string{0: HostDependent}
	for n, why := range boot.Unknown {
		if r, ok := register(n); ok && unknown[r] == "" {
			unknown[r] = why
		}
	}
	for r, events := range Events(boot) {
		if slices.ContainsFunc(events, func(e pcr.Event) bool { return e.PCR == 8 }) {
			unknown[r] = "GRUB measures commands and files by turns, and only their order among themselves is given"
		}
		if unknown[r] == "" {
			values[r] = fold(events)
		}
	}
	return values, unknown, nil
}

func fold(events []pcr.Event) evidence.Hex {
	var value [sha512.Size384]byte
	for _, e := range events {
		value = sha512.Sum384(append(value[:], e.Digest...))
	}
	return value[:]
}

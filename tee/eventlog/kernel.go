package eventlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// The tagged events of the kernel's EFI stub.
const (
	labelLoadOptions = "LOADED_IMAGE::LoadOptions"
	labelInitrd      = "Linux initrd"
)

// LoadOptionsDigest returns the digest that the kernel's EFI stub measures of a
// command line: of its UTF-16LE text with a terminating null. It is to be
// compared with [evidence.BootClaims.LoadOptions].
func LoadOptionsDigest(bank Algorithm, commandLine string) []byte {
	sum := bank.sum(append(encodeUTF16(commandLine), 0, 0))
	return bytes.Clone(sum.bytes[:sum.size])
}

// kernel claims the unified kernel image, and what its kernel was started with.
// Which digest is which follows from the order alone, so that the registers must
// hold nothing else. In a trust domain one register has both, and both must be right.
func (e *extraction) kernel() {
	image, stub := e.byRegister[e.at(11)], e.byRegister[e.at(9)]
	shared := e.log.Registers == RTMRs
	if shared {
		image, stub = split(image)
	}
	uki, imageOK := e.uki(image)
	options, initrd, stubOK := e.stub(stub)
	if imageOK && (stubOK || !shared) {
		e.claims.UKI = uki
	}
	if stubOK && (imageOK || !shared) {
		e.claims.LoadOptions, e.claims.Initrd = options, initrd
	}
}

// split parts what systemd's stub measured from what the kernel's own did.
func split(facts []fact) (image, stub []fact) {
	i := slices.IndexFunc(facts, func(f fact) bool { return f.label() == labelLoadOptions })
	switch {
	case len(facts) == 0 || facts[0].kind != sectionName:
		return nil, facts
	case i < 0:
		return facts, nil
	}
	return facts[:i], facts[i:]
}

// uki reads the sections of a unified kernel image: each name is followed by the
// contents, and then there are the phases of the boot. It is false if there is
// anything else among them.
func (e *extraction) uki(facts []fact) (*evidence.UKIClaims, bool) {
	if !slices.ContainsFunc(facts, func(f fact) bool { return f.kind == sectionName }) {
		return nil, true
	}
	claims := &evidence.UKIClaims{Sections: map[string]evidence.Hex{}}
	for len(facts) > 0 {
		f := facts[0]
		switch _, again := claims.Sections[f.text]; {
		case f.kind == phase:
			claims.Phases = append(claims.Phases, f.text)
			facts = facts[1:]
		case f.kind == sectionName && !again && len(facts) > 1 && len(claims.Phases) == 0:
			claims.Sections[f.text] = bytes.Clone(facts[1].digest)
			facts = facts[2:]
		default:
			e.doubt(evidence.CodeEventLogUKI, "a section's name and contents, each once", fmt.Sprintf("%s as event %d of register %d", f.Type, f.ordinal, f.Register))
			return nil, false
		}
	}
	claims.Phases = append(claims.Phases, e.Phases...)
	return claims, true
}

// stub reads what the kernel's EFI stub measured: its load options, and then the
// initial RAM disk if it loaded one. A RAM disk of nothing attests to none.
func (e *extraction) stub(facts []fact) (options, initrd evidence.Hex, ok bool) {
	if !slices.ContainsFunc(facts, func(f fact) bool { return f.label() == labelLoadOptions }) {
		return nil, nil, true
	}
	if len(facts) > 2 || facts[0].Type != EventTag || facts[0].label() != labelLoadOptions ||
		len(facts) == 2 && (facts[1].Type != EventTag || facts[1].label() != labelInitrd) {
		e.doubt(evidence.CodeEventLogInitrd, "load options and a RAM disk alone", fmt.Sprintf("other events in register %d", facts[0].Register))
		return nil, nil, false
	}
	options = bytes.Clone(facts[0].digest)
	if len(facts) < 2 {
		return options, nil, true
	}
	if nothing := e.replay.Bank.sum(nil); nothing.equals(facts[1].digest) {
		e.doubt(evidence.CodeEventLogInitrd, "a RAM disk", "the digest of nothing")
		return options, nil, true
	}
	return options, bytes.Clone(facts[1].digest), true
}

package sevsnp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// component is a part of the platform that has a security patch level of its
// own, in the order in which AMD's key distribution service names them.
type component int

const (
	fmc component = iota // firmware of the first mutable code; family 1Ah on
	bootloader
	teeOS
	snpFirmware
	microcode
	numComponents
)

// components names them as the key distribution service does: the parameter of
// a query, and the last arc of the certificate extension with the level (57230,
// "VCEK certificate request" and "VCEK certificate extensions").
var components = [numComponents]struct {
	parameter string
	arc       int
}{
	fmc:         {"fmcSPL", 9},
	bootloader:  {"blSPL", 1},
	teeOS:       {"teeSPL", 2},
	snpFirmware: {"snpSPL", 3},
	microcode:   {"ucodeSPL", 8},
}

// absent stands for the byte of a component that a layout does not have.
const absent = -1

// layout says where in a TCB_VERSION each component's level stands (SEV-SNP ABI
// 56860, "TCB_VERSION", which differs by processor family), and what goes with it.
type layout struct {
	structVersion uint8 // of the key certificates (57230)
	chipID        int   // bytes of a chip's identifier; zeros fill the 64 of a report
	at            [numComponents]int
	// reserved are the bytes without a meaning, each with the last arc of the
	// extension that repeats it in a certificate. All of them are zero.
	reserved []struct{ at, arc int }
}

// The layouts: family 19h has four reserved bytes in the middle, family 1Ah put
// the FMC first and the SNP firmware behind the TEE.
var (
	family19 = &layout{
		structVersion: 0,
		chipID:        64,
		at:            [numComponents]int{fmc: absent, bootloader: 0, teeOS: 1, snpFirmware: 6, microcode: 7},
		reserved:      []struct{ at, arc int }{{2, 4}, {3, 5}, {4, 6}, {5, 7}},
	}
	family1A = &layout{
		structVersion: 1,
		chipID:        8,
		at:            [numComponents]int{fmc: 0, bootloader: 1, teeOS: 2, snpFirmware: 3, microcode: 7},
		reserved:      []struct{ at, arc int }{{4, 5}, {5, 6}, {6, 7}},
	}
)

// layoutOfCertificate returns the layout that goes with a structure version, or nil.
func layoutOfCertificate(structVersion uint8) *layout {
	for _, l := range []*layout{family19, family1A} {
		if l.structVersion == structVersion {
			return l
		}
	}
	return nil
}

// tcb is a TCB_VERSION in its layout: eight levels, one a byte. Two are equal only
// in one layout. Its parts are compared one by one and never as a number, in
// which a high microcode level would hide a low firmware level.
type tcb struct {
	layout *layout
	levels [8]byte
}

// level returns a component's level; ok is false where the layout does not have it.
func (t tcb) level(c component) (level uint8, ok bool) {
	if t.layout.at[c] == absent {
		return 0, false
	}
	return t.levels[t.layout.at[c]], true
}

// hasReserved reports whether a byte is set that the layout reserves.
func (t tcb) hasReserved() bool {
	for _, r := range t.layout.reserved {
		if t.levels[r.at] != 0 {
			return true
		}
	}
	return false
}

// claims returns the levels by name.
func (t tcb) claims() evidence.SNPTCB {
	get := func(c component) uint8 { level, _ := t.level(c); return level }
	c := evidence.SNPTCB{Bootloader: get(bootloader), TEE: get(teeOS), SNP: get(snpFirmware), Microcode: get(microcode)}
	if level, ok := t.level(fmc); ok {
		c.FMC = &level
	}
	return c
}

// fromClaims is the inverse of claims. It is false for the levels of another layout.
func (l *layout) fromClaims(c evidence.SNPTCB) (tcb, bool) {
	levels := map[component]uint8{bootloader: c.Bootloader, teeOS: c.TEE, snpFirmware: c.SNP, microcode: c.Microcode}
	if c.FMC != nil {
		levels[fmc] = *c.FMC
	}
	t := tcb{layout: l}
	for part, at := range l.at {
		level, given := levels[component(part)]
		if given != (at != absent) {
			return tcb{}, false
		}
		if given {
			t.levels[at] = level
		}
	}
	return t, true
}

// query writes the levels as the parameters of a query to the key distribution service.
func (t tcb) query() string {
	var parts []string
	for c, as := range components {
		if level, ok := t.level(component(c)); ok {
			parts = append(parts, fmt.Sprintf("%s=%d", as.parameter, level))
		}
	}
	return strings.Join(parts, "&")
}

// parseQuery is the inverse of query, and takes no other spelling.
func (l *layout) parseQuery(text string) (tcb, bool) {
	t, parts := tcb{layout: l}, strings.Split(text, "&")
	for c, as := range components {
		if l.at[c] == absent {
			continue
		}
		if len(parts) == 0 {
			return tcb{}, false
		}
		value, ok := strings.CutPrefix(parts[0], as.parameter+"=")
		level, err := strconv.ParseUint(value, 10, 8)
		if !ok || err != nil || strconv.FormatUint(level, 10) != value {
			return tcb{}, false
		}
		t.levels[l.at[c]], parts = uint8(level), parts[1:]
	}
	return t, len(parts) == 0
}

// String writes the levels for people: as in a query, and what is not zero but should be.
func (t tcb) String() string {
	if !t.hasReserved() {
		return t.query()
	}
	return t.query() + ", with reserved bytes: " + hex.EncodeToString(t.levels[:])
}

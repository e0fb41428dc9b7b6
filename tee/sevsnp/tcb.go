package sevsnp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// tcb is a TCB_VERSION: eight security patch levels, one a byte, as they stand in
// a report (SEV-SNP ABI 56860, table 3). Its parts are compared one by one and
// never as a number, in which a high microcode level would hide a low firmware level.
type tcb [8]byte

// The bytes of a TCB_VERSION up to family 19h. Bytes 2 to 5 are reserved; Turin
// has another layout.
const (
	tcbBootloader = 0
	tcbTEE        = 1
	tcbSNP        = 6
	tcbMicrocode  = 7
)

// claims returns the parts by name.
func (t tcb) claims() evidence.SNPTCB {
	return evidence.SNPTCB{Bootloader: t[tcbBootloader], TEE: t[tcbTEE], SNP: t[tcbSNP], Microcode: t[tcbMicrocode]}
}

// zen5Claims returns the parts as family 1Ah lays them out: the FMC first, the
// firmware's levels behind it. It serves only to show a report that is refused.
func (t tcb) zen5Claims() evidence.SNPTCB {
	fmc := t[0]
	return evidence.SNPTCB{FMC: &fmc, Bootloader: t[1], TEE: t[2], SNP: t[3], Microcode: t[tcbMicrocode]}
}

// String writes the parts with the names that AMD's key distribution service
// gives them (57230, "VCEK certificate request").
func (t tcb) String() string {
	parts := []string{
		fmt.Sprintf("blSPL=%d", t[tcbBootloader]),
		fmt.Sprintf("teeSPL=%d", t[tcbTEE]),
		fmt.Sprintf("snpSPL=%d", t[tcbSNP]),
		fmt.Sprintf("ucodeSPL=%d", t[tcbMicrocode]),
	}
	if reserved := t[2:6]; slices.Max(reserved) != 0 {
		parts = append(parts, fmt.Sprintf("reserved=%x", reserved))
	}
	return strings.Join(parts, "&")
}

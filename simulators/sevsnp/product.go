package sevsnp

import (
	"fmt"
	"maps"
	"slices"
)

// Product lines that can be simulated.
const (
	Milan = "Milan"
	Genoa = "Genoa"
	Turin = "Turin"
)

// Processors of a product line that share its root key, but not its name.
const (
	Bergamo    = "Bergamo"     // Genoa's
	Siena      = "Siena"       // Genoa's
	TurinDense = "Turin Dense" // Turin's
)

// family1A is the CPU family whose TCB_VERSION begins with the FMC and whose
// chips have an identifier of 8 bytes.
const family1A = 0x1a

// processor is what reports say of a kind of processor, and what firmware a
// healthy one runs.
type processor struct {
	line          string
	family, model uint8
	tcb           TCB
}

func processors() map[string]processor {
	zen3 := TCB{Bootloader: 4, TEE: 0, SNP: 24, Microcode: 219}
	zen4 := TCB{Bootloader: 10, TEE: 0, SNP: 23, Microcode: 84}
	zen5 := TCB{FMC: 1, Bootloader: 2, TEE: 1, SNP: 4, Microcode: 74}
	return map[string]processor{
		Milan:      {Milan, 0x19, 0x01, zen3},
		Genoa:      {Genoa, 0x19, 0x11, zen4},
		Bergamo:    {Genoa, 0x19, 0xa0, zen4},
		Siena:      {Genoa, 0x19, 0xa0, zen4},
		Turin:      {Turin, family1A, 0x02, zen5},
		TurinDense: {Turin, family1A, 0x11, zen5},
	}
}

// processorOf returns a processor of the line; an empty name is the line's own.
func processorOf(line, name string) (processor, error) {
	all := processors()
	if name == "" {
		name = line
	}
	p, ok := all[name]
	if !ok || p.line != line {
		known := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(n string) bool { return all[n].line != line })
		return processor{}, fmt.Errorf("sevsnp: cannot simulate the processor %q of the line %q, only %q", name, line, known)
	}
	return p, nil
}

// hasFMC reports whether the line's levels and chips have the form of family 1Ah.
func hasFMC(line string) bool { return line == Turin }

// hwid returns the part of a chip's CHIP_ID that identifies it: all of it, or the
// first 8 bytes, with zeros behind.
func hwid(line string, chipID *[64]byte) []byte {
	if hasFMC(line) {
		return chipID[:8]
	}
	return chipID[:]
}

// TCB is a TCB_VERSION. FMC counts for processors of family 1Ah only.
type TCB struct{ FMC, Bootloader, TEE, SNP, Microcode uint8 }

// bytes lays the levels out as firmware of this CPU family does.
func (t TCB) bytes(family uint8) []byte {
	if family >= family1A {
		return []byte{t.FMC, t.Bootloader, t.TEE, t.SNP, 0, 0, 0, t.Microcode}
	}
	return []byte{t.Bootloader, t.TEE, 0, 0, 0, 0, t.SNP, t.Microcode}
}

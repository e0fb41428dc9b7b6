package pcr

import (
	"encoding/binary"

	"github.com/quotary/quotary/tee/launch/pe"
)

// QEMU says in which machine of QEMU's (type q35) a kernel is loaded directly.
type QEMU struct {
	Memory     uint64 // of the machine, in bytes
	InitrdSize uint32 // in bytes
}

// Places in the header of a kernel (Linux, Documentation/arch/x86/boot.rst).
const (
	headerEnd      = 0x264
	headerMagic    = 0x202
	protocolAt     = 0x206
	loaderAt       = 0x210
	flagsAt        = 0x211
	initrdAt       = 0x218
	initrdSizeAt   = 0x21c
	heapEndAt      = 0x224
	commandLineAt  = 0x228
	initrdMostAt   = 0x22c
	extraFlagsAt   = 0x236
	oldestProtocol = 0x20c
)

// Patched returns the kernel as QEMU hands it over: with its loader's number and
// addresses in the header, among them the initrd's at the end of low memory.
func (q QEMU) Patched(kernel []byte) (Measured, error) {
	if len(kernel) < headerEnd || string(kernel[headerMagic:headerMagic+4]) != "HdrS" || binary.LittleEndian.Uint16(kernel[protocolAt:]) < oldestProtocol {
		return nil, wrong("kernel", "it is no kernel for x86 of boot protocol 2.12 or later")
	}
	patched := append([]byte{}, kernel...)
	put := func(at int, n uint32) { binary.LittleEndian.PutUint32(patched[at:], n) }
	patched[loaderAt] = 0xb0
	patched[flagsAt] |= 0x80
	binary.LittleEndian.PutUint16(patched[heapEndAt:], 0xfe00)
	put(commandLineAt, 0x20000)
	if q.InitrdSize > 0 {
		address, err := q.initrd(kernel)
		if err != nil {
			return nil, err
		}
		put(initrdAt, address)
		put(initrdSizeAt, q.InitrdSize)
	}
	image, err := pe.Parse(patched)
	if err != nil {
		return nil, err
	}
	return image.Authenticode, nil
}

// Low memory of q35: all of it up to 2.75 GiB, and 2 GiB of more. ACPI tables
// take its end.
const (
	lowMost, lowOfMore = 0xb000_0000, 0x8000_0000
	acpiTables         = 0x28000
)

// initrd returns where QEMU puts the initrd.
func (q QEMU) initrd(kernel []byte) (uint32, error) {
	low := q.Memory
	if low >= lowMost {
		low = lowOfMore
	}
	most := uint64(binary.LittleEndian.Uint32(kernel[initrdMostAt:]))
	if binary.LittleEndian.Uint16(kernel[extraFlagsAt:])&2 != 0 { // XLF_CAN_BE_LOADED_ABOVE_4G
		most = 1<<32 - 1
	}
	if most >= low-min(low, acpiTables) {
		most = low - min(low, acpiTables+1)
	}
	if uint64(q.InitrdSize) >= most {
		return 0, wrong("memory", "an initrd of %d bytes does not fit into a machine of %d", q.InitrdSize, q.Memory)
	}
	return uint32(most-uint64(q.InitrdSize)) &^ 4095, nil
}

package snp

import "encoding/binary"

// VMM is a hypervisor, by the state that it starts processors in.
type VMM string

// The hypervisors that are known.
const (
	QEMU VMM = "qemu" // with KVM
	EC2  VMM = "ec2"  // Amazon EC2
	GCE  VMM = "gce"  // Google Compute Engine
)

// registers are those of a processor's first state in which hypervisors differ.
type registers struct {
	codeBoot, code, stack, task uint16 // attributes of segments; codeBoot at the reset vector
	rdx                         uint64
	pat                         uint64
	mxcsr                       uint32
	fcw                         uint16
}

// Memory types of PAT (AMD64 APM volume 2, 7.8): the reset value, and what GCE sets.
const (
	patReset = 0x0007_0406_0007_0406
	patGCE   = 0x0007_0106
)

func (v VMM) registers(s Signature) (registers, bool) {
	switch v {
	case QEMU:
		return registers{0x9b, 0x9b, 0x93, 0x8b, uint64(s), patReset, 0x1f80, 0x37f}, true
	case EC2:
		return registers{0x9a, 0x9b, 0x92, 0x83, 0x600, patReset, 0, 0}, true
	case GCE:
		return registers{0x9b, 0x9b, 0x93, 0x8b, 0x600, patGCE, 0, 0}, true
	}
	return registers{}, false
}

// resetAddress is where the first processor starts.
const resetAddress = 0xffff_fff0

// page returns the save area (VMSA) of a processor that starts at an address,
// with these SEV features (AMD64 APM volume 2, table B-4).
func (r registers) page(start uint32, features uint64) []byte {
	page := make([]byte, pageSize)
	segment := func(at int, selector, attributes uint16, limit uint32, base uint64) {
		binary.LittleEndian.PutUint16(page[at:], selector)
		binary.LittleEndian.PutUint16(page[at+2:], attributes)
		binary.LittleEndian.PutUint32(page[at+4:], limit)
		binary.LittleEndian.PutUint64(page[at+8:], base)
	}
	code := r.code
	if start == resetAddress {
		code = r.codeBoot
	}
	segment(0x00, 0, 0x93, 0xffff, 0)                              // ES
	segment(0x10, 0xf000, code, 0xffff, uint64(start&0xffff_0000)) // CS
	segment(0x20, 0, r.stack, 0xffff, 0)                           // SS
	for _, at := range []int{0x30, 0x40, 0x50} {                   // DS, FS, GS
		segment(at, 0, 0x93, 0xffff, 0)
	}
	segment(0x60, 0, 0, 0xffff, 0)      // GDTR
	segment(0x70, 0, 0x82, 0xffff, 0)   // LDTR
	segment(0x80, 0, 0, 0xffff, 0)      // IDTR
	segment(0x90, 0, r.task, 0xffff, 0) // TR
	for at, value := range map[int]uint64{
		0xd0:  0x1000,                 // EFER.SVME
		0x148: 0x40,                   // CR4.MCE
		0x158: 0x10,                   // CR0.ET
		0x160: 0x400,                  // DR7
		0x168: 0xffff_0ff0,            // DR6
		0x170: 0x2,                    // RFLAGS
		0x178: uint64(start & 0xffff), // RIP
		0x268: r.pat,
		0x310: r.rdx,
		0x3b0: features,
		0x3e8: 0x1, // XCR0
	} {
		binary.LittleEndian.PutUint64(page[at:], value)
	}
	binary.LittleEndian.PutUint32(page[0x408:], r.mxcsr)
	binary.LittleEndian.PutUint16(page[0x410:], r.fcw)
	return page
}

package attacks

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

const noLayout = "of a version that nobody knows no field can be read"

// snpFormatRows lie in the report's form.
func snpFormatRows() []Row {
	return []Row{
		{"S04", "unknown version", unknownVersions()},
		{"S05", "bytes behind the report", wrongSizes()},
		{"S06", "reserved bytes", reservedBytes()},
		{"S21", "reserved bits of the guest policy", []Case{
			guestPolicyBits("without bit 17", func(p uint64) uint64 { return p &^ (1 << 17) }),
			guestPolicyBits("bit 26", func(p uint64) uint64 { return p | 1<<26 }),
			guestPolicyBits("bit 63", func(p uint64) uint64 { return p | 1<<63 }),
		}},
		{"S43", "a report that the host asked for", []Case{
			wrongVMPL("VMPL of all ones", 0xffffffff), wrongVMPL("VMPL 4", 4), wrongVMPL("VMPL 1 in the wrong byte order", 0x01000000),
		}},
	}
}

func unknownVersions() []Case {
	var cases []Case
	for _, version := range []uint32{0, 1, 6, 200, 0x03000000} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("version %#x", version), Subject: snpPlain, Want: codes(evidence.CodeSNPVersion), Proof: ByParser, Why: noLayout,
			Try: edited(func(raw []byte) { binary.LittleEndian.PutUint32(raw, version) }),
		})
	}
	return cases
}

func wrongSizes() []Case {
	payload := bytes.Repeat([]byte("payload "), 12)
	return []Case{
		{
			Name: "a payload", Subject: snpPlain, Want: codes(evidence.CodeSNPSize),
			Try: unsigned(func(raw []byte) []byte { return append(raw, payload...) }),
		},
		{
			Name: "a payload behind zeros", Subject: snpPlain, Want: codes(evidence.CodeSNPSize),
			Try: unsigned(func(raw []byte) []byte { return append(append(raw, make([]byte, 100)...), payload...) }),
		},
		{
			Name: "one byte short", Subject: snpPlain, Want: codes(evidence.CodeSNPSize), Proof: ByParser, Why: "a part of a report is none",
			Try: unsigned(func(raw []byte) []byte { return raw[:len(raw)-1] }),
		},
	}
}

// reservedBytes sets single bytes that are reserved in version 3, and then in version 5.
func reservedBytes() []Case {
	var cases []Case
	for _, subject := range []string{snpPlain, snpHardened} {
		offsets := []int{0x3a, 0x3d, 0x182, 0x185, 0x1e2, 0x1f5, 0x4c, 0x4f, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x208, 0x29f}
		version := 5
		if subject == snpPlain {
			offsets, version = append(offsets, 0x1f8, 0x1ff, 0x200, 0x207), 3
		}
		for _, offset := range offsets {
			want := codes(evidence.CodeSNPReserved)
			if offset>>3 == 0x180>>3 { // no certificate has such a level
				want = append(want, evidence.CodeSNPTCB)
			}
			cases = append(cases, Case{
				Name: fmt.Sprintf("version %d, byte %#x", version, offset), Subject: subject, Want: want,
				Try: edited(func(raw []byte) { raw[offset] = 1 }),
			})
		}
	}
	return append(cases, Case{
		Name: "bits of SIGNER_INFO", Subject: snpPlain, Want: codes(evidence.CodeSNPReserved),
		Try: edited(func(raw []byte) { raw[0x48] |= 1 << 5 }),
	})
}

func guestPolicyBits(name string, change func(policy uint64) uint64) Case {
	return Case{
		Name: name, Subject: snpPlain, Want: codes(evidence.CodeSNPGuestPolicy), Behind: codes(evidence.CodePolicySNPGuestPolicy),
		Try: changed(func(r *sevsnp.Report) { r.Policy = change(r.Policy) }),
	}
}

func wrongVMPL(name string, vmpl uint32) Case {
	return Case{
		Name: name, Subject: snpPlain, Want: codes(evidence.CodeSNPVMPL), Behind: codes(evidence.CodePolicySNPVMPL),
		Try: changed(func(r *sevsnp.Report) { r.VMPL = vmpl }),
	}
}

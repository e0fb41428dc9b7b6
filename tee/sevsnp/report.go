package sevsnp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// reportSize is the size of an ATTESTATION_REPORT in bytes (SEV-SNP ABI 56860, table 23).
const reportSize = 0x4a0

// The versions of the report that are understood. Version 3 added the
// processor's family, model and stepping, version 5 the mitigation vectors.
const (
	oldestVersion = 2
	newestVersion = 5
)

// Offsets of the report's fields in bytes (56860, table 23). All numbers are little-endian.
const (
	offVersion         = 0x000
	offGuestSVN        = 0x004
	offPolicy          = 0x008
	offFamilyID        = 0x010
	offImageID         = 0x020
	offVMPL            = 0x030
	offAlgorithm       = 0x034
	offCurrentTCB      = 0x038
	offPlatformInfo    = 0x040
	offSignerInfo      = 0x048
	offReportData      = 0x050
	offMeasurement     = 0x090
	offHostData        = 0x0c0
	offIDKeyDigest     = 0x0e0
	offAuthorKeyDigest = 0x110
	offReportID        = 0x140
	offReportIDMA      = 0x160
	offReportedTCB     = 0x180
	offCPUFamily       = 0x188
	offCPUModel        = 0x189
	offCPUStepping     = 0x18a
	offChipID          = 0x1a0
	offCommittedTCB    = 0x1e0
	offCurrentVersion  = 0x1e8 // build, minor, major
	offCommitted       = 0x1ec // build, minor, major
	offLaunchTCB       = 0x1f0
	offLaunchMit       = 0x1f8
	offCurrentMit      = 0x200
	offSignature       = 0x2a0
)

// signingKey is SIGNING_KEY in SIGNER_INFO (table 23, 048h bits 4:2).
type signingKey uint8

const (
	vcek signingKey = 0
	vlek signingKey = 1
)

func (k signingKey) String() string {
	switch k {
	case vcek:
		return "vcek"
	case vlek:
		return "vlek"
	case 7:
		return "none"
	}
	return fmt.Sprintf("reserved (%d)", uint8(k))
}

// subject is the common name of such a key's certificate.
func (k signingKey) subject() string {
	if k == vlek {
		return "SEV-VLEK"
	}
	return "SEV-VCEK"
}

// report is a decoded ATTESTATION_REPORT. Nothing in it is trusted before its
// signature was checked.
type report struct {
	raw     []byte // exactly reportSize bytes, not shared with the caller
	padding int    // bytes behind the report
	junk    bool   // some of them are not zero

	version                 uint32
	family, model, stepping uint8 // version 3 on
	policy                  uint64
	vmpl                    uint32
	algorithm               uint32
	platformInfo            uint64
	signerInfo              uint32
	key                     signingKey
	chipID                  [64]byte
	line                    *product // by family and model; nil if not known, and before version 3
	layout                  *layout  // of its TCB_VERSIONs and its CHIP_ID
	reported                tcb
}

// decode reads a report. It fails only where the layout is unknown; what
// else can be wrong is for the examine functions to say.
func decode(raw []byte) (*report, *evidence.Error) {
	if len(raw) > evidence.MaxReport {
		return nil, evidence.Errorf(evidence.CodeSNPSize, "report", "%d bytes are more than the bound of %d", len(raw), evidence.MaxReport)
	}
	if len(raw) < reportSize {
		return nil, evidence.Errorf(evidence.CodeSNPSize, "report", "%d bytes are too few; a report has %d", len(raw), reportSize)
	}
	padding := raw[reportSize:]
	r := &report{
		raw:     bytes.Clone(raw[:reportSize]),
		padding: len(padding),
		junk:    !isZero(padding),
	}
	r.version = r.uint32(offVersion)
	if r.version < oldestVersion || r.version > newestVersion {
		return nil, evidence.Errorf(evidence.CodeSNPVersion, "report", "version %d is none of %d to %d", r.version, oldestVersion, newestVersion)
	}
	if r.version >= 3 {
		r.family, r.model, r.stepping = r.raw[offCPUFamily], r.raw[offCPUModel], r.raw[offCPUStepping]
	}
	r.policy = r.uint64(offPolicy)
	r.vmpl = r.uint32(offVMPL)
	r.algorithm = r.uint32(offAlgorithm)
	r.platformInfo = r.uint64(offPlatformInfo)
	r.signerInfo = r.uint32(offSignerInfo)
	r.key = signingKey(r.signerInfo >> 2 & 7)
	r.chipID = [64]byte(r.raw[offChipID:])
	r.setLine()
	r.reported = r.tcb(offReportedTCB)
	return r, nil
}

// setLine finds product line and layout by the processor. Reports of version 2 do
// not name it, and come from lines with one layout only. A processor that is not
// known is refused; its report is shown in its family's layout.
func (r *report) setLine() {
	r.layout = family19
	if r.version < 3 {
		return
	}
	if r.line = productOfCPU(r.family, r.model); r.line != nil {
		r.layout = r.line.layout
	} else if r.family >= zen5 {
		r.layout = family1A
	}
}

// isLayoutKnown reports whether the layout is that of a processor which is known.
func (r *report) isLayoutKnown() bool { return r.line != nil || r.version < 3 }

func (r *report) uint32(off int) uint32 { return binary.LittleEndian.Uint32(r.raw[off:]) }
func (r *report) uint64(off int) uint64 { return binary.LittleEndian.Uint64(r.raw[off:]) }
func (r *report) tcb(off int) tcb       { return tcb{r.layout, [8]byte(r.raw[off:])} }

// signed returns the bytes that the signature covers (table 23, "SIGNATURE").
func (r *report) signed() []byte { return r.raw[:offSignature] }

// chipMasked reports whether the host hides the chip's identity (SNP_CONFIG,
// MASK_CHIP_ID: CHIP_ID is zero).
func (r *report) chipMasked() bool { return r.chipID == [64]byte{} }

// keyMasked reports whether the host told the firmware not to use the chip's
// key (SNP_CONFIG, MASK_CHIP_KEY; SIGNER_INFO bit 1).
func (r *report) keyMasked() bool { return r.signerInfo&2 != 0 }

// byteRange is a half-open range of the report's bytes.
type byteRange struct{ from, to int }

// reserved lists the bytes that must be zero in this version and layout, without
// those of the signature and of the TCB_VERSIONs.
func (r *report) reserved() []byteRange {
	cpu, mitigation := byteRange{offCPUStepping + 1, offChipID}, byteRange{offLaunchMit, offSignature}
	if r.version < 3 {
		cpu.from = offCPUFamily
	}
	if r.version >= 5 {
		mitigation.from = offCurrentMit + 8
	}
	ranges := []byteRange{
		{offSignerInfo + 4, offReportData}, cpu,
		{offCurrentVersion + 3, offCommitted}, {offCommitted + 3, offLaunchTCB}, mitigation,
	}
	if r.isLayoutKnown() {
		ranges = append(ranges, byteRange{offChipID + r.layout.chipID, offCommittedTCB})
	}
	return ranges
}

// The offsets of the report's four TCB_VERSIONs.
var offsetsOfTCBs = [...]int{offCurrentTCB, offReportedTCB, offCommittedTCB, offLaunchTCB}

func isZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
}

// Package hcl reads what the paravisor of an Azure confidential VM says (Microsoft's
// host compatibility layer, HCL, or OpenHCL): the layer between host and guest that holds the
// guest's virtual TPM.
//
// When a VM starts, its paravisor asks the hardware for a report and has it cover the
// public keys of the virtual TPM: REPORT_DATA is the SHA-256 of a JSON text, the runtime
// data, followed by zeros. Both lie in the TPM's NV index 0x01400001. [Parse] takes that apart,
// [ParseRuntimeData] the text.
//
// Neither judges anything. A report is worth something once its signature is verified and
// REPORT_DATA compared with the very bytes that were parsed; and since the report was made when the VM
// started, it is fresh only by a quote of the TPM whose key it names. An SNP report can be
// verified as it is; of a TDREPORT the guest must first have a quote made.
//
// The layout is that of "Confidential VM guest attestation design" (Microsoft Learn) and of
// OpenVMM's igvm_attest protocol.
package hcl

import (
	"bytes"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// NVIndex is the index of the report in the virtual TPM.
const NVIndex = 0x01400001

// Report is a parsed report. Its parts refer to the bytes that it was parsed from.
type Report struct {
	// Version is that of the header, 1 or 2.
	Version int
	// Kind is [evidence.KindSEVSNP] or [evidence.KindTDX].
	Kind evidence.Kind
	// HardwareReport is the SNP report (1184 bytes), or the TDREPORT (1024 bytes).
	HardwareReport []byte
	// RuntimeData is the text whose SHA-256 is in the hardware's report.
	RuntimeData []byte
}

// Sizes in bytes.
const (
	headerSize   = 32
	reportSize   = 1184 // the larger of the two reports of hardware
	tdReportSize = 1024
	dataSize     = 20
	bitmapSize   = 4 // capabilities, in version 2 of the data behind the report
)

const signature = "HCLA"

// The types that a report can be of (IgvmAttestReportType). Others are for VMs
// without a report that a vendor of hardware vouches for.
const (
	typeSNP = 2
	typeTDX = 4
)

const hashSHA256 = 1 // IgvmAttestHashType

// Parse reads a report, behind which there may be zeros. The error has code
// [evidence.CodeCompositeHCL].
func Parse(raw []byte) (*Report, error) {
	if len(raw) > maxReport {
		return nil, refuse("%d bytes, at most %d are read", len(raw), maxReport)
	}
	c := cursor.LittleEndian{Rest: raw}
	version, size, err := parseHeader(&c)
	if err != nil {
		return nil, err
	}
	report := &Report{Version: version}
	area := c.Take(reportSize)
	if err := report.parseData(&c, size); err != nil {
		return nil, err
	}
	if report.Kind == evidence.KindTDX {
		if !zeros(area[tdReportSize:]) {
			return nil, refuse("there is something behind the TDREPORT")
		}
		area = area[:tdReportSize:tdReportSize]
	}
	report.HardwareReport = area
	if !zeros(c.Rest) {
		return nil, refuse("there is something behind the report of %d bytes", size)
	}
	return report, nil
}

func refuse(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeCompositeHCL, "hcl_report", format, args...)
}

func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// parseHeader reads IgvmAttestRequestHeader and returns its version and the size of
// the whole. Why the report was made and with what success does not matter: its signature will tell.
func parseHeader(c *cursor.LittleEndian) (version int, size uint32, err error) {
	magic := c.Take(len(signature))
	n := c.U32()
	size = c.U32()
	c.Take(headerSize - 12)
	switch {
	case c.Short:
		return 0, 0, refuse("the header is not complete")
	case string(magic) != signature:
		return 0, 0, refuse("it does not begin with %q", signature)
	case n != 1 && n != 2:
		return 0, 0, refuse("version %d; 1 and 2 are read", n)
	}
	return int(n), size, nil
}

// parseData reads IgvmAttestRequestData and the runtime data behind it. Every
// length must agree with the others.
func (r *Report) parseData(c *cursor.LittleEndian, size uint32) error {
	all, version, typ, hash, length := c.U32(), c.U32(), c.U32(), c.U32(), c.U32()
	head := uint64(dataSize)
	if version == 2 {
		head += bitmapSize
		c.Take(bitmapSize)
	}
	r.RuntimeData = c.Sized(uint64(length))
	switch {
	case c.Short:
		return refuse("the report or its runtime data is not complete")
	case version != 1 && version != 2:
		return refuse("runtime data of version %d; 1 and 2 are read", version)
	case hash != hashSHA256:
		return refuse("runtime data hashed with type %d; only SHA-256 (1) is accepted", hash)
	case uint64(all) != head+uint64(length) || uint64(size) != headerSize+reportSize+uint64(all):
		return refuse("sizes that contradict each other: %d in all, %d behind the hardware's report, %d of runtime data", size, all, length)
	case length == 0 || length > evidence.MaxRuntimeData:
		return refuse("%d bytes of runtime data; 1 to %d are read", length, evidence.MaxRuntimeData)
	}
	switch typ {
	case typeSNP:
		r.Kind = evidence.KindSEVSNP
	case typeTDX:
		r.Kind = evidence.KindTDX
	default:
		return refuse("a report of type %d; 2 (SEV-SNP) and 4 (TDX) are read, others are of VMs that are not confidential", typ)
	}
	return nil
}

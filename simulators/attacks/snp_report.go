package attacks

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpReportRows lie in the report about what it is and who asked for it.
func snpReportRows() []Row {
	return []Row{
		{"S07", "VCEK of another chip", []Case{{
			Name: "identifier of another chip", Subject: snpPlain, Want: codes(evidence.CodeSNPChipID),
			Try: changed(func(r *sevsnp.Report) { r.ChipID[0]++ }),
		}}},
		{"S15", "debugging allowed", []Case{{
			Name: "policy bit 19", Subject: snpPlain, Want: codes(evidence.CodePolicySNPDebug),
			Try: changed(func(r *sevsnp.Report) { r.Policy |= 1 << 19 }),
		}}},
		{"S43", "a report that the host asked for", []Case{{
			Name: "VMPL of all ones", Subject: snpPlain, Want: codes(evidence.CodeSNPVMPL), Behind: codes(evidence.CodePolicySNPVMPL),
			Try: changed(func(r *sevsnp.Report) { r.VMPL = 0xffffffff }),
		}}},
		{"S44", "measurement in part", []Case{{
			Name: "another last byte", Subject: snpHardened, Want: codes(evidence.CodePolicySNPMeasurement),
			Try: changed(func(r *sevsnp.Report) { r.Measurement[47]++ }),
		}}},
	}
}

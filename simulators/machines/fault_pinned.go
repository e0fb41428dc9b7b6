package machines

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
)

// pinnedFaults are those of machines that are not the one that was asked for.
func pinnedFaults() []fault {
	pinned := func(f Fault) Fault {
		f.Pinned = true
		return f
	}
	return []fault{
		{Fault: pinned(snpFault("masked-chip", "the host hides which chip it is", evidence.CodePolicySNPChip)),
			build: builtReport(func(r *sevsnp.Report) { r.ChipID = [64]byte{} })},
		{Fault: pinned(snpFault("chip", "it is another chip, with a key of its own", evidence.CodePolicySNPChip)),
			build: builtReport(func(r *sevsnp.Report) { r.ChipID[0] ^= 0xff })},
		{Fault: pinned(tdxFault("platform", "it is another platform, with a key of its own", evidence.CodePolicyTDXPPID)),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Name = neighbourOf(o.Name) })},
		{Fault: pinned(tpmFault("key", "it is another TPM, with a key of its own", withTPM, evidence.CodePolicyTPMAK)), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Name = neighbourOf(o.Name) })},
	}
}

package machines

import (
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// Bits of the guest policy (SEV-SNP ABI 56860, "Guest Policy").
const (
	policyMigration = 1 << 18
	policyDebug     = 1 << 19
	policyCXL       = 1 << 21
	policyUnknown   = 1 << 40
)

// Offsets in a report in bytes (SEV-SNP ABI 56860, table 23).
const (
	offVersion     = 0x000
	offVMPL        = 0x030
	offSignerInfo  = 0x048
	offReserved    = 0x04c
	offReportedTCB = 0x180
	offChipID      = 0x1a0
	offSignature   = 0x2a0
)

// snpFault is a fault of machines with SEV-SNP.
func snpFault(name, title string, code evidence.Code) Fault {
	return Fault{Name: "snp-" + name, Title: title, Technologies: withSNP, Code: code}
}

// snpReportFaults are what a genuine report says.
func snpReportFaults() []fault {
	return []fault{
		{Fault: snpFault("debug", "its guest policy lets the host read the guest's memory", evidence.CodePolicySNPDebug),
			build: builtReport(func(r *sevsnp.Report) { r.Policy |= policyDebug })},
		{Fault: snpFault("migration", "its guest policy allows a migration agent", evidence.CodePolicySNPMigration),
			build: builtReport(func(r *sevsnp.Report) { r.Policy |= policyMigration })},
		{Fault: snpFault("cxl", "its guest policy allows memory behind CXL", evidence.CodePolicySNPCXL),
			build: builtReport(func(r *sevsnp.Report) { r.Policy |= policyCXL })},
		{Fault: snpFault("unknown-policy", "its guest policy has a bit that nobody knows", evidence.CodeSNPGuestPolicy),
			build: builtReport(func(r *sevsnp.Report) { r.Policy |= policyUnknown })},
		{Fault: snpFault("vmpl", "asks at privilege level 1, as what runs above a service module does", evidence.CodePolicySNPVMPL),
			build: func(_ *simulators.World, p *plan) error {
				p.vmpl, p.guest.Report.VMPL = 1, 1
				return nil
			}},
		{Fault: snpFault("host-report", "the report is one that the host asked for", evidence.CodeSNPVMPL),
			send: sentReport(func(report []byte) { copy(report[offVMPL:], "\xff\xff\xff\xff") })},
		{Fault: snpFault("measurement", "another image was launched", evidence.CodePolicySNPMeasurement),
			build: builtReport(func(r *sevsnp.Report) { r.Measurement[0] ^= 0xff })},
		{Fault: snpFault("vcpus", "it was launched with one more virtual processor", evidence.CodePolicySNPMeasurement),
			launch: func(s *Spec) { s.VCPUs++ }},
		{Fault: snpFault("tcb", "its firmware was rolled back: the reported TCB is older", evidence.CodePolicySNPTCB),
			build: builtReport(func(r *sevsnp.Report) { r.ReportedTCB.SNP-- })},
		{Fault: snpFault("launch-tcb", "it was launched by older firmware", evidence.CodePolicySNPLaunchTCB),
			build: builtReport(func(r *sevsnp.Report) { r.LaunchTCB.SNP-- })},
		{Fault: snpFault("provisional", "its firmware is not committed: the host can roll it back", evidence.CodePolicySNPProvisional),
			build: builtReport(func(r *sevsnp.Report) { r.Current.Build++ })},
		{Fault: snpFault("version", "the report is of a version that is still to come", evidence.CodeSNPVersion),
			send: sentReport(func(report []byte) { report[offVersion] = 99 })},
		{Fault: snpFault("reserved", "a reserved byte of the report is not zero", evidence.CodeSNPReserved),
			send: sentReport(func(report []byte) { report[offReserved] = 1 })},
	}
}

// snpKeyFaults are in who signed a report, and with what.
func snpKeyFaults() []fault {
	return []fault{
		{Fault: snpFault("unsigned", "the report says that no key signed it", evidence.CodeSNPSigningKey),
			send: sentReport(func(report []byte) { report[offSignerInfo] |= sevsnp.KeyNone << 2 })},
		{Fault: snpFault("masked-key", "the report says that the chip's key is masked", evidence.CodeSNPSigningKey),
			send: sentReport(func(report []byte) { report[offSignerInfo] |= 2 })},
		{Fault: snpFault("signature", "the report was changed after it was signed", evidence.CodeSNPSignature),
			send: altered(func(_ *Machine, item *evidence.SNP) (*evidence.SNP, error) {
				changed := *item
				changed.Report = append([]byte(nil), item.Report...)
				changed.Report[offSignature] ^= 1
				return &changed, nil
			})},
		{Fault: Fault{Name: "snp-other-chip", Title: "another chip's key signed what it says of itself", Technologies: withSNP, Code: evidence.CodeSNPChipID},
			send: sentReport(func(report []byte) { report[offChipID] ^= 1 })},
		{Fault: snpFault("other-tcb", "the report claims a TCB that its key was not made for", evidence.CodeSNPTCB),
			send: sentReport(func(report []byte) { report[offReportedTCB+7]++ })},
		{Fault: snpFault("truncated", "the last byte of the report is missing", evidence.CodeSNPSize),
			send: altered(func(_ *Machine, item *evidence.SNP) (*evidence.SNP, error) {
				changed := *item
				changed.Report = item.Report[:len(item.Report)-1]
				return &changed, nil
			})},
		{Fault: snpFault("oversize", "something follows the report, as much as evidence may hold", evidence.CodeSNPSize),
			send: altered(func(_ *Machine, item *evidence.SNP) (*evidence.SNP, error) {
				changed := *item
				changed.Report = oversize(item.Report, evidence.MaxReport)
				return &changed, nil
			})},
		{Fault: Fault{Name: "snp-own-root", Title: "its maker is an AMD of its own", Technologies: []Technology{SEVSNP}, Code: evidence.CodeSNPChain}, build: ownAMD},
	}
}

// ownAMD has the machine be made by a vendor that nobody trusts.
func ownAMD(w *simulators.World, p *plan) error {
	options := sevsnp.VendorOptions{Seed: "another vendor", Product: p.spec.Product, NotBefore: w.Now().Add(-time.Hour)}
	var err error
	p.amd, err = sevsnp.NewVendor(options)
	return err
}

package attacks

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpFirmwareRows are genuine reports of machines with firmware that is too old. Where
// the reported level is another one, the chip has a key for it.
func snpFirmwareRows() []Row {
	lower := func(t *sevsnp.TCB) { t.SNP-- }
	exchange := func(t *sevsnp.TCB) { t.SNP, t.Microcode = t.SNP-1, t.Microcode+1 } // more, as a number
	everywhere := func(change func(*sevsnp.TCB)) func(*sevsnp.Report) {
		return func(r *sevsnp.Report) {
			for _, t := range []*sevsnp.TCB{&r.ReportedTCB, &r.CurrentTCB, &r.CommittedTCB, &r.LaunchTCB} {
				change(t)
			}
		}
	}
	return []Row{
		{"S26", "firmware rolled back after launch", []Case{
			{
				Name: "committed below the minimum", Subject: snpPlain, Want: codes(evidence.CodePolicySNPTCB),
				Try: changed(func(r *sevsnp.Report) { lower(&r.CommittedTCB); lower(&r.CurrentTCB) }),
			},
			{
				Name: "launched below the minimum", Subject: snpPlain, Want: codes(evidence.CodePolicySNPLaunchTCB),
				Try: changed(func(r *sevsnp.Report) { lower(&r.LaunchTCB) }),
			},
			{
				Name: "a TCB that is not committed", Subject: snpPlain, Want: codes(evidence.CodePolicySNPProvisional),
				Try: changed(func(r *sevsnp.Report) { r.CurrentTCB.SNP++ }),
			},
			{
				Name: "a version that is not committed", Subject: snpPlain, Want: codes(evidence.CodePolicySNPProvisional),
				Try: changed(func(r *sevsnp.Report) { r.Committed.Build-- }),
			},
		}},
		{"S27", "TCB compared as a number", []Case{
			{
				Name: "reported", Subject: snpPlain, Want: codes(evidence.CodePolicySNPTCB),
				Try: remade(snpPlain, "", func(r *sevsnp.Report) { exchange(&r.ReportedTCB) }),
			},
			{
				Name: "at launch", Subject: snpPlain, Want: codes(evidence.CodePolicySNPLaunchTCB),
				Try: changed(func(r *sevsnp.Report) { exchange(&r.LaunchTCB) }),
			},
			{
				Name: "bootloader", Subject: snpPlain, Want: codes(evidence.CodePolicySNPTCB),
				Try: remade(snpPlain, "", func(r *sevsnp.Report) { r.ReportedTCB.Bootloader--; r.ReportedTCB.SNP += 9 }),
			},
		}},
		{"S28", "reported TCB lowered by the host", []Case{{
			Name: "by one", Subject: snpPlain, Want: codes(evidence.CodePolicySNPTCB),
			Try: remade(snpPlain, "", func(r *sevsnp.Report) { lower(&r.ReportedTCB) }),
		}}},
		{"S29", "mitigation that is not in force", []Case{
			mitigations(snpHardened, "not since launch", func(r *sevsnp.Report) { r.LaunchMitVector = 0x02 }),
			mitigations(snpHardened, "not now", func(r *sevsnp.Report) { r.CurrentMitVector = 0x10 }),
			mitigations(snpPatched, "none", func(r *sevsnp.Report) { r.CurrentMitVector = 0 }),
			mitigations(snpPatched, "a version without vectors", func(r *sevsnp.Report) { r.Version = 4 }),
			{
				Name: "vectors in a version without", Subject: snpPatched, Want: codes(evidence.CodeSNPReserved), Behind: codes(evidence.CodePolicySNPMitigation),
				Try: edited(func(raw []byte) { raw[0] = 4 }),
			},
		}},
		{"S30", "firmware with known weaknesses", []Case{
			outdated("an SNP level of last year", everywhere(func(t *sevsnp.TCB) { t.SNP = 23 })),
			outdated("a microcode level of last year", everywhere(func(t *sevsnp.TCB) { t.Microcode = 218 })),
			outdated("a firmware version of last year", func(r *sevsnp.Report) {
				old := sevsnp.Firmware{Major: 1, Minor: 55, Build: 21}
				r.Current, r.Committed = old, old
			}),
			outdated("a stepping whose levels nobody knows", func(r *sevsnp.Report) { r.CPUStepping = 9 }),
		}},
	}
}

func mitigations(subject, name string, change func(*sevsnp.Report)) Case {
	return Case{Name: name, Subject: subject, Want: codes(evidence.CodePolicySNPMitigation), Try: changed(change)}
}

func outdated(name string, change func(*sevsnp.Report)) Case {
	return Case{Name: name, Subject: snpPatched, Want: codes(evidence.CodePolicySNPAdvisories), Try: remade(snpPatched, "", change)}
}

package attacks

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpGuestRows are genuine reports of guests that were launched otherwise than
// their owner wants them.
func snpGuestRows() []Row {
	bit := func(n uint) try { return changed(func(r *sevsnp.Report) { r.Policy ^= 1 << n }) }
	return []Row{
		{"S15", "debugging allowed", []Case{
			{Name: "policy bit 19", Subject: snpPlain, Want: codes(evidence.CodePolicySNPDebug), Try: bit(19)},
		}},
		{"S16", "migration agent", []Case{
			{Name: "one may come", Subject: snpPlain, Want: codes(evidence.CodePolicySNPMigration), Try: bit(18)},
			{
				Name: "one is there", Subject: snpPlain, Want: codes(evidence.CodePolicySNPMigration),
				Try: changed(func(r *sevsnp.Report) { r.ReportIDMA = [32]byte{1} }),
			},
			{
				Name: "one of all zeros", Subject: snpPlain, Want: codes(evidence.CodePolicySNPMigration),
				Try: changed(func(r *sevsnp.Report) { r.ReportIDMA = [32]byte{} }),
			},
		}},
		{"S17", "SMT", []Case{
			{Name: "the guest allows it", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(16)},
			{Name: "the platform has it", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(0)},
		}},
		{"S18", "several sockets", []Case{
			{Name: "policy bit 20", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(20)},
		}},
		{"S19", "CXL memory", []Case{{
			Name: "policy bit 21", Subject: snpPlain, Want: codes(evidence.CodePolicySNPCXL, evidence.CodePolicySNPGuestPolicy), Try: bit(21),
		}}},
		{"S20", "protections that the guest does not ask for", []Case{
			{Name: "AES-256-XTS", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(22)},
			{Name: "no RAPL", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(23)},
			{Name: "ciphertext hiding", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(24)},
			{Name: "no page swapping", Subject: snpHardened, Want: codes(evidence.CodePolicySNPGuestPolicy), Try: bit(25)},
		}},
		{"S42", "another privilege level", []Case{
			{
				Name: "VMPL 1", Subject: snpPlain, Want: codes(evidence.CodePolicySNPVMPL),
				Try: changed(func(r *sevsnp.Report) { r.VMPL = 1 }),
			},
			{
				Name: "VMPL 3", Subject: snpPlain, Want: codes(evidence.CodePolicySNPVMPL),
				Try: changed(func(r *sevsnp.Report) { r.VMPL = 3 }),
			},
		}},
	}
}

// platformBit flips a bit of PLATFORM_INFO.
func platformBit(n uint) try {
	return changed(func(r *sevsnp.Report) { r.PlatformInfo ^= 1 << n })
}

package attacks

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpMachineRows are genuine reports of machines that their owner does not want.
func snpMachineRows() []Row {
	return []Row{
		{"S09", "masked chip", []Case{
			{
				Name: "where chips are listed", Subject: snpHardened, Want: codes(evidence.CodePolicySNPChip),
				Try: changed(func(r *sevsnp.Report) { r.ChipID = [64]byte{} }),
			},
			{
				Name: "where a chip is denied", Subject: snpDenied, Want: codes(evidence.CodePolicySNPChip),
				Try: changed(func(r *sevsnp.Report) { r.ChipID = [64]byte{} }),
			},
			{
				Name: "with its key, as if it had signed", Subject: snpPlain, Want: codes(evidence.CodeSNPSigningKey),
				Try: changed(func(r *sevsnp.Report) { r.ChipID, r.MaskChipKey = [64]byte{}, true }),
			},
		}},
		{"S22", "memory with aliases", []Case{
			{Name: "not checked for", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(5)},
		}},
		{"S23", "platform without protections", []Case{
			{Name: "ECC", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(2)},
			{Name: "no RAPL", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(3)},
			{Name: "ciphertext hiding", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(4)},
		}},
		{"S24", "TSME taken the wrong way", []Case{
			{Name: "on where it is forbidden", Subject: snpHardened, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(1)},
			{
				Name: "on where nobody asks", Subject: snpPlain, Proof: ByAcceptance, Why: "it is information",
				Try: platformBit(1),
			},
		}},
		{"S25", "trusted I/O and unknown bits", []Case{
			{Name: "trusted I/O", Subject: snpPlain, Want: codes(evidence.CodePolicySNPPlatform), Try: platformBit(7)},
			{
				Name: "bit 8", Subject: snpPlain, Want: codes(evidence.CodeSNPPlatformInfo), Behind: codes(evidence.CodePolicySNPPlatform),
				Try: platformBit(8),
			},
			{
				Name: "bit 63", Subject: snpPlain, Want: codes(evidence.CodeSNPPlatformInfo), Behind: codes(evidence.CodePolicySNPPlatform),
				Try: platformBit(63),
			},
		}},
		{"S31", "chip whose keys are known to others", []Case{{
			Name: "on the deny list", Subject: snpDenied, Want: codes(evidence.CodePolicySNPChip),
			Try: remade("leaked", "", func(*sevsnp.Report) {}),
		}}},
	}
}

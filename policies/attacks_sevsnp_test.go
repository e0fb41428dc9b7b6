package policies_test

import (
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// snpBits sets a bit of the guest policy, in its raw form too.
func snpBits(c *evidence.SNPClaims, bit uint, set bool) {
	setBit(c.Policy.Raw, bit, set)
}

// setBit changes a bit of a big-endian number.
func setBit(raw evidence.Hex, bit uint, set bool) {
	at := len(raw) - 1 - int(bit/8)
	if raw[at] &^= 1 << (bit % 8); set {
		raw[at] |= 1 << (bit % 8)
	}
}

func TestAttack_S03_ProductOfCertificateAlone(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"no product in the policy", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ProductSource = "certificate" }, evidence.CodePolicySNPProduct},
		{"unknown product", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Product = "Venice" }, evidence.CodePolicySNPProduct},
		{"no product", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Product = "" }, evidence.CodePolicySNPProduct},
		{"unknown source", snpWith("products: [Milan]"), func(c *evidence.Claims) { c.SEVSNP.ProductSource = "" }, evidence.CodePolicySNPProduct},
	})
	named := goodSNP()
	named.SEVSNP.Version, named.SEVSNP.ProductSource = 2, "certificate"
	wantVerdict(t, evaluate(load(t, snpWith("products: [Milan]")), named), policies.Accepted, evidence.CodePolicySNPProduct)
}

func TestAttack_S09_ChipIDMasked(t *testing.T) {
	allow, deny := `chip_ids: {allow: ["`+strings.Repeat("07", 64)+`"]}`, `chip_ids: {deny: ["`+strings.Repeat("08", 64)+`"]}`
	mask := func(c *evidence.Claims) { c.SEVSNP.ChipID = nil }
	runAttacks(t, goodSNP, []attack{
		{"allow list", snpWith(allow), mask, evidence.CodePolicySNPChip},
		{"deny list", snpWith(deny), mask, evidence.CodePolicySNPChip},
	})
}

func TestAttack_S11_VLEKOfAnotherCloud(t *testing.T) {
	vlek := func() evidence.Claims {
		c := goodSNP()
		c.SEVSNP.SigningKey, c.SEVSNP.CSPID, c.SEVSNP.ChipID = "vlek", "good-cloud", nil
		return c
	}
	runAttacks(t, vlek, []attack{
		{"other cloud", snpWith("csp_ids: [good-cloud]"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "other-cloud" }, evidence.CodePolicySNPCSP},
		{"no cloud", snpWith("csp_ids: [good-cloud]"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "" }, evidence.CodePolicySNPCSP},
		{"VCEK", snpWith("signing_keys: [vlek]"), func(c *evidence.Claims) { c.SEVSNP.SigningKey = "vcek" }, evidence.CodePolicySNPSigningKey},
	})
}

func TestAttack_S15_Debug(t *testing.T) {
	debug := func(c *evidence.Claims) { c.SEVSNP.Policy.Debug = true; snpBits(c.SEVSNP, 19, true) }
	runAttacks(t, goodSNP, []attack{
		{"set", snpWith(), debug, evidence.CodePolicySNPDebug},
		{"another relaxation", snpWith("allow: [cxl, migrate-ma, tio]"), debug, evidence.CodePolicySNPDebug},
	})
	c := goodSNP()
	debug(&c)
	d := evaluate(load(t, snpWith("allow: [debug]")), c)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPDebug)
	if len(d.Relaxed) != 1 || d.Relaxed[0] != "sev-snp.debug" {
		t.Errorf("relaxed %v", d.Relaxed)
	}
}

func TestAttack_S16_MigrationAgent(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"allowed", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.MigrateMA = true; snpBits(c.SEVSNP, 18, true) }, evidence.CodePolicySNPMigration},
		{"associated", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(1, 32) }, evidence.CodePolicySNPMigration},
		{"zero", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(0, 32) }, evidence.CodePolicySNPMigration},
		{"absent", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = nil }, evidence.CodePolicySNPMigration},
		{"one bit short", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA[31] = 0xfe }, evidence.CodePolicySNPMigration},
	})
}

func TestAttack_S17_SMT(t *testing.T) {
	off := func() evidence.Claims {
		c := goodSNP()
		c.SEVSNP.Policy.SMT, c.SEVSNP.PlatformInfo.SMT = false, false
		return c
	}
	runAttacks(t, off, []attack{
		{"guest policy", snpWith("require_guest_policy: [smt-disabled]"), func(c *evidence.Claims) { c.SEVSNP.Policy.SMT = true }, evidence.CodePolicySNPGuestPolicy},
		{"platform", snpWith("require_platform: [smt-disabled]"), func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.SMT = true }, evidence.CodePolicySNPPlatform},
	})
}

func TestAttack_S19_CXL(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"set", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.CXL = true; snpBits(c.SEVSNP, 21, true) }, evidence.CodePolicySNPCXL},
	})
}

// S18, S20 and S23: features of guest policy and platform that a document requires.
func TestAttack_S20_RequiredFeatureAbsent(t *testing.T) {
	hardened := func() evidence.Claims {
		c := goodSNP()
		p, i := &c.SEVSNP.Policy, &c.SEVSNP.PlatformInfo
		p.SingleSocket, p.AES256XTS, p.RAPLDisabled, p.CiphertextHiding, p.PageSwapDisabled = true, true, true, true, true
		i.TSME, i.ECC, i.RAPLDisabled, i.CiphertextHiding, i.AliasCheckComplete = true, true, true, true, true
		return c
	}
	guest := snpWith("require_guest_policy: [single-socket, aes-256-xts, rapl-disabled, ciphertext-hiding, page-swap-disabled]")
	platform := snpWith("require_platform: [tsme, ecc, rapl-disabled, ciphertext-hiding, alias-check-complete]")
	runAttacks(t, hardened, []attack{
		{"S18 single socket", guest, func(c *evidence.Claims) { c.SEVSNP.Policy.SingleSocket = false }, evidence.CodePolicySNPGuestPolicy},
		{"S20 AES-256-XTS", guest, func(c *evidence.Claims) { c.SEVSNP.Policy.AES256XTS = false }, evidence.CodePolicySNPGuestPolicy},
		{"S20 RAPL", guest, func(c *evidence.Claims) { c.SEVSNP.Policy.RAPLDisabled = false }, evidence.CodePolicySNPGuestPolicy},
		{"S20 ciphertext hiding", guest, func(c *evidence.Claims) { c.SEVSNP.Policy.CiphertextHiding = false }, evidence.CodePolicySNPGuestPolicy},
		{"S20 page swap", guest, func(c *evidence.Claims) { c.SEVSNP.Policy.PageSwapDisabled = false }, evidence.CodePolicySNPGuestPolicy},
		{"S22 alias check", platform, func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.AliasCheckComplete = false }, evidence.CodePolicySNPPlatform},
		{"S23 ECC", platform, func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.ECC = false }, evidence.CodePolicySNPPlatform},
		{"S23 RAPL", platform, func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.RAPLDisabled = false }, evidence.CodePolicySNPPlatform},
		{"S23 ciphertext hiding", platform, func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.CiphertextHiding = false }, evidence.CodePolicySNPPlatform},
		{"S24 TSME", platform, func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.TSME = false }, evidence.CodePolicySNPPlatform},
	})
}

func TestAttack_S21_ReservedPolicyBits(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"bit 17 clear", snpWith(), func(c *evidence.Claims) { snpBits(c.SEVSNP, 17, false) }, evidence.CodePolicySNPGuestPolicy},
		{"bit 26 set", snpWith(), func(c *evidence.Claims) { snpBits(c.SEVSNP, 26, true) }, evidence.CodePolicySNPGuestPolicy},
		{"bit 63 set", snpWith(), func(c *evidence.Claims) { snpBits(c.SEVSNP, 63, true) }, evidence.CodePolicySNPGuestPolicy},
	})
}

func TestAttack_S24_TSMEIsInformation(t *testing.T) {
	set := load(t, snpWith())
	for _, tsme := range []bool{false, true} {
		c := goodSNP()
		c.SEVSNP.PlatformInfo.TSME = tsme
		setBit(c.SEVSNP.PlatformInfo.Raw, 1, tsme)
		wantVerdict(t, evaluate(set, c), policies.Accepted, evidence.CodePolicySNPPlatform)
	}
}

func TestAttack_S25_UnknownPlatformBits(t *testing.T) {
	bit := func(n uint) func(*evidence.Claims) {
		return func(c *evidence.Claims) { setBit(c.SEVSNP.PlatformInfo.Raw, n, true) }
	}
	runAttacks(t, goodSNP, []attack{
		{"TIO", snpWith(), bit(7), evidence.CodePolicySNPPlatform},
		{"bit 6", snpWith(), bit(6), evidence.CodePolicySNPPlatform},
		{"bit 8", snpWith(), bit(8), evidence.CodePolicySNPPlatform},
		{"bit 63", snpWith("allow: [tio]"), bit(63), evidence.CodePolicySNPPlatform},
		{"TIO, other bits allowed", snpWith("allow: [unknown-platform-bits]"), bit(7), evidence.CodePolicySNPPlatform},
		{"absent", snpWith(), func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.Raw = nil }, evidence.CodePolicySNPPlatform},
	})
}

func TestAttack_S26_ProvisionalFirmware(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"TCB", snpWith(), func(c *evidence.Claims) { c.SEVSNP.CurrentTCB.SNP++ }, evidence.CodePolicySNPProvisional},
		{"version", snpWith(), func(c *evidence.Claims) { c.SEVSNP.CurrentVersion = "1.55.30" }, evidence.CodePolicySNPProvisional},
		{"FMC", snpWith(), func(c *evidence.Claims) { c.SEVSNP.CurrentTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPProvisional},
		{
			"launched before the update", snpWith("minimum_launch_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 0}"),
			func(c *evidence.Claims) { c.SEVSNP.LaunchTCB.SNP-- }, evidence.CodePolicySNPLaunchTCB,
		},
	})
}

// A number made of all components would let a high microcode level hide a low firmware level.
func TestAttack_S27_TCBAsNumber(t *testing.T) {
	both := func(change func(*evidence.SNPTCB)) func(*evidence.Claims) {
		return func(c *evidence.Claims) {
			s := c.SEVSNP
			for _, tcb := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.CurrentTCB} {
				tcb.Microcode = 255
				change(tcb)
			}
		}
	}
	runAttacks(t, goodSNP, []attack{
		{"SNP", snpWith(), both(func(t *evidence.SNPTCB) { t.SNP-- }), evidence.CodePolicySNPTCB},
		{"bootloader", snpWith(), both(func(t *evidence.SNPTCB) { t.Bootloader-- }), evidence.CodePolicySNPTCB},
		{"microcode", snpWith(), both(func(t *evidence.SNPTCB) { t.Microcode = 218 }), evidence.CodePolicySNPTCB},
	})
}

// Turin has one component more, and it counts as the others do.
func TestAttack_S27_TurinComponents(t *testing.T) {
	turin := func() evidence.Claims {
		c := goodSNP()
		s := c.SEVSNP
		for _, tcb := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.CurrentTCB, &s.LaunchTCB} {
			tcb.FMC = ptr(uint8(2))
		}
		s.Product = "Turin"
		return c
	}
	policy := replace(snpWith("allow: [provisional-firmware]"), "microcode: 219}", "microcode: 219, fmc: 2}")
	runAttacks(t, turin, []attack{
		{"reported", policy, func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPTCB},
		{"committed", policy, func(c *evidence.Claims) { c.SEVSNP.CommittedTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPTCB},
		{"absent", policy, func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.FMC = nil }, evidence.CodePolicySNPTCB},
	})
}

func TestAttack_S28_LoweredTCB(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"reported", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.SNP-- }, evidence.CodePolicySNPTCB},
		{
			"committed", snpWith("allow: [provisional-firmware]"),
			func(c *evidence.Claims) { c.SEVSNP.CommittedTCB.SNP-- }, evidence.CodePolicySNPTCB,
		},
	})
}

func TestAttack_S29_MitigationMissing(t *testing.T) {
	policy := snpWith(`minimum_mitigation: {launch: "0000000000000003", current: "0000000000000001"}`)
	runAttacks(t, goodSNP, []attack{
		{"launch", policy, func(c *evidence.Claims) { c.SEVSNP.LaunchMitVector = evidence.Hex{0, 0, 0, 0, 0, 0, 0, 1} }, evidence.CodePolicySNPMitigation},
		{"current", policy, func(c *evidence.Claims) { c.SEVSNP.CurrentMitVector = evidence.Hex{1, 0, 0, 0, 0, 0, 0, 0} }, evidence.CodePolicySNPMitigation},
		{"older report", policy, func(c *evidence.Claims) { c.SEVSNP.LaunchMitVector = nil }, evidence.CodePolicySNPMitigation},
	})
}

// S30 and S31: firmware below a bulletin's floor, and platforms whose keys are
// in other hands, are denied by minimum_tcb, products and chip lists.
func TestAttack_S31_DeniedPlatforms(t *testing.T) {
	genoa := func() evidence.Claims {
		c := goodSNP()
		c.SEVSNP.Product = "Genoa"
		return c
	}
	denied := snpWith(`chip_ids: {deny: ["` + strings.Repeat("08", 64) + `"]}`)
	allowed := snpWith(`chip_ids: {allow: ["` + strings.Repeat("07", 64) + `"]}`)
	runAttacks(t, genoa, []attack{
		{"product", snpWith("products: [Genoa, Turin]"), func(c *evidence.Claims) { c.SEVSNP.Product = "Milan" }, evidence.CodePolicySNPProduct},
		{"denied chip", denied, func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(8, 64) }, evidence.CodePolicySNPChip},
		{"chip not allowed", allowed, func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(8, 64) }, evidence.CodePolicySNPChip},
		{"floor - 1", snpWith(), func(c *evidence.Claims) {
			c.SEVSNP.ReportedTCB.SNP, c.SEVSNP.CommittedTCB.SNP, c.SEVSNP.CurrentTCB.SNP = 23, 23, 23
		}, evidence.CodePolicySNPTCB},
	})
}

func TestAttack_S35_RevocationNotChecked(t *testing.T) {
	c := goodSNP()
	c.SEVSNP.RevocationChecked = false
	wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Undecided, evidence.CodePolicySNPRevocation)
	wantVerdict(t, evaluate(load(t, snpWith("revocation: require")), c), policies.Undecided, evidence.CodePolicySNPRevocation)
	d := evaluate(load(t, snpWith("revocation: off")), c)
	wantVerdict(t, d, policies.Accepted, evidence.Code{})
	if len(d.Relaxed) != 1 || d.Relaxed[0] != "sev-snp.revocation" {
		t.Errorf("relaxed %v", d.Relaxed)
	}
}

func TestAttack_S42_HigherVMPL(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"VMPL 1", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 1 }, evidence.CodePolicySNPVMPL},
		{"VMPL 3", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 3 }, evidence.CodePolicySNPVMPL},
	})
	c := goodSNP()
	wantVerdict(t, evaluate(load(t, snpWith("vmpl: 1")), c), policies.Rejected, evidence.CodePolicySNPVMPL)
	c.SEVSNP.VMPL = 1
	wantVerdict(t, evaluate(load(t, snpWith("vmpl: 1")), c), policies.Accepted, evidence.CodePolicySNPVMPL)
}

func TestAttack_S43_HostRequestedReport(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"-1", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 0xffffffff }, evidence.CodePolicySNPVMPL},
		{"4", snpWith("vmpl: 0"), func(c *evidence.Claims) { c.SEVSNP.VMPL = 4 }, evidence.CodePolicySNPVMPL},
	})
	if text := loadErr(t, snpWith("vmpl: 4294967295")); !strings.Contains(text, "from 0 to 3") {
		t.Error(text)
	}
}

func TestAttack_S44_MeasurementTricks(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"prefix", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = fill(0x11, 47) }, evidence.CodePolicySNPMeasurement},
		{"longer", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = fill(0x11, 49) }, evidence.CodePolicySNPMeasurement},
		{"empty", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = nil }, evidence.CodePolicySNPMeasurement},
		{"last byte", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement[47]++ }, evidence.CodePolicySNPMeasurement},
	})
	for _, value := range []string{`""`, "00", m11[:94], m11 + "11", strings.Repeat("00", 48), `"` + m11 + ` "`, m11 + ", " + m11} {
		loadErr(t, replace(snpWith(), `"`+m11+`"`, value))
	}
}

func TestAttack_S45_HostData(t *testing.T) {
	policy := snpWith(`host_data: ["` + strings.Repeat("03", 32) + `"]`)
	runAttacks(t, goodSNP, []attack{
		{"other", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(1, 32) }, evidence.CodePolicySNPHostData},
		{"zero", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(0, 32) }, evidence.CodePolicySNPHostData},
		{"absent", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = nil }, evidence.CodePolicySNPHostData},
		{"S46 truncated digest of another size", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(3, 48) }, evidence.CodePolicySNPHostData},
	})
	if text := loadErr(t, snpWith(`host_data: ["`+strings.Repeat("03", 48)+`"]`)); !strings.Contains(text, "expected 64 hex digits, got 96") {
		t.Error(text)
	}
}

func TestAttack_S47_IDBlockWithoutKey(t *testing.T) {
	for _, key := range []string{
		`family_id: ["` + strings.Repeat("01", 16) + `"]`, `image_id: ["` + strings.Repeat("02", 16) + `"]`, "minimum_guest_svn: 7",
	} {
		if text := loadErr(t, snpWith(key)); !strings.Contains(text, "policy.unsafe") {
			t.Error(text)
		}
	}
	policy := snpWith(`image_id: ["`+strings.Repeat("02", 16)+`"]`, `family_id: ["`+strings.Repeat("01", 16)+`"]`, `id_key_digests: ["`+strings.Repeat("04", 48)+`"]`)
	runAttacks(t, goodSNP, []attack{
		{"image", policy, func(c *evidence.Claims) { c.SEVSNP.ImageID = fill(9, 16) }, evidence.CodePolicySNPImageID},
		{"family", policy, func(c *evidence.Claims) { c.SEVSNP.FamilyID = nil }, evidence.CodePolicySNPFamilyID},
		{"no key", policy, func(c *evidence.Claims) { c.SEVSNP.IDKeyDigest = fill(0, 48) }, evidence.CodePolicySNPIDKey},
		{"other key", policy, func(c *evidence.Claims) { c.SEVSNP.IDKeyDigest = fill(1, 48) }, evidence.CodePolicySNPIDKey},
	})
	loadErr(t, replace(snpWith(), `["`+m11+`"]`, "any"))
	d := evaluate(load(t, replace(snpWith(`id_key_digests: ["`+strings.Repeat("04", 48)+`"]`), `["`+m11+`"]`, "any")), goodSNP())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPIDKey)
}

func TestAttack_S48_AuthorKeyNotEnabled(t *testing.T) {
	policy := snpWith(`author_key_digests: ["` + strings.Repeat("05", 48) + `"]`)
	runAttacks(t, goodSNP, []attack{
		{"not enabled", policy, func(c *evidence.Claims) { c.SEVSNP.AuthorKeyEnabled = false }, evidence.CodePolicySNPAuthorKey},
		{"other", policy, func(c *evidence.Claims) { c.SEVSNP.AuthorKeyDigest = fill(4, 48) }, evidence.CodePolicySNPAuthorKey},
	})
}

func TestAttack_S49_GuestSVNRollback(t *testing.T) {
	policy := snpWith("minimum_guest_svn: 7", `id_key_digests: ["`+strings.Repeat("04", 48)+`"]`)
	runAttacks(t, goodSNP, []attack{
		{"one less", policy, func(c *evidence.Claims) { c.SEVSNP.GuestSVN = 6 }, evidence.CodePolicySNPGuestSVN},
	})
}

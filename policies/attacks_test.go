package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// attack is evidence that differs from what a policy accepts in one respect.
type attack struct {
	name   string
	policy string // the document; it must accept the evidence before the change
	change func(*evidence.Claims)
	code   evidence.Code // what must deny it
}

func runAttacks(t *testing.T, good func() evidence.Claims, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			set := load(t, a.policy)
			wantVerdict(t, evaluate(set, good()), policies.Accepted, evidence.Code{})
			c := good()
			a.change(&c)
			d := evaluate(set, c)
			wantVerdict(t, d, policies.Rejected, a.code)
			if failed := d.Checks.Failed(); len(failed) != 2 { // policy.workload and the check itself
				t.Errorf("failed:\n%s", list(failed))
			}
		})
	}
}

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
			for _, tcb := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.CurrentTCB, &s.LaunchTCB} {
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

func TestAttack_S28_LoweredTCB(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"reported", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.SNP-- }, evidence.CodePolicySNPTCB},
		{
			"committed", snpWith("allow: [provisional-firmware]"),
			func(c *evidence.Claims) { c.SEVSNP.CommittedTCB.SNP-- }, evidence.CodePolicySNPTCB,
		},
		{
			"FMC absent", replace(snpWith(), "microcode: 219}", "microcode: 219, fmc: 0}") + "  - sev_snp: {measurements: [\"" + m11 + "\"], minimum_tcb: any, vmpl: 0, host_data: [\"" + strings.Repeat("03", 32) + "\"]}\n",
			func(c *evidence.Claims) { c.SEVSNP.HostData = fill(1, 32) }, evidence.CodePolicySNPTCB,
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

func TestAttack_T19_WeakStatusByDefault(t *testing.T) {
	status := func(s string) func(*evidence.Claims) { return func(c *evidence.Claims) { c.TDX.TCB.Status = s } }
	var attacks []attack
	for _, s := range []string{"SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked", "NotSupported", "", "uptodate"} {
		attacks = append(attacks, attack{"default " + s, tdxWith(), status(s), evidence.CodePolicyTDXTCBStatus})
	}
	lax := tdxWith("tcb_statuses: [UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded]", "advisories: none")
	attacks = append(attacks,
		attack{"revoked", lax, status("Revoked"), evidence.CodePolicyTDXTCBStatus},
		attack{"not supported", lax, status("NotSupported"), evidence.CodePolicyTDXTCBStatus},
		attack{"revoked part", lax, func(c *evidence.Claims) { c.TDX.TCB.QEStatus = "Revoked" }, evidence.CodePolicyTDXTCBStatus},
		attack{"part unknown", lax, func(c *evidence.Claims) { c.TDX.TCB.PlatformStatus = "" }, evidence.CodePolicyTDXTCBStatus},
	)
	runAttacks(t, goodTDX, attacks)
	for _, s := range []string{"Revoked", "NotSupported"} {
		if text := loadErr(t, tdxWith("tcb_statuses: [UpToDate, "+s+"]")); !strings.Contains(text, "policy.unsafe") {
			t.Error(text)
		}
	}
}

func TestAttack_T20_NewAdvisory(t *testing.T) {
	hardening := func() evidence.Claims {
		c := goodTDX()
		c.TDX.TCB.Status, c.TDX.TCB.Advisories = "SWHardeningNeeded", []string{"INTEL-SA-00837"}
		return c
	}
	policy := tdxWith("tcb_statuses: [SWHardeningNeeded]", "advisories: [INTEL-SA-00837]")
	runAttacks(t, hardening, []attack{
		{"one more", policy, func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-SA-00837", "INTEL-SA-99999"} }, evidence.CodePolicyTDXAdvisories},
		{"another", policy, func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-SA-99999"} }, evidence.CodePolicyTDXAdvisories},
	})
	d := evaluate(load(t, policy), hardening())
	if want := "tdx.advisory.INTEL-SA-00837 tdx.rtmr3.any tdx.tcb-status.SWHardeningNeeded"; strings.Join(d.Relaxed, " ") != want {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	if text := loadErr(t, tdxWith("tcb_statuses: [SWHardeningNeeded]")); !strings.Contains(text, "needs advisories") {
		t.Error(text)
	}
}

func TestAttack_T21_EndOfServicing(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"advisory of an up-to-date platform", tdxWith(), func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-DOC-10001"} }, evidence.CodePolicyTDXAdvisories},
	})
}

func TestAttack_T16_OlderEvaluation(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"one less", tdxWith("minimum_evaluation_data_number: 18"), func(c *evidence.Claims) { c.TDX.TCB.EvaluationDataNumber = 17 }, evidence.CodePolicyTDXEvaluation},
	})
}

func TestAttack_T22_ForeignModule(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"signer", tdxWith(), func(c *evidence.Claims) { c.TDX.MRSignerSEAM = fill(1, 48) }, evidence.CodePolicyTDXSEAMSigner},
		{"no signer", tdxWith(), func(c *evidence.Claims) { c.TDX.MRSignerSEAM = nil }, evidence.CodePolicyTDXSEAMSigner},
		{"mrseam", tdxWith(`mrseam: ["` + strings.Repeat("21", 48) + `"]`), func(c *evidence.Claims) { c.TDX.MRSEAM = fill(1, 48) }, evidence.CodePolicyTDXMRSEAM},
		{"T23 debug module", tdxWith(), func(c *evidence.Claims) { c.TDX.SEAMAttributes[0] = 1 }, evidence.CodePolicyTDXSEAMAttributes},
		{"T23 no attributes", tdxWith(), func(c *evidence.Claims) { c.TDX.SEAMAttributes = nil }, evidence.CodePolicyTDXSEAMAttributes},
	})
}

// T24 to T27: attributes of the TD.
func TestAttack_T24_Attributes(t *testing.T) {
	raw := func(bit uint, set bool) func(*evidence.Claims) {
		return func(c *evidence.Claims) {
			at := &c.TDX.Attributes
			if at.Raw[bit/8] &^= 1 << (bit % 8); set {
				at.Raw[bit/8] |= 1 << (bit % 8)
			}
			switch bit {
			case 0:
				at.Debug = set
			case 28:
				at.SEPTVEDisable = set
			case 29:
				at.Migratable = set
			case 63:
				at.Perfmon = set
			}
		}
	}
	everything := tdxWith("allow: [migratable, no-sept-ve-disable, perfmon, unknown-attributes]")
	runAttacks(t, goodTDX, []attack{
		{"T24 debug", tdxWith(), raw(0, true), evidence.CodePolicyTDXDebug},
		{"T24 debug, all else allowed", everything, raw(0, true), evidence.CodePolicyTDXDebug},
		{"T25 SEPT_VE_DISABLE", tdxWith(), raw(28, false), evidence.CodePolicyTDXSEPTVE},
		{"T26 migratable", tdxWith(), raw(29, true), evidence.CodePolicyTDXMigratable},
		{"T27 perfmon", tdxWith(), raw(63, true), evidence.CodePolicyTDXPerfmon},
		{"T27 bit 5", tdxWith(), raw(5, true), evidence.CodePolicyTDXAttributes},
		{"T27 bit 27", tdxWith(), raw(27, true), evidence.CodePolicyTDXAttributes},
		{"T27 bit 62", tdxWith(), raw(62, true), evidence.CodePolicyTDXAttributes},
	})
	c := goodTDX()
	for bit, set := range map[uint]bool{29: true, 28: false, 63: true, 5: true} {
		raw(bit, set)(&c)
	}
	wantVerdict(t, evaluate(load(t, everything), c), policies.Accepted, evidence.Code{})
	c.TDX.Attributes.Raw = nil
	wantVerdict(t, evaluate(load(t, everything), c), policies.Rejected, evidence.CodePolicyTDXDebug)
}

func TestAttack_T26_ServiceTD(t *testing.T) {
	newer := func() evidence.Claims {
		c := goodTDX()
		c.TDX.BodyVersion, c.TDX.MRServiceTD = "1.5", fill(0, 48)
		return c
	}
	runAttacks(t, newer, []attack{
		{"bound", tdxWith(), func(c *evidence.Claims) { c.TDX.MRServiceTD = fill(1, 48) }, evidence.CodePolicyTDXServiceTD},
		{"absent", tdxWith(), func(c *evidence.Claims) { c.TDX.MRServiceTD = nil }, evidence.CodePolicyTDXServiceTD},
		{"no version", tdxWith(), func(c *evidence.Claims) { c.TDX.BodyVersion, c.TDX.MRServiceTD = "", nil }, evidence.CodePolicyTDXServiceTD},
	})
}

func TestAttack_T28_XFAM(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"another", tdxWith("xfam: [e700060000000000]"), func(c *evidence.Claims) { c.TDX.XFAM[1] = 2 }, evidence.CodePolicyTDXXFAM},
	})
}

func TestAttack_T29_KernelSwapped(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"MRTD", tdxWith(), func(c *evidence.Claims) { c.TDX.MRTD[0]++ }, evidence.CodePolicyTDXMRTD},
		{"RTMR0", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR0[0]++ }, evidence.CodePolicyTDXRTMR0},
		{"RTMR1", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR1[0]++ }, evidence.CodePolicyTDXRTMR1},
		{"RTMR2", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR2 = nil }, evidence.CodePolicyTDXRTMR2},
		{"RTMR3", replace(tdxWith(), "rtmr3: any", `rtmr3: ["`+strings.Repeat("00", 48)+`"]`), func(c *evidence.Claims) { c.TDX.RTMR3[9]++ }, evidence.CodePolicyTDXRTMR3},
	})
}

// A register that is left out is a mistake, not a wildcard.
func TestAttack_T30_SparseRegisters(t *testing.T) {
	for _, line := range []string{
		`      mrtd: ["` + m22 + "\"]\n", `      rtmr0: ["` + m30 + "\"]\n", `      rtmr1: ["` + m31 + "\"]\n",
		`      rtmr2: ["` + m32 + "\"]\n", "      rtmr3: any\n",
	} {
		if text := loadErr(t, replace(tdxWith(), line, "")); !strings.Contains(text, "policy.missing-key") {
			t.Error(text)
		}
	}
	for _, value := range []string{"", "null", "[]", "[any]", "[null]", "ANY", "'*'", "[{}]"} {
		loadErr(t, replace(tdxWith(), "rtmr3: any", "rtmr3: "+value))
	}
}

// Zero is a value as any other: it neither matches everything nor nothing.
func TestAttack_T37_ZeroConfiguration(t *testing.T) {
	configured := func() evidence.Claims {
		c := goodTDX()
		c.TDX.MRConfigID, c.TDX.MROwner, c.TDX.MROwnerConfig = fill(1, 48), fill(2, 48), fill(3, 48)
		return c
	}
	policy := tdxWith(`mrconfigid: ["`+strings.Repeat("01", 48)+`"]`, `mrowner: ["`+strings.Repeat("02", 48)+`"]`, `mrownerconfig: ["`+strings.Repeat("03", 48)+`"]`)
	runAttacks(t, configured, []attack{
		{"mrconfigid", policy, func(c *evidence.Claims) { c.TDX.MRConfigID = fill(0, 48) }, evidence.CodePolicyTDXMRConfigID},
		{"mrowner", policy, func(c *evidence.Claims) { c.TDX.MROwner = fill(0, 48) }, evidence.CodePolicyTDXMROwner},
		{"mrownerconfig", policy, func(c *evidence.Claims) { c.TDX.MROwnerConfig = nil }, evidence.CodePolicyTDXMROwnerConfig},
	})
	zero := tdxWith(`mrconfigid: ["` + strings.Repeat("00", 48) + `"]`)
	wantVerdict(t, evaluate(load(t, zero), goodTDX()), policies.Accepted, evidence.CodePolicyTDXMRConfigID)
	wantVerdict(t, evaluate(load(t, zero), configured()), policies.Rejected, evidence.CodePolicyTDXMRConfigID)
}

func TestAttack_T44_PlatformIdentityAbsent(t *testing.T) {
	ppid := func(key string, b string) string { return tdxWith("ppids: {" + key + `: ["` + strings.Repeat(b, 16) + `"]}`) }
	runAttacks(t, goodTDX, []attack{
		{"FMSPC absent", tdxWith("fmspcs: {allow: [00806f050000]}"), func(c *evidence.Claims) { c.TDX.FMSPC = nil }, evidence.CodePolicyTDXFMSPC},
		{"FMSPC denied", tdxWith("fmspcs: {deny: [90c06f000000]}"), func(c *evidence.Claims) { c.TDX.FMSPC = evidence.Hex{0x90, 0xc0, 0x6f, 0, 0, 0} }, evidence.CodePolicyTDXFMSPC},
		{"PPID absent, allow", ppid("allow", "08"), func(c *evidence.Claims) { c.TDX.PPID = nil }, evidence.CodePolicyTDXPPID},
		{"PPID absent, deny", ppid("deny", "09"), func(c *evidence.Claims) { c.TDX.PPID = nil }, evidence.CodePolicyTDXPPID},
		{"T43 PPID denied", ppid("deny", "09"), func(c *evidence.Claims) { c.TDX.PPID = fill(9, 16) }, evidence.CodePolicyTDXPPID},
	})
}

func TestAttack_P02_UnrestrictedKey(t *testing.T) {
	certified := func() evidence.Claims {
		c := goodTPM()
		c.TPM.AKSource, c.TPM.AKRestricted = "certificate", nil
		return c
	}
	runAttacks(t, goodTPM, []attack{
		{"not restricted", tpmWith(), func(c *evidence.Claims) { c.TPM.AKRestricted = ptr(false) }, evidence.CodePolicyTPMAKRestricted},
		{"unknown", tpmWith(), func(c *evidence.Claims) { c.TPM.AKRestricted = nil }, evidence.CodePolicyTPMAKRestricted},
		{"not restricted, unknown allowed", tpmWith("allow: [ak-attributes-unknown]"), func(c *evidence.Claims) { c.TPM.AKRestricted = ptr(false) }, evidence.CodePolicyTPMAKRestricted},
	})
	runAttacks(t, certified, []attack{
		{"certified, not restricted", tpmWith(), func(c *evidence.Claims) { c.TPM.AKRestricted = ptr(false) }, evidence.CodePolicyTPMAKRestricted},
	})
	c := goodTPM()
	c.TPM.AKRestricted = nil
	wantVerdict(t, evaluate(load(t, tpmWith("allow: [ak-attributes-unknown]")), c), policies.Accepted, evidence.CodePolicyTPMAKRestricted)
}

// P05, P08: a key under another root than the policy names.
func TestAttack_P08_KeyOfAnotherRoot(t *testing.T) {
	certified := func() evidence.Claims {
		c := goodTPM()
		c.TPM.AKSource = "certificate"
		return c
	}
	root := tpmWith(`ak: {anchors: ["` + strings.Repeat("aa", 32) + `"]}`)
	runAttacks(t, certified, []attack{
		{"other root", root, func(c *evidence.Claims) { c.TrustAnchor.SHA256 = fill(0xbb, 32) }, evidence.CodePolicyTPMAKAnchor},
		{"given key of the same digest", root, func(c *evidence.Claims) { c.TPM.AKSource = "given" }, evidence.CodePolicyTPMAKAnchor},
		{"source", tpmWith("ak: {sources: [certificate]}"), func(c *evidence.Claims) { c.TPM.AKSource = "given" }, evidence.CodePolicyTPMAKSource},
		{"no source", tpmWith("allow: [ak-attributes-unknown]"), func(c *evidence.Claims) { c.TPM.AKSource = "" }, evidence.CodePolicyTPMAKSource},
		{"other key", tpmWith(`ak: {sha256: ["` + strings.Repeat("41", 32) + `"]}`), func(c *evidence.Claims) { c.TPM.AKSHA256[0]++ }, evidence.CodePolicyTPMAK},
	})
}

func TestAttack_P09_PCRNotQuoted(t *testing.T) {
	runAttacks(t, goodTPM, []attack{
		{"missing", tpmWith(), func(c *evidence.Claims) { delete(c.TPM.PCRs, 7) }, evidence.CodePolicyTPMPCR},
		{"empty", tpmWith(), func(c *evidence.Claims) { c.TPM.PCRs[7] = nil }, evidence.CodePolicyTPMPCR},
		{"another holds the value", tpmWith(), func(c *evidence.Claims) { c.TPM.PCRs[8] = c.TPM.PCRs[7]; delete(c.TPM.PCRs, 7) }, evidence.CodePolicyTPMPCR},
		{"other value", tpmWith(), func(c *evidence.Claims) { c.TPM.PCRs[0][31]++ }, evidence.CodePolicyTPMPCR},
	})
}

func TestAttack_P10_ResettablePCR(t *testing.T) {
	for _, index := range []string{"16", "21", "22", "23"} {
		if text := loadErr(t, replace(tpmWith(), "7: [", index+": [")); !strings.Contains(text, "can be reset") {
			t.Error(text)
		}
	}
}

func TestAttack_P13_BankDowngrade(t *testing.T) {
	set := load(t, tpmWith())
	c := goodTPM()
	c.TPM.Bank = "sha1"
	wantVerdict(t, evaluate(set, c), policies.Rejected, evidence.CodePolicyTPMBank)
	c.TPM.Bank = "" // absent is no bank
	wantVerdict(t, evaluate(set, c), policies.Rejected, evidence.CodePolicyTPMBank)
	for _, value := range []string{strings.Repeat("00", 32), strings.Repeat("ff", 32)} {
		if text := loadErr(t, replace(tpmWith(), p57, value)); !strings.Contains(text, "policy.unsafe") {
			t.Error(text)
		}
	}
	if text := loadErr(t, replace(tpmWith(), "sha256:", "sha1:")); !strings.Contains(text, "policy.unsafe") {
		t.Error(text)
	}
}

func TestAttack_P20_ClockSetBack(t *testing.T) {
	unsafe := func(c *evidence.Claims) { c.TPM.Safe = false }
	runAttacks(t, goodTPM, []attack{{"not safe", tpmWith(), unsafe, evidence.CodePolicyTPMSafe}})
	c := goodTPM()
	unsafe(&c)
	wantVerdict(t, evaluate(load(t, tpmWith("allow: [clock-unsafe]")), c), policies.Accepted, evidence.CodePolicyTPMSafe)
}

func TestAttack_P39_OldFirmware(t *testing.T) {
	policy := tpmWith(`minimum_firmware: "0007000200000000"`)
	runAttacks(t, goodTPM, []attack{
		{"older", policy, func(c *evidence.Claims) { c.TPM.FirmwareVersion = evidence.Hex{0, 7, 0, 1, 0xff, 0xff, 0xff, 0xff} }, evidence.CodePolicyTPMFirmware},
		{"absent", policy, func(c *evidence.Claims) { c.TPM.FirmwareVersion = nil }, evidence.CodePolicyTPMFirmware},
		{"short", policy, func(c *evidence.Claims) { c.TPM.FirmwareVersion = evidence.Hex{9} }, evidence.CodePolicyTPMFirmware},
	})
}

// S50, Y20 and the like: an image found bad later stops counting when its
// reference values expire or are removed.
func TestAttack_S50_ExpiredReferenceValues(t *testing.T) {
	set := load(t, reference("release", "2026-12-01T00:00:00Z"), replace(snpWith(), `["`+m11+`"]`, "{reference: release}"))
	at := func(when time.Time) policies.Decision {
		return set.Evaluate(policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: when})
	}
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	d := at(end)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPMeasurement)
	if !d.ValidUntil.Equal(end) {
		t.Errorf("valid until %s", d.ValidUntil)
	}
	wantVerdict(t, at(end.Add(time.Nanosecond)), policies.Rejected, evidence.CodePolicyReferenceExpired)
	wantVerdict(t, at(time.Time{}), policies.Rejected, evidence.CodePolicyReferenceExpired)
}

// reference is a document of reference values with goodSNP's measurement.
func reference(name, notAfter string) string {
	return `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: ` + name + `
technology: sev-snp
provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}
not_after: ` + notAfter + `
values: {measurements: ["` + m11 + `", "` + m22 + `"]}
`
}

func TestValidUntil(t *testing.T) {
	two := replace(snpWith(), `["`+m11+`"]`, "[{reference: early}, {reference: late}]")
	set := load(t, reference("early", "2026-11-23T00:00:00Z"), reference("late", "2027-01-01T00:00:00Z"), two)
	if d := evaluate(set, goodSNP()); !d.ValidUntil.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the longer of two references counts, got %s", d.ValidUntil)
	}
	set = load(t, reference("early", "2026-11-01T00:00:01Z"), reference("late", "2027-01-01T00:00:00Z"), two)
	if d := evaluate(set, goodSNP()); d.Verdict != policies.Accepted {
		t.Errorf("one expired reference hides another in force")
	}
}

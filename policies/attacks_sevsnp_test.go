package policies_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
		{"zeros", snpWith(allow), func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(0, 64) }, evidence.CodePolicySNPChip},
		{"prefix", snpWith(allow), func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(7, 8) }, evidence.CodePolicySNPChip},
	})
	loadErr(t, snpWith(`chip_ids: {allow: ["`+strings.Repeat("00", 64)+`"]}`))
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
		{"not allowed", snpWith("csp_ids: {allow: [good-cloud]}"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "other-cloud" }, evidence.CodePolicySNPCSP},
		{"denied", snpWith("csp_ids: {deny: [other-cloud]}"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "other-cloud" }, evidence.CodePolicySNPCSP},
		{"allowed and denied", snpWith("csp_ids: {allow: [good-cloud, other-cloud], deny: [other-cloud]}"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "other-cloud" }, evidence.CodePolicySNPCSP},
		{"no cloud, one denied", snpWith("csp_ids: {deny: [other-cloud]}"), func(c *evidence.Claims) { c.SEVSNP.CSPID = "" }, evidence.CodePolicySNPCSP},
		{"VCEK", snpWith("signing_keys: [vlek]"), func(c *evidence.Claims) { c.SEVSNP.SigningKey = "vcek" }, evidence.CodePolicySNPSigningKey},
	})
}

func TestAttack_S15_Debug(t *testing.T) {
	debug := func(c *evidence.Claims) { c.SEVSNP.Policy.Debug = true; snpBits(c.SEVSNP, 19, true) }
	runAttacks(t, goodSNP, []attack{
		{"set", snpWith(), debug, evidence.CodePolicySNPDebug},
		{"another relaxation", snpWith("guest_policy: {cxl: any}", "platform: {tio: any}", "allow: [provisional-firmware]"), debug, evidence.CodePolicySNPDebug},
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
	may := func(c *evidence.Claims) { c.SEVSNP.Policy.MigrateMA = true; snpBits(c.SEVSNP, 18, true) }
	pinned := snpWith(`migration_agents: ["` + hexOf(1, 32) + `"]`)
	migratable := func() evidence.Claims {
		c := goodSNP()
		may(&c)
		c.SEVSNP.ReportIDMA = fill(1, 32)
		return c
	}
	runAttacks(t, goodSNP, []attack{
		{"allowed", snpWith(), may, evidence.CodePolicySNPMigration},
		{"associated", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(1, 32) }, evidence.CodePolicySNPMigration},
		{"zero", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(0, 32) }, evidence.CodePolicySNPMigration},
		{"absent", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = nil }, evidence.CodePolicySNPMigration},
		{"one bit short", snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA[31] = 0xfe }, evidence.CodePolicySNPMigration},
		{"none yet, and one may come", pinned, may, evidence.CodePolicySNPMigration},
	})
	runAttacks(t, migratable, []attack{
		{"another agent", pinned, func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(2, 32) }, evidence.CodePolicySNPMigration},
		{"agent gone", pinned, func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(0xff, 32) }, evidence.CodePolicySNPMigration},
		{"agent absent", pinned, func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = nil }, evidence.CodePolicySNPMigration},
		{"agent prefix", pinned, func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(1, 31) }, evidence.CodePolicySNPMigration},
	})
	d := evaluate(load(t, pinned), migratable())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPMigration)
	if !slices.Equal(d.Relaxed, []string{"sev-snp.migration-agent"}) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	wantVerdict(t, evaluate(load(t, snpWith()), migratable()), policies.Rejected, evidence.CodePolicySNPMigration)
	for _, value := range []string{"", hexOf(0xff, 32), hexOf(0, 32), "any", hexOf(1, 16)} {
		loadErr(t, snpWith(`migration_agents: ["`+value+`"]`))
	}
}

func TestAttack_S17_SMT(t *testing.T) {
	for _, guest := range []bool{false, true} {
		for _, platform := range []bool{false, true} {
			c := goodSNP()
			setBit(c.SEVSNP.Policy.Raw, 16, guest)
			setBit(c.SEVSNP.PlatformInfo.Raw, 0, platform)
			wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Accepted, evidence.CodePolicySNPPlatform)
			strict := evaluate(load(t, snpWith("guest_policy: {smt: forbidden}", "platform: {smt: forbidden}")), c)
			if got := strict.Verdict == policies.Accepted; got != (!guest && !platform) {
				t.Errorf("guest %t, platform %t: accepted %t", guest, platform, got)
			}
		}
	}
}

// S18, S20, S22, S23 and S24: every bit can be required, forbidden or left alone,
// and neither word is the other's default.
func TestAttack_S20_BitsOfGuestPolicyAndPlatform(t *testing.T) {
	guest := func(c *evidence.Claims) evidence.Hex { return c.SEVSNP.Policy.Raw }
	platform := func(c *evidence.Claims) evidence.Hex { return c.SEVSNP.PlatformInfo.Raw }
	for _, c := range []struct {
		row, key, name string
		bit            uint
		refused        bool // where the document says nothing
		raw            func(*evidence.Claims) evidence.Hex
		code           evidence.Code
	}{
		{"S17", "guest_policy", "smt", 16, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S18", "guest_policy", "single_socket", 20, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S19", "guest_policy", "cxl", 21, true, guest, evidence.CodePolicySNPGuestPolicy},
		{"S20", "guest_policy", "aes_256_xts", 22, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S20", "guest_policy", "rapl_disabled", 23, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S20", "guest_policy", "ciphertext_hiding", 24, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S20", "guest_policy", "page_swap_disabled", 25, false, guest, evidence.CodePolicySNPGuestPolicy},
		{"S17", "platform", "smt", 0, false, platform, evidence.CodePolicySNPPlatform},
		{"S24", "platform", "tsme", 1, false, platform, evidence.CodePolicySNPPlatform},
		{"S23", "platform", "ecc", 2, false, platform, evidence.CodePolicySNPPlatform},
		{"S23", "platform", "rapl_disabled", 3, false, platform, evidence.CodePolicySNPPlatform},
		{"S23", "platform", "ciphertext_hiding", 4, false, platform, evidence.CodePolicySNPPlatform},
		{"S22", "platform", "alias_check_complete", 5, false, platform, evidence.CodePolicySNPPlatform},
		{"S25", "platform", "tio", 7, true, platform, evidence.CodePolicySNPPlatform},
	} {
		t.Run(c.row+" "+c.key+"."+c.name, func(t *testing.T) {
			good := map[string]func(set bool) bool{
				"required": func(set bool) bool { return set }, "forbidden": func(set bool) bool { return !set },
				"any": func(bool) bool { return true }, "": func(set bool) bool { return !set || !c.refused },
			}
			for word, ok := range good {
				document := snpWith()
				if word != "" {
					document = snpWith(c.key + ": {" + c.name + ": " + word + "}")
				}
				for _, set := range []bool{false, true} {
					claims := goodSNP()
					setBit(c.raw(&claims), c.bit, set)
					d := evaluate(load(t, document), claims)
					if (d.Verdict == policies.Accepted) != ok(set) {
						t.Errorf("%q, bit %t: %s\n%s", word, set, d.Verdict, list(d.Checks))
					}
					if !ok(set) {
						wantVerdict(t, d, policies.Rejected, c.code)
					}
				}
				relaxed := c.refused && (word == "any" || word == "required")
				claims := goodSNP()
				setBit(c.raw(&claims), c.bit, word == "required")
				d := evaluate(load(t, document), claims)
				if got := slices.Equal(d.Relaxed, []string{"sev-snp." + c.name}); got != relaxed {
					t.Errorf("%q: relaxed %v", word, d.Relaxed)
				}
			}
		})
	}
}

func TestAttack_S19_CXL(t *testing.T) {
	c := goodSNP()
	snpBits(c.SEVSNP, 21, true)
	wantVerdict(t, evaluate(load(t, snpWith()), c), policies.Rejected, evidence.CodePolicySNPCXL)
	wantVerdict(t, evaluate(load(t, snpWith("guest_policy: {cxl: any}")), c), policies.Accepted, evidence.CodePolicySNPCXL)
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
		{"bit 8", snpWith(), bit(8), evidence.CodePolicySNPPlatform},
		{"bit 63", snpWith("platform: {tio: any}"), bit(63), evidence.CodePolicySNPPlatform},
		{"absent", snpWith(), func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.Raw = nil }, evidence.CodePolicySNPPlatform},
		{"absent, nothing asked", snpWith("platform: {smt: any, tio: any}"), func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.Raw = nil }, evidence.CodePolicySNPPlatform},
		{"absent, a bit clear", snpWith("platform: {tsme: forbidden}"), func(c *evidence.Claims) { c.SEVSNP.PlatformInfo.Raw = fill(0, 7) }, evidence.CodePolicySNPPlatform},
	})
	// Bit 6 stands for a mitigation, and a document may ask for it, or for its absence.
	six := goodTurin()
	setBit(six.SEVSNP.PlatformInfo.Raw, 6, true)
	wantVerdict(t, evaluate(load(t, turinPolicy), six), policies.Accepted, evidence.CodePolicySNPPlatform)
	wantVerdict(t, evaluate(load(t, turinPolicy+"      platform: {iommu_write_safe: forbidden}\n"), six), policies.Rejected, evidence.CodePolicySNPPlatform)
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
	policy := turinPolicy + "      allow: [provisional-firmware]\n"
	runAttacks(t, goodTurin, []attack{
		{"reported", policy, func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPTCB},
		{"committed", policy, func(c *evidence.Claims) { c.SEVSNP.CommittedTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPTCB},
		{"absent", policy, func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.FMC = nil }, evidence.CodePolicySNPTCB},
		{"launch", policy, func(c *evidence.Claims) { c.SEVSNP.LaunchTCB.FMC = ptr(uint8(1)) }, evidence.CodePolicySNPLaunchTCB},
	})
	// A minimum that was written for older processors says nothing of Turin.
	old := load(t, replace(snpWith(), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}", "{bootloader: 0, tee: 0, snp: 0, microcode: 0}"))
	wantVerdict(t, evaluate(old, goodTurin()), policies.Rejected, evidence.CodePolicySNPTCB)
	wantVerdict(t, evaluate(old, goodSNP()), policies.Accepted, evidence.CodePolicySNPTCB)
}

// Levels of one product line mean nothing on another.
func TestAttack_S27_LevelsOfAnotherProduct(t *testing.T) {
	mixed := replace(snpWith(), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}",
		"{Milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}, Turin: {fmc: 2, bootloader: 3, tee: 2, snp: 5, microcode: 97}}")
	genoa := func(c *evidence.Claims) { c.SEVSNP.Product = "Genoa" }
	c := goodSNP()
	genoa(&c)
	d := evaluate(load(t, mixed), c)
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicySNPTCB)
	wantVerdict(t, evaluate(load(t, mixed), goodSNP()), policies.Accepted, evidence.CodePolicySNPTCB)
	wantVerdict(t, evaluate(load(t, mixed), goodTurin()), policies.Accepted, evidence.CodePolicySNPTCB)
	turinOnMilan := func(c *evidence.Claims) {
		for _, tcb := range []*evidence.SNPTCB{&c.SEVSNP.ReportedTCB, &c.SEVSNP.CommittedTCB, &c.SEVSNP.CurrentTCB, &c.SEVSNP.LaunchTCB} {
			*tcb = evidence.SNPTCB{Bootloader: 3, TEE: 2, SNP: 5, Microcode: 255}
		}
	}
	c = goodSNP()
	turinOnMilan(&c)
	wantVerdict(t, evaluate(load(t, mixed), c), policies.Rejected, evidence.CodePolicySNPTCB)
	// A launch minimum for one product line leaves the others none.
	launch := load(t, mixed+"      minimum_launch_tcb: {Turin: {fmc: 0, bootloader: 0, tee: 0, snp: 0, microcode: 0}}\n")
	wantVerdict(t, evaluate(launch, goodSNP()), policies.Rejected, evidence.CodePolicySNPLaunchTCB)
	lowered := evaluate(launch, goodTurin())
	wantVerdict(t, lowered, policies.Accepted, evidence.CodePolicySNPLaunchTCB)
	if !slices.Equal(lowered.Relaxed, []string{"sev-snp.minimum-launch-tcb.lower"}) {
		t.Errorf("relaxed %v", lowered.Relaxed)
	}
	for name, document := range map[string]string{
		"a listed product without minimum": replace(mixed, "      minimum_tcb", "      products: [Milan, Genoa]\n      minimum_tcb"),
		"Turin without FMC":                replace(snpWith(), "      minimum_tcb", "      products: [Turin]\n      minimum_tcb"),
		"Milan with FMC":                   replace(replace(snpWith(), "microcode: 219}", "microcode: 219, fmc: 1}"), "      minimum_tcb", "      products: [Milan]\n      minimum_tcb"),
		"two layouts in one":               replace(snpWith(), "      minimum_tcb", "      products: [Milan, Turin]\n      minimum_tcb"),
		"both forms at once":               replace(mixed, "{Milan: ", "{snp: 24, Milan: "),
		"a part left out":                  replace(mixed, "{fmc: 2, ", "{"),
		"FMC on Milan":                     replace(mixed, "{bootloader: 4", "{fmc: 1, bootloader: 4"),
		"any of one product":               replace(mixed, "Turin: {fmc: 2, bootloader: 3, tee: 2, snp: 5, microcode: 97}", "Turin: any"),
	} {
		if text := loadErr(t, document); text == "" {
			t.Errorf("%s loads", name)
		}
	}
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

// S31: platforms whose keys are in other hands are denied by chip, product line and cloud.
func TestAttack_S31_DeniedPlatforms(t *testing.T) {
	genoa := func() evidence.Claims {
		c := goodSNP()
		c.SEVSNP.Product = "Genoa"
		return c
	}
	milan := func(c *evidence.Claims) { c.SEVSNP.Product = "Milan" }
	denied := snpWith(`chip_ids: {deny: ["` + strings.Repeat("08", 64) + `"]}`)
	allowed := snpWith(`chip_ids: {allow: ["` + strings.Repeat("07", 64) + `"]}`)
	runAttacks(t, genoa, []attack{
		{"product not listed", snpWith("products: [Genoa]"), milan, evidence.CodePolicySNPProduct},
		{"product not allowed", snpWith("products: {allow: [Genoa]}"), milan, evidence.CodePolicySNPProduct},
		{"product denied", snpWith("products: {deny: [Milan]}"), milan, evidence.CodePolicySNPProduct},
		{"product allowed and denied", snpWith("products: {allow: [Milan, Genoa], deny: [Milan]}"), milan, evidence.CodePolicySNPProduct},
		{"product absent", snpWith("products: {deny: [Milan]}"), func(c *evidence.Claims) { c.SEVSNP.Product = "" }, evidence.CodePolicySNPProduct},
		{"product by certificate", snpWith("products: {deny: [Milan]}"), func(c *evidence.Claims) { c.SEVSNP.ProductSource = "certificate" }, evidence.CodePolicySNPProduct},
		{"denied chip", denied, func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(8, 64) }, evidence.CodePolicySNPChip},
		{"chip not allowed", allowed, func(c *evidence.Claims) { c.SEVSNP.ChipID = fill(8, 64) }, evidence.CodePolicySNPChip},
	})
	loadErr(t, snpWith("products: {deny: [Milan, Genoa, Turin]}"))
	loadErr(t, snpWith("products: {allow: [Milan], deny: [Milan]}"))
	loadErr(t, snpWith("products: {}"))
	loadErr(t, snpWith("products: {deny: [Venice]}"))
}

func TestAttack_S35_RevocationNotChecked(t *testing.T) {
	c := goodSNP()
	c.SEVSNP.RevocationChecked = false
	for _, document := range []string{snpWith(), snpWith("revocation: require"), snpWith("revocation: {stale_ok: 24h}")} {
		wantVerdict(t, evaluate(load(t, document), c), policies.Undecided, evidence.CodePolicySNPRevocation)
	}
	d := evaluate(load(t, snpWith("revocation: off")), c)
	wantVerdict(t, d, policies.Accepted, evidence.Code{})
	if len(d.Relaxed) != 1 || d.Relaxed[0] != "sev-snp.revocation" {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	for _, value := range []string{"{stale_ok: 0s}", "{stale_ok: -1h}", "{stale_ok: 721h}", "{stale_ok: 1500ms}", "{stale_ok: 24}", "{stale_ok: any}", "{}", "{stale: 1h}", "stale_ok"} {
		loadErr(t, snpWith("revocation: "+value))
	}
}

// A list that has ended does for a while where the document says so, and not a
// second longer.
func TestAttack_S35_StaleRevocationList(t *testing.T) {
	const grace = 24 * time.Hour
	for _, c := range []struct {
		name    string
		next    time.Time // when the list ended
		covered bool
		verdict policies.Verdict
		until   time.Time
	}{
		{"current", now.Add(time.Hour), true, policies.Accepted, time.Time{}},
		{"ends in a second, and does not cover", now.Add(time.Second), false, policies.Undecided, time.Time{}},
		{"ended now", now, false, policies.Accepted, now.Add(grace)},
		{"ended an hour ago", now.Add(-time.Hour), false, policies.Accepted, now.Add(grace - time.Hour)},
		{"at the bound", now.Add(-grace), false, policies.Accepted, now},
		{"a second past it", now.Add(-grace - time.Second), false, policies.Undecided, time.Time{}},
		{"years ago", now.AddDate(-400, 0, 0), false, policies.Undecided, time.Time{}},
		{"none", time.Time{}, false, policies.Undecided, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := goodSNP()
			claims.SEVSNP.RevocationChecked, claims.SEVSNP.RevocationNextUpdate = c.covered, c.next
			d := evaluate(load(t, snpWith("revocation: {stale_ok: 24h}")), claims)
			wantVerdict(t, d, c.verdict, evidence.CodePolicySNPRevocation)
			if !d.ValidUntil.Equal(c.until) {
				t.Errorf("valid until %v, want %v", d.ValidUntil, c.until)
			}
			if c.verdict == policies.Accepted && !slices.Equal(d.Relaxed, []string{"sev-snp.revocation.stale"}) {
				t.Errorf("relaxed %v", d.Relaxed)
			}
			if required := evaluate(load(t, snpWith()), claims); !c.covered && required.Verdict != policies.Undecided {
				t.Errorf("%s where a current list is required", required.Verdict)
			}
		})
	}
	// Without a clock nothing is known to be recent.
	claims := goodSNP()
	claims.SEVSNP.RevocationChecked, claims.SEVSNP.RevocationNextUpdate = false, now
	if d := load(t, snpWith("revocation: {stale_ok: 24h}")).Evaluate(policies.Input{Claims: []evidence.Claims{claims}}); d.Verdict != policies.Undecided {
		t.Errorf("%s without a time", d.Verdict)
	}
}

// The report data is the core's to compare; a policy cannot say that it does not matter.
func TestAttack_S41_ReportDataIsNoPolicy(t *testing.T) {
	for _, line := range []string{"report_data: any", `report_data: ["` + hexOf(9, 64) + `"]`, "report_data: []"} {
		if text := loadErr(t, snpWith(line)); !strings.Contains(text, "policy.unknown-key") {
			t.Error(text)
		}
	}
}

package policies_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// What a denial says that it found.
func TestChecksSayWhatTheyGot(t *testing.T) {
	const dontKnow = "absent: the evidence does not say"
	for _, c := range []struct {
		good   func() evidence.Claims
		policy string
		change func(*evidence.Claims)
		code   evidence.Code
		got    string
	}{
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Version = 0 }, evidence.CodePolicySNPReportVersion, "version 0"},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.Raw = nil }, evidence.CodePolicySNPDebug, dontKnow},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.Raw = nil }, evidence.CodePolicySNPMigration, dontKnow},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.Raw = nil }, evidence.CodePolicySNPGuestPolicy, dontKnow},
		{goodSNP, snpWith(`migration_agents: ["` + hexOf(1, 32) + `"]`), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = nil }, evidence.CodePolicySNPMigration, dontKnow},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportIDMA = fill(1, 32) }, evidence.CodePolicySNPMigration, "migration agent " + hexOf(1, 32)},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Policy.MigrateMA = true }, evidence.CodePolicySNPMigration, "a migration agent may be associated"},
		{goodSNP, snpWith(), func(c *evidence.Claims) { snpBits(c.SEVSNP, 30, true) }, evidence.CodePolicySNPGuestPolicy, "0x40030000"},
		{goodSNP, snpWith("platform: {tsme: required, ecc: required, smt: forbidden}"), func(c *evidence.Claims) {}, evidence.CodePolicySNPPlatform, "0x25, without tsme, with smt"},
		{goodTurin, replace(turinPolicy, "snp: 5", "snp: 6"), func(c *evidence.Claims) {}, evidence.CodePolicySNPTCB, "fmc 2, bootloader 3, tee 2, snp 5, microcode 97"},
		{goodTurin, snpWith(), func(c *evidence.Claims) {}, evidence.CodePolicySNPTCB, "fmc 2, bootloader 3, tee 2, snp 5, microcode 97; the minimum has no fmc, and this product line has"},
		{
			goodTurin, replace(snpWith(), "minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}", "minimum_tcb: {Milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}}"),
			func(c *evidence.Claims) {}, evidence.CodePolicySNPTCB, "fmc 2, bootloader 3, tee 2, snp 5, microcode 97; the policy names no minimum for this product line",
		},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 0xffffffff }, evidence.CodePolicySNPVMPL, "VMPL 0xffffffff: the host asked for the report"},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.Product = "" }, evidence.CodePolicySNPProduct, dontKnow},
		{goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.ProductSource = "" }, evidence.CodePolicySNPProduct, "Milan"},
		{
			goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.ProductSource = "certificate" }, evidence.CodePolicySNPProduct,
			"Milan by its certificate alone; the report names no product, so the policy must (products)",
		},
		{
			goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.ReportedTCB.SNP = 1 }, evidence.CodePolicySNPTCB,
			"reported bootloader 4, tee 0, snp 1, microcode 219; committed bootloader 4, tee 0, snp 24, microcode 219",
		},
		{
			goodSNP, snpWith(), func(c *evidence.Claims) { c.SEVSNP.CurrentTCB.FMC = ptr(uint8(2)) }, evidence.CodePolicySNPProvisional,
			"running 1.55.29 (fmc 2, bootloader 4, tee 0, snp 24, microcode 219), committed 1.55.29 (bootloader 4, tee 0, snp 24, microcode 219)",
		},
		{goodTDX, tdxWith(), func(c *evidence.Claims) { c.TDX.TCB.Status = "" }, evidence.CodePolicyTDXTCBStatus, dontKnow + " (platform UpToDate, quoting enclave UpToDate, module UpToDate)"},
		{goodTDX, tdxWith(), func(c *evidence.Claims) { c.TDX.MRSignerSEAM = nil }, evidence.CodePolicyTDXSEAMSigner, dontKnow},
		{goodTPM, tpmWith(), func(c *evidence.Claims) { c.TPM.AKRestricted = nil }, evidence.CodePolicyTPMAKRestricted, dontKnow + " (the key's public area is not known)"},
		{goodTPM, tpmWith(), func(c *evidence.Claims) { c.TPM.AKRestricted = ptr(false) }, evidence.CodePolicyTPMAKRestricted, "not restricted: it signs whatever it is given"},
		{goodTPM, tpmWith(), func(c *evidence.Claims) { delete(c.TPM.PCRs, 0) }, evidence.CodePolicyTPMPCR, dontKnow},
	} {
		claims := c.good()
		c.change(&claims)
		d := evaluate(load(t, c.policy), claims)
		wantVerdict(t, d, policies.Rejected, c.code)
		for _, check := range d.Checks.Failed() {
			if check.Code == c.code && check.Got != c.got {
				t.Errorf("%s: got %q, want %q", c.code, check.Got, c.got)
			}
		}
	}
}

func TestChecksSayWhatTheyWant(t *testing.T) {
	many := snpWith(`host_data: ["` + hexOf(1, 32) + `", "` + hexOf(2, 32) + `", "` + hexOf(3, 32) + `", "` + hexOf(4, 32) + `"]`)
	d := evaluate(load(t, many), goodSNP())
	check, _ := d.Checks.Get(evidence.CodePolicySNPHostData)
	if want := "one of " + hexOf(1, 32) + ", " + hexOf(2, 32) + ", " + hexOf(3, 32) + " and 1 more"; check.Want != want {
		t.Errorf("want %q", check.Want)
	}
	d = evaluate(load(t, tpmWith()), goodTPM())
	check, _ = d.Checks.Get(evidence.CodePolicyTPMPCR)
	if check.Want != "PCR 0: "+p50 || check.Kind != evidence.KindTPM {
		t.Errorf("check %s of kind %q", check, check.Kind)
	}
}

// The decision ends with the first of the reference values that it needs.
func TestValidUntilOfSeveralReferences(t *testing.T) {
	boot := `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: boot
technology: tpm
provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}
not_after: 2026-12-24T00:00:00Z
values: {pcrs: {sha256: {0: ["` + p50 + `"]}}}
`
	policy := replace(snpWith(`host_data: ["`+hexOf(3, 32)+`"]`), `["`+m11+`"]`, "{reference: release}") +
		`    tpm: {pcrs: {sha256: {0: {reference: boot}, 7: ["` + p57 + `"]}}}` + "\n"
	for _, c := range []struct{ release, want string }{
		{"2027-01-01T00:00:00Z", "2026-12-24T00:00:00Z"}, {"2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"},
	} {
		d := evaluate(load(t, boot, reference("release", c.release), policy), goodSNP(), goodTPM())
		wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPMeasurement)
		if got := d.ValidUntil.Format(time.RFC3339); got != c.want {
			t.Errorf("valid until %s, want %s", got, c.want)
		}
	}
}

package policies_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// warned are documents of which one key only warns, with the claim that it is about.
var warned = []struct {
	policy, relaxed string
	good            func() evidence.Claims
	code            evidence.Code
	claim           func(*evidence.Claims) *evidence.Hex
}{
	{snpIDKey("measurements: {warn_only: [\"" + m22 + "\"]}"), "sev-snp.measurement.warn-only", goodSNP, evidence.CodePolicySNPMeasurement, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.Measurement }},
	{snpWith(`host_data: {warn_only: ["` + hexOf(1, 32) + `"]}`), "sev-snp.host-data.warn-only", goodSNP, evidence.CodePolicySNPHostData, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.HostData }},
	{snpWith(`id_key_digests: {warn_only: ["` + hexOf(1, 48) + `"]}`), "sev-snp.id-key.warn-only", goodSNP, evidence.CodePolicySNPIDKey, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.IDKeyDigest }},
	{snpWith(`author_key_digests: {warn_only: ["` + hexOf(1, 48) + `"]}`), "sev-snp.author-key.warn-only", goodSNP, evidence.CodePolicySNPAuthorKey, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.AuthorKeyDigest }},
	{snpIDKey(`measurements: ["`+m11+`"]`, `family_id: {warn_only: ["`+hexOf(9, 16)+`"]}`), "sev-snp.family-id.warn-only", goodSNP, evidence.CodePolicySNPFamilyID, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.FamilyID }},
	{snpIDKey(`measurements: ["`+m11+`"]`, `image_id: {warn_only: ["`+hexOf(9, 16)+`"]}`), "sev-snp.image-id.warn-only", goodSNP, evidence.CodePolicySNPImageID, func(c *evidence.Claims) *evidence.Hex { return &c.SEVSNP.ImageID }},
	{replace(tdxWith("ppids: {allow: [\""+hexOf(8, 16)+"\"]}"), `mrtd: ["`+m22+`"]`, `mrtd: {warn_only: ["`+m11+`"]}`), "tdx.mrtd.warn-only", goodTDX, evidence.CodePolicyTDXMRTD, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.MRTD }},
	{replace(tdxWith(), `rtmr0: ["`+m30+`"]`, `rtmr0: {warn_only: ["`+m11+`"]}`), "tdx.rtmr0.warn-only", goodTDX, evidence.CodePolicyTDXRTMR0, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.RTMR0 }},
	{replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: {warn_only: ["`+m11+`"]}`), "tdx.rtmr2.warn-only", goodTDX, evidence.CodePolicyTDXRTMR2, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.RTMR2 }},
	{replace(tdxWith(), `rtmr3: any`, `rtmr3: {warn_only: ["`+m11+`"]}`), "tdx.rtmr3.warn-only", goodTDX, evidence.CodePolicyTDXRTMR3, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.RTMR3 }},
	{tdxWith(`mrconfigid: {warn_only: ["` + m11 + `"]}`), "tdx.mrconfigid.warn-only", goodTDX, evidence.CodePolicyTDXMRConfigID, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.MRConfigID }},
	{tdxWith(`mrowner: {warn_only: ["` + m11 + `"]}`), "tdx.mrowner.warn-only", goodTDX, evidence.CodePolicyTDXMROwner, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.MROwner }},
	{tdxWith(`mrownerconfig: {warn_only: ["` + m11 + `"]}`), "tdx.mrownerconfig.warn-only", goodTDX, evidence.CodePolicyTDXMROwnerConfig, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.MROwnerConfig }},
	{tdxWith(`mrseam: {warn_only: ["` + m11 + `"]}`), "tdx.mrseam.warn-only", goodTDX, evidence.CodePolicyTDXMRSEAM, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.MRSEAM }},
	{tdxWith(`xfam: {warn_only: ["` + hexOf(1, 8) + `"]}`), "tdx.xfam.warn-only", goodTDX, evidence.CodePolicyTDXXFAM, func(c *evidence.Claims) *evidence.Hex { return &c.TDX.XFAM }},
}

// snpIDKey is a workload whose ID key is pinned.
func snpIDKey(lines ...string) string {
	return with(head+"  - sev_snp:\n      minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}\n", append(lines, `id_key_digests: ["`+hexOf(4, 48)+`"]`))
}

// tpmWarned is a workload of which one PCR only warns.
func tpmWarned(pcr string) string { return replace(tpmWith(), `7: ["`+p57+`"]`, pcr) }

// warnings are the checks of a decision that warn, but for those on advisories.
func warnings(d policies.Decision) (codes []evidence.Code) {
	for _, check := range d.Checks {
		if check.Status == evidence.Warn && check.Code != evidence.CodePolicySNPAdvisories {
			codes = append(codes, check.Code)
		}
	}
	return codes
}

// Another value is told and named as a relaxation; an absent one denies.
func TestWarnOnly(t *testing.T) {
	for _, c := range warned {
		set := load(t, c.policy)
		d := evaluate(set, c.good())
		wantVerdict(t, d, policies.Accepted, evidence.CodePolicyWorkload)
		if !slices.Contains(d.Relaxed, c.relaxed) || !slices.Equal(warnings(d), []evidence.Code{c.code}) {
			t.Errorf("%s: relaxed %v, warnings %v", c.relaxed, d.Relaxed, warnings(d))
		}
		claims := c.good()
		*c.claim(&claims) = nil
		wantVerdict(t, evaluate(set, claims), policies.Rejected, c.code)
	}
}

func TestWarnOnlyPCR(t *testing.T) {
	set := load(t, tpmWarned(`7: {warn_only: ["`+p54+`"]}`))
	d := evaluate(set, goodTPM())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyWorkload)
	if !slices.Equal(d.Relaxed, []string{"tpm.pcr.7.warn-only"}) || !slices.Equal(warnings(d), []evidence.Code{evidence.CodePolicyTPMPCR}) {
		t.Errorf("relaxed %v; checks:\n%s", d.Relaxed, list(d.Checks))
	}
	for _, change := range []func(*evidence.TPMClaims){
		func(c *evidence.TPMClaims) { delete(c.PCRs, 7) }, func(c *evidence.TPMClaims) { c.PCRs[7] = nil },
		func(c *evidence.TPMClaims) { c.Bank = "sha384" },
	} {
		c := goodTPM()
		change(c.TPM)
		wantVerdict(t, evaluate(set, c), policies.Rejected, evidence.CodePolicyTPMPCR)
	}
	expected := load(t, tpmWarned(`7: {warn_only: ["`+p57+`"]}`))
	if d := evaluate(expected, goodTPM()); len(warnings(d)) != 0 || len(d.Relaxed) != 1 {
		t.Errorf("relaxed %v; checks:\n%s", d.Relaxed, list(d.Checks))
	}
}

// What reference values say beside warn_only: their end denies nothing and bounds
// nothing, but a value that is known to be bad denies.
func TestWarnOnlyReferences(t *testing.T) {
	policy := snpIDKey("measurements: {warn_only: {reference: release}}")
	d := evaluate(load(t, policy, reference("release", "2027-01-01T00:00:00Z")), goodSNP())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPMeasurement)
	if !d.ValidUntil.IsZero() {
		t.Errorf("valid until %s", d.ValidUntil)
	}
	d = evaluate(load(t, policy, reference("release", "2026-11-21T00:00:00Z")), goodSNP())
	if d.Verdict != policies.Accepted || !slices.Equal(warnings(d), []evidence.Code{evidence.CodePolicyReferenceExpired}) {
		t.Errorf("%s; checks:\n%s", d.Verdict, list(d.Checks))
	}
	bad := replace(reference("bad", "2027-01-01T00:00:00Z"), "not_after:", "known_bad: [BadAML]\nnot_after:")
	d = evaluate(load(t, policy, reference("release", "2027-01-01T00:00:00Z"), bad), goodSNP())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyReferenceKnownBad)
}

// Y02: an alternative that denies no measurement accepts every machine, whether it
// lists none or only warns of others.
func TestAttack_Y02_EveryMeasurementOnlyWarns(t *testing.T) {
	warn := func(value string) string { return `{warn_only: ["` + value + `"]}` }
	for name, text := range map[string]string{
		"measurement":            replace(snpWith(), `["`+m11+`"]`, warn(m11)),
		"measurement and ID key": replace(snpWith("id_key_digests: "+warn(hexOf(4, 48))), `["`+m11+`"]`, warn(m11)),
		"any, ID key":            replace(snpWith("id_key_digests: "+warn(hexOf(4, 48))), `["`+m11+`"]`, "any"),
		"family, ID key":         snpWith("id_key_digests: "+warn(hexOf(4, 48)), `family_id: ["`+hexOf(1, 16)+`"]`),
		"mrtd":                   replace(tdxWith(), `mrtd: ["`+m22+`"]`, "mrtd: "+warn(m22)),
		"registers": head + "  - tdx:\n      mrtd: " + warn(m22) + "\n      rtmr0: " + warn(m30) + "\n      rtmr1: " + warn(m31) + "\n      rtmr2: " + warn(m32) +
			"\n      rtmr3: any\n      ppids: {allow: [\"" + hexOf(8, 16) + "\"]}\n",
		"PCRs":           head + "  - tpm:\n      pcrs: {sha256: {0: " + warn(p50) + ", 7: " + warn(p57) + "}}\n",
		"RTMR1 for boot": replace(leftWith(ukiLists...), "rtmr1: boot", "rtmr1: "+warn(m31)),
		"PCR 4 for IMA":  replace(imaWith(imaListed), "4: [\""+p54+"\"]", "4: "+warn(p54)),
	} {
		if found := loadErr(t, text); !strings.Contains(found, evidence.CodePolicyUnsafe.String()) {
			t.Errorf("%s: %s", name, found)
		}
	}
}

// warn_only is for what was measured or chosen at launch, with values behind it.
func TestWarnOnlyForms(t *testing.T) {
	for name, text := range map[string]string{
		"any":           replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: any}"),
		"boot":          replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: boot}"),
		"none":          replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: }"),
		"empty":         replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: []}"),
		"twice":         replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: {warn_only: [\""+m11+"\"]}}"),
		"within a list": replace(tdxWith(), "rtmr3: any", "rtmr3: [{warn_only: [\""+m11+"\"]}]"),
		"and reference": replace(tdxWith(), "rtmr3: any", "rtmr3: {warn_only: [\""+m11+"\"], reference: release}"),
		"PCR 10":        tpmWarned(`10: {warn_only: ["` + p57 + `"]}`),
		"PCR 16":        tpmWarned(`16: {warn_only: ["` + p57 + `"]}`),
		"chips":         snpWith(`chip_ids: {warn_only: ["` + hexOf(7, 64) + `"]}`),
		"keys":          tpmWith(`ak: {sha256: {warn_only: ["` + hexOf(0x41, 32) + `"]}}`),
		"service TD":    tdxWith(`mrservicetd: {warn_only: ["` + m11 + `"]}`),
		"agents":        snpWith(`migration_agents: {warn_only: ["` + hexOf(6, 32) + `"]}`),
	} {
		loadErr(t, text)
		if name == "service TD" || name == "agents" {
			continue
		}
		if s := readSchema(t); name != "and reference" && s.wrong(s.root, plain(t, roots(t, filesOf(text)...)[0]), "") == "" {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

// A difference and an explanation name what was relaxed.
func TestWarnOnlyIsTold(t *testing.T) {
	strict, loose := tpmWith(), tpmWarned(`7: {warn_only: ["`+p57+`"]}`)
	c := diff(t, filesOf(strict), filesOf(loose))
	if !slices.Equal(c.RelaxationsGained, []string{"web: tpm.pcr.7.warn-only"}) || len(c.RelaxationsLost) != 0 {
		t.Errorf("gained %v, lost %v", c.RelaxationsGained, c.RelaxationsLost)
	}
	if back := diff(t, filesOf(loose), filesOf(strict)); !slices.Equal(back.RelaxationsLost, []string{"web: tpm.pcr.7.warn-only"}) {
		t.Errorf("lost %v", back.RelaxationsLost)
	}
	claims := goodTPM()
	claims.TPM.PCRs[7], claims.TPM.PCRs[0] = fill(1, 32), fill(2, 32)
	e := load(t, loose).Explain(policies.Input{Claims: []evidence.Claims{claims}, Now: now})
	a := e.Workloads[0].Alternatives[0]
	if len(a.Remedies) != 1 || a.Distance != 1 || !slices.Equal(a.Relaxed, []string{"tpm.pcr.7.warn-only"}) {
		t.Errorf("%+v", a)
	}
}

// Workloads of which one only warns match the same evidence.
func TestWarnOnlyOverlaps(t *testing.T) {
	for name, c := range map[string]struct {
		wide, narrow string
		want         bool
	}{
		"PCR":              {tpmWarned(`7: {warn_only: ["` + p54 + `"]}`), tpmWith(), true},
		"PCR that is any":  {tpmWarned(`7: {warn_only: ["` + p54 + `"]}`), tpmWarned("7: any"), false},
		"register":         {replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: {warn_only: ["`+m11+`"]}`), tdxWith(), true},
		"register, any":    {replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: {warn_only: ["`+m11+`"]}`), replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: any`), false},
		"the other values": {replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: ["`+m11+`"]`), replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: {warn_only: ["`+m11+`"]}`), false},
	} {
		found, _ := lint(named("wide", c.wide), named("narrow", c.narrow))
		if got := strings.Contains(found, "whatever matches narrow matches wide"); got != c.want {
			t.Errorf("%s: %s", name, found)
		}
	}
	found, _ := lint(named("a", tpmWarned(`7: {warn_only: ["`+p54+`"]}`)), named("b", tpmWarned(`7: {warn_only: ["`+p57+`"]}`)))
	if !strings.Contains(found, "match the same evidence") {
		t.Errorf("found %q", found)
	}
}

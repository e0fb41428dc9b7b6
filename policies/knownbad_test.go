package policies_test

import (
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// S50: what a report cannot show, people can know: an image that is flagged
// matches nothing, wherever else it is listed and however old the flag is.
func TestAttack_S50_KnownBadImage(t *testing.T) {
	flag := func(notAfter string) string {
		return replace(reference("old", notAfter), "not_after", "known_bad: [BadAML, CVE-2026-1]\nnot_after")
	}
	bad := flag("2027-01-01T00:00:00Z")
	byReference := replace(snpWith(), `["`+m11+`"]`, "{reference: release}")
	signed := replace(snpWith(`id_key_digests: ["`+hexOf(4, 48)+`"]`), `["`+m11+`"]`, "any")
	for name, documents := range map[string][]string{
		"listed in the workload":     {bad, snpWith()},
		"its own reference":          {bad, replace(snpWith(), `["`+m11+`"]`, "{reference: old}")},
		"another reference":          {bad, reference("release", "2027-01-01T00:00:00Z"), byReference},
		"any, by a signer":           {bad, signed},
		"the flag is older":          {flag("2026-11-02T00:00:00Z"), snpWith()},
		"the flag is read later":     {snpWith(), bad},
		"beside a good alternative":  {bad, snpWith() + strings.ReplaceAll(snpAlternative, "- sev_snp", "- name: second\n    sev_snp")},
		"in one of two references":   {bad, reference("release", "2027-01-01T00:00:00Z"), replace(snpWith(), `["`+m11+`"]`, "[{reference: release}, {reference: old}]")},
		"in a reference and by hand": {bad, replace(snpWith(), `["`+m11+`"]`, `[{reference: old}, "`+m11+`"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			d := evaluate(load(t, documents...), goodSNP())
			wantVerdict(t, d, policies.Rejected, evidence.CodePolicyReferenceKnownBad)
			check, _ := d.Checks.Get(evidence.CodePolicyReferenceKnownBad)
			if want := m11 + ", which old knows to be bad: BadAML, CVE-2026-1"; check.Got != want {
				t.Errorf("got %s", check.Got)
			}
		})
	}
	c := goodSNP()
	c.SEVSNP.Measurement = fill(0x12, 48)
	wantVerdict(t, evaluate(load(t, bad, signed), c), policies.Accepted, evidence.CodePolicySNPIDKey)
	wantVerdict(t, evaluate(load(t, signed), goodSNP()), policies.Accepted, evidence.CodePolicySNPIDKey)
	for _, value := range []string{"[]", "BadAML", "[BadAML, BadAML]", "[1]", ""} {
		loadErr(t, replace(bad, "[BadAML, CVE-2026-1]", value), snpWith())
	}
}

// Registers and PCRs are flagged in the same way, each for itself.
func TestKnownBadRegisters(t *testing.T) {
	rtmr := `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: kernels
technology: tdx
provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}
known_bad: [BadAML]
not_after: 2027-01-01T00:00:00Z
values: {rtmr3: ["` + hexOf(0, 48) + `"], rtmr1: ["` + m32 + `"]}
`
	wantVerdict(t, evaluate(load(t, rtmr, tdxWith()), goodTDX()), policies.Rejected, evidence.CodePolicyReferenceKnownBad)
	c := goodTDX()
	c.TDX.RTMR3 = fill(1, 48)
	wantVerdict(t, evaluate(load(t, rtmr, tdxWith()), c), policies.Accepted, evidence.CodePolicyTDXRTMR1)
	pcr := strings.NewReplacer("tdx", "tpm", `{rtmr3: ["`+hexOf(0, 48)+`"], rtmr1: ["`+m32+`"]}`, `{pcrs: {sha256: {7: ["`+p57+`"]}}}`).Replace(rtmr)
	wantVerdict(t, evaluate(load(t, pcr, tpmWith()), goodTPM()), policies.Rejected, evidence.CodePolicyReferenceKnownBad)
	wantVerdict(t, evaluate(load(t, strings.Replace(pcr, "{7:", "{8:", 1), tpmWith()), goodTPM()), policies.Accepted, evidence.CodePolicyTPMPCR)
}

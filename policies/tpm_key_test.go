package policies_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// sourcedTPM returns claims of a key with a source, and what goes with it.
func sourcedTPM(source string) evidence.Claims {
	c := goodTPM()
	c.TPM.AKSource = source
	switch source {
	case evidence.AKSourceCertificate:
		c.TPM.RevocationChecked, c.TPM.RevocationNextUpdate = true, now.Add(time.Hour)
	case evidence.AKSourceEnrolled:
		c.TPM.EKSHA256 = fill(0xe0, 32)
	case evidence.AKSourceTEE:
		c.TPM.AKVouchedBy = evidence.KindSEVSNP
	}
	return c
}

const withSNP = head + snpAlternative + "    tpm:\n      pcrs: {sha256: {0: [\"" + p50 + "\"], 7: [\"" + p57 + "\"]}}\n"

// Each source but a report's word counts by default; that one only where the document says so, and
// the report is judged.
func TestTPMSources(t *testing.T) {
	for _, source := range []string{"certificate", "given", "enrolled"} {
		wantVerdict(t, evaluate(load(t, tpmWith()), sourcedTPM(source)), policies.Accepted, evidence.CodePolicyTPMAKSource)
		for _, listed := range []string{"certificate", "given", "enrolled"} {
			d := evaluate(load(t, tpmWith("ak: {sources: ["+listed+"]}")), sourcedTPM(source))
			if (d.Verdict == policies.Accepted) != (source == listed) {
				t.Errorf("%s where %s is listed: %s", source, listed, d.Verdict)
			}
		}
	}
	wantVerdict(t, evaluate(load(t, with(withSNP, []string{"ak: {sources: [tee]}"})), goodSNP(), sourcedTPM("tee")), policies.Accepted, evidence.CodePolicyTPMAKVouched)
	wantUnsafe(t, tpmWith("ak: {sources: [tee]}"))
	wantUnsafe(t, head+"  - sev_snp: any\n    tpm:\n      pcrs: {sha256: {0: [\""+p50+"\"]}}\n      ak: {sources: [tee]}\n")
}

// P35: the guest of a genuine confidential VM has its report name a key of software, which quotes
// any PCRs. A document that does not say that the report's word counts is no consent.
func TestAttack_P35_GuestNamesAKeyOfItsOwn(t *testing.T) {
	wantVerdict(t, evaluate(load(t, withSNP), goodSNP(), sourcedTPM("tee")), policies.Rejected, evidence.CodePolicyTPMAKSource)
	wantVerdict(t, evaluate(load(t, head+snpAlternative+"    tpm: any\n"), goodSNP(), sourcedTPM("tee")), policies.Rejected, evidence.CodePolicyTPMAKSource)
	wantVerdict(t, evaluate(load(t, head+snpAlternative+"    tpm: any\n"), goodSNP(), sourcedTPM("enrolled")), policies.Accepted, evidence.CodePolicyWorkload)
}

// P37: a key that a report vouches for which nobody judged, or which is not there.
func TestAttack_P37_VouchedByOthers(t *testing.T) {
	tolerant := head + "  - sev_snp: any\n    tpm:\n      pcrs: {sha256: {0: [\"" + p50 + "\"], 7: [\"" + p57 + "\"]}}\n"
	tee := sourcedTPM("tee")
	byTDX := sourcedTPM("tee")
	byTDX.TPM.AKVouchedBy = evidence.KindTDX
	byNone := sourcedTPM("tee")
	byNone.TPM.AKVouchedBy = ""
	byItself := sourcedTPM("tee")
	byItself.TPM.AKVouchedBy = evidence.KindTPM
	for name, c := range map[string]struct {
		policy string
		claims []evidence.Claims
		code   evidence.Code
	}{
		"alone":            {tpmWith(), []evidence.Claims{tee}, evidence.CodePolicyTPMAKVouched},
		"tolerated report": {tolerant, []evidence.Claims{goodSNP(), tee}, evidence.CodePolicyTPMAKVouched},
		"another kind":     {withSNP, []evidence.Claims{goodSNP(), byTDX}, evidence.CodePolicyTPMAKVouched},
		"nobody":           {withSNP, []evidence.Claims{goodSNP(), byNone}, evidence.CodePolicyTPMAKVouched},
		"itself":           {withSNP, []evidence.Claims{goodSNP(), byItself}, evidence.CodePolicyTPMAKVouched},
		"report left out":  {withSNP, []evidence.Claims{tee}, evidence.CodePolicyBundle},
		"TPM left out":     {withSNP, []evidence.Claims{goodSNP()}, evidence.CodePolicyBundle},
		"TPM not asked":    {snpWith(), []evidence.Claims{goodSNP(), tee}, evidence.CodePolicyBundle},
		"report not asked": {tpmWith(), []evidence.Claims{goodSNP(), goodTPM()}, evidence.CodePolicyBundle},
	} {
		t.Run(name, func(t *testing.T) {
			wantVerdict(t, evaluate(load(t, c.policy), c.claims...), policies.Rejected, c.code)
		})
	}
}

// P35: a TPM that a cloud provider runs in software is none, unless the policy
// names the provider.
func TestAttack_P35_ProvidersTPM(t *testing.T) {
	cloud := func() evidence.Claims {
		c := sourcedTPM("certificate")
		c.TPM.AKProvider = "google"
		return c
	}
	wantVerdict(t, evaluate(load(t, tpmWith()), cloud()), policies.Rejected, evidence.CodePolicyTPMAKProvider)
	wantVerdict(t, evaluate(load(t, tpmWith("ak: {providers: [azure]}")), cloud()), policies.Rejected, evidence.CodePolicyTPMAKProvider)
	wantVerdict(t, evaluate(load(t, withSNP), goodSNP(), cloud()), policies.Rejected, evidence.CodePolicyTPMAKProvider)
	d := evaluate(load(t, tpmWith("ak: {providers: [google]}")), cloud())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyTPMAKProvider)
	if !slices.Equal(d.Relaxed, []string{"tpm.ak-provider.google"}) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	// It names those that will do besides, and asks for none.
	wantVerdict(t, evaluate(load(t, tpmWith("ak: {providers: [google]}")), sourcedTPM("certificate")), policies.Accepted, evidence.CodePolicyTPMAKSource)
	inside := sourcedTPM("tee")
	inside.TPM.AKProvider = "azure"
	wantVerdict(t, evaluate(load(t, with(withSNP, []string{"ak: {sources: [tee]}"})), goodSNP(), inside), policies.Accepted, evidence.CodePolicyTPMAKVouched)
}

// P03, P04: a key of another TPM than the listed ones.
func TestAttack_P03_OtherEndorsementKey(t *testing.T) {
	enrolled := func() evidence.Claims { return sourcedTPM("enrolled") }
	allow, deny := tpmWith(`ak: {eks: {allow: ["`+hexOf(0xe0, 32)+`"]}}`), tpmWith(`ak: {eks: {deny: ["`+hexOf(0xe1, 32)+`"]}}`)
	runAttacks(t, enrolled, []attack{
		{"not allowed", allow, func(c *evidence.Claims) { c.TPM.EKSHA256 = fill(0xe1, 32) }, evidence.CodePolicyTPMEK},
		{"unknown", allow, func(c *evidence.Claims) { c.TPM.EKSHA256 = nil }, evidence.CodePolicyTPMEK},
		{"denied", deny, func(c *evidence.Claims) { c.TPM.EKSHA256 = fill(0xe1, 32) }, evidence.CodePolicyTPMEK},
		{"unknown where some are denied", deny, func(c *evidence.Claims) { c.TPM.EKSHA256 = nil }, evidence.CodePolicyTPMEK},
		{"another anchor", tpmWith(`ak: {anchors: ["` + strings.Repeat("aa", 32) + `"]}`), func(c *evidence.Claims) { c.TrustAnchor.SHA256 = fill(1, 32) }, evidence.CodePolicyTPMAKAnchor},
	})
}

// P19, P39: counters and versions of a key under the owner's hierarchy are disguised.
func TestAttack_P39_DisguisedFirmware(t *testing.T) {
	policy := tpmWith(`minimum_firmware: "0007000200000000"`)
	disguised := func(hierarchy string) func(*evidence.Claims) {
		return func(c *evidence.Claims) {
			c.TPM.AKHierarchy, c.TPM.FirmwareVersion = hierarchy, fill(0xfe, 8)
		}
	}
	runAttacks(t, goodTPM, []attack{
		{"owner", policy, disguised("owner"), evidence.CodePolicyTPMFirmware},
		{"null", policy, disguised("null"), evidence.CodePolicyTPMFirmware},
		{"unknown", policy, disguised(""), evidence.CodePolicyTPMFirmware},
		{"asked", tpmWith("ak: {hierarchy: endorsement}"), disguised("platform"), evidence.CodePolicyTPMAKHierarchy},
		{"asked and unknown", tpmWith("ak: {hierarchy: endorsement}"), disguised(""), evidence.CodePolicyTPMAKHierarchy},
	})
	c := goodTPM()
	c.TPM.AKHierarchy = "platform"
	wantVerdict(t, evaluate(load(t, policy), c), policies.Accepted, evidence.CodePolicyTPMFirmware)
}

// P22, P23: a workload key that the TPM does not certify.
func TestAttack_P22_KeyOutsideOfTheTPM(t *testing.T) {
	certified := func() evidence.Claims {
		c := goodTPM()
		c.TPM.CertifiedKey = &evidence.TPMKeyClaims{SHA256: fill(0xc0, 32), Name: fill(0xc1, 34)}
		return c
	}
	runAttacks(t, certified, []attack{
		{"none", tpmWith("key: tpm"), func(c *evidence.Claims) { c.TPM.CertifiedKey = nil }, evidence.CodePolicyTPMKey},
		{"empty", tpmWith("key: tpm"), func(c *evidence.Claims) { *c.TPM.CertifiedKey = evidence.TPMKeyClaims{} }, evidence.CodePolicyTPMKey},
		{"without a name", tpmWith("key: tpm"), func(c *evidence.Claims) { c.TPM.CertifiedKey.Name = nil }, evidence.CodePolicyTPMKey},
	})
	wantVerdict(t, evaluate(load(t, tpmWith()), certified()), policies.Accepted, evidence.Code{})
	if text := loadErr(t, tpmWith("key: file")); !strings.Contains(text, "use tpm") {
		t.Error(text)
	}
}

// Lists that ended will do for as long as the policy says, and what rests on them
// for no longer; keys without a chain need none.
func TestTPMStaleRevocation(t *testing.T) {
	set := load(t, tpmWith("revocation: {stale_ok: 24h}"))
	for _, c := range []struct {
		end  time.Time
		want policies.Verdict
	}{
		{now, policies.Accepted}, {now.Add(-24 * time.Hour), policies.Accepted}, {now.Add(-24*time.Hour - 1), policies.Undecided},
		{now.Add(time.Second), policies.Undecided}, {time.Time{}, policies.Undecided},
	} {
		claims := sourcedTPM("certificate")
		claims.TPM.RevocationChecked, claims.TPM.RevocationNextUpdate = false, c.end
		d := evaluate(set, claims)
		wantVerdict(t, d, c.want, evidence.CodePolicyTPMRevocation)
		if c.want == policies.Accepted && (!d.ValidUntil.Equal(c.end.Add(24*time.Hour)) || !slices.Equal(d.Relaxed, []string{"tpm.revocation.stale"})) {
			t.Errorf("valid until %s, relaxed %v", d.ValidUntil, d.Relaxed)
		}
		claims.TPM.AKSource = "enrolled"
		wantVerdict(t, evaluate(set, claims), policies.Accepted, evidence.CodePolicyTPMAKSource)
	}
}

// P10: a PCR that the running system resets is in no rule either.
func TestAttack_P10_RulesOnResettablePCRs(t *testing.T) {
	c := goodTPM()
	for _, index := range []int{16, 21, 22, 23} {
		c.TPM.PCRs[index] = fill(0x57, 32)
	}
	for _, rule := range []string{`tpm.pcrs[23] == "` + p57 + `"`, `tpm.pcrs[16] != "00"`, `tpm.pcrs[7] == tpm.pcrs[21]`} {
		if text := loadErr(t, withRules(tpmWith(), rule)); !strings.Contains(text, "can be reset") {
			t.Error(text)
		}
	}
	hidden := load(t, withRules(tpmWith(), `tpm.pcrs[16 + 7] == "`+p57+`"`))
	wantVerdict(t, evaluate(hidden, c), policies.Rejected, evidence.CodePolicyRule)
	all := load(t, withRules(tpmWith(), `tpm.pcrs.all(i, i < 16)`))
	wantVerdict(t, evaluate(all, c), policies.Accepted, evidence.CodePolicyRule)
	if len(c.TPM.PCRs) != 7 {
		t.Error("the claims were altered")
	}
}

// P20: what one alternative judged of a kernel's list is remembered under its name, so that no
// other may have it.
func TestAttack_P20_AlternativesOfOneName(t *testing.T) {
	twice := head + "  - name: one\n    tpm:\n      pcrs: {sha256: {0: [\"" + p50 + "\"]}}\n" + "  - name: one\n    tpm:\n      pcrs: {sha256: {7: [\"" + p57 + "\"]}}\n"
	if _, err := policies.Load(policies.File{Name: "p.yaml", Data: []byte(twice)}); evidence.CodeOf(err) != evidence.CodePolicyDuplicateName {
		t.Errorf("got %v", err)
	}
}

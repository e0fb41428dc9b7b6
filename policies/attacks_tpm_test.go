package policies_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func TestAttack_P02_UnrestrictedKey(t *testing.T) {
	certified := func() evidence.Claims {
		c := goodTPM()
		c.TPM.AKSource, c.TPM.RevocationChecked, c.TPM.AKRestricted = "certificate", true, nil
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
		c.TPM.AKSource, c.TPM.RevocationChecked = "certificate", true
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

func TestPCRNumbers(t *testing.T) {
	for _, index := range []string{"-1", "07", "0x7", "24", "7.0", "'seven'", "4294967303"} {
		if text := loadErr(t, replace(tpmWith(), "7: [", index+": [")); !strings.Contains(text, "a PCR has a number from 0 to 23") {
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

// Whether a certified key was revoked must be known, unless the policy waives
// it. A given key has no certificate that could be.
func TestAttack_P05_RevocationUnknown(t *testing.T) {
	certified := goodTPM()
	certified.TPM.AKSource = "certificate"
	for _, test := range []struct {
		name   string
		policy string
		claims evidence.Claims
		want   policies.Verdict
	}{
		{"certified, no lists", tpmWith(), certified, policies.Undecided},
		{"certified, no lists, required by name", tpmWith("revocation: require"), certified, policies.Undecided},
		{"certified, no lists, waived", tpmWith("revocation: off"), certified, policies.Accepted},
		{"given", tpmWith(), goodTPM(), policies.Accepted},
	} {
		d := evaluate(load(t, test.policy), test.claims)
		if d.Verdict != test.want {
			t.Errorf("%s: %s", test.name, d.Verdict)
		}
		if waived := slices.Contains(d.Relaxed, "tpm.revocation"); waived != (test.name == "certified, no lists, waived") {
			t.Errorf("%s: relaxed %v", test.name, d.Relaxed)
		}
	}
}

package policies_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// azure are the claims of a confidential VM with a paravisor.
func azure() (report, quote evidence.Claims) {
	report, quote = goodSNP(), sourcedTPM("tee")
	report.Paravisor = &evidence.ParavisorClaims{
		VMID: "vm-1", SecureBoot: ptr(true), TPMEnabled: ptr(true), TPMPersisted: ptr(false), Console: ptr(false), AKSHA256: fill(0x41, 32), EKSHA256: fill(0x45, 32),
	}
	return report, quote
}

func paravisorWith(text string) string { return withSNP + "    paravisor: " + text + "\n" }

func TestAttack_P36_ParavisorRequirements(t *testing.T) {
	const open = "absent: the evidence does not say"
	for _, c := range []struct {
		ask    string
		change func(report, quote *evidence.Claims)
		code   evidence.Code
		got    string
	}{
		{"{secure_boot: required}", func(r, _ *evidence.Claims) { r.Paravisor.SecureBoot = ptr(false) }, evidence.CodePolicyParavisorSecureBoot, "off"},
		{"{secure_boot: required}", func(r, _ *evidence.Claims) { r.Paravisor.SecureBoot = nil }, evidence.CodePolicyParavisorSecureBoot, open},
		{"{tpm_enabled: required}", func(r, _ *evidence.Claims) { r.Paravisor.TPMEnabled = ptr(false) }, evidence.CodePolicyParavisorTPMEnabled, "off"},
		{"{tpm_persisted: forbidden}", func(r, _ *evidence.Claims) { r.Paravisor.TPMPersisted = ptr(true) }, evidence.CodePolicyParavisorTPMPersisted, "on"},
		{"{console: forbidden}", func(r, _ *evidence.Claims) { r.Paravisor.Console = ptr(true) }, evidence.CodePolicyParavisorConsole, "on"},
		{"{console: forbidden}", func(r, _ *evidence.Claims) { r.Paravisor.Console = nil }, evidence.CodePolicyParavisorConsole, open},
		{"{vm_ids: [vm-1]}", func(r, _ *evidence.Claims) { r.Paravisor.VMID = "vm-2" }, evidence.CodePolicyParavisorVM, "vm-2"},
		{"{vm_ids: {deny: [vm-2]}}", func(r, _ *evidence.Claims) { r.Paravisor.VMID = "" }, evidence.CodePolicyParavisorVM, open},
		{"{vm_ids: {deny: [vm-2]}}", func(r, _ *evidence.Claims) { r.Paravisor.VMID = "vm-2" }, evidence.CodePolicyParavisorVM, "vm-2"},
		{"any", func(r, _ *evidence.Claims) { r.Paravisor.AKSHA256 = fill(1, 32) }, evidence.CodePolicyParavisorKey, hexOf(1, 32)},
		{"any", func(r, _ *evidence.Claims) { r.Paravisor.AKSHA256 = nil }, evidence.CodePolicyParavisorKey, open},
		{"any", func(_, q *evidence.Claims) { q.TPM.AKSource = "given" }, evidence.CodePolicyParavisorKey, hexOf(0x41, 32)},
		{"{console: any}", func(r, _ *evidence.Claims) { r.Paravisor = nil }, evidence.CodePolicyParavisor, "none"},
	} {
		t.Run(c.code.String()+" "+c.got, func(t *testing.T) {
			set := load(t, paravisorWith(c.ask))
			report, quote := azure()
			wantVerdict(t, evaluate(set, report, quote), policies.Accepted, c.code)
			c.change(&report, &quote)
			d := evaluate(set, report, quote)
			wantVerdict(t, d, policies.Rejected, c.code)
			if check, _ := d.Checks.Get(c.code); check.Got != c.got || check.Kind != evidence.KindSEVSNP {
				t.Errorf("check %s", check)
			}
		})
	}
}

// P36: a report through a paravisor is never taken for one of the guest's own.
func TestAttack_P36_ParavisorUnmentioned(t *testing.T) {
	report, quote := azure()
	for name, policy := range map[string]string{
		"both": withSNP, "any TPM": tolerated,
	} {
		wantVerdict(t, evaluate(load(t, policy), report, quote), policies.Rejected, evidence.CodePolicyParavisor)
		if name == "any TPM" {
			wantVerdict(t, evaluate(load(t, policy), report), policies.Rejected, evidence.CodePolicyParavisor)
		}
	}
	d := evaluate(load(t, paravisorWith("any")), report, quote)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyParavisor)
	if !slices.Equal(d.Relaxed, []string{"paravisor.any"}) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	// It may be there or not.
	plain := sourcedTPM("enrolled")
	wantVerdict(t, evaluate(load(t, paravisorWith("any")), goodSNP(), plain), policies.Accepted, evidence.CodePolicyParavisor)
	for _, text := range []string{
		snpWith() + "    paravisor: any\n", tpmWith() + "    paravisor: any\n", tolerated + "    paravisor: {console: any}\n",
		head + "  - sev_snp: any\n    tpm:\n      pcrs: {sha256: {0: [\"" + p50 + "\"]}}\n    paravisor: any\n",
	} {
		wantUnsafe(t, text)
	}
	if text := loadErr(t, paravisorWith("{}")); !strings.Contains(text, "paravisor is empty") {
		t.Error(text)
	}
	// A paravisor's claims belong to a report, and to one.
	quote.Paravisor = report.Paravisor
	wantVerdict(t, evaluate(load(t, paravisorWith("any")), report, quote), policies.Rejected, evidence.CodePolicyClaims)
	other := goodTDX()
	other.Paravisor = report.Paravisor
	wantVerdict(t, evaluate(load(t, paravisorWith("any")), report, other), policies.Rejected, evidence.CodePolicyClaims)
}

// Rules read what the paravisor says where the alternative mentions it.
func TestParavisorRules(t *testing.T) {
	report, quote := azure()
	text := paravisorWith("any") + "    require: [{name: vm, rule: 'paravisor.vm_id == \"vm-1\" && !paravisor.console_enabled', message: the VM}]\n"
	wantVerdict(t, evaluate(load(t, text), report, quote), policies.Accepted, evidence.CodePolicyRule)
	report.Paravisor.Console = nil
	wantVerdict(t, evaluate(load(t, text), report, quote), policies.Rejected, evidence.CodePolicyRule)
	if text := loadErr(t, strings.Replace(text, "    paravisor: any\n", "", 1)); !strings.Contains(text, "does not mention this kind of evidence") {
		t.Error(text)
	}
}

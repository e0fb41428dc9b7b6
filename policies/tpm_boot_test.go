package policies_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Each requirement alone: what it accepts, and what it says of what it does not.
func TestTPMBootRequirements(t *testing.T) {
	const open = "absent: the event log does not say, or leaves it open"
	grub, uki, loader := bootedTPM(tpmGRUB), bootedTPM(tpmUKI), bootedTPM(tpmLoader)
	for _, c := range []struct {
		policy string
		good   func() evidence.Claims
		change func(*evidence.BootClaims)
		code   evidence.Code
		got    string
	}{
		{tpmBoot("secure_boot: required"), grub, func(b *evidence.BootClaims) { b.SecureBoot.Enabled = ptr(false) }, evidence.CodePolicyBootSecureBoot, "not enabled"},
		{tpmBoot("secure_boot: required"), grub, func(b *evidence.BootClaims) { b.Registers[7] = evidence.BootRegister{Status: "mismatched"} }, evidence.CodePolicyBootSecureBoot, "PCR 7 is mismatched: the log's events lead to another value"},
		{tpmBoot(`sbat_levels: ["sbat,1,2024010900\nshim,4\n"]`), grub, func(b *evidence.BootClaims) { b.SbatLevel = "" }, evidence.CodePolicyBootSbatLevel, open},
		{tpmBoot("mok: {list: " + listOf(fingerprint(0x91)) + "}"), grub, func(b *evidence.BootClaims) { b.Mok.List = fingerprint(1) }, evidence.CodePolicyBootMok, fingerprint(1).String()},
		{tpmBoot("mok: {list_x: " + listOf(fingerprint(0x92)) + "}"), grub, func(b *evidence.BootClaims) { b.Mok = nil }, evidence.CodePolicyBootMok, open},
		{tpmBoot("images: " + listOf(fingerprint(0x61), fingerprint(0x62), fingerprint(0x63))), grub, func(b *evidence.BootClaims) { delete(b.Registers, 2) }, evidence.CodePolicyBootImages, "PCR 2 is unknown: neither the quote nor the log has it"},
		{tpmBoot("images: " + listOf(fingerprint(0x61), fingerprint(0x62), fingerprint(0x63))), grub, func(b *evidence.BootClaims) { b.Images[0].Digest = fingerprint(1) }, evidence.CodePolicyBootImages, fingerprint(1).String()},
		{tpmBoot("maximum_boot_attempts: 1"), grub, func(b *evidence.BootClaims) { b.BootAttempts = ptr(uint32(2)) }, evidence.CodePolicyBootAttempts, "2"},
		{tpmBoot("exited_boot_services: required"), grub, func(b *evidence.BootClaims) { b.Registers[5] = evidence.BootRegister{Status: "unlogged"} }, evidence.CodePolicyBootExit, "PCR 5 is unlogged: something was measured into it, but the log has no events for it"},
		{tpmBoot(tpmGRUBLists[2], tpmGRUBLists[4]), grub, func(b *evidence.BootClaims) { b.Registers[12] = evidence.BootRegister{Status: "unlogged"} }, evidence.CodePolicyBootCommandLine, "PCR 12 is unlogged: something was measured into it, but the log has no events for it"},
		{tpmBoot(tpmGRUBLists[2], tpmGRUBLists[4]), grub, func(b *evidence.BootClaims) { b.CommandLines[0].Text += " init=/bin/sh" }, evidence.CodePolicyBootCommandLine, `"` + line + ` init=/bin/sh"`},
		{tpmBoot(tpmLoaderLists[1]), loader, func(b *evidence.BootClaims) { b.CommandLines = nil }, evidence.CodePolicyBootCommandLine, open},
		{tpmBoot(tpmGRUBLists[4]), grub, func(b *evidence.BootClaims) { b.GRUBCommands[0] = "insmod evil" }, evidence.CodePolicyBootGRUB, `"insmod evil"`},
		{tpmBoot(tpmUKILists[3]), uki, func(b *evidence.BootClaims) { b.LoadOptions = fingerprint(1) }, evidence.CodePolicyBootLoadOptions, fingerprint(1).String()},
		{tpmBoot(tpmUKILists[3], tpmUKILists[4]), uki, func(b *evidence.BootClaims) { b.Initrd = fingerprint(1) }, evidence.CodePolicyBootInitrd, fingerprint(1).String()},
		{tpmBoot("phases: [enter-initrd, leave-initrd]"), uki, func(b *evidence.BootClaims) { b.UKI.Phases = b.UKI.Phases[:1] }, evidence.CodePolicyBootPhases, "enter-initrd"},
		{tpmLeft(tpmUKILists...), uki, func(b *evidence.BootClaims) { b.Registers[12] = reproduced(1, 1) }, evidence.CodePolicyBootRegister, "PCR 12 holds events that the claims leave out"},
		{tpmLeft(tpmUKILists...), uki, func(b *evidence.BootClaims) { b.Registers[11] = reproduced(9, 3) }, evidence.CodePolicyBootRegister, "PCR 11 holds events that the claims leave out"},
		{tpmLeft(tpmUKILists...), uki, func(b *evidence.BootClaims) { b.Registers[2] = untouched() }, evidence.CodePolicyBootRegister, "PCR 2 is untouched: nothing was measured into it"},
	} {
		t.Run(c.code.String()+" "+c.got, func(t *testing.T) {
			set := load(t, c.policy)
			wantVerdict(t, evaluate(set, c.good()), policies.Accepted, c.code)
			claims := c.good()
			c.change(claims.TPM.Boot)
			d := evaluate(set, claims)
			wantVerdict(t, d, policies.Rejected, c.code)
			found := slices.ContainsFunc(d.Checks.Failed(), func(check evidence.Check) bool {
				return check.Code == c.code && check.Got == c.got && check.Kind == evidence.KindTPM
			})
			if !found {
				t.Errorf("failed:\n%s", list(d.Checks.Failed()))
			}
		})
	}
}

// What the log of each kind of boot leads to, all of it listed.
func TestTPMLeftToTheLog(t *testing.T) {
	mok := "mok: {list: " + listOf(fingerprint(0x91)) + "}"
	grub := slices.Clone(tpmGRUBLists)
	grub[3] = "measurements: " + listOf(fingerprint(0x71), fingerprint(0x63), fingerprint(0x91), fingerprint(0x92))
	for name, c := range map[string]struct {
		policy string
		boot   func() *evidence.BootClaims
	}{
		"grub":   {tpmLeft(append(grub, mok)...), tpmGRUB},
		"image":  {tpmLeft(tpmUKILists...), tpmUKI},
		"loader": {tpmLeft(tpmLoaderLists...), tpmLoader},
		"events": {replace(tpmLeft(slices.Concat(grub, tpmEvents)...), "14: boot", "14: boot, 15: boot"), tpmGRUB},
	} {
		d := evaluate(load(t, c.policy), bootedTPM(c.boot)())
		wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootRegister)
		if len(d.Relaxed) > 0 {
			t.Errorf("%s: relaxed %v", name, d.Relaxed)
		}
	}
}

// The phases of a boot that a log has, and those that it has not.
func TestTPMPhasesInTheLog(t *testing.T) {
	set := load(t, tpmLeft(tpmUKILists...))
	for events := uint32(5); events <= 9; events++ {
		c := bootedTPM(tpmUKI)()
		c.TPM.Boot.Registers[11] = reproduced(events, 3)
		want := policies.Rejected
		if events >= 6 && events <= 8 {
			want = policies.Accepted
		}
		if d := evaluate(set, c); d.Verdict != want {
			t.Errorf("%d events: %s", events, d.Verdict)
		}
	}
}

// P33: a log of another bank says nothing of the quoted PCRs.
func TestAttack_P33_LogOfAnotherBank(t *testing.T) {
	c := bootedTPM(tpmGRUB)()
	c.TPM.Boot.Bank = "sha1"
	wantVerdict(t, evaluate(load(t, tpmBoot("secure_boot: required")), c), policies.Rejected, evidence.CodePolicyBootLog)
	c.TPM.Boot = nil
	wantVerdict(t, evaluate(load(t, tpmBoot("secure_boot: required")), c), policies.Rejected, evidence.CodePolicyBootLog)
}

// Documents that leave open what they rely on do not load.
func TestTPMBootLint(t *testing.T) {
	join := func(parts ...[]string) []string { return slices.Concat(parts...) }
	pcrs := func(text string, lines ...string) string {
		return with(head+"  - tpm:\n      pcrs: {sha256: {"+text+"}}\n", below(lines))
	}
	ask, values := "secure_boot: required", `["`+p50+`"]`
	images, loader := tpmUKILists[0], join(tpmLoaderLists)
	for _, c := range []struct{ text, want string }{
		{pcrs("7: "+values, ask), "leaves open the firmware"},
		{pcrs("0: "+values+", 4: any", tpmUKILists[3]), "leaves open what may be loaded"},
		{pcrs("0: "+values, tpmUKILists[3], "secure_boot: required"), "leaves open what may be loaded"},
		{pcrs("0: "+values, tpmUKILists[3], "secure_boot: {db: "+listOf(fingerprint(1))+"}"), "leaves open what may be loaded"},
		{pcrs("0: "+values, tpmUKILists[3], "kernels: "+listOf(fingerprint(1))), "leaves open what may be loaded"},
		{pcrs("0: "+values+", 4: boot", ask), "leaves open which images may be loaded"},
		{pcrs("0: "+values+", 4: boot, 8: boot", images), "leaves open the kernel's command line"},
		{pcrs("0: "+values+", 4: boot, 9: boot", images, tpmUKILists[3]), "leaves open the initial RAM disk"},
		{pcrs("0: "+values+", 4: boot, 12: boot", images), "leaves open the kernel's command line"},
		{pcrs("0: "+values+", 4: boot, 15: boot", loader...), "leaves open which events it holds"},
		{pcrs("0: "+values+", 7: boot", ask), "PCR 7: boot is for PCRs 2, 4, 8, 9 and 11 to 15"},
		{pcrs("0: boot, 4: "+values, ask), "PCR 0: boot is for PCRs"},
		{pcrs("0: "+values+", 4: boot, 10: boot", images), "PCR 10: boot is for PCRs"},
		{head + "  - tpm:\n      pcrs: {sha256: {0: " + values + ", 4: boot}}\n", "so boot must say what it may hold"},
		{pcrs("0: "+values+", 4: "+values, tpmUKILists[4]), "leaves open the command line, which can name another initial RAM disk"},
		{pcrs("0: "+values+", 4: "+values, tpmUKILists[2]), "what may lie beside the unified kernel image"},
		{pcrs("0: "+values+", 4: "+values+", 12: boot", tpmUKILists[2]), "what may lie beside the unified kernel image"},
		{pcrs("0: "+values+", 4: "+values+", 13: boot", tpmUKILists[2]), "what may lie beside the unified kernel image"},
		{pcrs("0: "+values+", 4: "+values+", 9: "+values, tpmEvents...), "leaves open the kernel's command line and initial RAM disk"},
		{pcrs("0: "+values+", 4: "+values+", 11: "+values, tpmEvents...), "leaves open the kernel's command line and initial RAM disk"},
		{pcrs("0: "+values+", 7: "+values, tpmUKILists[3]), "leaves open what may be loaded"},
		{pcrs("0: "+values+", 4: "+values, tpmEvents...), "leaves open the kernel's command line and initial RAM disk"},
		{pcrs("0: "+values+", 4: "+values, `command_lines: ["/vmlinuz initrd=/evil"]`, tpmUKILists[4]), "command line of GRUB's names"},
		{head + "  - tpm:\n      pcrs: {sha256: {0: any, 4: any}}\n", "pins no measurement"},
		{head + "  - tpm:\n      pcrs: {sha256: {10: " + values + "}}\n", "PCR 10 holds what was read since"},
		{pcrs("0: "+values, "mok: {}"), "boot.mok is empty"},
		{tpmBoot("images: " + listOf(digest(1))), "expected 64 hex digits, got 96"},
	} {
		if text := loadErr(t, c.text); !strings.Contains(text, c.want) {
			t.Errorf("%s\ngives\n%s\nnot %s", c.text, text, c.want)
		}
	}
	for _, text := range []string{
		pcrs("0: any, 4: "+values, ask), pcrs("0: any, 10: any", ask), pcrs("0: "+values+", 7: "+values, tpmUKILists[3], ask),
		pcrs("0: "+values, tpmUKILists[3], "secure_boot: {db: "+listOf(fingerprint(1))+"}", "mok: {list: "+listOf(fingerprint(2))+"}"),
		pcrs("0: "+values+", 14: boot", tpmUKILists[3], "secure_boot: {db: "+listOf(fingerprint(1))+"}"),
		pcrs("0: "+values+", 4: "+values+", 12: any, 13: any", tpmUKILists[2]), pcrs("0: "+values+", 4: "+values+", 8: any, 9: "+values, tpmEvents...),
		pcrs("0: "+values+", 4: "+values+", 11: "+values+", 12: any, 13: any", tpmEvents...),
		pcrs("0: "+values+", 4: boot, 8: boot, 9: boot, 12: boot", loader...), pcrs("0: "+values+", 4: "+values, tpmUKILists[3], "initrds: none"),
		head + snpAlternative + "    tpm:\n      pcrs: {sha256: {4: " + values + "}}\n      boot: {secure_boot: required}\n",
	} {
		load(t, text)
	}
}

// Lists of reference values stand for digests of any bank.
func TestTPMBootReferences(t *testing.T) {
	boot := func(values string) string {
		return replace(replace(reference("boot", "2027-01-01T00:00:00Z"), "sev-snp", "tpm"), `{measurements: ["`+m11+`", "`+m22+`"]}`, values)
	}
	text := boot("{boot: {images: " + listOf(fingerprint(0x61), fingerprint(0x62), fingerprint(0x63), digest(0x61)) + ", mok: {list: " + listOf(fingerprint(0x91)) + "}}}")
	d := evaluate(load(t, text, tpmBoot("images: {reference: boot}", "mok: {list: {reference: boot}}")), bootedTPM(tpmGRUB)())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootImages)
	bad := boot("{boot: {images: " + listOf(fingerprint(0x62)) + "}}")
	bad = replace(replace(bad, "name: boot", "name: bad"), "values:", "known_bad: [BootHole]\nvalues:")
	d = evaluate(load(t, text, bad, tpmBoot("images: {reference: boot}")), bootedTPM(tpmGRUB)())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyReferenceKnownBad)
	if problems := loadErr(t, boot(`{boot: {images: ["0102"]}}`)); !strings.Contains(problems, "expected 64, 96 or 128 hex digits, got 4") {
		t.Error(problems)
	}
}

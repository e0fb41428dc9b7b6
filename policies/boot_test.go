package policies_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Each requirement alone: what it accepts, and what it says of what it does not.
func TestBootRequirements(t *testing.T) {
	const open = "absent: the event log does not say, or leaves it open"
	at := func(i int) func(b *evidence.BootClaims) *evidence.ApplicationEvent {
		return func(b *evidence.BootClaims) *evidence.ApplicationEvent { return &b.Events[i] }
	}
	grub, uki := booted(grubBoot), booted(ukiBoot)
	for _, c := range []struct {
		lines  []string
		good   func() evidence.Claims
		change func(*evidence.BootClaims)
		code   evidence.Code
		got    string
	}{
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot = nil }, evidence.CodePolicyBootSecureBoot, open},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.Enabled = ptr(false) }, evidence.CodePolicyBootSecureBoot, "not enabled"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.Enabled = nil }, evidence.CodePolicyBootSecureBoot, "the firmware has no secure boot"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.SetupMode = true }, evidence.CodePolicyBootSecureBoot, "setup mode: there is no platform key"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.PK = evidence.SignatureDatabase{} }, evidence.CodePolicyBootSecureBoot, "setup mode: there is no platform key"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.KEK = evidence.SignatureDatabase{} }, evidence.CodePolicyBootSecureBoot, "no keys in KEK or db"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.DB.Certificates = nil }, evidence.CodePolicyBootSecureBoot, "no keys in KEK or db"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.AuditMode = ptr(true) }, evidence.CodePolicyBootSecureBoot, "audit mode: what nobody signed runs all the same"},
		{[]string{"secure_boot: required"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.FirmwareDebugger = ptr(true) }, evidence.CodePolicyBootSecureBoot, "the firmware can be debugged"},
		{[]string{"secure_boot: {pk: " + listOf(fingerprint(0x0a)) + "}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.PK = database(fingerprint(1)) }, evidence.CodePolicyBootPK, fingerprint(1).String()},
		{[]string{"secure_boot: {pk: " + listOf(fingerprint(0x0a)) + "}"}, grub, func(b *evidence.BootClaims) {
			b.SecureBoot.PK = evidence.SignatureDatabase{Hashes: []evidence.Hex{fingerprint(1)}}
		}, evidence.CodePolicyBootPK, "no certificates"},
		{[]string{"secure_boot: {kek: " + listOf(fingerprint(0x0a), fingerprint(0x0b)) + "}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.KEK.Others = 1 }, evidence.CodePolicyBootKEK, "entries that are no certificates"},
		{[]string{"secure_boot: {db: " + listOf(fingerprint(0x0b)) + "}"}, grub, func(b *evidence.BootClaims) {
			b.SecureBoot.DB.Certificates = append(b.SecureBoot.DB.Certificates, fingerprint(1))
		}, evidence.CodePolicyBootDB, fingerprint(1).String()},
		{[]string{"secure_boot: {db: " + listOf(fingerprint(0x0b)) + "}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.DB.Hashes = []evidence.Hex{fingerprint(1)} }, evidence.CodePolicyBootDB, "entries that are no certificates"},
		{[]string{"secure_boot: {dbx: {hashes: " + listOf(fingerprint(0x0d), fingerprint(0x0e)) + "}}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.DBX.Hashes[1] = fingerprint(0x0d) }, evidence.CodePolicyBootDBX, "without 1 of the listed entries"},
		{[]string{"secure_boot: {dbx: {certificates: " + listOf(fingerprint(0x0c)) + "}}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.DBX.Certificates = nil }, evidence.CodePolicyBootDBX, "without 1 of the listed entries"},
		{[]string{"secure_boot: {dbx: {minimum_entries: 3}}"}, grub, func(b *evidence.BootClaims) { b.SecureBoot.DBX.Hashes[1] = fingerprint(0x0d) }, evidence.CodePolicyBootDBX, "2 entries"},
		{[]string{`sbat_levels: ["sbat,1,2024010900\nshim,4\n"]`}, grub, func(b *evidence.BootClaims) { b.SbatLevel = "sbat,1,2021030218\n" }, evidence.CodePolicyBootSbatLevel, `"sbat,1,2021030218\n"`},
		{[]string{`sbat_levels: ["sbat,1,2024010900\nshim,4\n"]`}, grub, func(b *evidence.BootClaims) { b.SbatLevel = "" }, evidence.CodePolicyBootSbatLevel, open},
		{[]string{grubLists[0]}, grub, func(b *evidence.BootClaims) { b.Images[1].Digest = digest(1) }, evidence.CodePolicyBootImages, digest(1).String()},
		{[]string{grubLists[0]}, grub, func(b *evidence.BootClaims) { b.Images = nil }, evidence.CodePolicyBootImages, open},
		{ukiLists[:2], uki, func(b *evidence.BootClaims) { b.Images = b.Images[:1] }, evidence.CodePolicyBootKernel, "none of the images"},
		{ukiLists[1:2], uki, func(b *evidence.BootClaims) { b.Images = nil }, evidence.CodePolicyBootKernel, open},
		{[]string{"maximum_boot_attempts: 1"}, grub, func(b *evidence.BootClaims) { b.BootAttempts = ptr(uint32(2)) }, evidence.CodePolicyBootAttempts, "2"},
		{[]string{"maximum_boot_attempts: 1"}, grub, func(b *evidence.BootClaims) { b.BootAttempts = nil }, evidence.CodePolicyBootAttempts, open},
		{[]string{"exited_boot_services: required"}, grub, func(b *evidence.BootClaims) { b.ExitedBootServices = ptr(false) }, evidence.CodePolicyBootExit, "not left"},
		{[]string{"exited_boot_services: required"}, grub, func(b *evidence.BootClaims) { b.ExitedBootServices = nil }, evidence.CodePolicyBootExit, open},
		{ukiLists[4:], uki, func(b *evidence.BootClaims) { b.LoadOptions = digest(1) }, evidence.CodePolicyBootLoadOptions, digest(1).String()},
		{ukiLists[4:], uki, func(b *evidence.BootClaims) { b.Initrd = nil }, evidence.CodePolicyBootInitrd, open},
		{ukiLists[3:], uki, func(b *evidence.BootClaims) { b.UKI = nil }, evidence.CodePolicyBootUKI, open},
		{ukiLists[3:], uki, func(b *evidence.BootClaims) { b.UKI.Sections[".cmdline"] = digest(1) }, evidence.CodePolicyBootUKI, ".cmdline " + digest(1).String()},
		{ukiLists[3:], uki, func(b *evidence.BootClaims) { delete(b.UKI.Sections, ".initrd") }, evidence.CodePolicyBootUKI, "no section .initrd"},
		{ukiLists[3:], uki, func(b *evidence.BootClaims) { b.UKI.Sections[".dtb"] = digest(1) }, evidence.CodePolicyBootUKI, `a section ".dtb" that is not listed`},
		{ukiLists[2:3], uki, func(b *evidence.BootClaims) { b.UKI.Phases = append(b.UKI.Phases, "sysinit") }, evidence.CodePolicyBootPhases, "enter-initrd, leave-initrd, sysinit"},
		{ukiLists[2:3], uki, func(b *evidence.BootClaims) { b.UKI.Phases = nil }, evidence.CodePolicyBootPhases, "none"},
		{ukiLists[2:3], uki, func(b *evidence.BootClaims) { b.UKI = nil }, evidence.CodePolicyBootPhases, open},
		{events, grub, func(b *evidence.BootClaims) { at(0)(b).Payload = evidence.Hex{9} }, evidence.CodePolicyBootEvent, "09"},
		{events, grub, func(b *evidence.BootClaims) { at(2)(b).Payload = nil }, evidence.CodePolicyBootEvent, "no payload"},
		{events, grub, func(b *evidence.BootClaims) { at(0)(b).Name = "app" }, evidence.CodePolicyBootEvent, "not measured"},
		{events, grub, func(b *evidence.BootClaims) { at(0)(b).Register = 2 }, evidence.CodePolicyBootEvent, "not measured"},
		{events, grub, func(b *evidence.BootClaims) { at(2)(b).Name = "app-id"; at(2)(b).Payload = evidence.Hex{1} }, evidence.CodePolicyBootEvent, "once more, as event 2"},
	} {
		t.Run(c.code.String()+" "+c.got, func(t *testing.T) {
			set := load(t, bootWith(c.lines...))
			wantVerdict(t, evaluate(set, c.good()), policies.Accepted, c.code)
			claims := c.good()
			c.change(claims.TDX.Boot)
			d := evaluate(set, claims)
			wantVerdict(t, d, policies.Rejected, c.code)
			failed := d.Checks.Failed()
			if len(failed) != 2 || failed[1].Got != c.got || failed[1].Kind != evidence.KindTDX {
				t.Errorf("failed:\n%s", list(failed))
			}
		})
	}
}

// Requirements that hold, say what they found.
func TestBootChecks(t *testing.T) {
	d := evaluate(load(t, leftWith(slices.Concat(ukiLists, []string{"secure_boot: required"})...)), booted(ukiBoot)())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootLog)
	for code, want := range map[evidence.Code]string{
		evidence.CodePolicyBootSecureBoot: "want secure boot enabled, with keys, got enabled",
		evidence.CodePolicyBootImages:     "want nothing but " + digest(0x61).String() + ", got 2 listed",
		evidence.CodePolicyBootKernel:     "want " + digest(0x62).String() + ", got " + digest(0x62).String(),
		evidence.CodePolicyBootUKI:        "want the listed contents of .linux, .initrd, .cmdline, and no other section, got as listed",
		evidence.CodePolicyBootRegister:   "want nothing in RTMR1 but what the policy lists, got 7 events, all listed",
	} {
		check, ok := d.Checks.Get(code)
		if got := "pass " + code.String() + ": " + want; !ok || check.String() != got {
			t.Errorf("check %s, want %s", check, got)
		}
	}
}

// Texts are compared exactly, and settled ones need nothing beside them.
func TestBootSettledTexts(t *testing.T) {
	set := load(t, bootWith(`command_lines: ["`+line+`", "quiet"]`, `grub_commands: ["`+setRoot+`"]`))
	settled := func(lines, commands []string) evidence.Claims {
		c := booted(grubBoot)()
		b := c.TDX.Boot
		b.UnsettledCommandLines, b.UnsettledGRUBCommands, b.GRUBCommands = nil, nil, commands
		for _, text := range lines {
			b.CommandLines = append(b.CommandLines, evidence.CommandLine{Source: "grub", Register: 2, Text: text})
		}
		return c
	}
	for _, c := range []struct {
		lines, commands []string
		want            policies.Verdict
	}{
		{[]string{line}, []string{setRoot}, policies.Accepted},
		{[]string{line, "quiet"}, []string{setRoot, setRoot}, policies.Accepted},
		{[]string{line + " "}, []string{setRoot}, policies.Rejected},
		{[]string{line, "init=/bin/sh"}, []string{setRoot}, policies.Rejected},
		{nil, []string{setRoot}, policies.Rejected},
		{[]string{line}, nil, policies.Rejected},
		{[]string{line}, []string{setRoot, "acpi /evil.aml"}, policies.Rejected},
	} {
		if d := evaluate(set, settled(c.lines, c.commands)); d.Verdict != c.want {
			t.Errorf("%q, %q: %s\n%s", c.lines, c.commands, d.Verdict, list(d.Checks.Failed()))
		}
	}
}

// Lists may be those of reference values, which end, and which may be known to be bad.
func TestBootReferences(t *testing.T) {
	values := func(name, notAfter, extra string) string {
		return `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: ` + name + `
technology: tdx
provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}
not_after: ` + notAfter + "\n" + extra + `values:
  boot:
    images: ` + listOf(digest(0x61)) + `
    kernels: ` + listOf(digest(0x62)) + `
    command_lines: ["` + line + `"]
    grub_commands: ["` + setRoot + `", "menuentry Linux {\n\tlinux /vmlinuz root=/dev/vda1 ro\n}"]
    measurements: ` + listOf(digest(0x71), digest(0x72)) + `
    sbat_levels: ["sbat,1,2024010900\nshim,4\n"]
    load_options: ` + listOf(digest(0x84)) + `
    initrds: ` + listOf(digest(0x72), digest(0x82)) + `
    uki: {.linux: ` + listOf(digest(0x81)) + `}
    secure_boot: {pk: ` + listOf(fingerprint(0x0a)) + `, kek: ` + listOf(fingerprint(0x0a), fingerprint(0x0b)) + `, db: ` + listOf(fingerprint(0x0b)) +
			`, dbx: {hashes: ` + listOf(fingerprint(0x0d)) + `, certificates: ` + listOf(fingerprint(0x0c)) + `}}
    events: {app-id: ["01"]}
`
	}
	refer := "{reference: release}"
	policy := leftWith("images: "+refer, "kernels: ["+refer+"]", "command_lines: "+refer, "grub_commands: "+refer, "measurements: "+refer, "initrds: "+refer, "sbat_levels: "+refer,
		"secure_boot: {pk: "+refer+", kek: "+refer+", db: "+refer+", dbx: {hashes: "+refer+", certificates: "+refer+"}}",
		"events: [{name: app-id, payloads: "+refer+"}]")
	claims := booted(grubBoot)()
	d := evaluate(load(t, values("release", "2027-01-31T00:00:00Z", ""), policy), claims)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootImages)
	if got := d.ValidUntil.Format(time.RFC3339); got != "2027-01-31T00:00:00Z" {
		t.Errorf("valid until %s", got)
	}
	expired := evaluate(load(t, values("release", "2026-11-21T00:00:00Z", ""), policy), claims)
	wantVerdict(t, expired, policies.Rejected, evidence.CodePolicyReferenceExpired)
	if check, _ := expired.Checks.Get(evidence.CodePolicyReferenceExpired); check.Got != fingerprint(0x0a).String()+", a value of release, which expired at 2026-11-21T00:00:00Z" {
		t.Errorf("check %s", check)
	}
	literal := load(t, values("release", "2027-01-31T00:00:00Z", "known_bad: [a flaw]\n"), leftWith(grubLists...))
	bad := evaluate(literal, claims)
	wantVerdict(t, bad, policies.Rejected, evidence.CodePolicyReferenceKnownBad)
	if check, _ := bad.Checks.Get(evidence.CodePolicyReferenceKnownBad); check.Got != digest(0x61).String()+", which release knows to be bad: a flaw" {
		t.Errorf("check %s", check)
	}
	uki := bootWith("uki: {.linux: "+refer+", .initrd: "+listOf(digest(0x82))+", .cmdline: "+listOf(digest(0x83))+"}", "initrds: "+refer, "load_options: "+refer)
	wantVerdict(t, evaluate(load(t, values("release", "2027-01-31T00:00:00Z", ""), uki), booted(ukiBoot)()), policies.Accepted, evidence.CodePolicyBootUKI)
}

// An event whose payload may be any, is a relaxation.
func TestBootEventOfAnyPayload(t *testing.T) {
	set := load(t, bootWith("events: [{name: app-id, payloads: any}]"))
	d := evaluate(set, booted(grubBoot)())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootEvent)
	if !slices.Contains(d.Relaxed, "tdx.boot.event.app-id.any") {
		t.Errorf("relaxed %v", d.Relaxed)
	}
}

// A policy that does not ask for a log is content without one, whatever it says.
func TestBootIsNotAsked(t *testing.T) {
	for _, good := range []func() evidence.Claims{goodTDX, booted(grubBoot), booted(func() *evidence.BootClaims { return &evidence.BootClaims{} })} {
		d := evaluate(load(t, tdxWith()), good())
		wantVerdict(t, d, policies.Accepted, evidence.CodePolicyTDXRTMR1)
		if _, ok := d.Checks.Get(evidence.CodePolicyBootLog); ok {
			t.Errorf("checks:\n%s", list(d.Checks))
		}
	}
}

func TestRulesOfBoot(t *testing.T) {
	absent := booted(grubBoot)()
	absent.TDX.Boot.Images, absent.TDX.Boot.SecureBoot.DB.Certificates = nil, nil
	for _, c := range []struct {
		rule   string
		claims evidence.Claims
		holds  bool
	}{
		{`tdx.boot.secure_boot.enabled && !tdx.boot.secure_boot.setup_mode`, booted(grubBoot)(), true},
		{`has(tdx.boot)`, goodTDX(), false},
		{`tdx.boot.format == "ccel"`, goodTDX(), false},
		{`tdx.boot.registers[2].status == "reproduced" && tdx.boot.registers[2].events == 5`, booted(grubBoot)(), true},
		{`tdx.boot.registers[4].status != "reproduced"`, booted(grubBoot)(), false}, // nothing is known of it
		{`tdx.boot.images.all(i, i.digest in ["` + digest(0x61).String() + `", "` + digest(0x62).String() + `"])`, booted(grubBoot)(), true},
		{`tdx.boot.images.all(i, i.digest == "` + digest(0x61).String() + `")`, booted(grubBoot)(), false},
		{`tdx.boot.images.all(i, i.register == 1)`, absent, false}, // of no images nothing is said
		{`size(tdx.boot.images) == 0`, absent, false},
		{`tdx.boot.secure_boot.authorities.all(a, a.variable == "db")`, booted(grubBoot)(), false},
		{`size(tdx.boot.secure_boot.db.certificates) == 0`, absent, true}, // a list that is complete
		{`"` + fingerprint(0x0e).String() + `" in tdx.boot.secure_boot.dbx.hashes`, booted(grubBoot)(), true},
		{`tdx.boot.unsettled_command_lines.all(l, l.text.contains("ro"))`, booted(grubBoot)(), true},
		{`tdx.boot.unsettled_grub_commands[0] == "` + setRoot + `"`, booted(grubBoot)(), true},
		{`tdx.boot.events.filter(e, e.name == "ready").size() == 1`, booted(grubBoot)(), true},
		{`tdx.boot.events.exists(e, e.name == "app-id" && e.payload == "01" && e.ordinal < 3)`, booted(grubBoot)(), true},
		{`tdx.boot.events.all(e, e.payload != "ff")`, booted(grubBoot)(), false}, // one has none
		{`tdx.boot.uki.sections[".linux"] == "` + digest(0x81).String() + `"`, booted(ukiBoot)(), true},
		{`".cmdline" in tdx.boot.uki.sections && !(".dtb" in tdx.boot.uki.sections)`, booted(ukiBoot)(), true},
		{`tdx.boot.uki.sections[".dtb"] != "00"`, booted(ukiBoot)(), false},
		{`tdx.boot.uki.phases == ["enter-initrd", "leave-initrd"]`, booted(ukiBoot)(), true},
		{`!has(tdx.boot.uki)`, booted(grubBoot)(), true},
		{`tdx.boot.boot_order[0] == 1`, booted(grubBoot)(), false},
		{`tdx.boot.boot_attempts == 1 && tdx.boot.exited_boot_services`, booted(grubBoot)(), true},
		{`tdx.boot.mok.list == "00"`, booted(grubBoot)(), false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			verdict := policies.Rejected
			if c.holds {
				verdict = policies.Accepted
			}
			wantVerdict(t, evaluate(load(t, withRules(tdxWith(), c.rule)), c.claims), verdict, evidence.CodePolicyRule)
		})
	}
	for _, rule := range []string{
		`tdx.boot.uki.sections[".linux"] != "ABCD"`, `!("0xaa" in tdx.boot.secure_boot.db.hashes)`, `tdx.boot.images.all(i, i.digest != "no hex")`,
		`tdx.boot.image.all(i, true)`, `tdx.boot.images.all(i, i.name == "x")`, `tdx.boot.registers["2"].status == "reproduced"`,
	} {
		if _, err := policies.Load(policies.File{Data: []byte(withRules(tdxWith(), rule))}); err == nil {
			t.Errorf("%s is a rule", rule)
		}
	}
}

// A log may have far more members than the estimate at load assumes: rules that
// loop over them end in time, with a denial.
func TestAttack_Y08_LongLogs(t *testing.T) {
	c := booted(grubBoot)()
	for i := range 20_000 {
		c.TDX.Boot.Events = append(c.TDX.Boot.Events, evidence.ApplicationEvent{Register: 3, Ordinal: uint32(i), Name: fmt.Sprint(i)})
	}
	for _, rule := range []string{
		`tdx.boot.events.all(e, e.name != "")`, `tdx.boot.events.all(e, tdx.boot.events[e.ordinal].register == 3)`,
		`[1, 2, 3].all(i, tdx.boot.events.exists(e, e.ordinal == i))`,
	} {
		d := evaluate(load(t, withRules(tdxWith(), rule)), c)
		if check, _ := d.Checks.Get(evidence.CodePolicyRule); rule[0] == 't' && check.Status != evidence.Fail {
			t.Errorf("%s: %s", rule, check)
		}
	}
}

package policies_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// bootAttack is a boot that differs from an accepted one in one respect.
type bootAttack struct {
	name   string
	policy string
	good   func() *evidence.BootClaims
	change func(*evidence.BootClaims)
	code   evidence.Code // among what must deny it
}

func runBootAttacks(t *testing.T, attacks []bootAttack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			set := load(t, a.policy)
			c := booted(a.good)()
			wantVerdict(t, evaluate(set, c), policies.Accepted, a.code)
			a.change(c.TDX.Boot)
			wantVerdict(t, evaluate(set, c), policies.Rejected, a.code)
		})
	}
}

// Where registers are left to the log, whatever was measured and is not listed denies.
func TestAttack_T29_LoggedAndUnlisted(t *testing.T) {
	grub, uki := leftWith(grubLists...), leftWith(ukiLists...)
	more := func(b *evidence.BootClaims, register int, uncovered uint32) {
		r := b.Registers[register]
		b.Registers[register] = reproduced(r.Events+1, r.Uncovered+uncovered)
	}
	runBootAttacks(t, []bootAttack{
		{"an image more", grub, grubBoot, func(b *evidence.BootClaims) {
			b.Images = append(b.Images, evidence.BootImage{Register: 1, Ordinal: 5, Digest: digest(1)})
			more(b, 1, 1)
		}, evidence.CodePolicyBootRegister},
		{"an image that the claims leave out", grub, grubBoot, func(b *evidence.BootClaims) { more(b, 1, 1) }, evidence.CodePolicyBootRegister},
		{"no images, and nothing uncovered", grub, grubBoot, func(b *evidence.BootClaims) {
			b.Images, b.Registers[1] = nil, reproduced(7, 0)
		}, evidence.CodePolicyBootRegister},
		{"another kernel", grub, grubBoot, func(b *evidence.BootClaims) { b.Measurements[2].Digest = digest(1) }, evidence.CodePolicyBootRegister},
		{"a file more", grub, grubBoot, func(b *evidence.BootClaims) {
			b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Ordinal: 5, Digest: digest(1)})
			more(b, 2, 1)
		}, evidence.CodePolicyBootRegister},
		{"a file of another register's list", grub, grubBoot, func(b *evidence.BootClaims) { b.Measurements[2].Digest = digest(0x61) }, evidence.CodePolicyBootRegister},
		{"a command line more", grub, grubBoot, func(b *evidence.BootClaims) {
			b.UnsettledCommandLines = append(b.UnsettledCommandLines, evidence.CommandLine{Source: "efi", Register: 2, Ordinal: 5, Text: "init=/bin/sh"})
			more(b, 2, 0)
		}, evidence.CodePolicyBootCommandLine},
		{"a command line under another type", grub, grubBoot, func(b *evidence.BootClaims) { more(b, 2, 0) }, evidence.CodePolicyBootRegister},
		{"a command more", grub, grubBoot, func(b *evidence.BootClaims) {
			b.UnsettledGRUBCommands = append(b.UnsettledGRUBCommands, "acpi /evil.aml")
			more(b, 2, 0)
		}, evidence.CodePolicyBootGRUB},
		{"commands withheld", grub, grubBoot, func(b *evidence.BootClaims) { b.UnsettledGRUBCommands = nil }, evidence.CodePolicyBootRegister},
		{"an image of many parts beside GRUB", grub, grubBoot, func(b *evidence.BootClaims) { b.UKI = ukiBoot().UKI }, evidence.CodePolicyBootRegister},
		{"an application's event among them", grub, grubBoot, func(b *evidence.BootClaims) {
			b.Events = append(b.Events, evidence.ApplicationEvent{Register: 2, Ordinal: 5, Name: "anything"})
			more(b, 2, 0)
		}, evidence.CodePolicyBootRegister},
		{"a section more", uki, ukiBoot, func(b *evidence.BootClaims) {
			b.UKI.Sections[".dtb"] = digest(0x81)
			b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Ordinal: 9, Digest: digest(0x81)})
			more(b, 2, 1)
			more(b, 2, 0)
		}, evidence.CodePolicyBootUKI},
		{"sections exchanged", uki, ukiBoot, func(b *evidence.BootClaims) {
			b.UKI.Sections[".linux"], b.UKI.Sections[".initrd"] = b.UKI.Sections[".initrd"], b.UKI.Sections[".linux"]
		}, evidence.CodePolicyBootUKI},
		{"another RAM disk", uki, ukiBoot, func(b *evidence.BootClaims) { b.Initrd = digest(0x84) }, evidence.CodePolicyBootInitrd},
		{"another command line of the stub", uki, ukiBoot, func(b *evidence.BootClaims) { b.LoadOptions = digest(0x82) }, evidence.CodePolicyBootLoadOptions},
		{"a command line beside the image's", uki, ukiBoot, func(b *evidence.BootClaims) {
			b.UnsettledCommandLines = []evidence.CommandLine{{Source: "efi", Register: 2, Ordinal: 9, Text: "init=/bin/sh"}}
			more(b, 2, 0)
		}, evidence.CodePolicyBootRegister},
		{"a phase more", uki, ukiBoot, func(b *evidence.BootClaims) { b.UKI.Phases = append(b.UKI.Phases, "sysinit"); more(b, 2, 0) }, evidence.CodePolicyBootPhases},
		{"phases that nobody asks for", leftWith(slices.Delete(slices.Clone(ukiLists), 2, 3)...), func() *evidence.BootClaims {
			b := ukiBoot()
			b.UKI.Phases, b.Registers[2] = nil, reproduced(8, 5)
			return b
		}, func(b *evidence.BootClaims) { b.UKI.Phases = []string{"enter-initrd"}; more(b, 2, 0) }, evidence.CodePolicyBootRegister},
	})
}

// Texts that their register does not settle count only if all of it is listed.
func TestAttack_T29_UnsettledTexts(t *testing.T) {
	runBootAttacks(t, []bootAttack{
		{"command line", bootWith(grubLists[1:]...), grubBoot, func(b *evidence.BootClaims) { b.Measurements[1].Digest = digest(1) }, evidence.CodePolicyBootCommandLine},
		{"commands", bootWith(grubLists[1:]...), grubBoot, func(b *evidence.BootClaims) { b.Registers[2] = reproduced(6, 2) }, evidence.CodePolicyBootGRUB},
	})
	for _, lines := range [][]string{grubLists[1:2], grubLists[1:3], grubLists[3:4]} {
		d := evaluate(load(t, bootWith(lines...)), booted(grubBoot)())
		if d.Verdict != policies.Rejected {
			t.Errorf("%q: %s", lines, d.Verdict)
		}
	}
}

// Where boot loaders measured beside the kernel's stub, what it ran with is among
// what was measured, and nothing else is.
func TestAttack_T29_UnsettledStub(t *testing.T) {
	lists := append(slices.Clone(ukiLists[4:]), grubLists[0], grubLists[2])
	last := func(back int) func(b *evidence.BootClaims) *evidence.BootMeasurement {
		return func(b *evidence.BootClaims) *evidence.BootMeasurement {
			return &b.Measurements[len(b.Measurements)-back]
		}
	}
	options, initrd := last(2), last(1)
	for name, policy := range map[string]string{"left": leftWith(lists...), "pinned": bootWith(lists...)} {
		runBootAttacks(t, []bootAttack{
			{name + ": another command line", policy, stubBoot, func(b *evidence.BootClaims) { options(b).Digest = digest(1) }, evidence.CodePolicyBootLoadOptions},
			{name + ": another RAM disk", policy, stubBoot, func(b *evidence.BootClaims) { initrd(b).Digest = digest(1) }, evidence.CodePolicyBootInitrd},
			{name + ": no RAM disk", policy, stubBoot, func(b *evidence.BootClaims) {
				b.Measurements, b.Registers[2] = b.Measurements[:len(b.Measurements)-1], reproduced(3, 3)
			}, evidence.CodePolicyBootInitrd},
			{name + ": both, beside the good ones", policy, stubBoot, func(b *evidence.BootClaims) {
				b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Digest: digest(1)}, evidence.BootMeasurement{Register: 2, Digest: digest(2)})
				b.Registers[2] = reproduced(6, 6)
			}, evidence.CodePolicyBootLoadOptions},
			{name + ": the good ones in another register", policy, stubBoot, func(b *evidence.BootClaims) { options(b).Register, initrd(b).Register = 0, 0 }, evidence.CodePolicyBootLoadOptions},
		})
	}
}

// A RAM disk of GRUB's must have been read, and by the one kernel that GRUB loaded:
// without it, or behind the next kernel, the machine starts what the host has on its
// disk, by a command line that is listed.
func TestAttack_T29_NoRAMDisk(t *testing.T) {
	again := func(b *evidence.BootClaims) *evidence.CommandLine {
		b.UnsettledCommandLines = append(b.UnsettledCommandLines, b.UnsettledCommandLines[0])
		b.Registers[2] = reproduced(6, 2)
		return &b.UnsettledCommandLines[1]
	}
	policy := leftWith(grubLists...)
	runBootAttacks(t, []bootAttack{
		{"not read", policy, grubBoot, func(b *evidence.BootClaims) {
			b.Measurements, b.Registers[2] = b.Measurements[:2], reproduced(4, 1)
		}, evidence.CodePolicyBootInitrd},
		{"not read, the kernel twice", policy, grubBoot, func(b *evidence.BootClaims) { b.Measurements[2].Digest = b.Measurements[1].Digest }, evidence.CodePolicyBootInitrd},
		{"forgotten", policy, grubBoot, func(b *evidence.BootClaims) { again(b).Ordinal = 5 }, evidence.CodePolicyBootInitrd},
		{"forgotten for another kernel", replace(policy, `command_lines: [`, `command_lines: ["/old", `), grubBoot, func(b *evidence.BootClaims) { again(b).Text = "/old" }, evidence.CodePolicyBootInitrd},
	})
}

// A kernel that needs no RAM disk is said to need none, and then has none that is not listed.
func TestAttack_T29_NoneIsNamed(t *testing.T) {
	lists := append(slices.Clone(grubLists[:2]), "measurements: "+listOf(digest(0x71)), grubLists[3], "initrds: none")
	without := func() *evidence.BootClaims {
		b := grubBoot()
		b.Measurements, b.Registers[2] = b.Measurements[:2], reproduced(4, 1)
		return b
	}
	runBootAttacks(t, []bootAttack{{"one all the same", leftWith(lists...), without, func(b *evidence.BootClaims) {
		b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Ordinal: 3, Digest: digest(0x72)})
		b.Registers[2] = reproduced(5, 2)
	}, evidence.CodePolicyBootRegister}})
	d := evaluate(load(t, leftWith(lists...)), booted(without)())
	if !slices.Contains(d.Relaxed, "tdx.boot.initrds.none") {
		t.Errorf("relaxed %q", d.Relaxed)
	}
}

// Behind a unified kernel image only labels tell its own events from those of its
// kernel's stub: a command line from outside, which the image's stub measures, can be
// logged as load options.
func TestAttack_T29_OptionsBehindImage(t *testing.T) {
	policy := replace(bootWith(ukiLists[3:]...), `rtmr2: ["`+m32+`"]`, "rtmr2: any")
	alone := replace(bootWith(ukiLists[3:4]...), `rtmr2: ["`+m32+`"]`, "rtmr2: any")
	other := func(b *evidence.BootClaims) { b.LoadOptions, b.Measurements[3].Digest = digest(1), digest(1) }
	runBootAttacks(t, []bootAttack{
		{"others", policy, ukiBoot, other, evidence.CodePolicyBootUKI},
		{"and its RAM disk", policy, ukiBoot, func(b *evidence.BootClaims) { b.Initrd, b.Measurements[4].Digest = digest(1), digest(1) }, evidence.CodePolicyBootUKI},
	})
	if d := evaluate(load(t, alone), booted(ukiBoot)()); d.Verdict != policies.Rejected {
		t.Errorf("load options that nobody listed: %s", d.Verdict)
	}
}

// Whatever is measured into a register that is left to the log, as whatever it is
// logged, in place of something or beside it: it denies unless it is listed.
func TestAttack_T29_NothingUnlistedPasses(t *testing.T) {
	sets := map[*policies.Set]func() *evidence.BootClaims{load(t, leftWith(grubLists...)): grubBoot, load(t, leftWith(ukiLists...)): ukiBoot}
	for set, good := range sets {
		rapid.Check(t, func(t *rapid.T) {
			b := good()
			n := rapid.IntRange(1, 2).Draw(t, "register")
			r := b.Registers[n]
			r.Events++ // what no log can hide: the register would not be reproduced
			ordinal := r.Events
			as := rapid.SampledFrom([]string{"image", "measurement", "line", "settled line", "command", "event", "section", "phase", "text", "digest"}).Draw(t, "as")
			switch {
			case as == "image":
				b.Images, r.Uncovered = append(b.Images, evidence.BootImage{Register: uint32(n), Ordinal: ordinal, Digest: digest(0x99)}), r.Uncovered+1
			case as == "measurement":
				b.Measurements, r.Uncovered = append(b.Measurements, evidence.BootMeasurement{Register: uint32(n), Ordinal: ordinal, Digest: digest(0x99)}), r.Uncovered+1
			case as == "line":
				b.UnsettledCommandLines = append(b.UnsettledCommandLines, evidence.CommandLine{Source: "grub", Register: uint32(n), Ordinal: ordinal, Text: "/evil"})
			case as == "settled line":
				b.CommandLines = append(b.CommandLines, evidence.CommandLine{Source: "efi", Register: uint32(n), Ordinal: ordinal, Text: "evil"})
			case as == "command":
				b.UnsettledGRUBCommands = append(b.UnsettledGRUBCommands, "evil")
			case as == "event":
				b.Events = append(b.Events, evidence.ApplicationEvent{Register: uint32(n), Ordinal: ordinal, Name: "evil"})
			case as == "section" && b.UKI != nil:
				b.UKI.Sections[".dtb"] = digest(0x99)
			case as == "phase" && b.UKI != nil:
				b.UKI.Phases = append(b.UKI.Phases, "ready")
			case as == "text" && n == 2: // the claims leave out what it says
			default: // in RTMR1 every text is of a form that no image has, or there are no images
				r.Uncovered++
			}
			b.Registers[n] = r
			if d := evaluate(set, booted(func() *evidence.BootClaims { return b })()); d.Verdict != policies.Rejected {
				t.Fatalf("%s: %+v\n%s", d.Verdict, b, list(d.Checks))
			}
		})
	}
}

// A policy that relies on the log says for each register what it may hold.
func TestAttack_T30_LeftOpen(t *testing.T) {
	without := func(lists []string, key string) []string {
		return slices.DeleteFunc(slices.Clone(lists), func(line string) bool { return strings.HasPrefix(line, key+":") })
	}
	left := replace(bootWith(grubLists...), `["`+m31+`"]`, "boot")
	for name, c := range map[string]struct{ policy, problem string }{
		"no boot":                    {replace(tdxWith(), `["`+m31+`"]`, "boot"), "so boot must say what it may hold"},
		"RTMR0":                      {replace(left, `["`+m30+`"]`, "boot"), "rtmr0 cannot be left to the event log"},
		"MRTD":                       {replace(left, `["`+m22+`"]`, "boot"), "mrtd cannot be left to the event log"},
		"images":                     {leftWith(without(grubLists, "images")...), "which images may be loaded"},
		"command line":               {leftWith(without(grubLists[:4], "command_lines")...), "the kernel's command line"},
		"RAM disk":                   {leftWith(without(grubLists, "initrds")...), "the initial RAM disk"},
		"RAM disk by name":           {replace(leftWith(grubLists...), "/vmlinuz root=/dev/vda1 ro\"]\n", "/vmlinuz root=/dev/vda1 initrd=\\\\initrd.img\"]\n"), "that a command line names"},
		"RAM disk beside options":    {leftWith(grubLists[0], ukiLists[4], grubLists[2]), "the initial RAM disk"},
		"RAM disk without options":   {bootWith(ukiLists[5]), "leaves open the command line"},
		"events":                     {replace(leftWith(grubLists...), "rtmr3: any", "rtmr3: boot"), "which events it holds"},
		"events of another register": {replace(leftWith(append(slices.Clone(grubLists), `events: [{name: a, payloads: ["01"], register: 2}]`)...), "rtmr3: any", "rtmr3: boot"), "which events it holds"},
		"any image":                  {replace(replace(bootWith(grubLists...), `["`+m31+`"]`, "any"), `["`+m32+`"]`, "boot"), "rtmr1: any accepts software that can measure into RTMR2"},
		"any image, values":          {replace(bootWith(grubLists[1]), `["`+m31+`"]`, "any"), "rtmr1: any accepts software that can measure into RTMR2"},
		"any image, events":          {replace(bootWith(events...), `["`+m31+`"]`, "any"), "rtmr1: any accepts software that can measure into RTMR3"},
		"any kernel, events":         {replace(bootWith(events...), `["`+m32+`"]`, "any"), "rtmr2: any accepts software that can measure into RTMR3"},
	} {
		if text := loadErr(t, c.policy); !strings.Contains(text, c.problem) || strings.Count(text, "\n") > 0 {
			t.Errorf("%s: %s", name, text)
		}
	}
	for _, lists := range [][]string{grubLists, ukiLists, append(slices.Clone(grubLists[:4]), ukiLists[4:]...)} {
		load(t, leftWith(lists...))
	}
	load(t, replace(bootWith("secure_boot: required", "images: "+listOf(digest(1))), `["`+m32+`"]`, "any"))
}

// Without a log, or without a register that the log accounts for, nothing that it
// would have to say is taken for granted.
func TestAttack_T31_NoLog(t *testing.T) {
	for _, lines := range [][]string{
		{"secure_boot: required"}, {grubLists[0]}, {ukiLists[1]}, grubLists[1:], ukiLists[2:3], ukiLists[3:], ukiLists[4:], {"exited_boot_services: required"}, {"maximum_boot_attempts: 9"}, events,
		{`sbat_levels: ["sbat,1,2024010900\nshim,4\n"]`},
	} {
		good := booted(grubBoot)
		if strings.HasPrefix(lines[0], "uki") || strings.HasPrefix(lines[0], "phases") || strings.HasPrefix(lines[0], "load_options") {
			good = booted(ukiBoot)
		}
		set := load(t, bootWith(lines...))
		wantVerdict(t, evaluate(set, good()), policies.Accepted, evidence.CodePolicyBootLog)
		wantVerdict(t, evaluate(set, goodTDX()), policies.Rejected, evidence.CodePolicyBootLog)
		c := good()
		c.TDX.Boot = &evidence.BootClaims{}
		if d := evaluate(set, c); d.Verdict != policies.Rejected {
			t.Errorf("%q without claims: %s", lines, d.Verdict)
		}
		for _, status := range []string{"unlogged", "mismatched", "resettable", "unquoted", "untouched", "", "Reproduced"} {
			c := good()
			for n, register := range c.TDX.Boot.Registers {
				register.Status = status
				c.TDX.Boot.Registers[n] = register
			}
			d := evaluate(set, c)
			told := slices.ContainsFunc(d.Checks.Failed(), func(check evidence.Check) bool {
				return strings.HasPrefix(check.Got, "RTMR") && strings.Contains(check.Got, " is "+status)
			})
			if d.Verdict != policies.Rejected || status != "Reproduced" && !told {
				t.Errorf("%q of %q registers: %s\n%s", lines, status, d.Verdict, list(d.Checks.Failed()))
			}
		}
	}
}

// What is said to have been measured before the launch ended was measured once,
// before the one event that ended it.
func TestAttack_T35_LaunchBoundary(t *testing.T) {
	policy := bootWith(events...)
	closed := replace(leftWith(slices.Concat(grubLists, events)...), "rtmr3: any", "rtmr3: boot")
	add := func(name string, payload byte) func(*evidence.BootClaims) {
		return func(b *evidence.BootClaims) {
			e := evidence.ApplicationEvent{Register: 3, Ordinal: uint32(len(b.Events)), Name: name, Payload: evidence.Hex{payload}}
			b.Events, b.Registers[3] = append(b.Events, e), reproduced(uint32(len(b.Events)+1), 0)
		}
	}
	both := func(name string, change func(*evidence.BootClaims)) []bootAttack {
		return []bootAttack{{name, policy, grubBoot, change, evidence.CodePolicyBootEvent}, {name + ", nothing unlisted", closed, grubBoot, change, evidence.CodePolicyBootEvent}}
	}
	runBootAttacks(t, slices.Concat(
		both("the same event again, after the end", add("app-id", 1)),
		both("a repeated event after the end", add("pull", 2)),
		both("a second end", func(b *evidence.BootClaims) { add("ready", 0)(b); b.Events[4].Payload = evidence.Hex{} }),
		both("no end", func(b *evidence.BootClaims) { b.Events = b.Events[:3]; b.Registers[3] = reproduced(3, 0) }),
		both("the end first", func(b *evidence.BootClaims) {
			for i, ordinal := range []uint32{1, 2, 3, 0} {
				b.Events[i].Ordinal = ordinal
			}
		}),
		both("an end in another register", func(b *evidence.BootClaims) { b.Events[3].Register = 2 }),
		both("another payload", func(b *evidence.BootClaims) { b.Events[0].Payload = evidence.Hex{1, 1} }),
		both("another payload of one of many", func(b *evidence.BootClaims) { b.Events[2].Payload = evidence.Hex{9} }),
		both("an end that says something", func(b *evidence.BootClaims) { b.Events[3].Payload = evidence.Hex{0} }),
		[]bootAttack{
			{"an unlisted event", closed, grubBoot, add("gpu", 1), evidence.CodePolicyBootRegister},
			{"an event that the claims leave out", closed, grubBoot, func(b *evidence.BootClaims) { b.Registers[3] = reproduced(5, 0) }, evidence.CodePolicyBootRegister},
			{"a digest that nothing covers", closed, grubBoot, func(b *evidence.BootClaims) { b.Registers[3] = reproduced(5, 1) }, evidence.CodePolicyBootRegister},
		},
	))
	c := booted(grubBoot)()
	add("gpu", 1)(c.TDX.Boot)
	wantVerdict(t, evaluate(load(t, policy), c), policies.Accepted, evidence.CodePolicyBootEvent)
}

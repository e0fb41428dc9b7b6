package policies_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func runTPMBootAttacks(t *testing.T, attacks []bootAttack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			set := load(t, a.policy)
			c := bootedTPM(a.good)()
			wantVerdict(t, evaluate(set, c), policies.Accepted, a.code)
			a.change(c.TPM.Boot)
			wantVerdict(t, evaluate(set, c), policies.Rejected, a.code)
		})
	}
}

// grubLeft is a policy that leaves all of tpmGRUB to the log.
func grubLeft() string {
	lists := slices.Clone(tpmGRUBLists)
	lists[3] = "measurements: " + listOf(fingerprint(0x71), fingerprint(0x63), fingerprint(0x91), fingerprint(0x92))
	return tpmLeft(lists...)
}

// Data that no digest covers says nothing: what has only a digest must be listed by it.
func TestAttack_P25_UncoveredEvents(t *testing.T) {
	grub := grubLeft()
	more := func(b *evidence.BootClaims, register int, uncovered uint32) {
		r := b.Registers[register]
		b.Registers[register] = reproduced(r.Events+1, r.Uncovered+uncovered)
	}
	runTPMBootAttacks(t, []bootAttack{
		{"another file in PCR 9", grub, tpmGRUB, func(b *evidence.BootClaims) {
			b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 9, Ordinal: 3, Digest: fingerprint(1)})
			more(b, 9, 1)
		}, evidence.CodePolicyBootRegister},
		{"an event in PCR 9 that the claims leave out", grub, tpmGRUB, func(b *evidence.BootClaims) { more(b, 9, 0) }, evidence.CodePolicyBootRegister},
		{"an event in PCR 8 that the claims leave out", grub, tpmGRUB, func(b *evidence.BootClaims) { more(b, 8, 0) }, evidence.CodePolicyBootRegister},
		{"an event in PCR 4 that the claims leave out", grub, tpmGRUB, func(b *evidence.BootClaims) { more(b, 4, 1) }, evidence.CodePolicyBootRegister},
		{"a driver", grub, tpmGRUB, func(b *evidence.BootClaims) {
			b.Images = append(b.Images, evidence.BootImage{Register: 2, Digest: fingerprint(1)})
			more(b, 2, 1)
		}, evidence.CodePolicyBootRegister},
		{"a key list in PCR 14", grub, tpmGRUB, func(b *evidence.BootClaims) { b.Measurements[4].Digest = fingerprint(1) }, evidence.CodePolicyBootRegister},
		{"an extension in PCR 13", grub, tpmGRUB, func(b *evidence.BootClaims) {
			b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 13, Digest: fingerprint(1)})
			b.Registers[13] = reproduced(1, 1)
		}, evidence.CodePolicyBootRegister},
	})
}

// P26: without its events, a register is not reproduced and proves nothing.
func TestAttack_P26_EventsStripped(t *testing.T) {
	grub, uki, loader := grubLeft(), tpmLeft(tpmUKILists...), tpmLeft(tpmLoaderLists...)
	for _, c := range []struct {
		name, policy string
		good         func() *evidence.BootClaims
		registers    []int
	}{
		{"grub", grub, tpmGRUB, []int{2, 4, 8, 9, 12, 13, 14}}, {"image", uki, tpmUKI, []int{2, 4, 9, 11, 12, 13}}, {"loader", loader, tpmLoader, []int{4, 9, 12}},
		{"secure boot", tpmBoot("secure_boot: required"), tpmGRUB, []int{7}}, {"exit", tpmBoot("exited_boot_services: required"), tpmGRUB, []int{5}},
		{"attempts", tpmBoot("maximum_boot_attempts: 1"), tpmGRUB, []int{4}}, {"mok", tpmBoot("mok: {list: " + listOf(fingerprint(0x91)) + "}"), tpmGRUB, []int{14}},
		{"command line", tpmBoot(tpmGRUBLists[2], tpmGRUBLists[4]), tpmGRUB, []int{8, 12}}, {"command line of a loader", tpmBoot(tpmLoaderLists[1]), tpmLoader, []int{8, 12}},
		{"RAM disk", tpmBoot(tpmLoaderLists[2], tpmLoaderLists[3]), tpmLoader, []int{9}}, {"image alone", replace(uki, "14: boot", "14: any"), tpmUKI, []int{11}},
		{"RAM disk that GRUB read", tpmBoot(tpmGRUBLists[2:]...), tpmGRUB, []int{8, 9}},
	} {
		set := load(t, c.policy)
		wantVerdict(t, evaluate(set, bootedTPM(c.good)()), policies.Accepted, evidence.Code{})
		for _, register := range c.registers {
			states := []string{"unlogged", "mismatched", "resettable", "unquoted", ""}
			if register < 8 { // into which firmware always measures
				states = append(states, "untouched")
			}
			for _, status := range states {
				claims := bootedTPM(c.good)()
				claims.TPM.Boot.Registers[register] = evidence.BootRegister{Status: status, Events: claims.TPM.Boot.Registers[register].Events}
				if d := evaluate(set, claims); d.Verdict != policies.Rejected {
					t.Errorf("%s: accepted with PCR %d %s", c.name, register, status)
				}
			}
		}
	}
}

// P28, P29: a call of boot options that returned, and an exit that did not happen.
func TestAttack_P28_AnotherBootOption(t *testing.T) {
	policy := tpmBoot("maximum_boot_attempts: 1", "exited_boot_services: required")
	runTPMBootAttacks(t, []bootAttack{
		{"two attempts", policy, tpmGRUB, func(b *evidence.BootClaims) { b.BootAttempts = ptr(uint32(2)) }, evidence.CodePolicyBootAttempts},
		{"none that counts", policy, tpmGRUB, func(b *evidence.BootClaims) { b.BootAttempts = nil }, evidence.CodePolicyBootAttempts},
		{"P29: no exit", policy, tpmGRUB, func(b *evidence.BootClaims) { b.ExitedBootServices = nil }, evidence.CodePolicyBootExit},
	})
}

// P30: secure boot with keys of somebody else's.
func TestAttack_P30_OtherKeys(t *testing.T) {
	policy := tpmBoot("secure_boot: {db: "+listOf(fingerprint(0x0b))+", dbx: {hashes: "+listOf(fingerprint(0x0d))+"}}", "mok: {list: "+listOf(fingerprint(0x91))+"}")
	runTPMBootAttacks(t, []bootAttack{
		{"a hash that a header brought along", policy, tpmGRUB, func(b *evidence.BootClaims) { b.SecureBoot.DB.Hashes = []evidence.Hex{fingerprint(1)} }, evidence.CodePolicyBootDB},
		{"a revocation less", policy, tpmGRUB, func(b *evidence.BootClaims) { b.SecureBoot.DBX = database() }, evidence.CodePolicyBootDBX},
		{"no variable", policy, tpmGRUB, func(b *evidence.BootClaims) { b.SecureBoot.Enabled = nil }, evidence.CodePolicyBootSecureBoot},
		{"a machine owner's key", policy, tpmGRUB, func(b *evidence.BootClaims) { b.Mok.List = fingerprint(1) }, evidence.CodePolicyBootMok},
	})
}

// P30: shim, told to verify nothing of what it loads. Its lists are as they were, and
// what it was told passes for the one of them that the policy does not ask for.
func TestAttack_P30_ShimThatVerifiesNothing(t *testing.T) {
	policy := tpmBoot("secure_boot: {db: "+listOf(fingerprint(0x0b))+"}", "mok: {list: "+listOf(fingerprint(0x91))+", list_x: "+listOf(fingerprint(0x92))+"}")
	runTPMBootAttacks(t, []bootAttack{
		{"told", policy, tpmGRUB, func(b *evidence.BootClaims) {
			b.ShimInsecure = ptr(true)
			b.Mok.Trusted = fingerprint(1)
		}, evidence.CodePolicyBootSecureBoot},
		{"perhaps told", policy, tpmGRUB, func(b *evidence.BootClaims) { b.ShimInsecure = nil }, evidence.CodePolicyBootSecureBoot},
	})
}

// P34: a command line that is not listed, where and however it was measured.
func TestAttack_P34_CommandLines(t *testing.T) {
	more := func(source string, register uint32, text string) func(*evidence.BootClaims) {
		return func(b *evidence.BootClaims) {
			b.CommandLines = append(b.CommandLines, evidence.CommandLine{Source: source, Register: register, Ordinal: 9, Text: text})
			b.Registers[int(register)] = reproduced(b.Registers[int(register)].Events+1, 0)
		}
	}
	policy := tpmBoot(tpmGRUBLists[2], tpmGRUBLists[4])
	runTPMBootAttacks(t, []bootAttack{
		{"one more by GRUB", policy, tpmGRUB, more("grub", 8, "/vmlinuz init=/bin/sh"), evidence.CodePolicyBootCommandLine},
		{"one more by a stub", policy, tpmGRUB, more("efi", 12, line+"\n"), evidence.CodePolicyBootCommandLine},
		{"twice an option", policy, tpmGRUB, func(b *evidence.BootClaims) { b.CommandLines[0].Text = line + " ro" }, evidence.CodePolicyBootCommandLine},
		{"unsettled beside what is not listed", policy, tpmGRUB, func(b *evidence.BootClaims) {
			b.UnsettledCommandLines, b.CommandLines = b.CommandLines, nil
			b.UnsettledGRUBCommands, b.GRUBCommands = append(b.GRUBCommands, "insmod evil"), nil
		}, evidence.CodePolicyBootCommandLine},
		{"beside an image", tpmLeft(tpmUKILists...), tpmUKI, more("efi", 12, "init=/bin/sh"), evidence.CodePolicyBootRegister},
	})
}

// pcrsPinned leaves PCR 4 open, and has values of another.
func pcrsPinned(n int) string {
	return head + fmt.Sprintf("  - tpm:\n      pcrs: {sha256: {0: any, %d: [\"%s\"], 12: any, 13: any}}\n", n, p50)
}

// P34: firmware starts the kernel itself, which is listed as all that is loaded, with another command
// line and RAM disk. What it runs then extends PCRs 8, 11 and 12 as the loader would have that never ran.
func TestAttack_P34_KernelWithoutItsLoader(t *testing.T) {
	image, loader := slices.Clone(tpmUKILists[:3]), slices.Clone(tpmLoaderLists[:2])
	for name, policy := range map[string]string{
		"image":              tpmLeft(image...),
		"loader":             tpmLeft(append(loader, "initrds: "+listOf(fingerprint(0x82)))...),
		"keys of anybody's":  tpmLeft(append(image, "secure_boot: required")...),
		"RAM disk left open": tpmLeft(append(image, tpmUKILists[3])...),
		"only its RAM disk":  tpmLeft(append(image, tpmUKILists[4])...),
	} {
		t.Run(name, func(t *testing.T) { wantUnsafe(t, policy) })
	}
	images := []string{"images: " + listOf(fingerprint(0x61))}
	wantUnsafe(t, with(pcrsPinned(11), below(images))+"      ima: {"+imaListed+"}\n")
	wantUnsafe(t, with(pcrsPinned(11), below(append(images, tpmEvents...))))
	direct := func(b *evidence.BootClaims) { // the log of such a boot, as the machine forges it
		b.Images = b.Images[1:]
		b.Registers[4] = reproduced(3, 1)
		b.LoadOptions, b.Measurements[0].Digest = fingerprint(1), fingerprint(1)
	}
	runTPMBootAttacks(t, []bootAttack{{"what the kernel measures", tpmLeft(tpmUKILists...), tpmUKI, direct, evidence.CodePolicyBootLoadOptions}})
	load(t, tpmLeft(append(slices.Clone(image), "secure_boot: {db: "+listOf(fingerprint(0x0b))+"}")...))
	load(t, tpmBoot(loader...))
}

// P34: GRUB measures the command line of a kernel that it has from the network, where no path
// needs a slash, as it measures a command; and a command that is none, before it finds that out.
func TestAttack_P34_CommandLineLikeACommand(t *testing.T) {
	wantUnsafe(t, tpmBoot(tpmGRUBLists[2]))
	runTPMBootAttacks(t, []bootAttack{{"from the network", tpmBoot(tpmGRUBLists[2], tpmGRUBLists[4]), tpmGRUB, func(b *evidence.BootClaims) {
		b.GRUBCommands = append(b.GRUBCommands, "linux vmlinuz init=/bin/sh", "vmlinuz init=/bin/sh")
		b.Registers[8] = reproduced(5, 0)
	}, evidence.CodePolicyBootGRUB}})
	load(t, with(pcrsOf(`8: ["`+hexOf(0x58, 32)+`"]`), below([]string{tpmGRUBLists[2]})))
	wantVerdict(t, evaluate(load(t, tpmBoot(tpmLoaderLists[1])), bootedTPM(tpmLoader)()), policies.Accepted, evidence.CodePolicyBootCommandLine)
}

// T29: an initial RAM disk that nobody loaded, and one that GRUB forgot.
func TestAttack_P34_NoRAMDisk(t *testing.T) {
	nothing := evidence.Hex{
		0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
		0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
	}
	settled, read := tpmBoot(tpmLoaderLists[2:]...), tpmBoot(tpmGRUBLists[2:]...)
	second := func(b *evidence.BootClaims) {
		b.CommandLines = append(b.CommandLines, b.CommandLines[0])
		b.Registers[8] = reproduced(4, 0)
	}
	runTPMBootAttacks(t, []bootAttack{
		{"none", settled, tpmLoader, func(b *evidence.BootClaims) {
			b.Initrd = nil
			b.Measurements = b.Measurements[:1]
			b.Registers[9] = reproduced(1, 1)
		}, evidence.CodePolicyBootInitrd},
		{"an empty one", settled, tpmLoader, func(b *evidence.BootClaims) { b.Initrd = nothing }, evidence.CodePolicyBootInitrd},
		{"none in an image", tpmLeft(tpmUKILists...), tpmUKI, func(b *evidence.BootClaims) { b.UKI.Sections[".initrd"] = nothing }, evidence.CodePolicyBootUKI},
		{"a second kernel", read, tpmGRUB, second, evidence.CodePolicyBootInitrd},
		{"kernels that contradict each other", read, tpmGRUB, func(b *evidence.BootClaims) { b.CommandLines = nil }, evidence.CodePolicyBootInitrd},
		{"not read", read, tpmGRUB, func(b *evidence.BootClaims) { b.Measurements[3].Digest = fingerprint(0x71) }, evidence.CodePolicyBootInitrd},
	})
	for _, list := range []string{"initrds: " + listOf(nothing), "uki: {.initrd: " + listOf(nothing) + "}"} {
		wantUnsafe(t, tpmBoot(tpmLoaderLists[2], list))
	}
	wantUnsafe(t, bootWith("load_options: "+listOf(digest(1)), "initrds: [\"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b\"]"))
}

// Whatever else is in a register that is left to the log, and is not listed, denies.
func TestAttack_P26_UnlistedNeverAccepts(t *testing.T) {
	sets := map[string]*policies.Set{"grub": load(t, grubLeft()), "image": load(t, tpmLeft(tpmUKILists...)), "loader": load(t, tpmLeft(tpmLoaderLists...))}
	boots := map[string]func() *evidence.BootClaims{"grub": tpmGRUB, "image": tpmUKI, "loader": tpmLoader}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"grub", "image", "loader"}).Draw(t, "boot")
		c := bootedTPM(boots[name])()
		b := c.TPM.Boot
		register := rapid.SampledFrom([]int{4, 8, 9, 12, 13, 14}).Draw(t, "register")
		r := b.Registers[register]
		uncovered := rapid.Bool().Draw(t, "uncovered")
		r.Status, r.Events = evidence.RegisterReproduced, r.Events+uint32(rapid.IntRange(1, 3).Draw(t, "events"))
		if uncovered || register == 4 {
			r.Uncovered++
		}
		b.Registers[register] = r
		if rapid.Bool().Draw(t, "claimed") {
			b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: uint32(register), Ordinal: 20, Digest: fingerprint(0xee)})
		}
		if d := evaluate(sets[name], c); d.Verdict != policies.Rejected {
			t.Fatalf("%s with PCR %d as %+v: %s", name, register, r, d.Verdict)
		}
	})
}

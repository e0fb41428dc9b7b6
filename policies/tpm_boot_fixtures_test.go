package policies_test

import (
	"strings"

	"github.com/quotary/quotary/evidence"
)

func untouched() evidence.BootRegister {
	return evidence.BootRegister{Status: evidence.RegisterUntouched}
}

// tpmGRUB are the claims of a machine with a TPM that booted with shim and GRUB.
func tpmGRUB() *evidence.BootClaims {
	return &evidence.BootClaims{
		Format: "tcg2", Bank: "sha256",
		Registers: map[int]evidence.BootRegister{
			0: reproduced(4, 2), 2: reproduced(1, 0), 4: reproduced(5, 3), 5: reproduced(4, 0), 7: reproduced(9, 0), 8: reproduced(3, 0),
			9: reproduced(3, 3), 11: untouched(), 12: untouched(), 13: untouched(), 14: reproduced(2, 2), 15: reproduced(2, 0),
		},
		SecureBoot: grubBoot().SecureBoot, SbatLevel: sbat, ShimInsecure: ptr(false), BootAttempts: ptr(uint32(1)), ExitedBootServices: ptr(true),
		Images: []evidence.BootImage{
			{Register: 4, Ordinal: 2, Digest: fingerprint(0x61)}, {Register: 4, Ordinal: 3, Digest: fingerprint(0x62)}, {Register: 4, Ordinal: 4, Digest: fingerprint(0x63)},
		},
		Mok:          &evidence.MokClaims{List: fingerprint(0x91), ListX: fingerprint(0x92)},
		GRUBCommands: []string{setRoot, menuEntry},
		CommandLines: []evidence.CommandLine{{Source: "grub", Register: 8, Ordinal: 2, Text: line}},
		Measurements: []evidence.BootMeasurement{
			{Register: 0, Ordinal: 0, Digest: fingerprint(0x60)},
			{Register: 9, Ordinal: 0, Digest: fingerprint(0x71)}, {Register: 9, Ordinal: 1, Digest: fingerprint(0x63)}, {Register: 9, Ordinal: 2, Digest: fingerprint(0x72)},
			{Register: 14, Ordinal: 0, Digest: fingerprint(0x91)}, {Register: 14, Ordinal: 1, Digest: fingerprint(0x92)},
		},
		Events: []evidence.ApplicationEvent{
			{Register: 15, Ordinal: 0, Name: "app-id", Payload: evidence.Hex{1}}, {Register: 15, Ordinal: 1, Name: "ready", Payload: evidence.Hex{}},
		},
	}
}

// tpmUKI are the claims of a machine with a TPM that booted a unified kernel image
// and has gone on for two phases, which no log has.
func tpmUKI() *evidence.BootClaims {
	b := tpmGRUB()
	b.GRUBCommands, b.CommandLines, b.Mok, b.Events = nil, nil, nil, nil
	b.Images = b.Images[:2]
	b.Registers[4], b.Registers[9], b.Registers[11] = reproduced(4, 2), reproduced(2, 2), reproduced(6, 3)
	b.Registers[8], b.Registers[14], b.Registers[15] = untouched(), untouched(), untouched()
	b.UKI = &evidence.UKIClaims{
		Sections: map[string]evidence.Hex{".linux": fingerprint(0x81), ".initrd": fingerprint(0x82), ".cmdline": fingerprint(0x83)}, Phases: []string{"enter-initrd", "leave-initrd"},
	}
	b.LoadOptions, b.Initrd = fingerprint(0x84), fingerprint(0x82)
	b.Measurements = []evidence.BootMeasurement{
		{Register: 9, Ordinal: 0, Digest: fingerprint(0x84)}, {Register: 9, Ordinal: 1, Digest: fingerprint(0x82)},
		{Register: 11, Ordinal: 1, Digest: fingerprint(0x81)}, {Register: 11, Ordinal: 3, Digest: fingerprint(0x82)}, {Register: 11, Ordinal: 5, Digest: fingerprint(0x83)},
	}
	return b
}

// tpmLoader are the claims of a machine whose boot loader (systemd-boot) starts the
// kernel by its EFI stub and measures the command line as text.
func tpmLoader() *evidence.BootClaims {
	b := tpmUKI()
	b.UKI, b.Measurements = nil, b.Measurements[:2]
	b.Registers[11], b.Registers[12] = untouched(), reproduced(1, 0)
	b.CommandLines = []evidence.CommandLine{{Source: "efi", Register: 12, Ordinal: 0, Text: loaderLine}}
	return b
}

const loaderLine = `initrd=\initrd root=/dev/vda1 ro`

func bootedTPM(boot func() *evidence.BootClaims) func() evidence.Claims {
	return func() evidence.Claims {
		c := goodTPM()
		c.TPM.Boot = boot()
		return c
	}
}

// What tpmGRUB, tpmUKI and tpmLoader boot, for a policy.
var (
	tpmGRUBLists = []string{
		"images: " + listOf(fingerprint(0x61), fingerprint(0x62)), "kernels: " + listOf(fingerprint(0x63)), `command_lines: ["` + line + `"]`,
		"measurements: " + listOf(fingerprint(0x71), fingerprint(0x63)), `grub_commands: ["` + setRoot + `", "menuentry Linux {\n\tlinux /vmlinuz root=/dev/vda1 ro\n}"]`,
		"initrds: " + listOf(fingerprint(0x72)), "secure_boot: {db: " + listOf(fingerprint(0x0b)) + "}",
	}
	tpmUKILists = []string{
		"images: " + listOf(fingerprint(0x61), fingerprint(0x62)), "phases: [enter-initrd, leave-initrd]",
		"uki: {.linux: " + listOf(fingerprint(0x81)) + ", .initrd: " + listOf(fingerprint(0x82)) + ", .cmdline: " + listOf(fingerprint(0x83)) + "}",
		"load_options: " + listOf(fingerprint(0x84)), "initrds: " + listOf(fingerprint(0x82)),
	}
	tpmLoaderLists = []string{
		"images: " + listOf(fingerprint(0x61), fingerprint(0x62)), "command_lines: ['" + loaderLine + "']",
		"load_options: " + listOf(fingerprint(0x84)), "initrds: " + listOf(fingerprint(0x82)),
	}
	tpmEvents = []string{"events:", `  - {name: app-id, payloads: ["01"], before: ready}`, `  - {name: ready, payloads: [""]}`}
)

// pcrsOf writes what a document says of PCRs 0 and 4, and of others.
func pcrsOf(more ...string) string {
	all := append([]string{`0: ["` + p50 + `"]`, `4: ["` + p54 + `"]`}, more...)
	return head + "  - tpm:\n      pcrs: {sha256: {" + strings.Join(all, ", ") + "}}\n"
}

// tpmBoot is a policy that pins PCRs 0 and 4 and asks something of the boot.
func tpmBoot(lines ...string) string { return with(pcrsOf(), below(lines)) }

// tpmLeft is a policy that leaves all to the log that can be.
func tpmLeft(lines ...string) string {
	return with(replace(pcrsOf("2: boot", "4: boot", "8: boot", "9: boot", "11: boot", "12: boot", "13: boot", "14: boot"), `, 4: ["`+p54+`"]`, ""), below(lines))
}

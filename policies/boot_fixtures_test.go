package policies_test

import (
	"strings"

	"github.com/quotary/quotary/evidence"
)

// What the tests' machines boot.
const (
	line      = "/vmlinuz root=/dev/vda1 ro"
	setRoot   = "set root=hd0,gpt2"
	menuEntry = "menuentry Linux {\n\tlinux /vmlinuz root=/dev/vda1 ro\n}"
	sbat      = "sbat,1,2024010900\nshim,4\n"
)

// digest is a digest of the RTMRs' bank, and fingerprint one of a certificate.
func digest(b byte) evidence.Hex      { return fill(b, 48) }
func fingerprint(b byte) evidence.Hex { return fill(b, 32) }

func database(certificates ...evidence.Hex) evidence.SignatureDatabase {
	return evidence.SignatureDatabase{SHA256: fingerprint(0xdb), Size: 1000, Certificates: certificates}
}

func reproduced(events, uncovered uint32) evidence.BootRegister {
	return evidence.BootRegister{Status: evidence.RegisterReproduced, Events: events, Uncovered: uncovered}
}

// grubBoot are the claims of a TD that booted with shim and GRUB, in which an
// application then measured something.
func grubBoot() *evidence.BootClaims {
	dbx := database(fingerprint(0x0c))
	dbx.Hashes = []evidence.Hex{fingerprint(0x0d), fingerprint(0x0e), fingerprint(0x0d)}
	return &evidence.BootClaims{
		Format: "ccel", Bank: "sha384",
		Registers: map[int]evidence.BootRegister{0: reproduced(16, 5), 1: reproduced(7, 2), 2: reproduced(5, 2), 3: reproduced(4, 0)},
		SecureBoot: &evidence.SecureBootClaims{
			Enabled: ptr(true), AuditMode: ptr(false),
			PK: database(fingerprint(0x0a)), KEK: database(fingerprint(0x0a), fingerprint(0x0b)), DB: database(fingerprint(0x0b)), DBX: dbx,
		},
		SbatLevel: sbat, ShimInsecure: ptr(false), BootAttempts: ptr(uint32(1)), ExitedBootServices: ptr(true),
		Images:                []evidence.BootImage{{Register: 1, Ordinal: 3, Digest: digest(0x61)}, {Register: 1, Ordinal: 4, Digest: digest(0x62)}},
		UnsettledGRUBCommands: []string{setRoot, menuEntry},
		UnsettledCommandLines: []evidence.CommandLine{{Source: "grub", Register: 2, Ordinal: 4, Text: line}},
		Measurements: []evidence.BootMeasurement{
			{Register: 0, Ordinal: 0, Digest: digest(0x60)}, {Register: 2, Ordinal: 0, Digest: digest(0x71)}, {Register: 2, Ordinal: 3, Digest: digest(0x72)},
		},
		Events: []evidence.ApplicationEvent{
			{Register: 3, Ordinal: 0, Name: "app-id", Payload: evidence.Hex{1}}, {Register: 3, Ordinal: 1, Name: "pull", Payload: evidence.Hex{2}},
			{Register: 3, Ordinal: 2, Name: "pull", Payload: evidence.Hex{3}}, {Register: 3, Ordinal: 3, Name: "ready", Payload: evidence.Hex{}},
		},
	}
}

// ukiBoot are the claims of a TD that booted a unified kernel image.
func ukiBoot() *evidence.BootClaims {
	b := grubBoot()
	b.Registers[2], b.Registers[3] = reproduced(10, 5), evidence.BootRegister{Status: evidence.RegisterUntouched}
	b.UnsettledGRUBCommands, b.UnsettledCommandLines, b.Events = nil, nil, nil
	b.UKI = &evidence.UKIClaims{
		Sections: map[string]evidence.Hex{".linux": digest(0x81), ".initrd": digest(0x82), ".cmdline": digest(0x83)}, Phases: []string{"enter-initrd", "leave-initrd"},
	}
	b.LoadOptions, b.Initrd = digest(0x84), digest(0x82)
	b.Measurements = nil
	for i, content := range []byte{0x81, 0x82, 0x83, 0x84, 0x82} {
		b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Ordinal: uint32(i), Digest: digest(content)})
	}
	return b
}

// stubBoot are the claims of a TD whose boot loader starts the kernel by its EFI
// stub, so that nothing tells which digest of RTMR2 is whose.
func stubBoot() *evidence.BootClaims {
	b := grubBoot()
	b.UnsettledGRUBCommands, b.UnsettledCommandLines, b.Registers[2] = nil, nil, reproduced(4, 4)
	for i, content := range []byte{0x84, 0x82} {
		b.Measurements = append(b.Measurements, evidence.BootMeasurement{Register: 2, Ordinal: uint32(4 + i), Digest: digest(content)})
	}
	return b
}

func booted(boot func() *evidence.BootClaims) func() evidence.Claims {
	return func() evidence.Claims {
		c := goodTDX()
		c.TDX.Boot = boot()
		return c
	}
}

// bootWith is a policy that pins all registers and asks something of the boot.
func bootWith(lines ...string) string { return tdxWith(below(lines)...) }

// leftWith is a policy that leaves RTMR1 and RTMR2 to the log.
func leftWith(lines ...string) string {
	text := replace(bootWith(lines...), `rtmr1: ["`+m31+`"]`, "rtmr1: boot")
	return replace(text, `rtmr2: ["`+m32+`"]`, "rtmr2: boot")
}

func below(lines []string) []string {
	out := []string{"boot:"}
	for _, line := range lines {
		out = append(out, "  "+line)
	}
	return out
}

// listOf writes a list of a document.
func listOf(values ...evidence.Hex) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = `"` + value.String() + `"`
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// What grubBoot's and ukiBoot's registers hold.
var (
	grubLists = []string{
		"images: " + listOf(digest(0x61), digest(0x62)), `command_lines: ["` + line + `"]`, "measurements: " + listOf(digest(0x71), digest(0x72)),
		`grub_commands: ["` + setRoot + `", "menuentry Linux {\n\tlinux /vmlinuz root=/dev/vda1 ro\n}"]`,
		"initrds: " + listOf(digest(0x72)),
	}
	ukiLists = []string{
		"images: " + listOf(digest(0x61)), "kernels: " + listOf(digest(0x62)), "phases: [enter-initrd, leave-initrd]",
		"uki: {.linux: " + listOf(digest(0x81)) + ", .initrd: " + listOf(digest(0x82)) + ", .cmdline: " + listOf(digest(0x83)) + "}",
		"load_options: " + listOf(digest(0x84)), "initrds: " + listOf(digest(0x82)),
	}
	events = []string{
		"events:", `  - {name: app-id, payloads: ["01", "0102"], before: ready}`, `  - {name: pull, payloads: ["02", "03"], before: ready, repeated: true}`,
		`  - {name: ready, payloads: [""]}`,
	}
)

package pcr_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/launchtest"
	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/pe"
)

func image(t *testing.T, data []byte) *pe.Image {
	t.Helper()
	i, err := pe.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// program is a program of UEFI that does what its text says.
func program(text string) []byte {
	return launchtest.Image(launchtest.Section{Name: ".text", Data: []byte(text)})
}

// systemdBoot is a boot loader that says it is systemd-boot of this version.
func systemdBoot(version string) []byte {
	magic := launchtest.Magic(version)
	return launchtest.Image(launchtest.Section{Name: magic.Name, Data: bytes.Replace(magic.Data, []byte("-stub"), []byte("-boot"), 1)})
}

// unified is a unified kernel image of a stub of this version.
func unified(t *testing.T, version string, more ...launchtest.Section) *pe.UKI {
	t.Helper()
	sections := append([]launchtest.Section{
		launchtest.Magic(version), {Name: ".initrd", Data: []byte("initrd")}, {Name: ".cmdline", Data: []byte("quiet\n")},
		{Name: ".osrel", Data: []byte("ID=test")}, {Name: ".linux", Data: program("kernel")},
	}, more...)
	u, err := image(t, launchtest.Image(sections...)).UKI()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// chain extends a register by hand: with the SHA-256 digests of texts, or with
// digests.
func chain(events ...any) string {
	var value [32]byte
	for _, e := range events {
		digest, ok := e.([]byte)
		if text, isText := e.(string); isText {
			sum := sha256.Sum256([]byte(text))
			digest, ok = sum[:], true
		}
		if !ok {
			panic("neither text nor digest")
		}
		value = sha256.Sum256(append(value[:], digest...))
	}
	return evidence.Hex(value[:]).String()
}

// wide is a text in UTF-16 with a NUL behind it.
func wide(s string) string {
	return strings.Join(strings.Split(s, ""), "\x00") + "\x00\x00\x00"
}

const (
	calling   = "Calling EFI Application from Boot Option"
	separator = "\x00\x00\x00\x00"
	exiting   = "Exit Boot Services Invocation"
	exited    = "Exit Boot Services Returned with Success"
)

func digest(t *testing.T, data []byte) []byte { return image(t, data).Authenticode(crypto.SHA256) }

// foretold compares registers beside 2, 3 and 6, which have a separator alone.
func foretold(t *testing.T, b *pcr.Boot, want map[int]string) {
	t.Helper()
	log, err := b.Log(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]string{}
	for n, value := range log.Values() {
		got[n] = value.String()
	}
	for _, n := range []int{2, 3, 6} {
		if got[n] != chain(separator) {
			t.Errorf("PCR %d: %v", n, got[n])
		}
		delete(got, n)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func sections(extra ...any) string {
	return chain(append([]any{".linux\x00", string(program("kernel")), ".osrel\x00", "ID=test", ".cmdline\x00", "quiet\n", ".initrd\x00", "initrd"}, extra...)...)
}

func TestUnifiedKernelImage(t *testing.T) {
	u := unified(t, "252.39-1")
	own, kernel := u.Authenticode(crypto.SHA256), digest(t, program("kernel"))
	for name, test := range map[string]struct {
		how  pcr.UKI
		want map[int]string
	}{
		"handed over": {pcr.UKI{Loaded: pcr.Directly}, map[int]string{
			4: chain(own, calling, separator, kernel), 5: chain(separator, exiting, exited), 9: chain(wide("quiet"), "initrd"), 11: sections(),
		}},
		"from a disk": {pcr.UKI{}, map[int]string{4: chain(calling, separator, own, kernel), 9: chain(wide("quiet"), "initrd"), 11: sections()}},
		"Secure Boot": {pcr.UKI{SecureBoot: true, Appended: "ignored"}, map[int]string{
			4: chain(calling, separator, own), 9: chain(wide("quiet"), "initrd"), 11: sections(),
		}},
		"another command line": {pcr.UKI{Appended: "debug"}, map[int]string{
			4: chain(calling, separator, own, kernel), 9: chain(wide("debug"), "initrd"), 11: sections(), 12: chain(wide("debug")),
		}},
		"behind a loader": {pcr.UKI{Loaders: []*pe.Image{image(t, program("loader"))}}, map[int]string{
			4: chain(calling, separator, digest(t, program("loader")), own, kernel), 9: chain(wide("quiet"), "initrd"), 11: sections(),
		}},
		"behind systemd-boot": {pcr.UKI{Loaders: []*pe.Image{image(t, systemdBoot("252.39-1"))}}, map[int]string{
			4: chain(calling, separator, digest(t, systemdBoot("252.39-1")), own, kernel), 9: chain(wide("quiet"), "initrd"), 11: sections(), 12: chain(wide("quiet"), wide("quiet")),
		}},
		"behind a later systemd-boot": {pcr.UKI{Loaders: []*pe.Image{image(t, systemdBoot("253"))}}, map[int]string{
			4: chain(calling, separator, digest(t, systemdBoot("253")), own, kernel), 9: chain(wide("quiet"), "initrd"), 11: sections(),
		}},
		"newer stub":       {pcr.UKI{Stub: 256}, map[int]string{11: sections()}},
		"newer stub, told": {pcr.UKI{Stub: 256, Inner: new(bool)}, map[int]string{4: chain(calling, separator, own), 11: sections()}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := test.how.Boot(u)
			if err != nil {
				t.Fatal(err)
			}
			foretold(t, b, test.want)
		})
	}
}

// What a stub adds to the initrd leaves PCR 9 open; what it measures of newer
// sections depends on its version.
func TestStubVersions(t *testing.T) {
	extra := []launchtest.Section{{Name: ".uname", Data: []byte("6.1")}, {Name: ".pcrpkey", Data: []byte("key")}}
	for version, want := range map[string]string{
		"253": sections(".pcrpkey\x00", "key"), "254": sections(".uname\x00", "6.1", ".pcrpkey\x00", "key"),
	} {
		b, err := pcr.UKI{}.Boot(unified(t, version, extra...))
		if err != nil {
			t.Fatal(err)
		}
		log, err := b.Log(crypto.SHA256)
		if err != nil || log.Values()[11].String() != want || log.Values()[9] != nil || log.Unknown[9] == "" {
			t.Errorf("%s: %v, %v", version, log.Values(), err)
		}
	}
	for version, stub := range map[string]int{"": 0, "251": 0, "254": 251} {
		if _, err := (pcr.UKI{Stub: stub}).Boot(unified(t, version)); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("stub %q, %d: %v", version, stub, err)
		}
	}
}

func TestPhases(t *testing.T) {
	b, err := pcr.UKI{}.Boot(unified(t, "252"))
	if err != nil {
		t.Fatal(err)
	}
	b.Phases = []string{"enter-initrd", "leave-initrd", "sysinit", "ready"}
	log, err := b.Log(crypto.SHA256)
	if err != nil || log.Values()[11].String() != sections("enter-initrd", "leave-initrd", "sysinit", "ready") {
		t.Errorf("%v, %v", log.Values()[11], err)
	}
}

func TestFiles(t *testing.T) {
	kernel, loader := image(t, program("kernel")), image(t, program("loader"))
	k, l := digest(t, program("kernel")), digest(t, program("loader"))
	for name, test := range map[string]struct {
		how  pcr.Files
		want map[int]string
	}{
		"QEMU": {pcr.Files{Initrd: []byte("initrd"), CommandLine: "quiet"}, map[int]string{
			5: chain(separator, exiting, exited), 9: chain(wide("quiet initrd=initrd"), "initrd"),
		}},
		"QEMU, no initrd":       {pcr.Files{CommandLine: "quiet"}, map[int]string{5: chain(separator, exiting, exited), 9: chain(wide("quiet"))}},
		"QEMU, no command line": {pcr.Files{Initrd: []byte{}}, map[int]string{5: chain(separator, exiting, exited), 9: chain(wide("initrd=initrd"), "")}},
		"systemd-boot": {pcr.Files{Menu: pcr.SystemdBoot, Loaders: []*pe.Image{loader}, Initrd: []byte("initrd"), InitrdPath: "/a/initrd", CommandLine: "quiet"}, map[int]string{
			4: chain(calling, separator, l, k), 9: chain(wide(`initrd=\a\initrd quiet`), "initrd"), 12: chain(wide(`initrd=\a\initrd quiet`)),
		}},
		"GRUB": {pcr.Files{Menu: pcr.GRUB, Loaders: []*pe.Image{loader}, CommandLine: "BOOT_IMAGE=/k quiet", Commands: []string{"linux /k quiet", "boot"}, Read: [][]byte{[]byte("grub.cfg")}}, map[int]string{
			4: chain(calling, separator, l, k), 8: chain("linux /k quiet", "boot"), 9: chain("grub.cfg", wide("BOOT_IMAGE=/k quiet")),
		}},
		"GRUB, untold": {pcr.Files{Menu: pcr.GRUB, Loaders: []*pe.Image{loader}}, map[int]string{4: chain(calling, separator, l, k)}},
	} {
		t.Run(name, func(t *testing.T) {
			test.how.Kernel = kernel
			b, err := test.how.Boot()
			if err != nil {
				t.Fatal(err)
			}
			foretold(t, b, test.want)
		})
	}
	for name, how := range map[string]pcr.Files{
		"menu without image": {Menu: pcr.SystemdBoot}, "image without menu": {Loaders: []*pe.Image{loader}},
		"another menu": {Menu: "lilo", Loaders: []*pe.Image{loader}}, "initrd without path": {Menu: pcr.SystemdBoot, Loaders: []*pe.Image{loader}, Initrd: []byte{}},
		"huge command line": {CommandLine: strings.Repeat("x", 1<<16+1)},
	} {
		how.Kernel = kernel
		if _, err := how.Boot(); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Behind shim, registers that it measures its lists into are not foretold.
func TestShim(t *testing.T) {
	shim := image(t, launchtest.Image(launchtest.Section{Name: ".sbat", Data: []byte("sbat,1\nshim,4,UEFI shim")}))
	b, err := pcr.UKI{Loaders: []*pe.Image{shim}}.Boot(unified(t, "252"))
	if err != nil {
		t.Fatal(err)
	}
	b.SecureBoot = &pcr.SecureBoot{}
	log, err := b.Log(crypto.SHA256)
	if err != nil || log.Values()[7] != nil || log.Unknown[14] == "" {
		t.Errorf("%v, %v, %v", log.Values()[7], log.Unknown, err)
	}
}

func TestBadBoots(t *testing.T) {
	images := []pcr.Measured{pcr.Bytes(nil)}
	for name, b := range map[string]*pcr.Boot{
		"nothing to boot": {}, "huge options": {Images: images, Options: []string{strings.Repeat("x", 1<<16+1)}},
		"huge command": {Images: images, Commands: []string{strings.Repeat("x", 1<<16+1)}},
		"many phases":  {Images: images, Phases: slices.Repeat([]string{"x"}, 33)}, "empty phase": {Images: images, Phases: []string{""}},
	} {
		if _, err := b.Log(crypto.SHA256); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pcr.ParseBank("sha1"); evidence.CodeOf(err) != evidence.CodeLaunchOption {
		t.Error("SHA-1 is a bank")
	}
}

// bzImage is a program with the header of a kernel.
func bzImage() []byte {
	kernel := launchtest.Image(launchtest.Section{Name: ".text", Data: make([]byte, 512)})
	copy(kernel[0x202:], "HdrS\x0f\x02")
	binary.LittleEndian.PutUint32(kernel[0x22c:], 0x7fff_ffff)
	kernel[0x236] = 0x7f
	return kernel
}

// QEMU writes itself, the command line's place and the initrd's into the header,
// the initrd below the ACPI tables at the end of low memory.
func TestPatchedKernel(t *testing.T) {
	for memory, end := range map[uint64]uint32{
		512 << 20: 512<<20 - 0x28000 - 1, 2816<<20 - 1<<20: 2815<<20 - 0x28000 - 1, 2816 << 20: 2048<<20 - 0x28000 - 1, 64 << 30: 2048<<20 - 0x28000 - 1,
	} {
		const size = 7_000_001
		want := bzImage()
		want[0x210], want[0x211] = 0xb0, want[0x211]|0x80
		binary.LittleEndian.PutUint16(want[0x224:], 0xfe00)
		binary.LittleEndian.PutUint32(want[0x228:], 0x20000)
		binary.LittleEndian.PutUint32(want[0x218:], (end-size)/4096*4096)
		binary.LittleEndian.PutUint32(want[0x21c:], size)
		got, err := pcr.QEMU{Memory: memory, InitrdSize: size}.Patched(bzImage())
		if err != nil || !bytes.Equal(got(crypto.SHA256), digest(t, want)) {
			t.Errorf("%d MiB: %v", memory>>20, err)
		}
	}
	old := bzImage()
	old[0x206] = 0
	for name, test := range map[string]struct {
		machine pcr.QEMU
		kernel  []byte
	}{
		"no kernel": {pcr.QEMU{}, program("x")}, "short": {pcr.QEMU{}, []byte("MZ")}, "old": {pcr.QEMU{}, old},
		"no memory": {pcr.QEMU{InitrdSize: 1}, bzImage()}, "too little memory": {pcr.QEMU{Memory: 1 << 20, InitrdSize: 1 << 20}, bzImage()},
	} {
		if _, err := test.machine.Patched(test.kernel); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("%s: %v", name, err)
		}
	}
}

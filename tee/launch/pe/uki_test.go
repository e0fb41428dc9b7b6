package pe_test

import (
	"bytes"
	"crypto"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/launchtest"
	"github.com/quotary/quotary/tee/launch/pe"
)

func uki(sections ...launchtest.Section) []byte { return launchtest.Image(sections...) }

// whole has every section that a stub knows, in an order that is not its own.
func whole() []byte {
	sections := []launchtest.Section{launchtest.Magic("254.1-2")}
	for _, name := range []string{".sbat", ".initrd", ".cmdline", ".uname", ".pcrsig", ".osrel", ".linux", ".ucode", ".pcrpkey", ".dtb", ".splash"} {
		sections = append(sections, launchtest.Section{Name: name, Data: []byte("of " + name)})
	}
	return uki(sections...)
}

func names(sections []pe.Section) (all []string) {
	for _, s := range sections {
		all = append(all, s.Name)
	}
	return all
}

func TestMeasuredSections(t *testing.T) {
	u, err := parse(t, whole()).UKI()
	if err != nil || u.Stub != 254 {
		t.Fatalf("%+v, %v", u, err)
	}
	for version, want := range map[int][]string{
		251: nil,
		252: {".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey"},
		253: {".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey"},
		254: {".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"},
		256: {".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"},
	} {
		if got := names(u.Measured(version)); !slices.Equal(got, want) {
			t.Errorf("%d: %v", version, got)
		}
	}
	if string(u.Part(".osrel")) != "of .osrel" || u.Part(".nothing") != nil {
		t.Error("parts")
	}
}

func TestCommandLine(t *testing.T) {
	for in, want := range map[string]string{
		"quiet": "quiet", " \tquiet\n": "quiet", "a\nb\tc": "a b c", "quiet\x00evil": "quiet", "": "", "ü\n": "ü",
	} {
		u, err := parse(t, uki(launchtest.Section{Name: ".linux", Data: []byte("x")}, launchtest.Section{Name: ".cmdline", Data: []byte(in)})).UKI()
		if err != nil || u.CommandLine() != want {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestHostileUKIs(t *testing.T) {
	linux := launchtest.Section{Name: ".linux", Data: []byte("kernel")}
	for name, test := range map[string]struct {
		image []byte
		want  evidence.Code
	}{
		"no kernel":       {uki(launchtest.Section{Name: ".cmdline", Data: []byte("x")}), evidence.CodeLaunchImage},
		"empty kernel":    {uki(launchtest.Section{Name: ".linux"}), evidence.CodeLaunchImage},
		"two kernels":     {uki(linux, linux), evidence.CodeLaunchImage},
		"hidden kernel":   {uki(linux, launchtest.Section{Name: ".linux\x00x", Data: []byte("other")}), evidence.CodeLaunchImage},
		"two of no data":  {uki(linux, launchtest.Section{Name: ".cmdline"}, launchtest.Section{Name: ".cmdline"}), evidence.CodeLaunchImage},
		"profiles":        {uki(linux, launchtest.Section{Name: ".profile", Data: []byte("ID=a")}), evidence.CodeLaunchUnsupported},
		"devicetrees":     {uki(linux, launchtest.Section{Name: ".dtbauto", Data: []byte("x")}), evidence.CodeLaunchUnsupported},
		"device firmware": {uki(linux, launchtest.Section{Name: ".efifw", Data: []byte("x")}), evidence.CodeLaunchUnsupported},
	} {
		if _, err := parse(t, test.image).UKI(); evidence.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStubVersion(t *testing.T) {
	for version, want := range map[string]int{
		"252.39-1~deb12u2": 252, "257": 257, "v257": 0, "": 0, "99999999999": 0, "254.1\nx": 0,
	} {
		u, err := parse(t, uki(launchtest.Magic(version), launchtest.Section{Name: ".linux", Data: []byte("x")})).UKI()
		if err != nil || u.Stub != want {
			t.Errorf("%q: %+v, %v", version, u, err)
		}
	}
}

// A real stub joined with parts is an image that firmware would start.
func TestJoinedStub(t *testing.T) {
	stub := launchtest.Installed(t, "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", "systemd-boot-efi")
	joined := launchtest.Join(stub, launchtest.Section{Name: ".linux", Data: plain()}, launchtest.Section{Name: ".cmdline", Data: []byte("quiet")})
	u, err := parse(t, joined).UKI()
	if err != nil || u.Stub < pe.OldestStub || u.CommandLine() != "quiet" || u.Gaps {
		t.Fatalf("%+v, %v", u, err)
	}
	if !bytes.Equal(parse(t, u.Part(".linux")).Authenticode(crypto.SHA256), parse(t, plain()).Authenticode(crypto.SHA256)) {
		t.Error("the kernel within is another")
	}
	signed := parse(t, launchtest.Signed(joined, make([]byte, 16)))
	if !bytes.Equal(signed.Authenticode(crypto.SHA256), u.Authenticode(crypto.SHA256)) {
		t.Error("signing changes the digest")
	}
}

package pe

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// UKI is a unified kernel image: a boot stub with kernel, command line and
// initrd as sections (UAPI Group specification 5).
type UKI struct {
	*Image
	// Stub is the version of systemd-stub that the image says it has, 0 if it does not.
	Stub int

	parts map[string]Section
}

// parts are the sections that systemd-stub gives a meaning, in the order in which
// it measures them (systemd, src/fundamental/uki.h), with the first version that
// measures each. Zero: it never does.
var parts = []struct {
	name  string
	since int
}{
	{".linux", 252}, {".osrel", 252}, {".cmdline", 252}, {".initrd", 252}, {".ucode", 256}, {".splash", 252}, {".dtb", 252},
	{".uname", 254}, {".sbat", 254}, {".pcrsig", 0}, {".pcrpkey", 252},
}

// variants are sections of which the stub picks some by the machine that it runs
// on, or by the profile that was chosen.
var variants = []string{".profile", ".dtbauto", ".hwids", ".efifw"}

// OldestStub is the first version of systemd-stub whose measurements are known.
const OldestStub = 252

// magic is what systemd-stub and systemd-boot carry in their section .sdmagic.
var magic = regexp.MustCompile(`^#### LoaderInfo: (systemd-(?:stub|boot)) (\d{1,5})(?:[^\d\n][^\n]{0,200})? ####`)

// UKI reads the image as a unified kernel image. It fails with
// [evidence.CodeLaunchImage] on one without a kernel or with a part twice, and with
// [evidence.CodeLaunchUnsupported] on one whose measurement depends on the machine.
func (i *Image) UKI() (*UKI, error) {
	u := &UKI{Image: i, Stub: i.version("systemd-stub"), parts: map[string]Section{}}
	for _, s := range i.Sections {
		if slices.Contains(variants, s.Name) {
			return nil, evidence.Errorf(evidence.CodeLaunchUnsupported, "", "the image has a section %s: what of it is measured depends on the profile or the machine", s.Name)
		}
		if !isPart(s.Name) {
			continue
		}
		if _, twice := u.parts[s.Name]; twice {
			return nil, malformed("it has two sections %s", s.Name)
		}
		u.parts[s.Name] = s
	}
	if len(u.parts[".linux"].Data) == 0 {
		return nil, malformed("it has no section .linux: this is no unified kernel image")
	}
	return u, nil
}

func isPart(name string) bool {
	for _, p := range parts {
		if p.name == name {
			return true
		}
	}
	return false
}

// SystemdBoot returns the version of systemd-boot that the image says it is, 0 if it
// does not.
func (i *Image) SystemdBoot() int { return i.version("systemd-boot") }

func (i *Image) version(of string) int {
	for _, s := range i.Sections {
		found := magic.FindSubmatch(s.Data)
		if s.Name != ".sdmagic" || found == nil || string(found[1]) != of {
			continue
		}
		if version, err := strconv.Atoi(string(found[2])); err == nil {
			return version
		}
	}
	return 0
}

// Measured returns the sections that this version of systemd-stub measures, in its
// order. Empty ones are none.
func (u *UKI) Measured(stub int) (sections []Section) {
	for _, p := range parts {
		if s := u.parts[p.name]; p.since != 0 && stub >= p.since && s.Size > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

// IsShim reports whether the image is shim or one of its helpers, by its revocation
// levels (SBAT) or the certificate that it carries.
func (i *Image) IsShim() bool {
	return slices.ContainsFunc(i.Sections, func(s Section) bool {
		return s.Name == ".vendor_cert" || s.Name == ".sbat" && bytes.Contains(s.Data, []byte("\nshim,"))
	})
}

// Part returns what a section holds, such as ".cmdline"; nil if it is not there.
func (u *UKI) Part(name string) []byte { return u.parts[name].Data }

// CommandLine returns the built-in command line as the stub hands it to the
// kernel: up to the first NUL, without white space at its ends, other control
// characters being spaces.
func (u *UKI) CommandLine() string {
	line, _, _ := bytes.Cut(u.Part(".cmdline"), []byte{0})
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, bytes.TrimFunc(line, func(r rune) bool { return r <= ' ' })))
}

package pe_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/launchtest"
	"github.com/quotary/quotary/tee/launch/pe"
)

func parse(t *testing.T, data []byte) *pe.Image {
	t.Helper()
	image, err := pe.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func plain() []byte {
	return launchtest.Image(launchtest.Section{Name: ".text", Data: []byte("code")}, launchtest.Section{Name: ".data", Data: bytes.Repeat([]byte("data"), 200)})
}

// A signature says which digest it signs, and the digest of the image that
// carries it is the same: signed images tell themselves what is right.
func TestSignedImagesCarryTheirDigest(t *testing.T) {
	for _, name := range []string{"mmx64.efi.signed", "fbx64.efi.signed"} {
		data := launchtest.Installed(t, "/usr/lib/shim/"+name, "shim-helpers-amd64-signed")
		image := parse(t, data)
		if !image.Signed || !image.IsShim() {
			t.Errorf("%s: signed %v, shim %v", name, image.Signed, image.IsShim())
		}
		// DigestInfo of SpcIndirectDataContent: SHA-256, NULL, 32 bytes.
		prefix, _ := hex.DecodeString("3031300d060960864801650304020105000420")
		at := bytes.LastIndex(data[:len(data)-32], prefix)
		for at >= 0 && !bytes.Equal(data[at+len(prefix):][:32], image.Authenticode(crypto.SHA256)) {
			at = bytes.LastIndex(data[:at], prefix)
		}
		if at < 0 {
			t.Errorf("%s: no signature is about %x", name, image.Authenticode(crypto.SHA256))
		}
	}
	if stub := parse(t, launchtest.Installed(t, "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", "systemd-boot-efi")); stub.IsShim() || stub.Signed {
		t.Error("a stub is taken for shim")
	}
}

// Signing does not change the digest; changing anything else does.
func TestAuthenticode(t *testing.T) {
	image := plain()
	want := parse(t, image).Authenticode(crypto.SHA256)
	signed := launchtest.Signed(image, make([]byte, 24))
	if got := parse(t, signed).Authenticode(crypto.SHA256); !bytes.Equal(got, want) {
		t.Error("a signature changes the digest")
	}
	directory, checksum := 0x80+24+112+4*8, 0x80+24+64
	for at := range signed[:len(signed)-24] {
		mutant := bytes.Clone(signed)
		mutant[at] ^= 1
		parsed, err := pe.Parse(mutant)
		if err != nil {
			continue
		}
		same := bytes.Equal(parsed.Authenticode(crypto.SHA256), want)
		if same != (at >= checksum && at < checksum+4) {
			t.Errorf("byte %#x: the same digest: %v (directory %#x)", at, same, directory)
		}
	}
	if got := parse(t, append(bytes.Clone(image), "more"...)).Authenticode(crypto.SHA256); bytes.Equal(got, want) {
		t.Error("what is behind the sections does not count")
	}
	for bank, size := range map[crypto.Hash]int{crypto.SHA384: 48, crypto.SHA512: 64} {
		if got := parse(t, image).Authenticode(bank); len(got) != size {
			t.Errorf("%v: %d bytes", bank, len(got))
		}
	}
}

// The digest is that of header and sections as the specification has it.
func TestAuthenticodeByHand(t *testing.T) {
	image := plain()
	const checksum, directory, headers = 0x80 + 24 + 64, 0x80 + 24 + 112 + 4*8, 0x400
	h := sha256.New()
	h.Write(image[:checksum])
	h.Write(image[checksum+4 : directory])
	h.Write(image[directory+8 : headers])
	h.Write(image[headers:])
	if got := parse(t, image).Authenticode(crypto.SHA256); !bytes.Equal(got, h.Sum(nil)) {
		t.Errorf("%x", got)
	}
}

// set returns a change of a number in an image.
func set(at int, n uint32) func([]byte) []byte {
	return func(image []byte) []byte { binary.LittleEndian.PutUint32(image[at:], n); return image }
}

// Images that could be read as two things, or not at all, have no digest.
func TestHostileImages(t *testing.T) {
	const optional, table, directory = 0x80 + 24, 0x80 + 24 + 240, 0x80 + 24 + 112 + 4*8
	for name, change := range map[string]func([]byte) []byte{
		"empty":                       func([]byte) []byte { return nil },
		"DOS header alone":            func(b []byte) []byte { return b[:64] },
		"truncated":                   func(b []byte) []byte { return b[:len(b)-1] },
		"no MZ":                       func(b []byte) []byte { b[0] = 'm'; return b },
		"PE header beyond the end":    set(0x3c, 0xffff_fff0),
		"PE header in the DOS header": set(0x3c, 0x10),
		"no signature":                set(0x80, 0),
		"no sections":                 func(b []byte) []byte { b[0x86], b[0x87] = 0, 0; return b },
		"huge number of sections":     func(b []byte) []byte { b[0x86], b[0x87] = 0xff, 0xff; return b },
		"97 sections":                 func(b []byte) []byte { b[0x86] = 97; return b },
		"no optional header":          func(b []byte) []byte { b[0x94], b[0x95] = 0, 0; return b },
		"huge optional header":        func(b []byte) []byte { b[0x94], b[0x95] = 0xff, 0xff; return b },
		"ROM image":                   func(b []byte) []byte { b[optional], b[optional+1] = 7, 1; return b },
		"17 directories":              set(optional+108, 17),
		"huge number of directories":  set(optional+108, 0xffff_ffff),
		"headers beyond the end":      set(optional+60, 0xffff_ffff),
		"headers without the table":   set(optional+60, table),
		"section beyond the end":      set(table+20, 0xffff_0000),
		"section of a size beyond":    set(table+16, 0xffff_ff00),
		"section in the headers":      set(table+20, 0x200),
		"sections overlap":            set(table+40+20, 0x400),
		"sections overlap in part":    set(table+16, 0x400),
		"huge section in memory":      set(table+8, 0xffff_ffff),
		"certificates nowhere":        set(directory+4, 64),
		"certificates of no size":     set(directory, 0x800),
		"certificates before the end": func(b []byte) []byte { return append(launchtest.Signed(b, make([]byte, 64)), 0) },
		"certificates truncated":      func(b []byte) []byte { b = launchtest.Signed(b, make([]byte, 64)); return b[:len(b)-8] },
		"certificates over sections":  func(b []byte) []byte { return set(directory, 0x400)(set(directory+4, uint32(len(b)-0x400))(b)) },
		"certificates unaligned": func(b []byte) []byte {
			return append(set(directory+4, 8)(set(directory, uint32(len(b)+1))(b)), make([]byte, 9)...)
		},
	} {
		if _, err := pe.Parse(change(plain())); evidence.CodeOf(err) != evidence.CodeLaunchImage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A gap between sections is told, because signing tools digest it in other ways.
func TestGaps(t *testing.T) {
	image := plain()
	if parse(t, image).Gaps {
		t.Error("a gap where there is none")
	}
	const table = 0x80 + 24 + 240
	moved := append(append([]byte{}, image[:0x600]...), make([]byte, 0x200)...)
	moved = append(moved, image[0x600:]...)
	if got := parse(t, set(table+40+20, 0x800)(moved)); !got.Gaps {
		t.Error("no gap where there is one")
	}
}

func TestSections(t *testing.T) {
	image := plain()
	const table = 0x80 + 24 + 240
	larger := parse(t, set(table+8, 0x300)(image)) // 4 bytes of code, and zeros up to 0x300
	want := sha256.Sum256(append(append([]byte("code"), make([]byte, 0x1fc)...), make([]byte, 0x100)...))
	if got := larger.Sections[0].Digest(crypto.SHA256); !bytes.Equal(got, want[:]) {
		t.Errorf("%x", got)
	}
	if got := parse(t, plain()).Sections[0]; got.Name != ".text" || string(got.Data) != "code" || got.Size != 4 {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(plain())
	f.Add(launchtest.Signed(plain(), make([]byte, 24)))
	f.Add(uki(launchtest.Magic("252"), launchtest.Section{Name: ".linux", Data: plain()}, launchtest.Section{Name: ".cmdline", Data: []byte("quiet\n")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		image, err := pe.Parse(data)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeLaunchImage {
				t.Fatal(err)
			}
			return
		}
		if got := image.Authenticode(crypto.SHA256); len(got) != 32 {
			t.Fatal("no digest")
		}
		total := 0
		for _, s := range image.Sections {
			if total += len(s.Data); len(s.Data) > int(s.Size) || total > len(data) {
				t.Fatalf("%d bytes of sections in %d", total, len(data))
			}
		}
		u, err := image.UKI()
		if err != nil {
			return
		}
		for _, s := range u.Measured(260) {
			if s.Size == 0 {
				t.Fatal("an empty section is measured")
			}
		}
		if line := u.CommandLine(); len(line) > len(data)*3 {
			t.Fatalf("%q", line)
		}
	})
}

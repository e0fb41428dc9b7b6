// Package launchtest builds artefacts for tests and simulators: programs of UEFI, unified kernel
// images, firmware with launch metadata. They run nowhere, and are the same on
// every machine.
package launchtest

import (
	"encoding/binary"
	"os"
)

// Section is a section of a program.
type Section struct {
	Name string
	Data []byte
}

// Places and sizes in built programs.
const (
	peHeader     = 0x80
	optionalSize = 240
	headers      = 0x400
	alignment    = 0x200
	virtualStep  = 0x1000
)

// Image returns a program of UEFI with these sections, for x86-64.
func Image(sections ...Section) []byte {
	image := make([]byte, headers)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], peHeader)
	copy(image[peHeader:], "PE\x00\x00\x64\x86")
	binary.LittleEndian.PutUint16(image[peHeader+20:], optionalSize)
	optional := image[peHeader+24:]
	binary.LittleEndian.PutUint16(optional, 0x20b)
	binary.LittleEndian.PutUint32(optional[56:], virtualStep)
	binary.LittleEndian.PutUint32(optional[60:], headers)
	binary.LittleEndian.PutUint32(optional[108:], 16)
	return Join(image, sections...)
}

// Join returns a program with further sections behind its own, as unified kernel
// images are made of a stub. What is behind the stub's last section, its symbols,
// is left out; so are times, so that the same parts make the same image.
func Join(stub []byte, sections ...Section) []byte {
	pe := int(binary.LittleEndian.Uint32(stub[0x3c:]))
	count := int(binary.LittleEndian.Uint16(stub[pe+6:]))
	table := pe + 24 + int(binary.LittleEndian.Uint16(stub[pe+20:]))
	end, virtual := int(binary.LittleEndian.Uint32(stub[pe+24+60:])), uint32(virtualStep)
	for n := range count {
		entry := stub[table+40*n:]
		end = max(end, int(binary.LittleEndian.Uint32(entry[16:])+binary.LittleEndian.Uint32(entry[20:])))
		virtual = max(virtual, align(binary.LittleEndian.Uint32(entry[12:])+binary.LittleEndian.Uint32(entry[8:]), virtualStep))
	}
	image := append([]byte{}, stub[:end]...)
	for _, s := range sections {
		entry := image[table+40*count:][:40]
		copy(entry[:8], s.Name)
		raw := align(uint32(len(s.Data)), alignment)
		for at, n := range map[int]uint32{8: uint32(len(s.Data)), 12: virtual, 16: raw, 20: uint32(len(image)), 36: 0x4000_0040} {
			binary.LittleEndian.PutUint32(entry[at:], n)
		}
		image = append(append(image, s.Data...), make([]byte, int(raw)-len(s.Data))...)
		virtual, count = align(virtual+uint32(len(s.Data)), virtualStep), count+1
	}
	clear(image[pe+8 : pe+20]) // time, symbols
	clear(image[pe+24+64:][:4])
	binary.LittleEndian.PutUint16(image[pe+6:], uint16(count))
	binary.LittleEndian.PutUint32(image[pe+24+56:], virtual)
	return image
}

// Signed returns an image with a certificate table of this content, which no
// firmware would believe.
func Signed(image, certificates []byte) []byte {
	image = append([]byte{}, image...)
	image = append(image, make([]byte, -len(image)&7)...)
	pe := binary.LittleEndian.Uint32(image[0x3c:])
	entry := image[pe+24+112+4*8:]
	binary.LittleEndian.PutUint32(entry, uint32(len(image)))
	binary.LittleEndian.PutUint32(entry[4:], uint32(len(certificates)))
	return append(image, certificates...)
}

func align(n, to uint32) uint32 { return (n + to - 1) / to * to }

// Magic returns the section .sdmagic of systemd-stub of a version.
func Magic(version string) Section {
	return Section{".sdmagic", []byte("#### LoaderInfo: systemd-stub " + version + " ####\x00")}
}

// TB is the part of testing.TB that is needed here. Simulators, which are no tests,
// build artefacts, too.
type TB interface {
	Helper()
	Fatal(args ...any)
	Skipf(format string, args ...any)
}

// Installed returns a file of a Debian package; the test skips where it is absent.
func Installed(tb TB, path, from string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		tb.Skipf("%s is not there; make test-tools installs it (%s)", path, from)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

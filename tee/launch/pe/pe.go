// Package pe reads the programs of UEFI, which are PE images: boot loaders,
// kernels, unified kernel images. It computes what firmware measures of one, the
// Authenticode digest, and finds the sections that a boot stub measures by name.
//
// Start at [Parse]. The format is Microsoft's PE format and Windows Authenticode
// Portable Executable Signature Format; where the latter leaves room, the digest
// is the one that EDK II computes.
package pe

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
)

// Image is a parsed image. It refers to the bytes that it was parsed from.
type Image struct {
	// Sections are those of the section table, in its order.
	Sections []Section
	// Signed says that a certificate table is there, not that it is good for anything.
	Signed bool
	// Gaps says that there are bytes between sections. Firmware digests such an
	// image in a way of its own, and signing tools in others.
	Gaps bool

	data         []byte
	checksum     int // offset of a field that is not digested
	directory    int // offset of another, 0 if there is none
	headers      int // size of all headers
	certificates int // size of the certificate table at the end
}

// Section is a part of an image.
type Section struct {
	Name string // up to the first NUL
	// Data is what the file has of it, at most as much as it has in memory.
	Data []byte
	// Size is that in memory, in bytes; what exceeds Data is zeros.
	Size uint32

	offset, raw uint32 // in the file
}

// Parse reads an image of at most [MaxSize]. Errors have [evidence.CodeLaunchImage].
func Parse(data []byte) (*Image, error) {
	if len(data) > MaxSize {
		return nil, malformed("the file has %d bytes; at most %d are read", len(data), MaxSize)
	}
	image := &Image{data: data}
	table, count, err := image.readHeaders()
	if err != nil {
		return nil, err
	}
	if err := image.readSections(table, count); err != nil {
		return nil, err
	}
	return image, image.checkLayout()
}

// Raw returns the bytes that the image was parsed from.
func (i *Image) Raw() []byte { return i.data }

// Sizes of headers in bytes.
const (
	dosHeader     = 64
	coffHeader    = 4 + 20 // with the signature in front
	sectionHeader = 40
)

// readHeaders returns the section table, and how many entries it has.
func (i *Image) readHeaders() ([]byte, int, error) {
	if len(i.data) < dosHeader || i.data[0] != 'M' || i.data[1] != 'Z' {
		return nil, 0, malformed("it does not begin as a program of UEFI does (MZ)")
	}
	at := uint64(binary.LittleEndian.Uint32(i.data[0x3c:]))
	if at < dosHeader || at+coffHeader > uint64(len(i.data)) || !bytes.HasPrefix(i.data[at:], []byte("PE\x00\x00")) {
		return nil, 0, malformed("it has no PE header")
	}
	coff := i.data[at : at+coffHeader]
	count, size := int(binary.LittleEndian.Uint16(coff[6:])), uint64(binary.LittleEndian.Uint16(coff[20:]))
	optional := at + coffHeader
	table := optional + size
	if count == 0 || count > maxSections {
		return nil, 0, malformed("it has %d sections; 1 to %d are read", count, maxSections)
	}
	if err := i.readOptional(int(optional), int(size)); err != nil {
		return nil, 0, err
	}
	end := table + uint64(count)*sectionHeader
	if end > uint64(i.headers) {
		return nil, 0, malformed("its section table is not part of its %d bytes of headers", i.headers)
	}
	return i.data[table:end], count, nil
}

// readOptional reads the optional header, which is at this offset.
func (i *Image) readOptional(at, size int) error {
	if size < 2 || at+size > len(i.data) {
		return malformed("its optional header is not complete")
	}
	header := i.data[at : at+size]
	counted := 92 // where the number of directories stands in PE32
	switch binary.LittleEndian.Uint16(header) {
	case 0x10b:
	case 0x20b: // PE32+
		counted = 108
	default:
		return malformed("its optional header is neither PE32 nor PE32+")
	}
	if size < counted+4 {
		return malformed("its optional header is not complete")
	}
	directories := binary.LittleEndian.Uint32(header[counted:])
	if directories > maxDirectories || counted+4+8*int(directories) > size {
		return malformed("it claims %d data directories", directories)
	}
	i.checksum = at + 64
	headers := binary.LittleEndian.Uint32(header[60:])
	if uint64(headers) > uint64(len(i.data)) || int(headers) < at+size {
		return malformed("it claims %d bytes of headers", headers)
	}
	i.headers = int(headers)
	if table := counted + 4 + 4*8; directories > 4 {
		i.directory = at + table
		return i.readCertificates(header[table:])
	}
	return nil
}

// readCertificates checks that the certificate table, if there is one, is the end
// of the file: only then everything else is digested.
func (i *Image) readCertificates(entry []byte) error {
	offset, size := uint64(binary.LittleEndian.Uint32(entry)), uint64(binary.LittleEndian.Uint32(entry[4:]))
	if size == 0 && offset == 0 {
		return nil
	}
	if size == 0 || offset%8 != 0 || offset < uint64(i.headers) || offset+size != uint64(len(i.data)) {
		return malformed("its certificate table, %d bytes at %d, is not the end of a file of %d bytes", size, offset, len(i.data))
	}
	i.Signed, i.certificates = true, int(size)
	return nil
}

func (i *Image) readSections(table []byte, count int) error {
	for n := range count {
		entry := table[n*sectionHeader:][:sectionHeader]
		name, _, _ := bytes.Cut(entry[:8], []byte{0}) // as boot stubs compare them
		s := Section{
			Name: string(name), Size: binary.LittleEndian.Uint32(entry[8:]),
			raw: binary.LittleEndian.Uint32(entry[16:]), offset: binary.LittleEndian.Uint32(entry[20:]),
		}
		end := uint64(s.offset) + uint64(s.raw)
		if s.raw > 0 && (uint64(s.offset) < uint64(i.headers) || end > uint64(len(i.data)-i.certificates)) {
			return malformed("section %d, %d bytes at %d, is not between headers and certificates", n, s.raw, s.offset)
		}
		if s.Size > maxVirtual {
			return malformed("section %d has %d bytes in memory; at most %d are read", n, s.Size, maxVirtual)
		}
		if s.raw > 0 {
			s.Data = i.data[s.offset:][:min(s.raw, s.Size)]
		}
		i.Sections = append(i.Sections, s)
	}
	return nil
}

func malformed(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchImage, "", format, args...)
}

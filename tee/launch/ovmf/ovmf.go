// Package ovmf reads what virtual machine firmware of the EDK II family says of
// itself to whoever launches it: a table of entries, each named by a GUID, at the
// end of the image in front of the reset vector. Launch metadata of SEV-SNP and
// of TDX is found through it.
//
// Start at [Parse]. The layout is that of EDK II, OvmfPkg/ResetVector.
package ovmf

import (
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/guid"
)

// footer names the table's last entry, which has the size of all of them.
var footer = guid.New(0x96b582de, 0x1fb2, 0x45f7, 0xbaeaa366c55a082d)

// Image is a firmware image. It refers to the bytes that it was parsed from.
type Image struct {
	Data    []byte
	entries map[guid.GUID][]byte
}

// Parse reads the table of an image of 4 KiB to [MaxSize], a multiple of
// [PageSize]. An image without a table has no entries. Errors have
// [evidence.CodeLaunchFirmware].
func Parse(data []byte) (*Image, error) {
	if len(data) == 0 || len(data) > MaxSize || len(data)%PageSize != 0 {
		return nil, Malformed("the image has %d bytes; firmware has a multiple of %d, at most %d", len(data), PageSize, MaxSize)
	}
	image := &Image{Data: data, entries: map[guid.GUID][]byte{}}
	last := data[:len(data)-resetVector]
	size, name := header(last)
	if name != footer {
		return image, nil
	}
	if size < entryHeader || size > len(last) {
		return nil, Malformed("the table of entries claims %d bytes", size)
	}
	table := last[len(last)-size : len(last)-entryHeader]
	return image, image.read(table)
}

// header returns the size and the name of the entry that ends where data does.
func header(data []byte) (int, guid.GUID) {
	at := len(data) - entryHeader
	return int(binary.LittleEndian.Uint16(data[at:])), guid.GUID(data[at+2:])
}

// read takes the table apart from its end.
func (i *Image) read(table []byte) error {
	for len(table) > 0 {
		if len(table) < entryHeader {
			return Malformed("%d bytes of the table belong to no entry", len(table))
		}
		size, name := header(table)
		if size < entryHeader || size > len(table) {
			return Malformed("the entry %s claims %d bytes of %d", name, size, len(table))
		}
		if _, again := i.entries[name]; again || name == footer {
			return Malformed("the entry %s is there twice", name)
		}
		i.entries[name] = table[len(table)-size : len(table)-entryHeader]
		table = table[:len(table)-size]
	}
	return nil
}

// Number returns the 32-bit number that an entry begins with. It fails if the
// entry is there and is shorter.
func (i *Image) Number(name guid.GUID) (n uint32, ok bool, err error) {
	entry, ok := i.entries[name]
	if ok && len(entry) < 4 {
		return 0, false, Malformed("the entry %s has %d bytes", name, len(entry))
	}
	if !ok {
		return 0, false, nil
	}
	return binary.LittleEndian.Uint32(entry), true, nil
}

// FromEnd returns what begins at so many bytes before the image's end, as
// metadata is referred to.
func (i *Image) FromEnd(distance uint32) ([]byte, error) {
	if uint64(distance) > uint64(len(i.Data)) {
		return nil, Malformed("metadata begins %d bytes before the end of an image of %d", distance, len(i.Data))
	}
	return i.Data[len(i.Data)-int(distance):], nil
}

// Malformed returns a refusal of a firmware image.
func Malformed(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchFirmware, "", format, args...)
}

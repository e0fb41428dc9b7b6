package launchtest

import (
	"encoding/binary"

	"github.com/quotary/quotary/tee/launch/guid"
)

// Entry is an entry of a firmware's table: a name, and numbers.
type Entry struct {
	Name    guid.GUID
	Numbers []uint32
}

// Firmware returns an image of whole pages with this table. The entries are read
// from the last to the first.
func Firmware(pages int, entries ...Entry) []byte {
	var table []byte
	for _, e := range append(entries, Entry{Name: guid.New(0x96b582de, 0x1fb2, 0x45f7, 0xbaeaa366c55a082d)}) {
		start := len(table)
		for _, n := range e.Numbers {
			table = binary.LittleEndian.AppendUint32(table, n)
		}
		table = binary.LittleEndian.AppendUint16(table, uint16(len(table)-start+18))
		table = append(table, e.Name[:]...)
	}
	binary.LittleEndian.PutUint16(table[len(table)-18:], uint16(len(table))) // the last has the size of all
	image := make([]byte, pages*4096)
	copy(image[len(image)-32-len(table):], table)
	return image
}

// Where the metadata of ForBoth begins, in bytes from the end.
const (
	snpMetadata = 0x800
	tdxMetadata = 0x600
)

// ForBoth returns firmware of two pages that can be launched as an SEV-SNP guest,
// with hashes of a kernel, and as a TDX trust domain.
func ForBoth() []byte {
	image := Firmware(2,
		Entry{guid.New(0x7255371f, 0x3a3b, 0x4b04, 0x927b1da6efa8d454), []uint32{0x810c00, 0x400}},
		Entry{guid.New(0x00f771de, 0x1a7e, 0x4fcb, 0x890e68c77e2fb44e), []uint32{0x80b004}},
		Entry{guid.New(0xdc886566, 0x984a, 0x4798, 0xa75e5585a7bf67cc), []uint32{snpMetadata}},
		Entry{guid.New(0xe47a6535, 0x984a, 0x4798, 0x865e4685a7bf8ec2), []uint32{tdxMetadata}},
	)
	put(image, snpMetadata, "ASEV", [][]uint32{
		{0x800000, 0x9000, 1}, {0x80d000, 0x1000, 2}, {0x80e000, 0x1000, 3}, {0x80f000, 0x1000, 4}, {0x810000, 0x1000, 0x10},
	})
	put(image, tdxMetadata, "TDVF", [][]uint32{ // offset, size; address and size of 64 bits; type, attributes
		{0x1000, 0x1000, 0xffff_f000, 0, 0x1000, 0, 0, 1}, {0, 0x1000, 0xffff_e000, 0, 0x1000, 0, 1, 0},
		{0, 0, 0x809000, 0, 0x2000, 0, 2, 0}, {0, 0, 0x800000, 0, 0x6000, 0, 3, 0},
	})
	return image
}

// put writes metadata of version 1 at a distance from the end.
func put(image []byte, distance int, signature string, sections [][]uint32) {
	metadata := append([]byte(signature), make([]byte, 12)...)
	for _, s := range sections {
		for _, n := range s {
			metadata = binary.LittleEndian.AppendUint32(metadata, n)
		}
	}
	for i, n := range []int{len(metadata), 1, len(sections)} {
		binary.LittleEndian.PutUint32(metadata[4+4*i:], uint32(n))
	}
	copy(image[len(image)-distance:], metadata)
}

package snp

import (
	"encoding/binary"

	"github.com/quotary/quotary/tee/launch/guid"
)

// build is firmware made for a test: an image with a table and metadata.
type build struct {
	pages    int
	entries  []entry // in front of the metadata's
	sections []section
	mangle   func(metadata []byte) []byte
}

type entry struct {
	name guid.GUID
	data []byte
}

func number(name guid.GUID, n ...uint32) entry {
	var data []byte
	for _, n := range n {
		data = binary.LittleEndian.AppendUint32(data, n)
	}
	return entry{name, data}
}

var footerName = guid.New(0x96b582de, 0x1fb2, 0x45f7, 0xbaeaa366c55a082d)

// metadataDistance is where the metadata of built images begins, from the end.
const metadataDistance = 0x800

// image returns an image of whole pages, with the entries in an order that reads
// from the end.
func (b build) image() []byte {
	image := make([]byte, max(b.pages, 1)*pageSize)
	metadata := append([]byte("ASEV"), make([]byte, 12)...)
	binary.LittleEndian.PutUint32(metadata[4:], uint32(16+12*len(b.sections)))
	binary.LittleEndian.PutUint32(metadata[8:], 1)
	binary.LittleEndian.PutUint32(metadata[12:], uint32(len(b.sections)))
	for _, s := range b.sections {
		for _, n := range []uint32{uint32(s.address), s.size, uint32(s.what)} {
			metadata = binary.LittleEndian.AppendUint32(metadata, n)
		}
	}
	if b.mangle != nil {
		metadata = b.mangle(metadata)
	}
	copy(image[len(image)-metadataDistance:], metadata)
	var table []byte
	for _, e := range append(b.entries, number(metadataEntry, metadataDistance)) {
		table = append(table, e.data...)
		table = binary.LittleEndian.AppendUint16(table, uint16(len(e.data)+18))
		table = append(table, e.name[:]...)
	}
	table = binary.LittleEndian.AppendUint16(table, uint16(len(table)+18))
	table = append(table, footerName[:]...)
	copy(image[len(image)-32-len(table):], table)
	return image
}

// amdSev and ovmfX64 are the metadata of EDK II stable202405, as its two builds
// for SEV-SNP have them.
func amdSev() build {
	return build{
		entries: []entry{number(hashTableEntry, 0x810c00, 0x400), number(resetBlockEntry, 0x80b004)},
		sections: []section{
			{0x800000, 0x9000, sectionMemory}, {0x80a000, 0x3000, sectionMemory}, {0x80d000, 0x1000, sectionSecrets}, {0x80e000, 0x1000, sectionCPUID},
			{0x80f000, 0x1000, sectionCAA}, {0x810000, 0x1000, sectionHashes}, {0x811000, 0xf000, sectionMemory},
		},
	}
}

func ovmfX64() build {
	b := amdSev()
	b.entries[0] = number(hashTableEntry, 0, 0)
	b.sections = append(b.sections[:5:5], section{0x810000, 0x10000, sectionMemory})
	return b
}

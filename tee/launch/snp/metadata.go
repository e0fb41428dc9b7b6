package snp

import (
	"cmp"
	"slices"

	"github.com/quotary/quotary/internal/cursor"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/ovmf"
)

// Entries of a firmware's table (EDK II, OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm).
var (
	metadataEntry   = guid.New(0xdc886566, 0x984a, 0x4798, 0xa75e5585a7bf67cc)
	hashTableEntry  = guid.New(0x7255371f, 0x3a3b, 0x4b04, 0x927b1da6efa8d454)
	resetBlockEntry = guid.New(0x00f771de, 0x1a7e, 0x4fcb, 0x890e68c77e2fb44e)
)

// sectionType says what the launch puts into a section (OvmfSevMetadata.asm).
type sectionType uint32

const (
	sectionMemory  sectionType = 1 // pages to validate
	sectionSecrets sectionType = 2
	sectionCPUID   sectionType = 3
	sectionCAA     sectionType = 4 // the calling area of a service module
	sectionHashes  sectionType = 0x10
)

// section is memory that firmware asks the launch to prepare.
type section struct {
	address uint64
	size    uint32
	what    sectionType
}

func (s section) end() uint64 { return s.address + uint64(s.size) }

// firmware is what the launch takes from an image.
type firmware struct {
	*ovmf.Image
	address    uint64
	sections   []section
	hashTable  uint32 // where the table of hashes stands; 0: nowhere
	resetBlock uint32 // where the other processors start; 0: not said
}

// parseFirmware reads the metadata of an image that ends at 4 GiB.
func parseFirmware(data []byte) (*firmware, error) {
	image, err := ovmf.Parse(data)
	if err != nil {
		return nil, err
	}
	f := &firmware{Image: image, address: ovmf.FourGiB - uint64(len(data))}
	if f.hashTable, _, err = image.Number(hashTableEntry); err != nil {
		return nil, err
	}
	if f.resetBlock, _, err = image.Number(resetBlockEntry); err != nil {
		return nil, err
	}
	distance, ok, err := image.Number(metadataEntry)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unsupported("the firmware has no SEV-SNP metadata: it cannot be launched as a SEV-SNP guest")
	}
	metadata, err := image.FromEnd(distance)
	if err != nil {
		return nil, err
	}
	return f, f.readSections(metadata)
}

// readSections reads the metadata that data begins with: signature, size,
// version, number of sections, sections.
func (f *firmware) readSections(data []byte) error {
	c := cursor.LittleEndian{Rest: data}
	signature, size, version, count := string(c.Take(4)), c.U32(), c.U32(), c.U32()
	switch {
	case c.Short || signature != "ASEV" || version != 1:
		return ovmf.Malformed("there is no SEV-SNP metadata of version 1 where the table says")
	case count == 0 || count > maxSections || size != 16+12*count:
		return ovmf.Malformed("SEV-SNP metadata of %d bytes claims %d sections; 1 to %d are read", size, count, maxSections)
	}
	for range count {
		f.sections = append(f.sections, section{uint64(c.U32()), c.U32(), sectionType(c.U32())})
	}
	if c.Short {
		return ovmf.Malformed("SEV-SNP metadata is not complete")
	}
	return f.checkSections()
}

// checkSections holds the sections to what a processor lets be launched: whole
// pages, each once, with one page for secrets, CPUID and hashes each.
func (f *firmware) checkSections() error {
	pages, seen := uint64(0), map[sectionType]bool{}
	for _, s := range f.sections {
		single := s.what == sectionSecrets || s.what == sectionCPUID || s.what == sectionCAA || s.what == sectionHashes
		switch {
		case !single && s.what != sectionMemory:
			return unsupported("the firmware has a section of the unknown type %d", s.what)
		case s.address%pageSize != 0 || s.size == 0 || s.size%pageSize != 0 || s.end() > ovmf.FourGiB:
			return ovmf.Malformed("the section at %#x of %d bytes is not made of pages below 4 GiB", s.address, s.size)
		case single && (s.size != pageSize || seen[s.what]):
			return ovmf.Malformed("a section of type %d is one page, once; there is one of %d bytes at %#x", s.what, s.size, s.address)
		}
		seen[s.what] = true
		pages += uint64(s.size) / pageSize
	}
	if pages > maxPages {
		return ovmf.Malformed("the sections have %d pages; at most %d are read", pages, maxPages)
	}
	return f.checkOverlap()
}

// checkOverlap refuses pages that would be launched twice.
func (f *firmware) checkOverlap() error {
	all := append(slices.Clone(f.sections), section{address: f.address, size: uint32(len(f.Data))})
	slices.SortFunc(all, func(a, b section) int { return cmp.Compare(a.address, b.address) })
	for i := range all[1:] {
		if all[i].end() > all[i+1].address {
			return ovmf.Malformed("the section at %#x overlaps the one at %#x", all[i].address, all[i+1].address)
		}
	}
	return nil
}

// hashes returns the section for the table of hashes, if there is one.
func (f *firmware) hashes() (section, bool) {
	i := slices.IndexFunc(f.sections, func(s section) bool { return s.what == sectionHashes })
	if i < 0 {
		return section{}, false
	}
	return f.sections[i], true
}

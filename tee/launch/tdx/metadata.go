package tdx

import (
	"cmp"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/ovmf"
)

// metadataEntry says in a firmware's table where the metadata is
// (EDK II, OvmfPkg/ResetVector/X64/IntelTdxMetadata.asm).
var metadataEntry = guid.New(0xe47a6535, 0x984a, 0x4798, 0x865e4685a7bf8ec2)

// sectionType says what a section is for (TDX Virtual Firmware Design Guide, 11.2).
type sectionType uint32

const (
	bootVolume          sectionType = 0 // BFV: the code
	configurationVolume sectionType = 1 // CFV: variables
	handOff             sectionType = 2 // TD HOB: what the hypervisor says of memory
	temporaryMemory     sectionType = 3
	permanentMemory     sectionType = 4
)

// Attributes of sections.
const (
	attributeExtend  = 1 // the contents are measured
	attributeAugment = 2 // the domain accepts the pages itself, later
)

// section is memory that firmware asks the launch to prepare.
type section struct {
	data       []byte // in the image, at most as long as size
	address    uint64
	size       uint64
	what       sectionType
	attributes uint32
}

func (s section) end() uint64 { return s.address + s.size }

// readSections returns what the image's metadata lists.
func readSections(data []byte) ([]section, error) {
	image, err := ovmf.Parse(data)
	if err != nil {
		return nil, err
	}
	distance, ok, err := image.Number(metadataEntry)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, evidence.Errorf(evidence.CodeLaunchUnsupported, "", "the firmware has no TDX metadata: it cannot be launched as a trust domain")
	}
	metadata, err := image.FromEnd(distance)
	if err != nil {
		return nil, err
	}
	c := cursor.LittleEndian{Rest: metadata}
	signature, size, version, count := string(c.Take(4)), c.U32(), c.U32(), c.U32()
	switch {
	case c.Short || signature != "TDVF" || version != 1:
		return nil, ovmf.Malformed("there is no TDX metadata of version 1 where the table says")
	case count == 0 || count > maxSections || size != 16+32*count:
		return nil, ovmf.Malformed("TDX metadata of %d bytes claims %d sections; 1 to %d are read", size, count, maxSections)
	}
	var sections []section
	for range count {
		s, err := readSection(&c, data)
		if err != nil {
			return nil, err
		}
		sections = append(sections, s)
	}
	return sections, checkTogether(sections)
}

func readSection(c *cursor.LittleEndian, image []byte) (section, error) {
	offset, raw := uint64(c.U32()), uint64(c.U32())
	s := section{address: c.U64(), size: c.U64(), what: sectionType(c.U32()), attributes: c.U32()}
	switch {
	case c.Short:
		return s, ovmf.Malformed("TDX metadata is not complete")
	case s.what > permanentMemory || s.attributes > attributeExtend|attributeAugment:
		return s, evidence.Errorf(evidence.CodeLaunchUnsupported, "", "the firmware has a section of type %d with attributes %#x, which are not known", s.what, s.attributes)
	case s.attributes == attributeExtend|attributeAugment:
		return s, ovmf.Malformed("the section at %#x is to be measured, and to be accepted later", s.address)
	case s.address%pageSize != 0 || s.size == 0 || s.size%pageSize != 0 || s.address >= maxAddress || s.size > maxPages*pageSize:
		return s, ovmf.Malformed("the section at %#x of %d bytes is not made of pages, or of too many", s.address, s.size)
	case raw > s.size || offset+raw > uint64(len(image)):
		return s, ovmf.Malformed("the section at %#x has %d bytes at %d of an image of %d", s.address, raw, offset, len(image))
	}
	s.data = image[offset : offset+raw]
	return s, nil
}

// checkTogether refuses pages that would be added twice, and too many of them.
func checkTogether(sections []section) error {
	sorted := slices.SortedFunc(slices.Values(sections), func(a, b section) int { return cmp.Compare(a.address, b.address) })
	pages := uint64(0)
	for i, s := range sorted {
		if pages += s.size / pageSize; pages > maxPages {
			return ovmf.Malformed("the sections have more than %d pages", maxPages)
		}
		if i > 0 && sorted[i-1].end() > s.address {
			return ovmf.Malformed("the section at %#x overlaps the one at %#x", sorted[i-1].address, s.address)
		}
	}
	return nil
}

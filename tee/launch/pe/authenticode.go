package pe

import (
	"cmp"
	"crypto"
	"slices"
)

// inFile returns the sections that the file has data of, in the file's order.
func (i *Image) inFile() []Section {
	sections := slices.DeleteFunc(slices.Clone(i.Sections), func(s Section) bool { return s.raw == 0 })
	slices.SortStableFunc(sections, func(a, b Section) int { return cmp.Compare(a.offset, b.offset) })
	return sections
}

// checkLayout refuses sections that share bytes: they would be digested twice and
// could be read as two things.
func (i *Image) checkLayout() error {
	end := uint64(i.headers)
	for _, s := range i.inFile() {
		if uint64(s.offset) < end {
			return malformed("the section at byte %d overlaps what is in front of it", s.offset)
		}
		i.Gaps = i.Gaps || uint64(s.offset) > end
		end = uint64(s.offset) + uint64(s.raw)
	}
	return nil
}

// Authenticode returns the image's digest as firmware measures it and as
// signatures cover it: headers without checksum and certificate table, sections in
// the file's order, and what is behind as many bytes, without the certificates.
func (i *Image) Authenticode(bank crypto.Hash) []byte {
	h := bank.New()
	h.Write(i.data[:i.checksum])
	after := i.checksum + 4
	if i.directory != 0 {
		h.Write(i.data[after:i.directory])
		after = i.directory + 8
	}
	h.Write(i.data[after:i.headers])
	digested := i.headers
	for _, s := range i.inFile() {
		h.Write(i.data[s.offset:][:s.raw])
		digested += int(s.raw)
	}
	if rest := len(i.data) - i.certificates; digested < rest {
		h.Write(i.data[digested:rest])
	}
	return h.Sum(nil)
}

// Digest returns the digest of a section as it is in memory.
func (s Section) Digest(bank crypto.Hash) []byte {
	h := bank.New()
	h.Write(s.Data)
	var zeros [4096]byte
	for left := int(s.Size) - len(s.Data); left > 0; left -= len(zeros) {
		h.Write(zeros[:min(left, len(zeros))])
	}
	return h.Sum(nil)
}

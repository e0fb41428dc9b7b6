package endorsements

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// An auxiliary certificate table is what a host hands its SNP guests beside the
// report (GHCB 56421, "SNP Extended Guest Request"; configfs-tsm's auxblob): entries of a
// 16-byte GUID, a 4-byte offset from the table's start and a 4-byte length,
// little-endian, ended by an entry of zeros; then the blobs, DER or PEM.
const auxiliaryEntrySize = 24

type guid [16]byte

// The GUIDs of certificates, in the order of their bytes (GHCB 56421, table 5).
var auxiliaryCertificates = []guid{
	{0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae}, // ARK
	{0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82}, // ASK
	{0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd}, // VCEK
	{0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1}, // VLEK
	{0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea}, // CRL
}

func isAuxiliaryTable(data []byte) bool {
	return len(data) >= auxiliaryEntrySize && slices.Contains(auxiliaryCertificates, guid(data[:16]))
}

// span is a blob's place in the table, in 64 bits so that sums cannot wrap.
type span struct {
	id         guid
	begin, end uint64
}

// recogniseAuxiliaryTable reads the certificates and CRLs of a table. Entries
// with other GUIDs are left alone; overlapping blobs and bytes that belong to
// no blob (other than zeros) are refused.
func recogniseAuxiliaryTable(data []byte) (found, error) {
	spans, headerEnd, err := auxiliaryHeader(data)
	if err != nil {
		return found{}, err
	}
	var all found
	covered := headerEnd
	for _, s := range spans {
		if s.begin < covered {
			return found{}, errMalformed("blobs of the auxiliary table overlap at offset %d", s.begin)
		}
		if !isZero(data[covered:s.begin]) {
			return found{}, errMalformed("bytes at offset %d of the auxiliary table belong to no entry", covered)
		}
		covered = s.end
		if !slices.Contains(auxiliaryCertificates, s.id) {
			continue
		}
		one, err := recogniseX509(data[s.begin:s.end])
		if err != nil {
			return found{}, err
		}
		if err := all.merge(one); err != nil {
			return found{}, err
		}
	}
	if !isZero(data[covered:]) {
		return found{}, errMalformed("bytes at offset %d of the auxiliary table belong to no entry", covered)
	}
	return all, nil
}

// auxiliaryHeader reads the table's entries, sorted by offset, and says where
// the header ends.
func auxiliaryHeader(data []byte) (spans []span, end uint64, err error) {
	for at := 0; ; at += auxiliaryEntrySize {
		if at+auxiliaryEntrySize > len(data) {
			return nil, 0, errMalformed("the auxiliary table does not end")
		}
		entry := data[at : at+auxiliaryEntrySize]
		if isZero(entry) {
			end = uint64(at + auxiliaryEntrySize)
			break
		}
		if len(spans) == MaxAuxiliaryEntries {
			return nil, 0, errMalformed("more than %d entries in the auxiliary table", MaxAuxiliaryEntries)
		}
		s := span{id: guid(entry[:16]), begin: uint64(binary.LittleEndian.Uint32(entry[16:]))}
		s.end = s.begin + uint64(binary.LittleEndian.Uint32(entry[20:]))
		if s.end > uint64(len(data)) || s.begin == s.end {
			return nil, 0, errMalformed("an entry of the auxiliary table points outside it or at nothing")
		}
		if slices.ContainsFunc(spans, func(other span) bool { return other.id == s.id }) {
			return nil, 0, errMalformed("two entries of the auxiliary table have one GUID")
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	return spans, end, nil
}

func isZero(data []byte) bool { return len(bytes.TrimLeft(data, "\x00")) == 0 }

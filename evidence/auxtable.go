package evidence

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// AuxiliaryGUID names what an entry of an auxiliary certificate table holds, in
// the order of its bytes there.
type AuxiliaryGUID [16]byte

// The GUIDs of certificates and revocation lists (GHCB 56421, "SNP Extended
// Guest Request").
var (
	AuxiliaryARK  = AuxiliaryGUID{0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae}
	AuxiliaryASK  = AuxiliaryGUID{0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82} // or the ASVK of a VLEK
	AuxiliaryVCEK = AuxiliaryGUID{0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd}
	AuxiliaryVLEK = AuxiliaryGUID{0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1}
	AuxiliaryCRL  = AuxiliaryGUID{0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea}
)

// Known reports whether AMD defined the GUID. Hosts may add entries of their own.
func (g AuxiliaryGUID) Known() bool {
	switch g {
	case AuxiliaryARK, AuxiliaryASK, AuxiliaryVCEK, AuxiliaryVLEK, AuxiliaryCRL:
		return true
	}
	return false
}

// String writes the GUID as AMD and RFC 9562 do.
func (g AuxiliaryGUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// AuxiliaryEntry is one entry of an auxiliary certificate table.
type AuxiliaryEntry struct {
	GUID AuxiliaryGUID
	// Blob is a part of the table, not a copy: a certificate or CRL, DER or PEM, or
	// whatever a host put there. Never empty.
	Blob []byte
}

// auxiliaryEntrySize is the size of an entry in bytes: GUID, offset, length.
const auxiliaryEntrySize = 24

// ParseAuxiliaryTable reads the auxiliary certificate table that a host hands
// its SNP guests beside the report (GHCB 56421, "SNP Extended Guest Request";
// auxblob of configfs-tsm): entries of a 16-byte GUID, a 4-byte offset from the
// table's start and a 4-byte length, little-endian, ended by an entry of zeros;
// then the blobs. It returns the entries in the order of their blobs; a table of
// zeros has none.
//
// The host is not trusted. Blobs lie behind the header, within data, and do not
// overlap; bytes of no blob are zero, as the padding to a whole page is; no GUID
// comes twice; there are at most [MaxAuxiliaryEntries]. Anything else is refused
// with [CodeEndorsementMalformed]. Nothing is copied.
func ParseAuxiliaryTable(data []byte) ([]AuxiliaryEntry, error) {
	spans, covered, err := auxiliaryHeader(data)
	if err != nil {
		return nil, err
	}
	entries := make([]AuxiliaryEntry, 0, len(spans))
	for _, s := range spans {
		if s.begin < covered {
			return nil, errTable("blobs of the auxiliary table overlap at offset %d", s.begin)
		}
		if !isZero(data[covered:s.begin]) {
			return nil, errTable("bytes at offset %d of the auxiliary table belong to no entry", covered)
		}
		covered = s.end
		entries = append(entries, AuxiliaryEntry{s.id, data[s.begin:s.end:s.end]})
	}
	if !isZero(data[covered:]) {
		return nil, errTable("bytes at offset %d of the auxiliary table belong to no entry", covered)
	}
	return entries, nil
}

// auxiliarySpan is a blob's place in the table, in 64 bits so that sums cannot wrap.
type auxiliarySpan struct {
	id         AuxiliaryGUID
	begin, end uint64
}

// auxiliaryHeader reads the table's entries, sorted by offset, and says where
// the header ends.
func auxiliaryHeader(data []byte) (spans []auxiliarySpan, end uint64, err error) {
	for at := 0; ; at += auxiliaryEntrySize {
		if at+auxiliaryEntrySize > len(data) {
			return nil, 0, errTable("the auxiliary table does not end")
		}
		entry := data[at : at+auxiliaryEntrySize]
		if isZero(entry) {
			end = uint64(at + auxiliaryEntrySize)
			break
		}
		if len(spans) == MaxAuxiliaryEntries {
			return nil, 0, errTable("more than %d entries in the auxiliary table", MaxAuxiliaryEntries)
		}
		s := auxiliarySpan{id: AuxiliaryGUID(entry[:16]), begin: uint64(binary.LittleEndian.Uint32(entry[16:]))}
		s.end = s.begin + uint64(binary.LittleEndian.Uint32(entry[20:]))
		if s.end > uint64(len(data)) || s.begin == s.end {
			return nil, 0, errTable("an entry of the auxiliary table points outside it or at nothing")
		}
		if slices.ContainsFunc(spans, func(other auxiliarySpan) bool { return other.id == s.id }) {
			return nil, 0, errTable("two entries of the auxiliary table have one GUID")
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b auxiliarySpan) int { return cmp.Compare(a.begin, b.begin) })
	return spans, end, nil
}

func errTable(format string, args ...any) error {
	return Errorf(CodeEndorsementMalformed, "", format, args...)
}

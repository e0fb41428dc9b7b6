package eventlog

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
)

// GUIDs of variables and signature lists, as people write them.
const (
	GUIDGlobal   = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
	GUIDSecurity = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
	GUIDShim     = "605dab50-e046-4300-abb6-3dd810dd8b23"
	GUIDX509     = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"
	GUIDSHA256   = "c1c41626-504c-4092-aca9-41f936934328"
	// GUIDOwner is whoever enrolled the simulated signatures.
	GUIDOwner = "51510000-0000-4000-8000-000000000001"
)

// GUID returns the bytes of a GUID in memory: its first three fields are
// little-endian. It panics on anything but a GUID.
func GUID(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		panic("eventlog: no GUID: " + text)
	}
	for _, field := range [][]byte{b[0:4], b[4:6], b[6:8]} {
		for i, j := 0, len(field)-1; i < j; i, j = i+1, j-1 {
			field[i], field[j] = field[j], field[i]
		}
	}
	return b
}

// UTF16 returns text in UTF-16LE without a terminating null.
func UTF16(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// Variable returns UEFI_VARIABLE_DATA.
func Variable(vendor, name string, value []byte) []byte {
	wide := UTF16(name)
	b := GUID(vendor)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(wide)/2))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	b = append(b, wide...)
	return append(b, value...)
}

// SignatureList returns an EFI_SIGNATURE_LIST of entries of one size.
func SignatureList(typ string, entries ...[]byte) []byte {
	size := 16
	if len(entries) > 0 {
		size += len(entries[0])
	}
	b := GUID(typ)
	b = binary.LittleEndian.AppendUint32(b, uint32(28+size*len(entries)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, entry := range entries {
		b = append(b, GUID(GUIDOwner)...)
		b = append(b, entry...)
	}
	return b
}

// LoadOption returns an active EFI_LOAD_OPTION whose device path is its end alone.
func LoadOption(description string) []byte {
	end := []byte{0x7f, 0xff, 4, 0}
	b := binary.LittleEndian.AppendUint32(nil, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(end)))
	b = append(b, UTF16(description)...)
	b = append(b, 0, 0)
	return append(b, end...)
}

// Tagged returns TCG_PCClientTaggedEvent.
func Tagged(tag uint32, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

package eventlog

import (
	"encoding/binary"
	"encoding/hex"
	"unicode/utf16"

	"github.com/quotary/quotary/internal/cursor"
)

// guid is an EFI_GUID as it lies in memory.
type guid [16]byte

// The name spaces of the variables that mean something here (UEFI 2.10, 3.3 and 32.4.1; shim).
var (
	guidGlobal   = newGUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
	guidSecurity = newGUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
	guidShim     = newGUID("605dab50-e046-4300-abb6-3dd810dd8b23")
)

// newGUID reads a GUID's usual text. It is for constants only.
func newGUID(text string) (g guid) {
	var digits []byte
	for i := range len(text) {
		if text[i] != '-' {
			digits = append(digits, text[i])
		}
	}
	if n, err := hex.Decode(g[:], digits); err != nil || n != len(g) {
		panic("eventlog: no GUID: " + text)
	}
	return g.swap()
}

// swap turns the order of bytes in memory into that of the text, and back: the
// first three fields are little-endian.
func (g guid) swap() guid {
	le, be := binary.LittleEndian, binary.BigEndian
	var s guid
	be.PutUint32(s[0:], le.Uint32(g[0:]))
	be.PutUint16(s[4:], le.Uint16(g[4:]))
	be.PutUint16(s[6:], le.Uint16(g[6:]))
	copy(s[8:], g[8:])
	return s
}

func (g guid) String() string {
	s := g.swap()
	text := hex.EncodeToString(s[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// variable is UEFI_VARIABLE_DATA (PFP, 10.2.6).
type variable struct {
	vendor guid
	name   string
	value  []byte
}

// parseVariable takes a variable's event data apart: nothing may be left over.
func parseVariable(data []byte) (variable, bool) {
	c := cursor.LittleEndian{Rest: data}
	var v variable
	copy(v.vendor[:], c.Take(len(v.vendor)))
	nameLength, valueLength := c.U64(), c.U64()
	if nameLength > maxVariableName {
		return variable{}, false
	}
	name := c.Sized(2 * nameLength)
	v.value = c.Sized(valueLength)
	var ok bool
	v.name, ok = decodeUTF16(name)
	return v, ok && c.Done()
}

// decodeUTF16 decodes UTF-16LE. It refuses half characters, nulls and unpaired surrogates.
func decodeUTF16(b []byte) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	runes := utf16.Decode(units)
	for _, r := range runes {
		if r == 0 || r == 0xfffd {
			return "", false
		}
	}
	return string(runes), true
}

// encodeUTF16 is the reverse, without a terminating null.
func encodeUTF16(text string) []byte {
	units := utf16.Encode([]rune(text))
	b := make([]byte, 0, 2*len(units)+2)
	for _, unit := range units {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

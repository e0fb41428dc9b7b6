package evidence

import "encoding/hex"

// Hex is a byte string that reads and writes as lower-case hex in text, as
// measurements and identifiers are written in this field.
type Hex []byte

func (h Hex) String() string { return hex.EncodeToString(h) }

// MarshalText returns h in lower-case hex.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hex of either case.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return Errorf(CodeHexMalformed, "", "%q is not hex", truncate(string(text)))
	}
	*h = b
	return nil
}

// truncate keeps foreign text in messages short.
func truncate(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

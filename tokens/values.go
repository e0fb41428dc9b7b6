package tokens

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Bytes is a byte string: a bstr in CBOR, base64url text without padding in JSON.
type Bytes []byte

// MarshalJSON returns base64url without padding (RFC 4648 §5).
func (b Bytes) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(b))
}

// UnmarshalJSON reads canonical base64url only.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	decoded, err := decodeBase64(text)
	if err != nil {
		return err
	}
	*b = decoded
	return nil
}

// decodeBase64 reads base64url without padding, in the one way in which it can
// be written. The standard library skips line breaks even when strict.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("a line break in base64url")
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

// ID is a token's identifier: a 16-byte cti in CBOR, 32 lower-case hex digits as
// jti in JSON.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalJSON returns the hex digits.
func (id ID) MarshalJSON() ([]byte, error) { return json.Marshal(id.String()) }

// UnmarshalJSON reads exactly 32 lower-case hex digits.
func (id *ID) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(id) || text != strings.ToLower(text) {
		return fmt.Errorf("an identifier has %d lower-case hex digits", 2*len(id))
	}
	*id = ID(decoded)
	return nil
}

// UnmarshalCBOR reads a byte string of exactly 16 bytes.
func (id *ID) UnmarshalCBOR(data []byte) error {
	var raw []byte
	if err := strictCBOR.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) != len(id) {
		return fmt.Errorf("an identifier has %d bytes", len(id))
	}
	*id = ID(raw)
	return nil
}

// Status is a trustworthiness tier (AR4SI §3.2): text in JSON, a number in CBOR.
type Status int8

// The tiers.
const (
	StatusNone            Status = 0
	StatusAffirming       Status = 2
	StatusWarning         Status = 32
	StatusContraindicated Status = 96
)

var statusNames = map[Status]string{
	StatusNone: "none", StatusAffirming: "affirming", StatusWarning: "warning", StatusContraindicated: "contraindicated",
}

func (s Status) String() string { return statusNames[s] }

// MarshalJSON returns the tier's name.
func (s Status) MarshalJSON() ([]byte, error) {
	name, ok := statusNames[s]
	if !ok {
		return nil, fmt.Errorf("tokens: %d is no tier", int8(s))
	}
	return json.Marshal(name)
}

// UnmarshalJSON reads a tier's name.
func (s *Status) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	for status, name := range statusNames {
		if name == text {
			*s = status
			return nil
		}
	}
	return fmt.Errorf("%.32q is no tier", text)
}

// rank orders the tiers from most to least trusted. Nothing claimed is less
// than something affirmed.
func (s Status) rank() int {
	switch s {
	case StatusAffirming:
		return 0
	case StatusNone:
		return 1
	case StatusWarning:
		return 2
	default:
		return 3
	}
}

// worst returns the least trusted of a and b.
func worst(a, b Status) Status {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

package tokens

import (
	"encoding/json"

	"github.com/quotary/quotary/evidence"
)

// Confirmation holds the key that a token is bound to: a JWK in JSON (RFC 7800
// §3.2), a COSE_Key in CBOR (RFC 8747 §3.2).
type Confirmation struct{ key evidence.Key }

// Key returns the key.
func (c *Confirmation) Key() evidence.Key { return c.key }

type confirmationJSON struct {
	JWK jwk `json:"jwk"`
}

type confirmationCBOR struct {
	Key coseKey `cbor:"1,keyasint"`
}

// MarshalJSON returns {"jwk": …}.
func (c *Confirmation) MarshalJSON() ([]byte, error) {
	j, err := newJWK(c.key.Public())
	if err != nil {
		return nil, err
	}
	return json.Marshal(confirmationJSON{j})
}

// UnmarshalJSON reads exactly one key by exactly its required members.
func (c *Confirmation) UnmarshalJSON(data []byte) error {
	var wire confirmationJSON
	if err := decodeJSON(data, &wire); err != nil {
		return err
	}
	key, err := wire.JWK.key()
	c.key = key
	return err
}

// MarshalCBOR returns {1: COSE_Key}.
func (c *Confirmation) MarshalCBOR() ([]byte, error) {
	j, err := newJWK(c.key.Public())
	if err != nil {
		return nil, err
	}
	return deterministic.Marshal(confirmationCBOR{j.cose()})
}

// UnmarshalCBOR reads exactly one key by exactly its labels.
func (c *Confirmation) UnmarshalCBOR(data []byte) error {
	var wire confirmationCBOR
	if err := exactCBOR.Unmarshal(data, &wire); err != nil {
		return err
	}
	j, err := wire.Key.jwk()
	if err != nil {
		return err
	}
	c.key, err = j.key()
	return err
}

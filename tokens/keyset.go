package tokens

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// KeySet holds the public keys that tokens are verified with, by their
// thumbprint. The zero KeySet is empty: nothing verifies under it.
type KeySet struct{ keys []setKey }

type setKey struct {
	id     keyID
	public *ecdsa.PublicKey
}

func (s *KeySet) add(id keyID, public *ecdsa.PublicKey) {
	s.keys = append(s.keys, setKey{id, public})
}

func (s KeySet) find(id keyID) (*ecdsa.PublicKey, bool) {
	for _, key := range s.keys {
		if key.id == id {
			return key.public, true
		}
	}
	return nil, false
}

// Len returns the number of keys.
func (s KeySet) Len() int { return len(s.keys) }

// setJWK is a key of a JWK set (RFC 7517 §4).
type setJWK struct {
	jwk
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	ID        string `json:"kid,omitempty"`
}

type jwks struct {
	Keys []setJWK `json:"keys"`
}

// JSON returns the set as a JWK set (RFC 7517 §5).
func (s KeySet) JSON() ([]byte, error) {
	set := jwks{Keys: []setJWK{}}
	for _, key := range s.keys {
		j, err := newJWK(key.public)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, setJWK{j, "sig", "ES256", key.id.String()})
	}
	return json.Marshal(set)
}

// CBOR returns the set as a COSE key set (RFC 9052 §7): an array of COSE keys.
func (s KeySet) CBOR() ([]byte, error) {
	set := make([]coseKey, len(s.keys))
	for i, key := range s.keys {
		k, err := newCOSEKey(key.public, key.id)
		if err != nil {
			return nil, err
		}
		set[i] = k
	}
	return deterministic.Marshal(set)
}

// ParseKeySet reads a JWK set as [KeySet.JSON] writes it: ES256 signing keys
// whose kid is their thumbprint, and nothing else. Certificates and URLs in it
// are refused: they are another way to trust a key.
func ParseKeySet(data []byte) (KeySet, error) {
	var set jwks
	if len(data) > maxKeySet {
		return KeySet{}, errKeySet("it is larger than %d bytes", maxKeySet)
	}
	if err := decodeJSON(data, &set); err != nil {
		return KeySet{}, errKeySet("%w", err)
	}
	var out KeySet
	for _, key := range set.Keys {
		if key.Use != "sig" || key.Algorithm != "ES256" {
			return KeySet{}, errKeySet("a key is not for signatures with ES256")
		}
		id, err := out.addJWK(key.jwk)
		if err != nil {
			return KeySet{}, err
		}
		if id.String() != key.ID {
			return KeySet{}, errKeySet("a key's kid is not its thumbprint")
		}
	}
	return out, out.check()
}

// ParseCOSEKeySet reads a COSE key set as [KeySet.CBOR] writes it.
func ParseCOSEKeySet(data []byte) (KeySet, error) {
	var set []coseKey
	if len(data) > maxKeySet {
		return KeySet{}, errKeySet("it is larger than %d bytes", maxKeySet)
	}
	if err := strictCBOR.Unmarshal(data, &set); err != nil {
		return KeySet{}, errKeySet("%w", err)
	}
	var out KeySet
	for _, key := range set {
		kid := key.bytes(coseKeyID)
		if key[coseKeyAlgorithm] != int64(coseES256) {
			return KeySet{}, errKeySet("a key is not for ES256")
		}
		delete(key, coseKeyID)
		delete(key, coseKeyAlgorithm)
		j, err := key.jwk()
		if err != nil {
			return KeySet{}, errKeySet("%w", err)
		}
		id, err := out.addJWK(j)
		if err != nil {
			return KeySet{}, err
		}
		if string(kid) != string(id[:]) {
			return KeySet{}, errKeySet("a key's kid is not its thumbprint")
		}
	}
	return out, out.check()
}

// addJWK adds a P-256 key and returns its thumbprint.
func (s *KeySet) addJWK(j jwk) (keyID, error) {
	key, err := j.key()
	if err != nil {
		return keyID{}, errKeySet("%w", err)
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || j.Curve != "P-256" {
		return keyID{}, errKeySet("a key is not on P-256")
	}
	id, err := thumbprint(public)
	if err != nil {
		return keyID{}, err
	}
	if _, twice := s.find(id); twice {
		return keyID{}, errKeySet("a key stands there twice")
	}
	s.add(id, public)
	return id, nil
}

func (s KeySet) check() error {
	if s.Len() == 0 || s.Len() > maxKeys {
		return errKeySet("it has %d keys, want 1 to %d", s.Len(), maxKeys)
	}
	return nil
}

func errKeySet(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTokenKeySet, "", "the key set is refused: %w", fmt.Errorf(format, args...))
}

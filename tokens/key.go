package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"

	"github.com/quotary/quotary/internal/keyfile"
)

// SigningKey is the ECDSA P-256 key that signs tokens, and nothing else.
type SigningKey struct {
	private *ecdsa.PrivateKey
	id      keyID
}

// keyID is the RFC 7638 thumbprint of a public key: SHA-256 over its required
// JWK members. The kid is these bytes in COSE, their base64url in JOSE.
type keyID [sha256.Size]byte

func (id keyID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// LoadOrCreateKey returns the key in the file at path, or makes one there, mode
// 0600. It refuses a file that others can read.
func LoadOrCreateKey(path string) (*SigningKey, error) {
	private, _, err := keyfile.LoadOrCreate(path, elliptic.P256())
	if err != nil {
		return nil, err
	}
	return newSigningKey(private)
}

func newSigningKey(private *ecdsa.PrivateKey) (*SigningKey, error) {
	id, err := thumbprint(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &SigningKey{private, id}, nil
}

// Public returns the public key.
func (k *SigningKey) Public() crypto.PublicKey { return &k.private.PublicKey }

// ID returns the key's identifier as JOSE writes it, 43 characters.
func (k *SigningKey) ID() string { return k.id.String() }

package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"github.com/quotary/quotary/evidence"
)

// SigningKey is the ECDSA P-256 key that signs tokens, and nothing else.
type SigningKey struct {
	private crypto.Signer
	public  *ecdsa.PublicKey
	id      keyID
}

// keyID is the RFC 7638 thumbprint of a public key: SHA-256 over its required
// JWK members. The kid is these bytes in COSE, their base64url in JOSE.
type keyID [sha256.Size]byte

func (id keyID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// NewSigningKey returns the key, wherever it is, as one that signs tokens. It must be of
// ECDSA P-256.
func NewSigningKey(private crypto.Signer) (*SigningKey, error) {
	public, ok := private.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, evidence.Errorf(evidence.CodeKeyUnsupported, "", "tokens are signed with a key of ECDSA P-256")
	}
	id, err := thumbprint(public)
	if err != nil {
		return nil, err
	}
	return &SigningKey{private, public, id}, nil
}

// Public returns the public key.
func (k *SigningKey) Public() crypto.PublicKey { return k.public }

// jws is the key as signer of JSON Web Signatures.
func (k *SigningKey) jws() jose.SigningKey {
	return jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: cryptosigner.Opaque(k.private), KeyID: k.ID()}}
}

// ID returns the key's identifier as JOSE writes it, 43 characters.
func (k *SigningKey) ID() string { return k.id.String() }

package tokens

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/quotary/quotary/evidence"
)

var errKey = errors.New("tokens: this is no public key in its canonical encoding")

// jwk is a public key as a JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037).
// Private members are unknown to it.
type jwk struct {
	Curve    string `json:"crv,omitempty"`
	Exponent Bytes  `json:"e,omitempty"`
	Type     string `json:"kty"`
	Modulus  Bytes  `json:"n,omitempty"`
	X        Bytes  `json:"x,omitempty"`
	Y        Bytes  `json:"y,omitempty"`
}

// newJWK takes the keys that evidence.NewKey accepts.
func newJWK(public any) (jwk, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return jwk{}, err
		}
		half := (len(point) - 1) / 2
		return jwk{Type: "EC", Curve: key.Curve.Params().Name, X: point[1 : 1+half], Y: point[1+half:]}, nil
	case ed25519.PublicKey:
		return jwk{Type: "OKP", Curve: "Ed25519", X: Bytes(key)}, nil
	case *rsa.PublicKey:
		return jwk{Type: "RSA", Modulus: key.N.Bytes(), Exponent: big.NewInt(int64(key.E)).Bytes()}, nil
	}
	return jwk{}, fmt.Errorf("tokens: no JWK for %T", public)
}

// key returns the key if it is acceptable and encoded canonically.
func (j jwk) key() (evidence.Key, error) {
	public, err := j.public()
	if err != nil {
		return evidence.Key{}, err
	}
	key, err := evidence.NewKey(public)
	if err != nil {
		return evidence.Key{}, err
	}
	again, err := newJWK(public)
	if err != nil || !j.equal(again) {
		return evidence.Key{}, errKey
	}
	return key, nil
}

func (j jwk) public() (any, error) {
	switch {
	case j.Type == "EC" && j.Curve == "P-256":
		return j.point(elliptic.P256())
	case j.Type == "EC" && j.Curve == "P-384":
		return j.point(elliptic.P384())
	case j.Type == "OKP" && j.Curve == "Ed25519" && len(j.X) == ed25519.PublicKeySize:
		return ed25519.PublicKey(j.X), nil
	case j.Type == "RSA" && len(j.Modulus) <= maxModulus && len(j.Exponent) <= maxExponent:
		exponent := new(big.Int).SetBytes(j.Exponent).Int64()
		return &rsa.PublicKey{N: new(big.Int).SetBytes(j.Modulus), E: int(exponent)}, nil
	}
	return nil, errKey
}

const (
	maxModulus  = 512 // bytes: RSA-4096, the largest that evidence.NewKey accepts
	maxExponent = 3   // bytes: 65537, the only one
)

func (j jwk) point(curve elliptic.Curve) (any, error) {
	size := (curve.Params().BitSize + 7) / 8
	if len(j.X) != size || len(j.Y) != size {
		return nil, errKey
	}
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, j.X...), j.Y...))
}

func (j jwk) equal(other jwk) bool {
	return j.Type == other.Type && j.Curve == other.Curve && bytes.Equal(j.X, other.X) && bytes.Equal(j.Y, other.Y) &&
		bytes.Equal(j.Modulus, other.Modulus) && bytes.Equal(j.Exponent, other.Exponent)
}

// thumbprint is the RFC 7638 thumbprint: jwk has exactly the required members, in
// lexicographic order.
func thumbprint(public *ecdsa.PublicKey) (keyID, error) {
	j, err := newJWK(public)
	if err != nil {
		return keyID{}, err
	}
	data, err := json.Marshal(j)
	if err != nil {
		return keyID{}, err
	}
	return sha256.Sum256(data), nil
}

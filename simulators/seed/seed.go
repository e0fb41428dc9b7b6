// Package seed derives the simulators' keys and identifiers from a text, so that
// the same text gives the same world. They are as secret as the text, which is
// to say not at all: simulated keys protect nothing.
//
// Start at [New].
package seed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha3"
	"fmt"
	"io"
	"math/big"

	"github.com/quotary/quotary/internal/lru"
)

// Source is the source of everything that one simulated vendor makes up.
type Source struct{ prefix string }

// New returns the source of a technology's vendor with this seed. Sources of
// different technologies have nothing in common.
func New(technology, seed string) Source {
	return Source{"quotary simulated " + technology + ": " + seed + "/"}
}

// Stream returns the endless bytes that belong to a label.
func (s Source) Stream(label string) io.Reader {
	h := sha3.NewSHAKE256()
	h.Write([]byte(s.prefix + label))
	return h
}

// Fill fills b with the bytes that belong to a label.
func (s Source) Fill(b []byte, label string) {
	if _, err := io.ReadFull(s.Stream(label), b); err != nil {
		panic("seed: " + err.Error()) // the stream is endless
	}
}

// ECDSA returns the key on a curve that belongs to a label.
func (s Source) ECDSA(curve elliptic.Curve, label string) *ecdsa.PrivateKey {
	scalar := make([]byte, (curve.Params().BitSize+7)/8)
	s.Fill(scalar, label)
	scalar[0] &= 0x7f // below the order of P-256 and P-384
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		panic("seed: " + err.Error()) // only a scalar of zero is left to fail
	}
	return key
}

// found remembers RSA keys, because the search for one takes up to a second: worlds of
// one seed in one process, which tests make, have the same.
var found = lru.New[string, *rsa.PrivateKey](maxFound)

// RSA returns the RSA key of that many bits that belongs to a label.
func (s Source) RSA(bits int, label string) *rsa.PrivateKey {
	name := fmt.Sprintf("%d/%s%s", bits, s.prefix, label)
	if key, ok := found.Get(name); ok {
		return key
	}
	key := s.searchRSA(bits, label)
	found.Put(name, key)
	return key
}

// searchRSA finds the key. crypto/rsa makes keys from the system's randomness alone,
// hence the search for primes here.
func (s Source) searchRSA(bits int, label string) *rsa.PrivateKey {
	const exponent = 65537
	one := big.NewInt(1)
	for attempt := 'a'; ; attempt++ {
		p, q := s.prime(bits/2, label+" p"+string(attempt)), s.prime(bits/2, label+" q"+string(attempt))
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(exponent), phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent},
			D:         d,
			Primes:    []*big.Int{p, q},
		}
		key.Precompute()
		return key
	}
}

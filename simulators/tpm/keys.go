package tpm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha3"
	"io"
	"math/big"
)

// stream returns the endless bytes that belong to a label. They are as secret
// as the label, which is to say not at all.
func stream(label string) io.Reader {
	h := sha3.NewSHAKE256()
	h.Write([]byte("quotary simulated tpm: " + label))
	return h
}

// fill fills b with the bytes that belong to a label.
func fill(b []byte, label string) { must(io.ReadFull(stream(label), b)) }

// newECDSAKey makes a key from a label.
func newECDSAKey(curve elliptic.Curve, label string) *ecdsa.PrivateKey {
	scalar := make([]byte, curve.Params().BitSize/8)
	fill(scalar, label)
	scalar[0] &= 0x7f // below the order of the curve
	return must(ecdsa.ParseRawPrivateKey(curve, scalar))
}

// newRSAKey makes an RSA-2048 key from a label. It searches for primes itself
// since crypto/rsa takes them from the system's randomness alone.
func newRSAKey(label string) *rsa.PrivateKey {
	const exponent = 65537
	one := big.NewInt(1)
	for attempt := byte('a'); ; attempt++ {
		p, q := newPrime(label+" p"+string(attempt)), newPrime(label+" q"+string(attempt))
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(exponent), phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent},
			D:         d, Primes: []*big.Int{p, q},
		}
		key.Precompute()
		return key
	}
}

// newPrime returns the first prime from a label's 1024-bit number on.
func newPrime(label string) *big.Int {
	start := make([]byte, 128)
	fill(start, label)
	start[0] |= 0xc0 // so that the product of two has 2048 bits
	start[len(start)-1] |= 1
	candidate := new(big.Int).SetBytes(start)
	for !candidate.ProbablyPrime(4) {
		candidate.Add(candidate, big.NewInt(2))
	}
	return candidate
}

package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"

	"github.com/quotary/quotary/evidence"
)

// TrustedKey is an attestation key that the operator vouches for.
type TrustedKey struct {
	// Public is an *rsa.PublicKey or *ecdsa.PublicKey.
	Public crypto.PublicKey
	// Area is the key's TPMT_PUBLIC, or nil where it is not known. Only with it
	// can be shown that the key is restricted to what its TPM made.
	Area []byte
	// Name is what the key is called in claims. Optional.
	Name string
	// Origin is [evidence.OriginConfigured] (also if empty) or [evidence.OriginSimulated].
	Origin evidence.Origin
}

// ParseTrustedKey reads an attestation key as operators have it: a PEM or DER
// SubjectPublicKeyInfo (tpm2_createak -f pem), or a TPM2B_PUBLIC or TPMT_PUBLIC
// (tpm2_createak -f tss). Prefer the latter: an area shows that the key is
// restricted. The error is an *evidence.Error.
func ParseTrustedKey(data []byte) (TrustedKey, error) {
	if len(data) > evidence.MaxTPMStructure {
		return TrustedKey{}, evidence.Errorf(evidence.CodeKeyMalformed, "ak", "%d bytes, at most %d are read", len(data), evidence.MaxTPMStructure)
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN ")) {
		block, rest := pem.Decode(data)
		if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
			return TrustedKey{}, evidence.Errorf(evidence.CodeKeyMalformed, "ak", "not exactly one PEM block \"PUBLIC KEY\"")
		}
		return fromSPKI(block.Bytes)
	}
	const sequence = 0x30 // how DER begins; no public area does: its type or its size is below 0x3000
	if len(data) > 0 && data[0] == sequence {
		return fromSPKI(data)
	}
	return fromArea(data)
}

func fromSPKI(der []byte) (TrustedKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return TrustedKey{}, evidence.Errorf(evidence.CodeKeyMalformed, "ak", "this is no public key (SubjectPublicKeyInfo); a certificate must be given with its evidence instead")
	}
	return TrustedKey{Public: key}, judgeKey(key)
}

func fromArea(data []byte) (TrustedKey, error) {
	area, err := evidence.UnwrapTPMPublic(data)
	if err != nil {
		return TrustedKey{}, evidence.Errorf(evidence.CodeKeyMalformed, "ak", "neither a SubjectPublicKeyInfo (PEM or DER) nor a TPM2B_PUBLIC or TPMT_PUBLIC")
	}
	p, err := parsePublic(area)
	if err != nil {
		return TrustedKey{}, err
	}
	return TrustedKey{Public: p.key, Area: area}, nil
}

// akKey is an accepted attestation key.
type akKey struct {
	public      crypto.PublicKey
	fingerprint digest // SHA-256 of its SubjectPublicKeyInfo, by which keys are found and named
}

// newAKKey judges a key. The error has [evidence.CodeTPMAKKey].
func newAKKey(public crypto.PublicKey) (akKey, error) {
	if err := judgeKey(public); err != nil {
		return akKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return akKey{}, keyError("%w", err)
	}
	return akKey{public, sha256.Sum256(der)}, nil
}

// equal reports whether two public keys are the same.
func equal(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func keyError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMAKKey, "ak", format, args...)
}

// judgeKey refuses keys of other types, of weak or absurd sizes, and moduli
// with the structure of CVE-2017-15361.
func judgeKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return judgeRSA(key)
	case *ecdsa.PublicKey:
		if key == nil || key.Curve == nil {
			return keyError("an empty ECDSA key")
		}
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return keyError("curve %s is none of P-256, P-384 and P-521", key.Params().Name)
	}
	return keyError("a key of type %T is neither RSA nor ECDSA", key)
}

func judgeRSA(key *rsa.PublicKey) error {
	if key == nil || key.N == nil {
		return keyError("an empty RSA key")
	}
	switch bits := key.N.BitLen(); {
	case bits < minRSA || bits > maxRSA:
		return keyError("RSA of %d bits; %d to %d are accepted", bits, minRSA, maxRSA)
	case key.E != 65537:
		return keyError("RSA exponent %d; only 65537 is accepted", key.E)
	case key.N.Bit(0) == 0:
		return keyError("an even RSA modulus")
	case factorable(key.N):
		return keyError("the RSA modulus has the structure of CVE-2017-15361 and can be factored")
	}
	return nil
}

// factorable reports whether n has the fingerprint of moduli made by the
// vulnerable library of CVE-2017-15361: modulo each small prime they are powers of 65537
// (Nemec and others, "The Return of Coppersmith's Attack", 2017, section 2). A
// sound modulus has it by chance with a probability below 2^-27.
func factorable(n *big.Int) bool {
	remainder := new(big.Int)
	for _, prime := range smallPrimes {
		residue := remainder.Mod(n, big.NewInt(prime)).Int64()
		if !isPower(residue, 65537%prime, prime) {
			return false
		}
	}
	return true
}

// smallPrimes are the odd primes that divide the vulnerable library's modulus
// for keys of 512 bits, and so for all larger ones.
var smallPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83,
	89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isPower reports whether x is a power of g modulo the prime p.
func isPower(x, g, p int64) bool {
	power := int64(1)
	for range p {
		if power == x {
			return true
		}
		power = power * g % p
	}
	return false
}

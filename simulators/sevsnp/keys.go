package sevsnp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha3"
	"io"
	"math/big"
)

// stream returns the endless bytes that belong to a label. They are as secret
// as the label, which is to say not at all: simulated keys protect nothing.
func stream(label string) io.Reader {
	h := sha3.NewSHAKE256()
	h.Write([]byte("quotary simulated sev-snp: " + label))
	return h
}

// fill fills b with the bytes that belong to a label.
func fill(b []byte, label string) {
	if _, err := io.ReadFull(stream(label), b); err != nil {
		panic("sevsnp: " + err.Error()) // the stream is endless
	}
}

// rsaKey signs with salts that follow from what is signed, so that the same
// certificate comes out each time.
type rsaKey struct{ *rsa.PrivateKey }

// Sign implements [crypto.Signer]; it takes no randomness.
func (k rsaKey) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(stream("salt "+string(digest)), digest, options)
}

// newRSAKey makes an RSA-4096 key from a label. crypto/rsa makes keys only from
// the system's randomness, hence the search for primes here.
func newRSAKey(label string) rsaKey {
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
			D:         d,
			Primes:    []*big.Int{p, q},
		}
		key.Precompute()
		return rsaKey{key}
	}
}

// sieveBound is the bound of the small primes that candidates are sieved with:
// with it about one candidate in ten is left for the costly test.
const sieveBound = 1 << 14

// newPrime finds the first 2048-bit prime from a label's number on.
func newPrime(label string) *big.Int {
	start := make([]byte, 256)
	fill(start, label)
	start[0] |= 0xc0 // so that the product of two has 4096 bits
	start[len(start)-1] |= 1
	base := new(big.Int).SetBytes(start)
	primes := smallPrimes()
	remainders := make([]uint64, len(primes))
	for i, prime := range primes {
		remainders[i] = new(big.Int).Mod(base, new(big.Int).SetUint64(prime)).Uint64()
	}
	for offset := uint64(0); ; offset += 2 {
		if isDivisible(remainders, primes, offset) {
			continue
		}
		candidate := new(big.Int).Add(base, new(big.Int).SetUint64(offset))
		if candidate.ProbablyPrime(1) {
			return candidate
		}
	}
}

func isDivisible(remainders, primes []uint64, offset uint64) bool {
	for i, prime := range primes {
		if (remainders[i]+offset)%prime == 0 {
			return true
		}
	}
	return false
}

// smallPrimes lists the odd primes below sieveBound.
func smallPrimes() []uint64 {
	var primes []uint64
	composite := make([]bool, sieveBound)
	for n := 3; n < sieveBound; n += 2 {
		if composite[n] {
			continue
		}
		primes = append(primes, uint64(n))
		for multiple := n * n; multiple < sieveBound; multiple += 2 * n {
			composite[multiple] = true
		}
	}
	return primes
}

// newP384Key makes an endorsement key from a label.
func newP384Key(label string) (*ecdsa.PrivateKey, error) {
	scalar := make([]byte, 48)
	fill(scalar, label)
	scalar[0] &= 0x7f // below the order of the curve
	return ecdsa.ParseRawPrivateKey(elliptic.P384(), scalar)
}

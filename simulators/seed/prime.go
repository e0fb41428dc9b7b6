package seed

import "math/big"

// sieveBound is the bound of the small primes that candidates are sieved with:
// with it about one candidate in eleven is left for the costly test.
const sieveBound = 1 << 18

// prime finds the first prime from a label's number of that many bits on.
func (s Source) prime(bits int, label string) *big.Int {
	start := make([]byte, bits/8)
	s.Fill(start, label)
	start[0] |= 0xc0 // so that the product of two has twice the bits
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

package eventlog

import (
	"bytes"
	"crypto/sha1" // logs of TPM 1.2 machines have nothing else
	"crypto/sha256"
	"crypto/sha512"
	"strconv"
)

// Algorithm is a hash algorithm by its TPM_ALG_ID (TCG algorithm registry).
type Algorithm uint16

// The algorithms whose digests can be recomputed and replayed.
const (
	SHA1   Algorithm = 0x0004
	SHA256 Algorithm = 0x000b
	SHA384 Algorithm = 0x000c
	SHA512 Algorithm = 0x000d
)

var algorithms = map[Algorithm]struct {
	name string
	size int
}{
	SHA1:   {"sha1", sha1.Size},
	SHA256: {"sha256", sha256.Size},
	SHA384: {"sha384", sha512.Size384},
	SHA512: {"sha512", sha512.Size},
	0x0012: {"sm3_256", 32},
	0x0027: {"sha3_256", 32},
	0x0028: {"sha3_384", 48},
	0x0029: {"sha3_512", 64},
}

// String returns the name as PCR banks have it: "sha256".
func (a Algorithm) String() string {
	if known, ok := algorithms[a]; ok {
		return known.name
	}
	return "algorithm " + strconv.Itoa(int(a))
}

// ParseAlgorithm returns the algorithm of a PCR bank's name, if its digests can
// be recomputed.
func ParseAlgorithm(bank string) (Algorithm, bool) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA384, SHA512} {
		if a.String() == bank {
			return a, true
		}
	}
	return 0, false
}

// digest is a digest without memory of its own on the heap.
type digest struct {
	bytes [maxDigest]byte
	size  int
}

func (d *digest) equals(other []byte) bool { return bytes.Equal(d.bytes[:d.size], other) }

// sum returns the digest of data. The algorithm is one of the four above.
func (a Algorithm) sum(data []byte) (d digest) {
	switch a {
	case SHA1:
		h := sha1.Sum(data)
		d.size = copy(d.bytes[:], h[:])
	case SHA256:
		h := sha256.Sum256(data)
		d.size = copy(d.bytes[:], h[:])
	case SHA384:
		h := sha512.Sum384(data)
		d.size = copy(d.bytes[:], h[:])
	case SHA512:
		h := sha512.Sum512(data)
		d.size = copy(d.bytes[:], h[:])
	}
	return d
}

// extend sets register to the digest of its value and what extends it.
func (a Algorithm) extend(register, extension []byte) {
	var both [2 * maxDigest]byte
	n := copy(both[:], register)
	n += copy(both[n:], extension)
	d := a.sum(both[:n])
	copy(register, d.bytes[:d.size])
}

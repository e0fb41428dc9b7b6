package tpm

import "crypto/sha256"

// digest identifies exact bytes.
type digest [sha256.Size]byte

// digestOf identifies a sequence of byte strings, each with its length, so that
// no two sequences share a digest.
func digestOf(parts ...[]byte) digest {
	h := sha256.New()
	var size [4]byte
	for _, part := range parts {
		n := len(part)
		size = [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		h.Write(size[:])
		h.Write(part)
	}
	return digest(h.Sum(nil))
}

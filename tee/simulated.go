package tee

import (
	"crypto/sha256"

	"github.com/quotary/quotary/evidence"
)

// SimulatedID is what a key that rests on a simulated root is remembered by, where a real one is by
// its digest. Whoever simulates a TPM has its endorsement key and can enrol any
// attestation key, so nothing that is left about a real key may be found under the same name.
func SimulatedID(key evidence.Digest) evidence.Digest {
	return sha256.Sum256(append([]byte("quotary/simulated/v1\x00"), key[:]...))
}

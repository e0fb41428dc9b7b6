package sevsnp

import (
	"crypto"
	"crypto/rsa"
	"io"

	"github.com/quotary/quotary/simulators/seed"
)

// rsaKey signs with salts that follow from what is signed, so that the same
// certificate comes out each time.
type rsaKey struct {
	*rsa.PrivateKey
	source seed.Source
}

// Sign implements [crypto.Signer]; it takes no randomness.
func (k rsaKey) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(k.source.Stream("salt "+string(digest)), digest, options)
}

package sevsnp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"fmt"
	"math/big"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// ecdsaP384SHA384 is the one SIGNATURE_ALGO (56860, "Chapter 10, signature algorithms").
const ecdsaP384SHA384 = 1

// The format of an ECDSA P-384 signature: R and S, little-endian, 72 bytes each
// for 48 that count, and zeros to the end of the report.
const (
	scalarField = 72
	scalarSize  = 48
)

// signature is a decoded signature; r and s are in [1, n-1].
type signature struct{ r, s *big.Int }

// examineSignatureFormat decodes the report's signature, or returns nil.
func examineSignatureFormat(rep *report, checks *evidence.Checks) *signature {
	const want = "R and S between 1 and n-1, zeros behind"
	field := rep.raw[offSignature:]
	r, errR := scalar(field[:scalarField])
	s, errS := scalar(field[scalarField : 2*scalarField])
	switch {
	case errR != nil:
		checks.Fail(evidence.CodeSNPSignatureFormat, want, "R "+errR.Error())
	case errS != nil:
		checks.Fail(evidence.CodeSNPSignatureFormat, want, "S "+errS.Error())
	case !isZero(field[2*scalarField:]):
		checks.Fail(evidence.CodeSNPSignatureFormat, want, "bytes behind S are not zero")
	default:
		checks.Pass(evidence.CodeSNPSignatureFormat, "R and S in range")
		return &signature{r, s}
	}
	return nil
}

// scalar reads a little-endian number in [1, n-1] from its 72-byte field.
func scalar(field []byte) (*big.Int, error) {
	if !isZero(field[scalarSize:]) {
		return nil, fmt.Errorf("has more than 384 bits")
	}
	bigEndian := slices.Clone(field[:scalarSize])
	slices.Reverse(bigEndian)
	n := new(big.Int).SetBytes(bigEndian)
	switch {
	case n.Sign() == 0:
		return nil, fmt.Errorf("is zero")
	case n.Cmp(elliptic.P384().Params().N) >= 0:
		return nil, fmt.Errorf("is not below the order of P-384")
	}
	return n, nil
}

// verifies reports whether s is key's signature over the report.
func (s *signature) verifies(key *ecdsa.PublicKey, rep *report) bool {
	sum := sha512.Sum384(rep.signed())
	return ecdsa.Verify(key, sum[:], s.r, s.s)
}

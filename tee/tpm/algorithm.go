package tpm

import (
	"crypto"
	_ "crypto/sha1" // PCR banks of SHA-1 are read, though no signature by it is accepted
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
)

// algorithm is a TPM_ALG_ID (TCG Algorithm Registry, table 3).
type algorithm uint16

const (
	algRSA          algorithm = 0x0001
	algSHA1         algorithm = 0x0004
	algAES          algorithm = 0x0006
	algMGF1         algorithm = 0x0007
	algSHA256       algorithm = 0x000b
	algSHA384       algorithm = 0x000c
	algSHA512       algorithm = 0x000d
	algNull         algorithm = 0x0010
	algRSASSA       algorithm = 0x0014
	algRSAES        algorithm = 0x0015
	algRSAPSS       algorithm = 0x0016
	algOAEP         algorithm = 0x0017
	algECDSA        algorithm = 0x0018
	algECDH         algorithm = 0x0019
	algECDAA        algorithm = 0x001a
	algECMQV        algorithm = 0x001d
	algKDF1SP80056A algorithm = 0x0020
	algKDF2         algorithm = 0x0021
	algKDF1SP800108 algorithm = 0x0022
	algECC          algorithm = 0x0023
)

func (a algorithm) String() string {
	switch a {
	case algRSA:
		return "rsa"
	case algSHA1:
		return "sha1"
	case algSHA256:
		return "sha256"
	case algSHA384:
		return "sha384"
	case algSHA512:
		return "sha512"
	case algNull:
		return "null"
	case algRSASSA:
		return "rsassa"
	case algRSAPSS:
		return "rsapss"
	case algECDSA:
		return "ecdsa"
	case algECC:
		return "ecc"
	}
	return fmt.Sprintf("algorithm 0x%04x", uint16(a))
}

// hash returns the hash function that a names, or 0 if it is none that this
// build knows.
func (a algorithm) hash() crypto.Hash {
	switch a {
	case algSHA1:
		return crypto.SHA1
	case algSHA256:
		return crypto.SHA256
	case algSHA384:
		return crypto.SHA384
	case algSHA512:
		return crypto.SHA512
	}
	return 0
}

// strong reports whether signatures and names may rest on the hash a.
func (a algorithm) strong() bool { return a != algSHA1 && a.hash() != 0 }

// sum returns the digest of the parts' concatenation. The hash must be known.
func (a algorithm) sum(parts ...[]byte) []byte {
	h := a.hash().New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

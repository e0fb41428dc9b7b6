package attacks

import (
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// tpmSignatureRows are signed by another scheme than the key's.
func tpmSignatureRows() []Row {
	const rsassa, null = 0x0014, 0x0010
	hashed := func(name string, hash uint16, behind []evidence.Code, want ...evidence.Code) Case {
		return Case{
			Name: name, Subject: tpmPlain, Want: want, Behind: behind,
			Try: resigned(func(s []byte) []byte { binary.BigEndian.PutUint16(s[2:], hash); return s }),
		}
	}
	_, enrolled, _ := otherEnrolledKeys()
	return []Row{{"P15", "signature by another scheme", append(enrolled, []Case{
		{
			Name: "an RSA signature by an ECC key", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignatureScheme),
			Try: resigned(func([]byte) []byte { return rsaSignature(rsassa, 256) }),
		},
		{
			Name: "an ECC signature by an RSA key", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignatureScheme),
			Try: beside(func(a *Attacker, item *evidence.TPM) error {
				key, err := largeKey(a)
				if err != nil {
					return err
				}
				return certifiedAs(a, item, key, nil)
			}),
		},
		hashed("the null hash", null, codes(evidence.CodePolicyTPMPCR), evidence.CodeTPMSignatureScheme, evidence.CodeTPMSignatureHash),
		hashed("SHA-1", 0x0004, nil, evidence.CodeTPMSignatureScheme, evidence.CodeTPMSignatureHash, evidence.CodeTPMPCRDigest),
		hashed("another hash than the key's", 0x000c, nil, evidence.CodeTPMSignatureScheme, evidence.CodeTPMSignature, evidence.CodeTPMPCRDigest),
		{
			Name: "the null scheme", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignatureFormat), Proof: ByParser, Why: undecoded,
			Try: resigned(func([]byte) []byte { return []byte{0, null} }),
		},
		{
			Name: "longer numbers", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignature),
			Try: resigned(func(s []byte) []byte { // scheme and hash, then r and s of 32 bytes with their sizes
				return slices.Concat(s[:4], []byte{0, 33, 0}, s[6:38], []byte{0, 33, 0}, s[40:])
			}),
		},
		{
			Name: "zeros", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignature),
			Try: resigned(func(s []byte) []byte {
				clear(s[6:38])
				clear(s[40:])
				return s
			}),
		},
		{
			Name: "of another statement", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignature),
			Try: attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
				item, err := h.Quote(data)
				if err != nil {
					return nil, err
				}
				other, err := h.Quote(nil)
				if err == nil {
					item.Signature = other.Signature
				}
				return item, err
			}),
		},
	}...)}}
}

// resigned attests with the honest quote and what edit makes of its signature.
func resigned(edit func(signature []byte) []byte) try {
	return beside(func(_ *Attacker, item *evidence.TPM) error { item.Signature = edit(item.Signature); return nil })
}

// rsaSignature is the form of a signature with SHA-256.
func rsaSignature(scheme uint16, size int) []byte {
	s := binary.BigEndian.AppendUint16(nil, scheme)
	s = binary.BigEndian.AppendUint16(s, 0x000b)
	s = binary.BigEndian.AppendUint16(s, uint16(size))
	return append(s, make([]byte, size)...)
}

// largeKey is an RSA-4096 key: to make one of the attacker's own takes seconds, and this
// one is at hand.
func largeKey(a *Attacker) (*rsa.PublicKey, error) {
	key, ok := a.World().SEVSNP.ASK().Key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the vendor's signing key is no RSA key")
	}
	return key, nil
}

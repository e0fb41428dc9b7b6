package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// ekTemplate is a template for the public area of an endorsement key (TCG EK
// Credential Profile for TPM 2.0, B.3 and B.4). With the key it is a TPMT_PUBLIC.
type ekTemplate struct {
	name       string
	curve      elliptic.Curve // nil for RSA
	bits       int            // of the modulus, for RSA
	nameAlg    algorithm
	attributes attributes
	policy     []byte
	aes        int // bits of the key that protects what is under the endorsement key, in CFB mode
}

// The attributes of endorsement keys: fixedTPM, fixedParent, sensitiveDataOrigin,
// adminWithPolicy, restricted, decrypt, and in the high range userWithAuth.
const (
	ekLow  attributes = 0x000300b2
	ekHigh attributes = 0x000300f2
)

// The policies that authorize the use of an endorsement key.
var (
	// ekPolicyA is TPM2_PolicySecret with the endorsement hierarchy (B.6.2).
	ekPolicyA = policy("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
	// ekPolicyB256 and ekPolicyB384 are that or what an NV index says (B.6.5).
	ekPolicyB256 = policy("ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0")
	ekPolicyB384 = policy("b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12")
)

func policy(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic("tpm: malformed policy")
	}
	return b
}

// ekTemplates are the templates of the keys that are accepted. Where two are for one
// type of key, the first is what a key has of which nothing else is known: TPMs keep
// certificates of keys by the low range in the NV indices that all software reads.
var ekTemplates = []ekTemplate{
	{name: "L-1", bits: 2048, nameAlg: algSHA256, attributes: ekLow, policy: ekPolicyA, aes: 128},
	{name: "L-2", curve: elliptic.P256(), nameAlg: algSHA256, attributes: ekLow, policy: ekPolicyA, aes: 128},
	{name: "H-1", bits: 2048, nameAlg: algSHA256, attributes: ekHigh, policy: ekPolicyB256, aes: 128},
	{name: "H-2", curve: elliptic.P256(), nameAlg: algSHA256, attributes: ekHigh, policy: ekPolicyB256, aes: 128},
	{name: "H-3", curve: elliptic.P384(), nameAlg: algSHA384, attributes: ekHigh, policy: ekPolicyB384, aes: 256},
	{name: "H-6", bits: 3072, nameAlg: algSHA384, attributes: ekHigh, policy: ekPolicyB384, aes: 256},
}

// ekTemplatesOf returns the templates for keys of this type and size, the default first.
func ekTemplatesOf(key crypto.PublicKey) (fit []ekTemplate) {
	for _, t := range ekTemplates {
		if t.fits(key) {
			fit = append(fit, t)
		}
	}
	return fit
}

func (t ekTemplate) fits(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return t.curve == nil && key.N.BitLen() == t.bits
	case *ecdsa.PublicKey:
		return t.curve != nil && key.Curve == t.curve
	}
	return false
}

// area returns the TPMT_PUBLIC of a key that t fits (TPM 2.0 part 2, 12.2.4).
func (t ekTemplate) area(key crypto.PublicKey) []byte {
	typ := algRSA
	if t.curve != nil {
		typ = algECC
	}
	b := appendAlgorithms(nil, typ, t.nameAlg)
	b = binary.BigEndian.AppendUint32(b, uint32(t.attributes))
	b = appendSized(b, t.policy)
	const cfb algorithm = 0x0043
	b = appendAlgorithms(b, algAES, algorithm(t.aes), cfb, algNull) // symmetric, scheme
	switch key := key.(type) {
	case *rsa.PublicKey:
		b = binary.BigEndian.AppendUint16(b, uint16(t.bits))
		b = binary.BigEndian.AppendUint32(b, 0) // the default exponent
		b = appendSized(b, key.N.Bytes())
	case *ecdsa.PublicKey:
		b = binary.BigEndian.AppendUint16(b, curveID(t.curve))
		b = appendAlgorithms(b, algNull) // kdf
		x, y := coordinates(key)
		b = appendSized(appendSized(b, x), y)
	}
	return b
}

// coordinates returns a point's coordinates in the curve's full size.
func coordinates(key *ecdsa.PublicKey) (x, y []byte) {
	point, err := key.Bytes() // 04, X, Y
	if err != nil {
		return nil, nil // not on its curve, which judgeKey and the parsers exclude
	}
	size := len(point) / 2
	return point[1 : 1+size], point[1+size:]
}

// curveID returns the TPM_ECC_CURVE of a curve that [curveOf] knows.
func curveID(curve elliptic.Curve) uint16 {
	for _, id := range []uint16{0x0003, 0x0004, 0x0005} {
		if curveOf(id) == curve {
			return id
		}
	}
	return 0
}

func describeKey(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return key.Params().Name
	}
	return fmt.Sprintf("%T", key)
}

func appendAlgorithms(b []byte, algorithms ...algorithm) []byte {
	for _, a := range algorithms {
		b = binary.BigEndian.AppendUint16(b, uint16(a))
	}
	return b
}

// appendSized appends a TPM2B structure.
func appendSized(b, content []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(content)))
	return append(b, content...)
}

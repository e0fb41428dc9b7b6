package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// public is a TPMT_PUBLIC (TPM 2.0 part 2, 12.2.4) of an asymmetric key.
type public struct {
	nameAlg    algorithm
	attributes attributes
	scheme     algorithm // of signatures; algNull if the key leaves it open
	schemeHash algorithm
	key        crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	// name is what the TPM knows the key by: nameAlg and the digest of the area.
	name []byte
}

// attributes is a TPMA_OBJECT (part 2, 8.3).
type attributes uint32

const (
	attrFixedTPM            attributes = 1 << 1
	attrFixedParent         attributes = 1 << 4
	attrSensitiveDataOrigin attributes = 1 << 5
	attrRestricted          attributes = 1 << 16
	attrDecrypt             attributes = 1 << 17
	attrSign                attributes = 1 << 18
)

// attributeNames are the attributes that are judged, by their names.
var attributeNames = []struct {
	bit  attributes
	name string
}{
	{attrRestricted, "restricted"}, {attrSign, "sign"}, {attrFixedTPM, "fixedTPM"},
	{attrFixedParent, "fixedParent"}, {attrSensitiveDataOrigin, "sensitiveDataOrigin"}, {attrDecrypt, "decrypt"},
}

const (
	// certified are the attributes of a key that cannot leave its TPM, was made in it,
	// and signs what it is given: of those above it has these and no others.
	certified = attrSign | attrFixedTPM | attrFixedParent | attrSensitiveDataOrigin
	// attestation are the attributes of an attestation key: only with these, and
	// no others of those above, is what it signs as TPM_GENERATED made by its TPM.
	attestation = certified | attrRestricted
)

// What keys must be, in words.
const (
	wantAttributes = "restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, not decrypt"
	wantCertified  = "sign, fixedTPM, fixedParent, sensitiveDataOrigin, not restricted, not decrypt"
)

// wrongFor lists how a differs from what is wanted; empty if it does not.
func (a attributes) wrongFor(wanted attributes) string {
	var wrong []string
	for _, attribute := range attributeNames {
		switch has, want := a&attribute.bit != 0, wanted&attribute.bit != 0; {
		case want && !has:
			wrong = append(wrong, "not "+attribute.name)
		case has && !want:
			wrong = append(wrong, attribute.name)
		}
	}
	return strings.Join(wrong, ", ")
}

// wrong lists how a differs from an attestation key's attributes.
func (a attributes) wrong() string { return a.wrongFor(attestation) }

func (a attributes) String() string { return fmt.Sprintf("%08x", uint32(a)) }

// parsePublic decodes a TPMT_PUBLIC. The error's code tells a malformed area
// from a key that is not accepted.
func parsePublic(b []byte) (public, error) {
	if len(b) > evidence.MaxTPMStructure {
		return public{}, publicError("%d bytes, at most %d are read", len(b), evidence.MaxTPMStructure)
	}
	r := &reader{rest: b}
	typ := r.algorithm("type")
	p := public{nameAlg: r.algorithm("nameAlg"), attributes: attributes(r.u32("objectAttributes"))}
	r.sized(maxDigest, "authPolicy")
	var key func() (crypto.PublicKey, error)
	switch typ {
	case algRSA:
		key = readRSA(r, &p)
	case algECC:
		key = readECC(r, &p)
	default:
		r.fail("type: %s is neither rsa nor ecc", typ)
	}
	if r.err == nil && !p.nameAlg.strong() {
		r.fail("nameAlg: %s; sha256, sha384 or sha512 is needed", p.nameAlg)
	}
	if err := r.end(); err != nil {
		return public{}, publicError("%w", err)
	}
	var err error
	if p.key, err = key(); err != nil {
		return public{}, err
	}
	p.name = binary.BigEndian.AppendUint16(nil, uint16(p.nameAlg))
	p.name = append(p.name, p.nameAlg.sum(b)...)
	return p, nil
}

func publicError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMAKPublicFormat, "ak_public", format, args...)
}

// readRSA reads TPMS_RSA_PARMS (part 2, 12.2.3.5) and the modulus. The key is
// made once the whole area was read.
func readRSA(r *reader, p *public) func() (crypto.PublicKey, error) {
	readSymmetric(r)
	readScheme(r, p, algRSA)
	bits := int(r.u16("keyBits"))
	exponent := r.u32("exponent")
	modulus := r.sized(maxRSA/8, "unique")
	if r.err == nil && bits != 8*len(modulus) {
		r.fail("unique: a modulus of %d bytes in a key of %d bits", len(modulus), bits)
	}
	return func() (crypto.PublicKey, error) {
		if exponent == 0 {
			exponent = 65537 // part 2, 12.2.3.5: zero stands for the default
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(exponent)}
		if key.N.BitLen() != bits {
			return nil, keyError("a modulus of %d bits in a key of %d", key.N.BitLen(), bits)
		}
		return key, judgeKey(key)
	}
}

// readECC reads TPMS_ECC_PARMS (part 2, 12.2.3.6) and the point.
func readECC(r *reader, p *public) func() (crypto.PublicKey, error) {
	readSymmetric(r)
	readScheme(r, p, algECC)
	curveID := r.u16("curveID")
	switch kdf := r.algorithm("kdf"); kdf {
	case algNull:
	case algMGF1, algKDF1SP80056A, algKDF2, algKDF1SP800108:
		r.u16("kdf.hash")
	default:
		r.fail("kdf: %s is not accepted", kdf)
	}
	x, y := r.sized(maxECC, "unique.x"), r.sized(maxECC, "unique.y")
	return func() (crypto.PublicKey, error) {
		curve := curveOf(curveID)
		if curve == nil {
			return nil, keyError("curve 0x%04x is none of P-256, P-384 and P-521", curveID)
		}
		size := (curve.Params().BitSize + 7) / 8
		if len(x) > size || len(y) > size {
			return nil, keyError("a coordinate is longer than the curve's %d bytes", size)
		}
		point := make([]byte, 1+2*size)
		point[0] = 4 // uncompressed
		copy(point[1+size-len(x):], x)
		copy(point[1+2*size-len(y):], y)
		key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil, keyError("the point is not on %s", curve.Params().Name)
		}
		return key, nil
	}
}

// curveOf returns the curve of a TPM_ECC_CURVE (TCG Algorithm Registry, table 4).
func curveOf(id uint16) elliptic.Curve {
	switch id {
	case 0x0003:
		return elliptic.P256()
	case 0x0004:
		return elliptic.P384()
	case 0x0005:
		return elliptic.P521()
	}
	return nil
}

// readSymmetric reads a TPMT_SYM_DEF_OBJECT (part 2, 11.1.7), which only keys
// that are parents have.
func readSymmetric(r *reader) {
	switch alg := r.algorithm("symmetric"); alg {
	case algNull:
	case algAES:
		r.u16("symmetric.keyBits")
		r.u16("symmetric.mode")
	default:
		r.fail("symmetric: %s is not accepted", alg)
	}
}

// rsaSchemes and eccSchemes are the schemes of either type of key that name a hash;
// without those of algorithms that no key is accepted with.
var (
	rsaSchemes = []algorithm{algRSASSA, algRSAPSS, algOAEP}
	eccSchemes = []algorithm{algECDSA, algECDH, algECDAA, algECMQV}
)

// readScheme reads a TPMT_RSA_SCHEME or TPMT_ECC_SCHEME (part 2, 11.2.4.2 and 11.2.5.6).
func readScheme(r *reader, p *public, typ algorithm) {
	schemes := eccSchemes
	if typ == algRSA {
		schemes = rsaSchemes
	}
	p.scheme = r.algorithm("scheme")
	switch {
	case p.scheme == algNull, p.scheme == algRSAES && typ == algRSA:
	case slices.Contains(schemes, p.scheme):
		p.schemeHash = r.algorithm("scheme.hash")
		if p.scheme == algECDAA {
			r.u16("scheme.count")
		}
	default:
		r.fail("scheme: %s is none that an %s key is accepted with", p.scheme, typ)
	}
}

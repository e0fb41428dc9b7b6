package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// KeyType is the type of a signing key.
type KeyType string

// The types of signing keys.
const (
	KeyECC KeyType = "ecc" // P-256
	KeyRSA KeyType = "rsa" // RSA-2048
)

// restricted are the attributes of an attestation key.
var restricted = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true,
	NoDA: true, Restricted: true, SignEncrypt: true,
}

// unrestricted are those of a key that signs what it is given.
var unrestricted = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true,
	NoDA: true, SignEncrypt: true,
}

// Key is a signing key that lives in a machine's TPM. It implements
// [crypto.Signer]. Its signatures need no randomness and are the same each time.
type Key struct {
	signer crypto.Signer
	area   []byte
	name   []byte
	// qualified is the qualified name.
	qualified []byte
}

// keyOptions say what a key is.
type keyOptions struct {
	typ        KeyType
	attributes tpm2.TPMAObject
	hierarchy  tpm2.TPMHandle // whose primary key it is
	scheme     bool           // the area names the one scheme with SHA-256
}

// newKey makes the key that belongs to a label.
func (v *Vendor) newKey(label string, o keyOptions) (*Key, error) {
	var area tpm2.TPMTPublic
	k := &Key{}
	switch o.typ {
	case KeyECC:
		key := v.source.ECDSA(elliptic.P256(), label)
		k.signer = key
		area = eccArea(&key.PublicKey, o)
	case KeyRSA:
		key := v.source.RSA(2048, label)
		k.signer = key
		area = rsaArea(&key.PublicKey, o)
	default:
		return nil, fmt.Errorf("tpm: no signing keys of type %q", o.typ)
	}
	k.area = tpm2.Marshal(area)
	name, err := tpm2.ObjectName(&area)
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	k.name, k.qualified = name.Buffer, qualifiedName(o.hierarchy, name.Buffer)
	return k, nil
}

// Public returns the public key, an *ecdsa.PublicKey or *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// Area returns a copy of the key's TPMT_PUBLIC.
func (k *Key) Area() []byte { return append([]byte(nil), k.area...) }

// Name returns a copy of the name that the TPM knows the key by.
func (k *Key) Name() []byte { return append([]byte(nil), k.name...) }

// Sign signs a digest. The reader is not used.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	raw, err := k.signer.Sign(nil, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("tpm: cannot sign: %w", err)
	}
	return raw, nil
}

// signature returns a TPMT_SIGNATURE by the key's scheme with SHA-256.
func (k *Key) signature(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	raw, err := k.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if _, ok := k.signer.(*rsa.PrivateKey); ok {
		return tpm2.Marshal(tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgRSASSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgRSASSA,
			&tpm2.TPMSSignatureRSA{Hash: tpm2.TPMAlgSHA256, Sig: tpm2.TPM2BPublicKeyRSA{Buffer: raw}})}), nil
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &rs); err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	const size = 32
	return tpm2.Marshal(tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash:       tpm2.TPMAlgSHA256,
		SignatureR: tpm2.TPM2BECCParameter{Buffer: rs.R.FillBytes(make([]byte, size))},
		SignatureS: tpm2.TPM2BECCParameter{Buffer: rs.S.FillBytes(make([]byte, size))},
	})}), nil
}

// eccArea returns the public area of a signing key on P-256.
func eccArea(key *ecdsa.PublicKey, o keyOptions) tpm2.TPMTPublic {
	scheme := tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgNull}
	if o.scheme {
		scheme = tpm2.TPMTECCScheme{
			Scheme:  tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
		}
	}
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: o.attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull},
			Scheme:    scheme,
			CurveID:   tpm2.TPMECCNistP256,
			KDF:       tpm2.TPMTKDFScheme{Scheme: tpm2.TPMAlgNull},
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, point(key)),
	}
}

// point returns a public key's coordinates, padded to the curve's size.
func point(key *ecdsa.PublicKey) *tpm2.TPMSECCPoint {
	xy := must(key.Bytes())[1:] // behind 04
	return &tpm2.TPMSECCPoint{
		X: tpm2.TPM2BECCParameter{Buffer: xy[:len(xy)/2]}, Y: tpm2.TPM2BECCParameter{Buffer: xy[len(xy)/2:]},
	}
}

// rsaArea returns the public area of a signing RSA key.
func rsaArea(key *rsa.PublicKey, o keyOptions) tpm2.TPMTPublic {
	scheme := tpm2.TPMTRSAScheme{Scheme: tpm2.TPMAlgNull}
	if o.scheme {
		scheme = tpm2.TPMTRSAScheme{
			Scheme:  tpm2.TPMAlgRSASSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
		}
	}
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: o.attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
			Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull},
			Scheme:    scheme,
			KeyBits:   tpm2.TPMKeyBits(key.N.BitLen()),
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()}),
	}
}

// qualifiedName returns the qualified name of a primary key of a hierarchy (TPM
// 2.0 part 1, 16).
func qualifiedName(hierarchy tpm2.TPMHandle, name []byte) []byte {
	parent := binary.BigEndian.AppendUint32(nil, uint32(hierarchy))
	sum := sha256.Sum256(append(parent, name...))
	return append(binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMAlgSHA256)), sum[:]...)
}

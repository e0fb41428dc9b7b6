package evidence

import (
	"crypto/sha256"
	"crypto/sha512"

	"github.com/fxamacker/cbor/v2"
)

// Purpose is what an attestation is for.
type Purpose string

// The purposes of an attestation.
const (
	PurposeCertificate Purpose = "certificate"
	PurposeToken       Purpose = "token"
)

// NonceSize is the size of a challenge's nonce in bytes.
const NonceSize = 32

// bindingVersion separates our digests from every other protocol's.
const bindingVersion = "quotary/v1"

// Binding is what evidence must carry to count for one challenge, one key, one
// audience and one complete bundle:
//
//	SHA-512(deterministic-CBOR([
//	  "quotary/v1", purpose, nonce (32 B), SHA-256(SPKI DER), audience, [kinds…] ]))
//
// See docs/binding.md, which has test vectors.
type Binding [sha512.Size]byte

// NewBinding computes the binding. spki is the DER SubjectPublicKeyInfo of the
// key that is to be certified; kinds lists every item of the bundle, sorted
// (see [Bundle.Kinds]), so that dropping one is noticed.
func NewBinding(purpose Purpose, nonce [NonceSize]byte, spki []byte, audience string, kinds []Kind) Binding {
	key := sha256.Sum256(spki)
	encoded, err := deterministic.Marshal([]any{bindingVersion, purpose, nonce[:], key[:], audience, kinds})
	if err != nil {
		panic("evidence: cannot encode a binding: " + err.Error()) // strings and bytes always encode
	}
	return sha512.Sum512(encoded)
}

// ReportData is the value that evidence of this kind carries for the binding:
// all 64 bytes in REPORT_DATA of SNP and TDX; SHA-256 of them, 32 bytes, in the
// extraData of a TPM quote, whose qualifying data holds no more than a digest.
func (b Binding) ReportData(kind Kind) []byte {
	if kind == KindTPM {
		sum := sha256.Sum256(b[:])
		return sum[:]
	}
	return b[:]
}

// Covering is the binding that the report or quote of a TEE carries in a bundle with
// a TPM's quote: it covers the attestation key too, so that no other TPM can take
// its place. ak is the SHA-256 of the key's SubjectPublicKeyInfo. It is
//
//	SHA-512(deterministic-CBOR(["quotary/v1/ak", binding (64 B), ak (32 B)]))
//
// The quote of the TPM carries the binding itself.
func (b Binding) Covering(ak [sha256.Size]byte) Binding {
	encoded, err := deterministic.Marshal([]any{bindingVersion + "/ak", b[:], ak[:]})
	if err != nil {
		panic("evidence: cannot encode a binding: " + err.Error()) // strings and bytes always encode
	}
	return sha512.Sum512(encoded)
}

// deterministic is RFC 8949 core deterministic encoding.
var deterministic = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("evidence: " + err.Error())
	}
	return mode
}()

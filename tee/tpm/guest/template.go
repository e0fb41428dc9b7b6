package guest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"

	"github.com/google/go-tpm/tpm2"
)

// label is what makes our attestation key another one than every other software's:
// primary keys of one template are the same.
const label = "quotary attestation key v1"

// restrictedSigner are the attributes of an attestation key: it signs only what its
// TPM made, and its use can lock nobody out.
var restrictedSigner = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true,
}

// attestationECC is the template of an attestation key on P-256.
func attestationECC() tpm2.TPMTPublic {
	sum := sha256.Sum256([]byte(label))
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: restrictedSigner,
		Parameters: signsECDSA(),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: sum[:]}}),
	}
}

// signsECDSA are the parameters of a key on P-256 for signatures by ECDSA with SHA-256.
func signsECDSA() tpm2.TPMUPublicParms {
	return tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
		CurveID: tpm2.TPMECCNistP256,
		Scheme: tpm2.TPMTECCScheme{
			Scheme:  tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
		},
	})
}

// attestationRSA is the template of an attestation key of RSA-2048.
func attestationRSA() tpm2.TPMTPublic {
	sum := sha256.Sum256([]byte(label))
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: restrictedSigner,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
			KeyBits: 2048,
			Scheme: tpm2.TPMTRSAScheme{
				Scheme:  tpm2.TPMAlgRSASSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: sum[:]}),
	}
}

// storage is the template of the storage key above workloads' keys: the TCG's for P-256, with
// the empty unique field of the high range (draft-bottomley-tpm2-keys).
func storage() tpm2.TPMTPublic {
	template := tpm2.ECCSRKTemplate
	template.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{})
	return template
}

// workload is the template of a workload's key: it signs what it is given.
func workload() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true},
		Parameters:       signsECDSA(),
	}
}

// ekTemplate is a template of the TCG for endorsement keys, and where a certificate
// of its key is (TCG EK Credential Profile 2.5, 2.2.1 and annex B).
type ekTemplate struct {
	name        string // "ecc-p256", …
	certificate tpm2.TPMHandle
	public      tpm2.TPMTPublic
	policyB     bool // its policy is policyB, else policyA
}

// ekTemplates lists the templates in the order in which they are tried: keys on
// curves are made quickest. The low range (L) is what most TPMs have.
func ekTemplates() []ekTemplate {
	return []ekTemplate{
		{"ecc-p256", 0x01c0000a, tpm2.ECCEKTemplate, false},                                  // L-2
		{"ecc-p256-high", 0x01c00014, highECC(tpm2.TPMECCNistP256, tpm2.TPMAlgSHA256), true}, // H-2
		{"ecc-p384", 0x01c00016, highECC(tpm2.TPMECCNistP384, tpm2.TPMAlgSHA384), true},      // H-3
		{"rsa-2048", 0x01c00002, tpm2.RSAEKTemplate, false},                                  // L-1
		{"rsa-2048-high", 0x01c00012, highRSA(2048, tpm2.TPMAlgSHA256), true},                // H-1
		{"rsa-3072", 0x01c0001c, highRSA(3072, tpm2.TPMAlgSHA384), true},                     // H-6
	}
}

// policyC is the policy in NV that endorsement keys of the high range allow beside
// policyA (TCG EK Credential Profile 2.5, B.6.4), by the hash of their names.
var policyC = map[tpm2.TPMAlgID]string{
	tpm2.TPMAlgSHA256: "3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde",
	tpm2.TPMAlgSHA384: "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165",
}

// policyA is TPM2_PolicySecret with the endorsement hierarchy (B.6.2).
func policyA(alg tpm2.TPMAlgID) []byte {
	policy := policyOf(alg, tpm2.TPMCCPolicySecret, binary.BigEndian.AppendUint32(nil, uint32(tpm2.TPMRHEndorsement)))
	return digestOf(alg, policy) // then extended by an empty policyRef
}

// policyB is either of policyA and policyC, by TPM2_PolicyOR (B.6.3).
func policyB(alg tpm2.TPMAlgID) []byte {
	return policyOf(alg, tpm2.TPMCCPolicyOR, policyA(alg), branchC(alg))
}

func branchC(alg tpm2.TPMAlgID) []byte {
	policy, err := hex.DecodeString(policyC[alg])
	if err != nil {
		panic("guest: " + err.Error()) // a constant
	}
	return policy
}

// policyOf extends the empty policy by a command (TPM 2.0 part 3, 23.2.3).
func policyOf(alg tpm2.TPMAlgID, command tpm2.TPMCC, parts ...[]byte) []byte {
	empty := make([]byte, len(digestOf(alg)))
	head := binary.BigEndian.AppendUint32(nil, uint32(command))
	return digestOf(alg, append([][]byte{empty, head}, parts...)...)
}

// digestOf is the digest of parts by the hash of a key's name.
func digestOf(alg tpm2.TPMAlgID, parts ...[]byte) []byte {
	h := sha256.New()
	if alg == tpm2.TPMAlgSHA384 {
		h = sha512.New384()
	}
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// highRange are the attributes of endorsement keys of the high range.
var highRange = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, AdminWithPolicy: true, Restricted: true, Decrypt: true,
}

func highECC(curve tpm2.TPMECCCurve, hash tpm2.TPMAlgID) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: hash, ObjectAttributes: highRange,
		AuthPolicy: tpm2.TPM2BDigest{Buffer: policyB(hash)},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{Symmetric: symmetric(hash), CurveID: curve}),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{}),
	}
}

func highRSA(bits tpm2.TPMKeyBits, hash tpm2.TPMAlgID) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: hash, ObjectAttributes: highRange,
		AuthPolicy: tpm2.TPM2BDigest{Buffer: policyB(hash)},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{Symmetric: symmetric(hash), KeyBits: bits}),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{}),
	}
}

// symmetric is the cipher of a storage key whose name has this hash.
func symmetric(hash tpm2.TPMAlgID) tpm2.TPMTSymDefObject {
	bits := tpm2.TPMKeyBits(128)
	if hash == tpm2.TPMAlgSHA384 {
		bits = 256
	}
	return tpm2.TPMTSymDefObject{
		Algorithm: tpm2.TPMAlgAES,
		KeyBits:   tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, bits),
		Mode:      tpm2.NewTPMUSymMode(tpm2.TPMAlgAES, tpm2.TPMAlgCFB),
	}
}

// fits reports whether a key is one of the template: all but the key itself is the same.
func (t ekTemplate) fits(o *object) bool {
	if t.public.Type != o.public.Type {
		return false
	}
	public := t.public
	public.Unique = o.public.Unique
	return bytes.Equal(tpm2.Marshal(public), o.area)
}

// isFor reports whether a template makes keys like this one. A key that crypto/x509 does
// not read is RSA.
func (t ekTemplate) isFor(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		parameters, err := t.public.Parameters.RSADetail()
		return err == nil && int(parameters.KeyBits) == key.N.BitLen()
	case *ecdsa.PublicKey:
		parameters, err := t.public.Parameters.ECCDetail()
		if err != nil {
			return false
		}
		curve, err := parameters.CurveID.Curve()
		return err == nil && curve == key.Curve
	case nil:
		return t.public.Type == tpm2.TPMAlgRSA
	}
	return false
}

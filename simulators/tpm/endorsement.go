package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// EKType is the type of an endorsement key, by the template that it follows (TCG EK
// Credential Profile, B.3 and B.4).
type EKType string

// The types of endorsement keys.
const (
	EKRSA2048     EKType = "rsa-2048"      // L-1
	EKP256        EKType = "p-256"         // L-2
	EKRSA2048High EKType = "rsa-2048-high" // H-1
	EKP256High    EKType = "p-256-high"    // H-2
	EKP384        EKType = "p-384"         // H-3
	EKRSA3072     EKType = "rsa-3072"      // H-6
)

// EKTypes lists them all.
func EKTypes() []EKType {
	return []EKType{EKRSA2048, EKP256, EKRSA2048High, EKP256High, EKP384, EKRSA3072}
}

// The policies that guard endorsement keys: PolicySecret(endorsement) in the low
// range, and that or PolicyAuthorizeNV in the high range.
const (
	policyA       = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
	policyBSHA256 = "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0"
	policyBSHA384 = "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"
)

// ekTemplate is what a template says of a key.
type ekTemplate struct {
	bits   int            // of an RSA key
	curve  elliptic.Curve // of an ECC key
	id     tpm2.TPMECCCurve
	hash   crypto.Hash // of names
	policy string
	aes    tpm2.TPMKeyBits
	high   bool
}

var ekTemplates = map[EKType]ekTemplate{
	EKRSA2048:     {bits: 2048, hash: crypto.SHA256, policy: policyA, aes: 128},
	EKP256:        {curve: elliptic.P256(), id: tpm2.TPMECCNistP256, hash: crypto.SHA256, policy: policyA, aes: 128},
	EKRSA2048High: {bits: 2048, hash: crypto.SHA256, policy: policyBSHA256, aes: 128, high: true},
	EKP256High:    {curve: elliptic.P256(), id: tpm2.TPMECCNistP256, hash: crypto.SHA256, policy: policyBSHA256, aes: 128, high: true},
	EKP384:        {curve: elliptic.P384(), id: tpm2.TPMECCNistP384, hash: crypto.SHA384, policy: policyBSHA384, aes: 256, high: true},
	EKRSA3072:     {bits: 3072, hash: crypto.SHA384, policy: policyBSHA384, aes: 256, high: true},
}

// endorsementKey is a TPM's storage key that its maker certified.
type endorsementKey struct {
	ekTemplate
	private     crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey; it never signs
	area        []byte
	certificate *x509.Certificate
}

// newEK makes the endorsement key of a machine of that name.
func (v *Vendor) newEK(typ EKType, machine string) (*endorsementKey, error) {
	template, known := ekTemplates[typ]
	if !known {
		return nil, fmt.Errorf("tpm: no endorsement keys of type %q", typ)
	}
	ek := &endorsementKey{ekTemplate: template}
	label := "ek/" + string(typ) + "/" + machine
	if template.curve != nil {
		ek.private = v.source.ECDSA(template.curve, label)
	} else {
		ek.private = v.source.RSA(template.bits, label)
	}
	ek.area = tpm2.Marshal(template.public(ek.private.Public()))
	var err error
	ek.certificate, err = v.EKIntermediate.Issue(v.EKTemplate(machine, ek.private.Public()), ek.private.Public())
	return ek, err
}

// public returns the area of a key that follows the template.
func (t ekTemplate) public(key crypto.PublicKey) tpm2.TPMTPublic {
	area := tpm2.TPMTPublic{
		NameAlg: t.nameAlg(),
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true,
			UserWithAuth: t.high, AdminWithPolicy: true, Restricted: true, Decrypt: true,
		},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: must(hex.DecodeString(t.policy))},
	}
	symmetric := tpm2.TPMTSymDefObject{
		Algorithm: tpm2.TPMAlgAES,
		KeyBits:   tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, t.aes),
		Mode:      tpm2.NewTPMUSymMode(tpm2.TPMAlgAES, tpm2.TPMAlgCFB),
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		area.Type = tpm2.TPMAlgRSA
		area.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
			Symmetric: symmetric, Scheme: tpm2.TPMTRSAScheme{Scheme: tpm2.TPMAlgNull}, KeyBits: tpm2.TPMKeyBits(t.bits),
		})
		area.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()})
	case *ecdsa.PublicKey:
		area.Type = tpm2.TPMAlgECC
		area.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Symmetric: symmetric, Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgNull}, CurveID: t.id,
			KDF: tpm2.TPMTKDFScheme{Scheme: tpm2.TPMAlgNull},
		})
		area.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, point(key))
	}
	return area
}

func (t ekTemplate) nameAlg() tpm2.TPMAlgID {
	if t.hash == crypto.SHA384 {
		return tpm2.TPMAlgSHA384
	}
	return tpm2.TPMAlgSHA256
}

// Enrolment returns what the machine sends to have its attestation key certified:
// both public areas, and the endorsement key's certificate with its intermediate
// unless the TPM came without.
func (m *Machine) Enrolment() (evidence.Enrolment, error) {
	ek, err := m.endorsement()
	if err != nil {
		return evidence.Enrolment{}, err
	}
	request := evidence.Enrolment{EKPublic: slices.Clone(ek.area), AKPublic: slices.Clone(m.Public)}
	if !m.options.WithoutEKCertificate {
		request.EKCertificates = [][]byte{slices.Clone(ek.certificate.Raw), slices.Clone(m.vendor.EKIntermediate.Certificate.Raw)}
	}
	return request, nil
}

// EK returns the endorsement key's public part.
func (m *Machine) EK() (crypto.PublicKey, error) {
	ek, err := m.endorsement()
	if err != nil {
		return nil, err
	}
	return ek.private.Public(), nil
}

// EKCertificate returns the endorsement key's certificate.
func (m *Machine) EKCertificate() (*x509.Certificate, error) {
	ek, err := m.endorsement()
	if err != nil {
		return nil, err
	}
	return ek.certificate, nil
}

// NVCertificate returns a certificate as the NV indices of some TPMs have it: behind
// TCG_PCCLIENT_STORED_CERT (PC Client Specific Implementation Specification 1.21,
// 7.3.2), and padded with fill to size bytes if that is more.
func NVCertificate(der []byte, size int, fill byte) []byte {
	blob := []byte{0x10, 0x01, 0x00} // TCG_TAG_PCCLIENT_STORED_CERT, a full certificate
	blob = binary.BigEndian.AppendUint16(blob, uint16(len(der)))
	blob = append(blob, der...)
	for len(blob) < size {
		blob = append(blob, fill)
	}
	return blob
}

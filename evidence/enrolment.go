package evidence

import "crypto/sha256"

// Enrolment is what a machine sends to have its TPM's attestation key certified.
// Nothing in it is trusted; a tee.Enroller judges it.
type Enrolment struct {
	// EKCertificates is the endorsement key's certificate as the TPM's NV index or a
	// file has it, followed by intermediates, or empty.
	EKCertificates [][]byte
	// EKPublic is the endorsement key's public area, TPMT_PUBLIC. It may be empty beside a
	// certificate, from which it follows by the TCG's templates.
	EKPublic []byte
	// AKPublic is the attestation key's public area, TPMT_PUBLIC.
	AKPublic []byte
}

// Check holds an enrolment to the bounds and presence of its parts.
func (e *Enrolment) Check() error {
	if len(e.EKCertificates) == 0 && len(e.EKPublic) == 0 {
		return Errorf(CodeEvidenceIncomplete, "ek_certificates", "an enrolment needs the endorsement key's certificate, or its public area if the operator listed the key")
	}
	if err := checkCertificates("ek_certificates", e.EKCertificates); err != nil {
		return err
	}
	if err := checkBound("ek_public", e.EKPublic, MaxTPMStructure); err != nil {
		return err
	}
	return checkPart("ak_public", e.AKPublic, MaxTPMStructure)
}

// EnrolmentClaims are what was found of an enrolment's keys.
type EnrolmentClaims struct {
	EKSHA256 Hex `json:"ek_sha256"` // of the endorsement key's SubjectPublicKeyInfo
	// EKSource says why the endorsement key is trusted: "certificate", or "listed" by
	// the operator.
	EKSource string `json:"ek_source"`
	// Manufacturer, Model and Version are the certificate's attributes 2.23.133.2.1 to
	// .3 ("id:414D4400"), empty without a certificate.
	Manufacturer string       `json:"manufacturer,omitempty"`
	Model        string       `json:"model,omitempty"`
	Version      string       `json:"version,omitempty"`
	AKSHA256     Hex          `json:"ak_sha256"` // of the attestation key's SubjectPublicKeyInfo
	AKName       Hex          `json:"ak_name"`   // TPM name
	TrustAnchor  *TrustAnchor `json:"trust_anchor,omitempty"`
	Simulated    bool         `json:"simulated"`
}

// Digest identifies a key or exact bytes by their SHA-256.
type Digest = [sha256.Size]byte

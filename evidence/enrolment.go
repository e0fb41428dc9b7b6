package evidence

import (
	"crypto/sha256"
	"time"
)

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
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Version      string `json:"version,omitempty"`
	// Provider is the cloud that runs the TPM in software: "google", "azure" or empty.
	Provider    string       `json:"provider,omitempty"`
	AKSHA256    Hex          `json:"ak_sha256"` // of the attestation key's SubjectPublicKeyInfo
	AKName      Hex          `json:"ak_name"`   // TPM name
	TrustAnchor *TrustAnchor `json:"trust_anchor,omitempty"`
	Simulated   bool         `json:"simulated"`
}

// Digest identifies a key or exact bytes by their SHA-256.
type Digest = [sha256.Size]byte

// EnrolmentTicket is the open half of an enrolment, which the machine hands back with
// the secret that its TPM decrypted. It is sealed as challenges are, so that the
// service keeps no table of the open ones.
type EnrolmentTicket struct {
	ID      [16]byte // random; what is remembered once it is spent
	Secret  Digest   // what the TPM must decrypt
	Claims  EnrolmentClaims
	AKKey   []byte // SubjectPublicKeyInfo, DER
	Expires time.Time
	// ValidUntil is when the trust in the endorsement key ends; zero if it does not.
	ValidUntil time.Time
}

// ticketVersion is the first byte of a sealed ticket: no challenge passes for one.
const ticketVersion = 2

// ticketWire is a sealed ticket's plaintext, a CBOR array.
type ticketWire struct {
	_          struct{} `cbor:",toarray"`
	ID         []byte
	Secret     []byte
	Claims     EnrolmentClaims
	AKKey      []byte
	Expires    int64 // Unix seconds, as the next
	ValidUntil int64 // 0 if there is no end
}

// SealTicket returns t as base64url text without padding. Times are cut to seconds.
func (s *Sealer) SealTicket(t EnrolmentTicket) string {
	wire := ticketWire{ID: t.ID[:], Secret: t.Secret[:], Claims: t.Claims, AKKey: t.AKKey, Expires: t.Expires.Unix()}
	if !t.ValidUntil.IsZero() {
		wire.ValidUntil = t.ValidUntil.Unix()
	}
	return s.seal(ticketVersion, wire)
}

// OpenTicket returns the ticket in sealed, which must be one that this Sealer's key
// sealed. It does not look at the clock and does not know what is spent.
func (s *Sealer) OpenTicket(sealed string) (EnrolmentTicket, error) {
	var wire ticketWire
	if len(sealed) > maxTicket || !s.open(ticketVersion, sealed, &wire) || len(wire.ID) != 16 || len(wire.Secret) != sha256.Size {
		return EnrolmentTicket{}, Errorf(CodeTPMEnrolment, "enrolment", "this service did not begin this enrolment, or it restarted since; begin again")
	}
	t := EnrolmentTicket{
		ID: [16]byte(wire.ID), Secret: Digest(wire.Secret), Claims: wire.Claims, AKKey: wire.AKKey, Expires: time.Unix(wire.Expires, 0),
	}
	if wire.ValidUntil != 0 {
		t.ValidUntil = time.Unix(wire.ValidUntil, 0)
	}
	return t, nil
}

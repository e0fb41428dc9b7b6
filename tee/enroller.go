package tee

import (
	"io"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Enroller judges which attestation keys live in the same TPM as a trusted
// endorsement key. It is as pure as a [Verifier]. Only the second step proves it: that
// the machine could decrypt what [Enroller.Challenge] made.
type Enroller interface {
	// Judge judges an enrolment: the endorsement key's certificate and its chain, or
	// the operator's list; the key that follows from it; the attestation key's
	// public area. It never panics on any enrolment.
	Judge(request evidence.Enrolment, e *Endorsements, p Params) EnrolmentOutcome
	// Challenge encrypts secret, at most 32 bytes, so that only the TPM with the
	// endorsement key decrypts it, and only if the attestation key is loaded in it
	// (TPM2_MakeCredential, TPM 2.0 part 3, 12.6). outcome is one of Judge.
	Challenge(random io.Reader, outcome EnrolmentOutcome, secret []byte) (Credential, error)
}

// Credential is what TPM2_ActivateCredential takes.
type Credential struct {
	Blob   []byte // TPM2B_ID_OBJECT
	Secret []byte // TPM2B_ENCRYPTED_SECRET
}

// EnrolmentOutcome is what an [Enroller] found. The zero value is not good.
type EnrolmentOutcome struct {
	Checks evidence.Checks
	Claims evidence.EnrolmentClaims
	// EKPublic and AKPublic are the keys' public areas, TPMT_PUBLIC; of the endorsement
	// key the one that follows from its certificate and a template of the TCG.
	EKPublic, AKPublic []byte
	// AKKey is the attestation key's SubjectPublicKeyInfo, DER.
	AKKey []byte
	// Missing lists endorsements without which nothing can be decided.
	Missing []EndorsementName
	// ValidUntil is the earliest end of validity of what the endorsement key's trust rests on;
	// zero if it has none.
	ValidUntil time.Time
}

// Good reports whether nothing failed and nothing is missing.
func (o EnrolmentOutcome) Good() bool {
	return len(o.Checks) > 0 && len(o.Checks.Failed()) == 0 && len(o.Missing) == 0 && len(o.EKPublic) > 0 && len(o.AKPublic) > 0 && len(o.AKKey) > 0
}

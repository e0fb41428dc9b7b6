package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Enrolment is an attestation key's certificate that is about to leave.
type Enrolment struct {
	ID           string // the attestation ID of the event
	EKSHA256     evidence.Digest
	AKSHA256     evidence.Digest
	AKName       []byte // TPM name
	EKSource     string // "certificate" or "listed"
	Manufacturer string
	Model        string
	Version      string
	Serial       string // of the certificate, lower-case hex
	IssuedAt     time.Time
	NotAfter     time.Time
	Simulated    bool
	// Replace has the key supersede the one that its TPM enrolled before. Otherwise
	// a TPM keeps its first key.
	Replace bool
}

func (e *Enrolment) check(event Event) error {
	for _, text := range []string{e.ID, string(e.AKName), e.EKSource, e.Manufacturer, e.Model, e.Version, e.Serial} {
		if len(text) > maxText {
			return fmt.Errorf("store: a text of %d bytes in an enrolment", len(text))
		}
	}
	if e.ID == "" || e.ID != event.AttestationID {
		return fmt.Errorf("store: the enrolment %q in the event of %q", e.ID, event.AttestationID)
	}
	if e.Serial == "" || len(e.AKName) == 0 {
		return fmt.Errorf("store: an enrolment without a certificate or a name")
	}
	return nil
}

// enrolmentRow is a row of enrolments as the chain has it.
type enrolmentRow struct {
	_            struct{} `cbor:",toarray"`
	ID           string
	EKSHA256     []byte
	AKSHA256     []byte
	AKName       []byte
	EKSource     string
	Manufacturer string
	Model        string
	Version      string
	Serial       string
	IssuedAt     int64
	NotAfter     int64
	Simulated    bool
}

func (e *Enrolment) row() enrolmentRow {
	return enrolmentRow{
		ID: e.ID, EKSHA256: e.EKSHA256[:], AKSHA256: e.AKSHA256[:], AKName: e.AKName,
		EKSource: e.EKSource, Manufacturer: e.Manufacturer, Model: e.Model, Version: e.Version,
		Serial: e.Serial, IssuedAt: e.IssuedAt.UnixMicro(), NotAfter: e.NotAfter.UnixMicro(), Simulated: e.Simulated,
	}
}

// ids are what attestation_keys has the keys under: those of simulated TPMs apart from real ones.
func (e *Enrolment) ids() (ek, ak evidence.Digest) {
	if e.Simulated {
		return tee.SimulatedID(e.EKSHA256), tee.SimulatedID(e.AKSHA256)
	}
	return e.EKSHA256, e.AKSHA256
}

func (r enrolmentRow) digest() []byte {
	sum := sha256.Sum256(canonical(r))
	return sum[:]
}

// apply returns the rows that e makes of its key's row, ak, and of that of the
// key that its TPM enrolled last, current (nil if none), or a refusal.
//
// A key stays with its TPM for good. A TPM has one key; whether another one may
// supersede it is the service's configuration. What was superseded may come back
// by another enrolment; what an administrator revoked may not, nor may another
// key of the same TPM: it would make the revocation void.
func (e *Enrolment) apply(ak keyRow, current *keyRow) ([]keyRow, error) {
	ekID, akID := e.ids()
	switch {
	case ak.EK != nil && !bytes.Equal(ak.EK, ekID[:]):
		return nil, evidence.Errorf(evidence.CodeTPMEnrolled, "ak_public", "the attestation key is enrolled with another TPM")
	case ak.Revoked == administered || current != nil && current.Revoked == administered:
		return nil, evidence.Errorf(evidence.CodeTPMAKRevoked, "ak_public", "an administrator revoked the TPM's attestation key")
	}
	ak.AK, ak.EK, ak.Revoked = akID[:], ekID[:], notRevoked
	if current == nil || bytes.Equal(current.AK, ak.AK) {
		return []keyRow{ak}, nil
	}
	if !e.Replace {
		return nil, evidence.Errorf(evidence.CodeTPMEnrolled, "ak_public", "the TPM has enrolled another attestation key, and this service allows one")
	}
	old := *current
	old.Revoked = superseded
	return []keyRow{old, ak}, nil // in this order: a TPM never has two
}

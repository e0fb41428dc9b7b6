package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// KeyUpdate replaces what the ledger knows of an attestation key, if it is still
// what the appraisal started from.
type KeyUpdate struct {
	AK evidence.Digest // what it is remembered by, as tee.Outcome has it
	// Before is what [Store.KeyState] returned before the appraisal, nil if nothing. After is
	// what the appraisal leaves. Revoked in it, without Revoked in Before, is an
	// administrator's revocation, which is final.
	Before, After *tee.KeyState
	// Policy is what After was judged by: the digest of a policy set and what of it
	// decided, in the caller's words.
	Policy string
}

func (u *KeyUpdate) check() error {
	switch {
	case u.After == nil:
		return fmt.Errorf("store: an update that leaves nothing of an attestation key")
	case u.Before != nil && u.Before.Revoked && !u.After.Revoked:
		return fmt.Errorf("store: an update would take an attestation key's revocation back")
	case len(u.Policy) > maxText:
		return fmt.Errorf("store: a policy's name of %d bytes", len(u.Policy))
	case u.After.IMA != nil && (len(u.After.IMA.Bank) > maxText || len(u.After.IMA.Aggregate) > maxText):
		return fmt.Errorf("store: the state of an IMA log is too large")
	}
	return nil
}

// revocation says why an attestation key no longer counts.
type revocation string

const (
	notRevoked   revocation = ""
	superseded   revocation = "superseded"    // its TPM enrolled another key; it may come back
	administered revocation = "administrator" // for good
)

// keyRow is a row of attestation_keys as the chain has it.
type keyRow struct {
	_       struct{} `cbor:",toarray"`
	AK      []byte   // SHA-256 of its SubjectPublicKeyInfo, or tee.SimulatedID of that; so EK
	EK      []byte   // nil if the key was never enrolled
	Revoked revocation
	State   string // JSON, "" before the first quote
	Policy  string
}

func (r keyRow) digest() []byte {
	sum := sha256.Sum256(canonical(r))
	return sum[:]
}

// keyState is tee.KeyState in JSON; the revocation stands apart.
type keyState struct {
	Quoted   bool      `json:"quoted"`
	Clock    uint64    `json:"clock"`
	Resets   uint32    `json:"resets"`
	Restarts uint32    `json:"restarts"`
	Logged   bool      `json:"logged"`
	IMA      *imaState `json:"ima,omitempty"`
}

type imaState struct {
	Bank       string       `json:"bank"`
	Entries    uint64       `json:"entries"`
	Aggregate  evidence.Hex `json:"aggregate"`
	Violations uint64       `json:"violations"`
	Unread     uint64       `json:"unread"`
	Until      time.Time    `json:"until,omitzero"`
}

// stateText is k in the one form in which states are stored and compared. No
// state and that of a key that never quoted are the same: "".
func stateText(k *tee.KeyState) string {
	if k == nil || *k == (tee.KeyState{Revoked: k.Revoked, Superseded: k.Superseded}) {
		return ""
	}
	s := keyState{Quoted: k.Quoted, Clock: k.Clock, Resets: k.Resets, Restarts: k.Restarts, Logged: k.Logged}
	if k.IMA != nil {
		ima := imaState(*k.IMA)
		s.IMA = &ima
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic("store: cannot encode a state: " + err.Error()) // numbers and texts always encode
	}
	return string(text)
}

// state is the row's state in the contract's terms.
func (r keyRow) state() (tee.KeyState, error) {
	var s keyState
	if r.State != "" {
		if err := json.Unmarshal([]byte(r.State), &s); err != nil {
			return tee.KeyState{}, tampered("the state of attestation key %x cannot be read", r.AK)
		}
	}
	k := tee.KeyState{
		Revoked: r.Revoked != notRevoked, Superseded: r.Revoked == superseded, Quoted: s.Quoted,
		Clock: s.Clock, Resets: s.Resets, Restarts: s.Restarts, Logged: s.Logged,
	}
	if s.IMA != nil {
		ima := tee.IMAState(*s.IMA)
		k.IMA = &ima
	}
	return k, nil
}

// apply returns the row that u makes of r, or a refusal if r is not what u
// started from.
func (u *KeyUpdate) apply(r keyRow) (keyRow, error) {
	if r.Revoked != notRevoked && (u.Before == nil || !u.Before.Revoked) {
		return keyRow{}, evidence.Errorf(evidence.CodeTPMAKRevoked, "", "the attestation key was superseded or revoked meanwhile")
	}
	if stateText(u.Before) != r.State || u.Before != nil && u.Before.Revoked && r.Revoked == notRevoked {
		return keyRow{}, evidence.Errorf(evidence.CodeTPMClock, "", "another quote by the same key was accepted meanwhile; attest again")
	}
	r.AK, r.State, r.Policy = u.AK[:], stateText(u.After), u.Policy
	if u.After.Revoked && (u.Before == nil || !u.Before.Revoked) {
		r.Revoked = administered
	}
	return r, nil
}

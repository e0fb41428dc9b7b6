package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// KeyStatus says whether an attestation key counts.
type KeyStatus string

// The statuses.
const (
	KeyActive     KeyStatus = "active"
	KeySuperseded KeyStatus = "superseded" // its TPM enrolled another key
	KeyReleased   KeyStatus = "released"   // by an administrator; it may be enrolled again
	KeyRevoked    KeyStatus = "revoked"    // by an administrator, for good
)

// AttestationKey is what the ledger knows of an attestation key.
type AttestationKey struct {
	AK        evidence.Digest // SHA-256 of its SubjectPublicKeyInfo, or tee.SimulatedID of that
	EK        evidence.Hex    // likewise of the TPM that it is enrolled with, 32 bytes; nil if with none
	Status    KeyStatus
	Base      evidence.Digest // of all of these; for [KeyChange]
	State     tee.KeyState    // what its last accepted quote left
	Policy    string          // that judged it; empty before the first quote
	Simulated bool

	// The last event that changed any of it.
	Event  int64
	Time   time.Time
	Actor  string
	Action string
	Detail json.RawMessage // nil without one
	// AttestationID is the attestation or enrolment that the event is of or about.
	AttestationID string
	// Of that attestation: what was granted, until when. Empty for an enrolment.
	Workload string
	SPIFFEID string
	NotAfter time.Time

	row keyRow
}

// KeyFilter says which attestation keys are asked for: those that are as every field says
// that is not zero.
type KeyFilter struct {
	Status KeyStatus
	EK     *evidence.Digest // SHA-256 of a SubjectPublicKeyInfo, or as [AttestationKey] has it

	Before *KeyCursor // continues an answer
	Limit  int        // 1 to [MaxPage]
}

// KeyCursor is a place in the order of keys.
type KeyCursor struct {
	Event int64           `json:"event"`
	AK    evidence.Digest `json:"ak"`
}

// selectListed finds a key's last event, and by that what it was about: no row says itself
// whether its key is simulated.
const selectListed = `SELECT k.ak_sha256, k.ek_sha256, k.revoked, k.state, k.policy, k.event,
	   coalesce(e.time, 0), coalesce(e.actor, ''), coalesce(e.action, ''), coalesce(e.detail, ''), coalesce(e.attestation_id, ''),
	   coalesce(i.workload, ''), coalesce(i.spiffe_id, ''), coalesce(i.not_after, 0), coalesce(i.simulated, n.simulated, 0)
	   FROM attestation_keys k LEFT JOIN audit_events e ON e.seq = k.event
	   LEFT JOIN issuances i ON i.attestation_id = e.attestation_id
	   LEFT JOIN enrolments n ON n.id = e.attestation_id`

// AttestationKeys returns attestation keys, those that changed last first, and where to go on:
// nil at the end. A key that attests meanwhile moves to the front.
func (s *Store) AttestationKeys(ctx context.Context, f KeyFilter) (list []AttestationKey, next *KeyCursor, err error) {
	q, err := f.query()
	if err != nil {
		return nil, nil, err
	}
	err = s.page(ctx, selectListed, q, "k.event DESC, k.ak_sha256 DESC", f.Limit, func(rows *sql.Rows) error {
		k, err := scanListed(rows)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if len(list) == f.Limit {
		last := list[len(list)-1]
		next = &KeyCursor{last.Event, last.AK}
	}
	return list, next, nil
}

func (f KeyFilter) query() (q query, err error) {
	switch f.Status {
	case "":
	case KeyActive:
		q.where("k.revoked = ''")
	case KeySuperseded:
		q.where("k.revoked = 'superseded' AND k.ek_sha256 IS NOT NULL")
	case KeyReleased:
		q.where("k.revoked = 'superseded' AND k.ek_sha256 IS NULL")
	case KeyRevoked:
		q.where("k.revoked = 'administrator'")
	default:
		return q, evidence.Errorf(evidence.CodeLedgerQuery, "status", "a key is active, superseded, released or revoked")
	}
	if f.EK != nil {
		simulated := tee.SimulatedID(*f.EK)
		q.where("k.ek_sha256 IN (?, ?)", f.EK[:], simulated[:])
	}
	if c := f.Before; c != nil {
		q.where("(k.event, k.ak_sha256) < (?, ?)", c.Event, c.AK[:])
	}
	return q, nil
}

// AttestationKey returns one key, named as [AttestationKey.AK] or by the SHA-256 of a
// simulated one's SubjectPublicKeyInfo, or an *evidence.Error with CodeAttestationKeyUnknown.
func (s *Store) AttestationKey(ctx context.Context, ak evidence.Digest) (*AttestationKey, error) {
	for _, id := range []evidence.Digest{ak, tee.SimulatedID(ak)} {
		k, err := scanListed(s.db.QueryRowContext(ctx, selectListed+` WHERE k.ak_sha256 = ?`, id[:]))
		if err == nil {
			return &k, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, looked(err)
		}
	}
	return nil, unknownKey()
}

func scanListed(row scanner) (k AttestationKey, err error) {
	var at, until, simulated int64 // the file may hold any numbers
	var detail string
	r, err := scanKey(row, &k.Event, &at, &k.Actor, &k.Action, &detail, &k.AttestationID, &k.Workload, &k.SPIFFEID, &until, &simulated)
	if err != nil {
		return k, err
	}
	if k.State, err = r.state(); err != nil {
		return k, err
	}
	k.row, k.AK, k.EK, k.Base, k.Policy, k.Simulated = r, evidence.Digest(r.AK), r.EK, r.base(), r.Policy, simulated != 0
	k.Status, k.Time = r.status(), time.UnixMicro(at).UTC()
	if until != 0 {
		k.NotAfter = time.UnixMicro(until).UTC()
	}
	if detail != "" {
		k.Detail = json.RawMessage(detail)
	}
	return k, nil
}

func (r keyRow) status() KeyStatus {
	switch {
	case r.Revoked == notRevoked:
		return KeyActive
	case r.Revoked == administered:
		return KeyRevoked
	case r.EK == nil:
		return KeyReleased
	}
	return KeySuperseded
}

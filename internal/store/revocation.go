package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Revocation is a certificate that counts no more, by an administrator's will.
type Revocation struct {
	Seq           int64 // 1, 2, 3 … without gaps: whoever follows goes on behind the last one seen
	AttestationID string
	Serial        string       // lower-case hex
	SPKISHA256    evidence.Hex // of the key, 32 bytes
	SPIFFEID      string
	Workload      string
	NotAfter      time.Time

	// The event that revoked it.
	Event  int64
	Time   time.Time
	Actor  string
	Detail json.RawMessage // why
}

// RevocationFilter says which revocations are asked for: those that are as every field says
// that is not zero.
type RevocationFilter struct {
	// PublishedAt asks for those that lists of that time have: a certificate stays on them
	// until [RevokedFor] after its end.
	PublishedAt time.Time
	Before      int64 // numbers below it: continues an answer
	Limit       int   // 1 to [MaxPage]
}

const selectRevocation = `SELECT r.seq, r.attestation_id, r.serial, r.spki_sha256, r.not_after,
	   i.spiffe_id, i.workload, e.seq, e.time, e.actor, e.detail
	   FROM revocations r JOIN issuances i ON i.attestation_id = r.attestation_id JOIN audit_events e ON e.seq = r.event`

// Revocations returns revocations, the newest first.
func (s *Store) Revocations(ctx context.Context, f RevocationFilter) (list []Revocation, err error) {
	var q query
	if !f.PublishedAt.IsZero() {
		q.where("r.not_after > ?", f.PublishedAt.Add(-RevokedFor).UnixMicro())
	}
	q.below("r.seq", f.Before)
	err = s.page(ctx, selectRevocation, q, "r.seq DESC", f.Limit, func(rows *sql.Rows) error {
		var r Revocation
		var notAfter, at int64
		var detail string
		err := rows.Scan(&r.Seq, &r.AttestationID, &r.Serial, (*[]byte)(&r.SPKISHA256), &notAfter,
			&r.SPIFFEID, &r.Workload, &r.Event, &at, &r.Actor, &detail)
		r.NotAfter, r.Time = time.UnixMicro(notAfter).UTC(), time.UnixMicro(at).UTC()
		if detail != "" {
			r.Detail = json.RawMessage(detail)
		}
		list = append(list, r)
		return err
	})
	return list, err
}

// RevokedSerial is a line of a revocation list.
type RevokedSerial struct {
	Serial string // lower-case hex
	Time   time.Time
}

// RevocationList returns what a list of this time has, the oldest first, at most
// [MaxRevocations], and the number of the last revocation of all, 0 if there is none.
func (s *Store) RevocationList(ctx context.Context, at time.Time) (list []RevokedSerial, last int64, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, lastRevocation).Scan(&last); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, selectPublished, at.Add(-RevokedFor).UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r RevokedSerial
			var revoked int64
			if err := rows.Scan(&r.Serial, &revoked); err != nil {
				return err
			}
			r.Time = time.UnixMicro(revoked).UTC()
			list = append(list, r)
		}
		return rows.Err()
	})
	return list, last, err
}

// revocationRow is a row of revocations as the chain has it.
type revocationRow struct {
	_             struct{} `cbor:",toarray"`
	Seq           int64
	AttestationID string
	Serial        string
	SPKISHA256    []byte
	NotAfter      int64
}

// revocationsDigest is what the chain has of the rows that an event added.
func revocationsDigest(rows []revocationRow) []byte {
	sum := sha256.Sum256(canonical(rows))
	return sum[:]
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

const (
	lastRevocation    = `SELECT coalesce(max(seq), 0) FROM revocations`
	countRevocations  = `SELECT count(*) FROM revocations WHERE not_after > ?`
	insertRevocation  = `INSERT INTO revocations (seq, attestation_id, serial, spki_sha256, not_after, event) VALUES (?, ?, ?, ?, ?, ?)`
	selectRevocable   = `SELECT serial, spki_sha256, not_after FROM issuances i WHERE attestation_id = ? AND serial IS NOT NULL AND not_after > ? AND ` + unrevoked
	unrevoked         = `NOT EXISTS (SELECT 1 FROM revocations r WHERE r.attestation_id = i.attestation_id)`
	selectPublished   = `SELECT r.serial, e.time FROM revocations r JOIN audit_events e ON e.seq = r.event WHERE r.not_after > ? ORDER BY r.seq`
	selectRevocations = `SELECT seq, attestation_id, serial, spki_sha256, not_after, event FROM revocations WHERE seq >= ? AND seq < ? ORDER BY seq`
)

// Revoke revokes the certificates that were issued on these attestations, at most
// [MaxRevoked], and returns how many it did and the number of the last. Those that ended,
// or are revoked already, are left out. The error is an *evidence.Error with
// CodeRevocationNone if that leaves none, CodeRevocationFull if revocation lists would get
// longer than [MaxRevocations], or one of those of [Store.Record].
func (s *Store) Revoke(ctx context.Context, event Event, attestations []string) (revoked int, last int64, err error) {
	if len(attestations) > MaxRevoked {
		return 0, 0, fmt.Errorf("store: %d certificates to revoke at once, at most %d are", len(attestations), MaxRevoked)
	}
	r := &revoking{attestations: attestations}
	if err := s.Record(ctx, Entry{Event: event, policy: r}); err != nil {
		return 0, 0, err
	}
	return len(r.rows), r.rows[len(r.rows)-1].Seq, nil
}

// revoking revokes certificates.
type revoking struct {
	attestations []string
	rows         []revocationRow // once it was judged
}

func (r *revoking) judge(w *writer, now int64) error {
	ctx := context.Background()
	var last int64
	if err := w.conn.QueryRowContext(ctx, lastRevocation).Scan(&last); err != nil {
		return err
	}
	r.rows = nil
	seen := map[string]bool{}
	for _, id := range r.attestations {
		row := revocationRow{Seq: last + 1, AttestationID: id}
		err := w.conn.QueryRowContext(ctx, selectRevocable, id, now).Scan(&row.Serial, &row.SPKISHA256, &row.NotAfter)
		if errors.Is(err, sql.ErrNoRows) || seen[id] {
			continue
		}
		if err != nil {
			return err
		}
		r.rows, seen[id] = append(r.rows, row), true
		last++
	}
	if len(r.rows) == 0 {
		return evidence.Errorf(evidence.CodeRevocationNone, "", "nothing is left to revoke: what was named ended, or is revoked already")
	}
	var published int
	if err := w.conn.QueryRowContext(ctx, countRevocations, now-RevokedFor.Microseconds()).Scan(&published); err != nil {
		return err
	}
	if published+len(r.rows) > MaxRevocations {
		return evidence.Errorf(evidence.CodeRevocationFull, "", "%d certificates are revoked that would still be valid, and a list holds %d", published, MaxRevocations)
	}
	return nil
}

func (r *revoking) write(w *writer, event *eventRow) error {
	if err := w.fault(stepRevocation); err != nil {
		return err
	}
	for _, row := range r.rows {
		if _, err := w.conn.ExecContext(context.Background(), insertRevocation, row.Seq, row.AttestationID, row.Serial, row.SPKISHA256, row.NotAfter, event.Seq); err != nil {
			return err
		}
	}
	event.Revocations = revocationsKey(r.rows[0].Seq, len(r.rows))
	event.Revocations = append(event.Revocations, revocationsDigest(r.rows)...)
	return nil
}

// revocationsKeySize is that of what says which rows an event added: the number of the
// first and how many, in 8 bytes each.
const revocationsKeySize = 16

func revocationsKey(first int64, count int) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(first))
	return binary.BigEndian.AppendUint64(key, uint64(count))
}

// revocationWalk finds the revocations that events speak of, and counts them.
type revocationWalk struct {
	tx    *sql.Tx
	count int64
}

// match holds the next rows to what event says of them.
func (w *revocationWalk) match(ctx context.Context, event eventRow) error {
	if event.Revocations == nil {
		return nil
	}
	if len(event.Revocations) != revocationsKeySize+sha256.Size {
		return tampered("event %d speaks of a part of its revocations", event.Seq)
	}
	first, count := int64(binary.BigEndian.Uint64(event.Revocations)), int64(binary.BigEndian.Uint64(event.Revocations[8:]))
	if first != w.count+1 || count < 1 || count > MaxRevoked {
		return tampered("the revocations of event %d do not follow those before it", event.Seq)
	}
	rows, err := w.rows(ctx, event, first, count)
	if err != nil {
		return err
	}
	if int64(len(rows)) != count || !bytes.Equal(revocationsDigest(rows), event.Revocations[revocationsKeySize:]) {
		return tampered("the revocations of event %d were changed", event.Seq)
	}
	w.count += count
	return nil
}

func (w *revocationWalk) rows(ctx context.Context, event eventRow, first, count int64) (list []revocationRow, err error) {
	rows, err := w.tx.QueryContext(ctx, selectRevocations, first, first+count)
	if err != nil {
		return nil, unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r revocationRow
		var of int64
		if err := rows.Scan(&r.Seq, &r.AttestationID, &r.Serial, &r.SPKISHA256, &r.NotAfter, &of); err != nil {
			return nil, unavailable(err)
		}
		if of != event.Seq {
			return nil, tampered("revocation %d is not of event %d", r.Seq, event.Seq)
		}
		list = append(list, r)
	}
	return list, unavailable(rows.Err())
}

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// Head is the end of the audit chain. Whoever keeps a copy outside the service
// can later tell that nothing before it was changed or cut off.
type Head struct {
	Seq  int64        // the number of events
	Hash evidence.Hex // 32 bytes; nil for an empty chain
}

// Head returns the end of the audit chain.
func (s *Store) Head(ctx context.Context) (Head, error) {
	var h Head
	err := s.db.QueryRowContext(ctx, selectHead).Scan(&h.Seq, (*[]byte)(&h.Hash))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Head{}, unavailable(err)
	}
	return h, nil
}

const (
	selectEvents = `SELECT e.seq, e.time, e.actor, e.action, e.outcome, e.code, e.attestation_id, e.detail, e.issuance, e.hash
	   FROM audit_events e ORDER BY e.seq`
	selectIssuance = `SELECT attestation_id, purpose, issued_at, not_before, not_after, coalesce(serial, ''), coalesce(token_id, ''),
	   spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, claims FROM issuances WHERE attestation_id = ?`
)

// Verify walks the whole chain and returns its head and the number of issuances.
// It returns an error with evidence.CodeLedgerTampered if an event or issuance was
// changed, removed from the middle, inserted or reordered, or if an issuance has
// no event. That the end was cut off, or all of it written anew, can be seen only
// by an earlier head: the chain must contain those that are given.
func (s *Store) Verify(ctx context.Context, earlier ...Head) (head Head, issuances int64, err error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot for everything
	if err != nil {
		return Head{}, 0, unavailable(err)
	}
	defer tx.Rollback()
	head, issuances, err = walk(ctx, tx, earlier)
	if err != nil {
		return Head{}, 0, err
	}
	var stored int64
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM issuances").Scan(&stored); err != nil {
		return Head{}, 0, unavailable(err)
	}
	if stored != issuances {
		return Head{}, 0, tampered("the ledger holds %d issuances, its events speak of %d", stored, issuances)
	}
	for _, old := range earlier {
		if old.Seq > head.Seq {
			return Head{}, 0, tampered("the chain ends at event %d, before event %d of an earlier head", head.Seq, old.Seq)
		}
	}
	return head, issuances, nil
}

// contradicts reports whether h is another event than the one of the same number
// in an earlier head.
func (h Head) contradicts(earlier []Head) bool {
	for _, old := range earlier {
		if old.Seq == h.Seq && !bytes.Equal(old.Hash, h.Hash) {
			return true
		}
	}
	return false
}

// walk checks event by event and counts the issuances that they speak of.
func walk(ctx context.Context, tx *sql.Tx, earlier []Head) (head Head, issuances int64, err error) {
	lookup, err := tx.PrepareContext(ctx, selectIssuance)
	if err != nil {
		return Head{}, 0, unavailable(err)
	}
	defer lookup.Close()
	rows, err := tx.QueryContext(ctx, selectEvents)
	if err != nil {
		return Head{}, 0, unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		row, hash, err := scanEvent(rows)
		if err != nil {
			return Head{}, 0, err
		}
		if row.Seq != head.Seq+1 {
			return Head{}, 0, tampered("event %d follows event %d", row.Seq, head.Seq)
		}
		if !bytes.Equal(row.chain(head.Hash), hash) {
			return Head{}, 0, tampered("event %d does not fit its hash", row.Seq)
		}
		if row.Issuance != nil {
			issuances++
			if err := matchIssuance(ctx, lookup, row); err != nil {
				return Head{}, 0, err
			}
		}
		if head = (Head{row.Seq, hash}); head.contradicts(earlier) {
			return Head{}, 0, tampered("event %d is not the one of an earlier head", row.Seq)
		}
	}
	if err := rows.Err(); err != nil {
		return Head{}, 0, unavailable(err)
	}
	return head, issuances, nil
}

func scanEvent(rows *sql.Rows) (row eventRow, hash []byte, err error) {
	err = rows.Scan(&row.Seq, &row.Time, &row.Actor, &row.Action, &row.Outcome, &row.Code, &row.AttestationID, &row.Detail, &row.Issuance, &hash)
	if err != nil {
		return eventRow{}, nil, unavailable(err)
	}
	return row, hash, nil
}

// matchIssuance checks that the issuance that an event speaks of is there, unchanged.
func matchIssuance(ctx context.Context, lookup *sql.Stmt, event eventRow) error {
	issuance, err := scanIssuance(lookup.QueryRowContext(ctx, event.AttestationID))
	if errors.Is(err, sql.ErrNoRows) {
		return tampered("the issuance of event %d is missing", event.Seq)
	}
	if evidence.CodeOf(err) == evidence.CodeLedgerTampered {
		return err
	}
	if err != nil {
		return unavailable(err)
	}
	if !bytes.Equal(issuance.digest(), event.Issuance) {
		return tampered("the issuance of event %d was changed", event.Seq)
	}
	return nil
}

func scanIssuance(row *sql.Row) (r issuanceRow, err error) {
	var simulated int64 // the file may hold any number
	err = row.Scan(&r.AttestationID, &r.Purpose, &r.IssuedAt, &r.NotBefore, &r.NotAfter, &r.Serial, &r.TokenID,
		&r.SPKISHA256, &r.SPIFFEID, &r.Workload, &r.PolicyDigest, &r.Kinds, &simulated, &r.Claims)
	if err == nil && simulated != 0 && simulated != 1 {
		err = tampered("the issuance of attestation %q was changed", r.AttestationID)
	}
	r.Simulated = simulated == 1
	return r, err
}

func tampered(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLedgerTampered, "", "%s", fmt.Sprintf(format, args...))
}

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

const eventColumns = `SELECT e.seq, e.time, e.actor, e.action, e.outcome, e.code, e.attestation_id, e.detail, e.issuance, e.enrolment, e.keys,
	   e.policy_set, e.proposal, e.shadow, e.revocations, e.hash FROM audit_events e`

// Verify walks the whole chain and returns its head and the number of issuances.
// It returns an error with evidence.CodeLedgerTampered if an event, issuance,
// enrolment, attestation key's state, policy set, proposal, shadow, revocation or policy
// document was changed, removed from the middle, inserted, reordered or put back
// to what it was before, or if one of them has no event. That the end was cut off, or all of it written anew, can be seen only
// by an earlier head: the chain must contain those that are given.
func (s *Store) Verify(ctx context.Context, earlier ...Head) (head Head, issuances int64, err error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot for everything
	if err != nil {
		return Head{}, 0, unavailable(err)
	}
	defer tx.Rollback()
	w, err := newWalk(ctx, tx)
	if err != nil {
		return Head{}, 0, unavailable(err)
	}
	defer w.close()
	head, err = w.walk(ctx, tx, earlier)
	if err != nil {
		return Head{}, 0, err
	}
	if err := errors.Join(w.checkCounts(ctx, tx), w.policies.checkDocuments(ctx)); err != nil {
		return Head{}, 0, err
	}
	for _, old := range earlier {
		if old.Seq > head.Seq {
			return Head{}, 0, tampered("the chain ends at event %d, before event %d of an earlier head", head.Seq, old.Seq)
		}
	}
	return head, w.issuances, nil
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

// walk checks event by event.
func (w *walk) walk(ctx context.Context, tx *sql.Tx, earlier []Head) (head Head, err error) {
	rows, err := tx.QueryContext(ctx, eventColumns+" ORDER BY e.seq")
	if err != nil {
		return Head{}, unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		row, hash, err := scanEvent(rows)
		if err != nil {
			return Head{}, err
		}
		if row.Seq != head.Seq+1 {
			return Head{}, tampered("event %d follows event %d", row.Seq, head.Seq)
		}
		if !bytes.Equal(row.chain(head.Hash), hash) {
			return Head{}, tampered("event %d does not fit its hash", row.Seq)
		}
		if err := w.match(ctx, row); err != nil {
			return Head{}, err
		}
		if head = (Head{row.Seq, hash}); head.contradicts(earlier) {
			return Head{}, tampered("event %d is not the one of an earlier head", row.Seq)
		}
	}
	if err := rows.Err(); err != nil {
		return Head{}, unavailable(err)
	}
	return head, nil
}

func scanEvent(rows *sql.Rows) (row eventRow, hash []byte, err error) {
	err = rows.Scan(&row.Seq, &row.Time, &row.Actor, &row.Action, &row.Outcome, &row.Code, &row.AttestationID, &row.Detail,
		&row.Issuance, &row.Enrolment, &row.Keys, &row.PolicySet, &row.Proposal, &row.Shadow, &row.Revocations, &hash)
	if err != nil {
		return eventRow{}, nil, unavailable(err)
	}
	return row, hash, nil
}

func tampered(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLedgerTampered, "", "%s", fmt.Sprintf(format, args...))
}

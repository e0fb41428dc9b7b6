package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"

	"github.com/quotary/quotary/evidence"
)

const (
	issuanceColumns = `SELECT attestation_id, purpose, issued_at, not_before, not_after, coalesce(serial, ''), coalesce(token_id, ''),
	   spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, names`
	selectIssuance  = issuanceColumns + `, claims FROM issuances WHERE attestation_id = ?`
	selectEnrolment = `SELECT id, ek_sha256, ak_sha256, ak_name, ek_source, manufacturer, model, version, serial,
	   issued_at, not_after, simulated FROM enrolments WHERE id = ?`
	selectKeyEvent = `SELECT ak_sha256, ek_sha256, revoked, state, policy, event FROM attestation_keys WHERE ak_sha256 = ?`
)

// walk finds the rows that events speak of, and counts them.
type walk struct {
	issuance, enrolment, key    *sql.Stmt
	issuances, enrolments, keys int64
	policies                    *policyWalk
	revocations                 *revocationWalk
}

func newWalk(ctx context.Context, tx *sql.Tx) (*walk, error) {
	w := &walk{policies: &policyWalk{tx: tx, documents: map[string]bool{}}, revocations: &revocationWalk{tx: tx}}
	for query, stmt := range map[string]**sql.Stmt{selectIssuance: &w.issuance, selectEnrolment: &w.enrolment, selectKeyEvent: &w.key} {
		var err error
		if *stmt, err = tx.PrepareContext(ctx, query); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *walk) close() {
	for _, stmt := range []*sql.Stmt{w.issuance, w.enrolment, w.key} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// checkCounts refuses rows that no event speaks of.
func (w *walk) checkCounts(ctx context.Context, tx *sql.Tx) error {
	for table, counted := range map[string]int64{
		"issuances": w.issuances, "enrolments": w.enrolments, "attestation_keys": w.keys,
		"policy_sets": w.policies.sets, "policy_proposals": w.policies.proposals, "policy_shadows": w.policies.shadows,
		"revocations": w.revocations.count,
	} {
		var stored int64
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&stored); err != nil {
			return unavailable(err)
		}
		if stored != counted {
			return tampered("the ledger holds %d %s, its events speak of %d", stored, table, counted)
		}
	}
	return nil
}

// match checks that the rows that an event speaks of are there, unchanged.
func (w *walk) match(ctx context.Context, event eventRow) error {
	if event.Issuance != nil {
		w.issuances++
		row, err := scanIssuance(w.issuance.QueryRowContext(ctx, event.AttestationID))
		if err := same(event, "issuance", row.digest(), event.Issuance, err); err != nil {
			return err
		}
	}
	if event.Enrolment != nil {
		w.enrolments++
		row, err := scanEnrolment(w.enrolment.QueryRowContext(ctx, event.AttestationID))
		if err := same(event, "enrolment", row.digest(), event.Enrolment, err); err != nil {
			return err
		}
	}
	if err := w.policies.match(ctx, event); err != nil {
		return err
	}
	if err := w.revocations.match(ctx, event); err != nil {
		return err
	}
	return w.matchKeys(ctx, event)
}

// same judges a row that was looked up for event with this error.
func same(event eventRow, what string, digest, want []byte, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return tampered("the %s of event %d is missing", what, event.Seq)
	case evidence.CodeOf(err) == evidence.CodeLedgerTampered:
		return err
	case err != nil:
		return unavailable(err)
	case !bytes.Equal(digest, want):
		return tampered("the %s of event %d was changed", what, event.Seq)
	}
	return nil
}

// matchKeys checks that each attestation key that event changed was changed again
// later, or is as event left it: the last change counts its row, once.
func (w *walk) matchKeys(ctx context.Context, event eventRow) error {
	for changes := event.Keys; len(changes) > 0; changes = changes[2*sha256.Size:] {
		if len(changes) < 2*sha256.Size {
			return tampered("event %d speaks of a part of an attestation key", event.Seq)
		}
		var last int64
		row, err := scanKey(w.key.QueryRowContext(ctx, changes[:sha256.Size]), &last)
		settled, err := settles(event, "attestation key", last, row.digest(), changes[sha256.Size:2*sha256.Size], err)
		if err != nil {
			return err
		}
		if settled {
			w.keys++
		}
	}
	return nil
}

// settles reports whether event's change of a row is the last one, which counts
// it, and judges it as same does. last is the event that the row says it is of.
func settles(event eventRow, what string, last int64, digest, want []byte, err error) (bool, error) {
	switch {
	case err == nil && last > event.Seq:
		return false, nil
	case err == nil && last < event.Seq:
		return false, tampered("the %s that event %d changed is as event %d left it", what, event.Seq, last)
	}
	return true, same(event, what, digest, want, err)
}

// scanIssuance reads a row, and into more what stands behind its columns.
func scanIssuance(row scanner, more ...any) (r issuanceRow, err error) {
	var simulated int64 // the file may hold any number
	columns := []any{&r.AttestationID, &r.Purpose, &r.IssuedAt, &r.NotBefore, &r.NotAfter, &r.Serial, &r.TokenID,
		&r.SPKISHA256, &r.SPIFFEID, &r.Workload, &r.PolicyDigest, &r.Kinds, &simulated, &r.Names, &r.Claims}
	err = row.Scan(append(columns, more...)...)
	if err == nil && simulated != 0 && simulated != 1 {
		err = tampered("the issuance of attestation %q was changed", r.AttestationID)
	}
	r.Simulated = simulated == 1
	return r, err
}

func scanEnrolment(row *sql.Row) (r enrolmentRow, err error) {
	var simulated int64 // the file may hold any number
	err = row.Scan(&r.ID, &r.EKSHA256, &r.AKSHA256, &r.AKName, &r.EKSource, &r.Manufacturer, &r.Model, &r.Version, &r.Serial,
		&r.IssuedAt, &r.NotAfter, &simulated)
	if err == nil && simulated != 0 && simulated != 1 {
		err = tampered("the enrolment %q was changed", r.ID)
	}
	r.Simulated = simulated == 1
	return r, err
}

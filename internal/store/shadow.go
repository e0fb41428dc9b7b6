package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"
)

// Shadow is the set whose decisions are watched without being enforced.
type Shadow struct {
	Candidate // Base is what its author had in view; it is not compared
	Time      time.Time
}

// SetShadow makes c the shadow set; nil ends the shadow. The error is as that of
// [Store.ApplyPolicy], without CodePolicyConflict.
func (s *Store) SetShadow(ctx context.Context, event Event, c *Candidate) error {
	if c == nil {
		c = &Candidate{}
	} else if err := c.check(); err != nil {
		return err
	}
	return s.Record(ctx, Entry{Event: event, policy: &shadowing{candidate: c.deposit()}})
}

// Shadow returns the shadow set with its documents, nil if there is none.
func (s *Store) Shadow(ctx context.Context) (shadow *Shadow, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		row, err := newestShadow(ctx, tx)
		if err != nil || row.Candidate.Digest == "" {
			return err
		}
		shadow = &Shadow{Candidate: row.Candidate.candidate(), Time: time.UnixMicro(row.Time).UTC()}
		shadow.Documents, err = readDocuments(ctx, tx, row.Candidate.Documents)
		return err
	})
	return shadow, err
}

// shadowRow is a row of policy_shadows as the chain has it. The end of a shadow is
// one without a digest.
type shadowRow struct {
	_         struct{} `cbor:",toarray"`
	Seq       int64
	Candidate candidateRow
	Time      int64
}

func (r shadowRow) digest() []byte {
	sum := sha256.Sum256(canonical(r))
	return sum[:]
}

const (
	selectShadow = `SELECT seq, ` + candidateColumns + `, time FROM policy_shadows`
	insertShadow = `INSERT INTO policy_shadows (seq, ` + candidateColumns + `, time) VALUES (?, ?, ?, ?, ?, ?, ?)`
	// lastShadow is what the newest event on the shadow says of it.
	lastShadow = `SELECT shadow FROM audit_events WHERE shadow IS NOT NULL ORDER BY seq DESC LIMIT 1`
)

// newestShadow returns the zero row if there never was a shadow, and refuses what
// the newest event does not say.
func newestShadow(ctx context.Context, q queryer) (shadowRow, error) {
	row, err := scanShadow(q.QueryRowContext(ctx, selectShadow+` ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return shadowRow{}, said(ctx, q, nil, "newest shadow", lastShadow)
	}
	if err != nil {
		return shadowRow{}, err
	}
	return row, said(ctx, q, row.digest(), "newest shadow", lastShadow)
}

func scanShadow(row scanner) (r shadowRow, err error) {
	err = row.Scan(append(append([]any{&r.Seq}, r.Candidate.fields()...), &r.Time)...)
	return r, err
}

// shadowing sets or ends the shadow.
type shadowing struct {
	candidate *deposit
	row       shadowRow
}

func (s *shadowing) judge(w *writer, now int64) error {
	last, err := newestShadow(context.Background(), w.conn)
	s.row = shadowRow{Seq: last.Seq + 1, Candidate: s.candidate.row, Time: now}
	return err
}

func (s *shadowing) write(w *writer, r *eventRow) error {
	if err := w.writeDocuments(s.candidate); err != nil {
		return err
	}
	if err := w.fault(stepShadow); err != nil {
		return err
	}
	values := append(append([]any{s.row.Seq}, s.row.Candidate.values()...), s.row.Time)
	if _, err := w.conn.ExecContext(context.Background(), insertShadow, values...); err != nil {
		return err
	}
	r.Shadow = s.row.digest()
	return nil
}

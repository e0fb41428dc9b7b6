package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// query gathers the conditions of a look into the ledger. Values are bound, never
// part of the text.
type query struct {
	conditions []string
	values     []any
}

func (q *query) where(condition string, values ...any) {
	q.conditions = append(q.conditions, condition)
	q.values = append(q.values, values...)
}

// text asks for a column's text, if there is one to ask for.
func (q *query) text(column, value string) {
	if value != "" {
		q.where(column+" = ?", value)
	}
}

// below asks for rows before a number, if it is not 0.
func (q *query) below(column string, before int64) {
	if before != 0 {
		q.where(column+" < ?", before)
	}
}

// within asks for times from since up to before until, where they are not zero.
func (q *query) within(column string, since, until time.Time) {
	if !since.IsZero() {
		q.where(column+" >= ?", since.UnixMicro())
	}
	if !until.IsZero() {
		q.where(column+" < ?", until.UnixMicro())
	}
}

func (q *query) String() string {
	if len(q.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.conditions, " AND ")
}

// page hands each row of a bounded query to visit. The query goes on until it has
// found as many rows, there are no more, or ctx ends.
func (s *Store) page(ctx context.Context, columns string, q query, order string, limit int, visit func(*sql.Rows) error) error {
	if limit < 1 || limit > MaxPage {
		return evidence.Errorf(evidence.CodeLedgerQuery, "limit", "a limit is a number from 1 to %d", MaxPage)
	}
	rows, err := s.db.QueryContext(ctx, columns+q.String()+" ORDER BY "+order+" LIMIT ?", append(q.values, limit)...)
	if err != nil {
		return unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return looked(err)
		}
	}
	return unavailable(rows.Err())
}

// look has f read one state of the ledger.
func (s *Store) look(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return unavailable(err)
	}
	defer tx.Rollback()
	return looked(f(tx))
}

// looked leaves errors that say what is wrong as they are; all others are the
// database's.
func looked(err error) error {
	if !evidence.CodeOf(err).IsZero() {
		return err
	}
	return unavailable(err)
}

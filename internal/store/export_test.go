package store

import (
	"context"
	"database/sql"
)

// Step names, for the matrix of failures.
var Steps = []string{string(stepBegin), string(stepHead), string(stepIssuance), string(stepEvent), string(stepCommit)}

// SetFault makes every write ask fault first. Set it while nothing is recorded.
func (s *Store) SetFault(fault func(step string) error) {
	s.writer.fault = func(at step) error { return fault(string(at)) }
}

// Exec runs a statement past the ledger, as somebody with the file could.
func (s *Store) Exec(query string, args ...any) (sql.Result, error) {
	return s.db.Exec(query, args...)
}

// ExecWriter runs a statement on the writer's connection. Use it while nothing is recorded.
func (s *Store) ExecWriter(query string) error {
	_, err := s.writer.conn.ExecContext(context.Background(), query)
	return err
}

// QueryInt returns the number that a query yields.
func (s *Store) QueryInt(query string) (n int64, err error) {
	return n, s.db.QueryRow(query).Scan(&n)
}

// Path returns the name of the database file.
func (s *Store) Path() (path string, err error) {
	return path, s.db.QueryRow("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path)
}

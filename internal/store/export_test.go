package store

import (
	"context"
	"database/sql"
	"errors"
)

// Step names, for the matrix of failures.
var Steps = []string{string(stepBegin), string(stepHead), string(stepIssuance), string(stepEvent), string(stepCommit)}

// KeySteps are the names of the steps of an entry that changes attestation keys.
var KeySteps = []string{string(stepBegin), string(stepHead), string(stepLookUp), string(stepIssuance), string(stepEnrolment), string(stepKey), string(stepEvent), string(stepCommit)}

// OpenVersion makes a database as the build of this schema version did, and
// runs a statement on it.
func OpenVersion(ctx context.Context, path string, version int, statement string, args ...any) error {
	if err := prepare(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		return err
	}
	for n := range version {
		if err := migrateOne(ctx, db, n); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	_, err = db.ExecContext(ctx, statement, args...)
	return errors.Join(err, db.Close())
}

// Reload reads attestation keys into memory anew, at most bound.
func (s *Store) Reload(bound int) (err error) {
	s.keys, err = loadKeys(context.Background(), s.db, bound)
	return err
}

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

// PolicySteps are the names of the steps of events that change policies.
var PolicySteps = []string{string(stepBegin), string(stepHead), string(stepLookUp), string(stepDocument), string(stepPolicySet), string(stepProposal), string(stepShadow), string(stepEvent), string(stepCommit)}

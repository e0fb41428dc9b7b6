// Package store is the service's durable state: one SQLite file with the ledger
// of what was issued, the audit trail of what was asked, what is known of
// attestation keys, the policy sets that were applied, proposed or watched, and the
// certificates that were revoked.
//
// Nothing leaves the service before [Store.Record] returned nil: it commits the
// issuance or enrolment, what it leaves of an attestation key and its audit event
// in one transaction, and concurrent callers share one transaction and one fsync.
// Policy sets come into force the same way: [Store.ApplyPolicy] compares and swaps.
// Audit events form a hash chain over themselves and the rows they speak of;
// [Store.Verify] walks it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"

	"github.com/quotary/quotary/evidence"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Store is an open ledger. It is safe for concurrent use.
type Store struct {
	db     *sql.DB // for readers
	writer *writer // owned by the committer's goroutine
	keys   *keys
	queue  chan *job // closed by Close, under mu
	done   chan struct{}

	mu     sync.RWMutex // guards closed against sends on queue
	closed bool
}

// Open opens the ledger in file path, creates it with mode 0600 if it is not
// there, and brings its schema up to date. A file that others than its owner may
// read or write is refused with evidence.CodeDataPermissions.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := prepare(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %s: %w", path, err), db.Close())
	}
	w, err := newWriter(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), db.Close())
	}
	known, err := loadKeys(ctx, db, maxKeys)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %s: %w", path, err), w.close(), db.Close())
	}
	s := &Store{db: db, writer: w, keys: known, queue: make(chan *job, maxQueue), done: make(chan struct{})}
	go s.commitLoop()
	return s, nil
}

// Close refuses new entries, commits those that wait, and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	<-s.done
	return errors.Join(s.writer.close(), s.db.Close())
}

// prepare creates the file for its owner alone, or checks that it is so. SQLite
// gives its WAL the same mode.
func prepare(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return CheckPrivate(path, info)
}

// CheckPrivate refuses a file that others than its owner may read or write.
func CheckPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return evidence.Errorf(evidence.CodeDataPermissions, path, "others than the owner may use this file (mode %04o); run: chmod 600 %s", mode, path)
	}
	return nil
}

// dataSource opens every connection with the same settings. synchronous=FULL
// makes a commit durable before it returns; in WAL mode that is one fsync.
func dataSource(path string) string {
	q := url.Values{}
	for _, pragma := range []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)",
	} {
		q.Add("_pragma", pragma)
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

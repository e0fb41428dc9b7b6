package store

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations bring a database from the version that is their index to the next.
// A migration that was released never changes.
var migrations = []string{
	`CREATE TABLE issuances (
	   attestation_id TEXT    NOT NULL PRIMARY KEY,
	   purpose        TEXT    NOT NULL, -- certificate, token, or appraisal (a background check)
	   issued_at      INTEGER NOT NULL, -- Unix microseconds, as all times
	   not_before     INTEGER NOT NULL,
	   not_after      INTEGER NOT NULL,
	   serial         TEXT    UNIQUE,   -- lower-case hex; NULL without a certificate
	   token_id       TEXT    UNIQUE,   -- jti; NULL without a token
	   spki_sha256    BLOB,             -- NULL for a background check
	   spiffe_id      TEXT    NOT NULL,
	   workload       TEXT    NOT NULL,
	   policy_digest  TEXT    NOT NULL,
	   kinds          TEXT    NOT NULL, -- comma-separated, sorted
	   simulated      INTEGER NOT NULL,
	   claims         TEXT    NOT NULL  -- JSON
	 ) STRICT;
	 CREATE INDEX issuances_by_spiffe_id ON issuances (spiffe_id, issued_at);
	 CREATE TABLE audit_events (
	   seq            INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 … without gaps
	   time           INTEGER NOT NULL,
	   actor          TEXT    NOT NULL,
	   action         TEXT    NOT NULL,
	   outcome        TEXT    NOT NULL,
	   code           TEXT    NOT NULL,
	   attestation_id TEXT    NOT NULL,
	   detail         TEXT    NOT NULL, -- JSON
	   issuance       BLOB,             -- SHA-256 of the canonical issuance, NULL without one
	   hash           BLOB    NOT NULL  -- SHA-256 of the previous hash and the canonical row
	 ) STRICT;
	 CREATE INDEX audit_events_by_attestation ON audit_events (attestation_id);
	 CREATE TABLE heartbeat (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;`,
	`CREATE INDEX issuances_by_end ON issuances (not_after);`,
}

// migrate runs the migrations that the file lacks, each in its own transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the database has schema version %d, this build knows %d: use the newer build that wrote it", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := migrateOne(ctx, db, version); err != nil {
			return fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, db *sql.DB, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
		return err
	}
	return tx.Commit()
}

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
	`CREATE TABLE enrolments (
	   id           TEXT    NOT NULL PRIMARY KEY, -- the event's attestation ID
	   ek_sha256    BLOB    NOT NULL, -- of the SubjectPublicKeyInfo, as all digests of keys
	   ak_sha256    BLOB    NOT NULL,
	   ak_name      BLOB    NOT NULL,
	   ek_source    TEXT    NOT NULL,
	   manufacturer TEXT    NOT NULL,
	   model        TEXT    NOT NULL,
	   version      TEXT    NOT NULL,
	   serial       TEXT    NOT NULL UNIQUE, -- of the certificate, lower-case hex
	   issued_at    INTEGER NOT NULL,
	   not_after    INTEGER NOT NULL,
	   simulated    INTEGER NOT NULL
	 ) STRICT;
	 CREATE INDEX enrolments_by_key ON enrolments (ak_sha256, issued_at);
	 CREATE TABLE attestation_keys (
	   ak_sha256 BLOB    NOT NULL PRIMARY KEY,
	   ek_sha256 BLOB,             -- of the TPM that enrolled it; NULL if none did
	   revoked   TEXT    NOT NULL, -- empty, superseded or administrator
	   state     TEXT    NOT NULL, -- JSON: what the last accepted quote left; empty before the first
	   policy    TEXT    NOT NULL, -- the policy set, and what of it, that judged it
	   event     INTEGER NOT NULL  -- the last event that changed the row
	 ) STRICT;
	 CREATE UNIQUE INDEX one_attestation_key_of_a_tpm ON attestation_keys (ek_sha256) WHERE ek_sha256 IS NOT NULL AND revoked <> 'superseded';
	 ALTER TABLE audit_events ADD COLUMN enrolment BLOB; -- SHA-256 of the canonical enrolment, NULL without one
	 ALTER TABLE audit_events ADD COLUMN keys BLOB;      -- of each attestation key that changed: ak_sha256, SHA-256 of its canonical row`,
	`CREATE TABLE policy_documents (
	   sha256  BLOB NOT NULL PRIMARY KEY, -- of the content: what sets have in common is kept once
	   content BLOB NOT NULL
	 ) STRICT;
	 CREATE TABLE policy_sets ( -- what was applied; the last one is active
	   seq       INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 … without gaps
	   digest    TEXT    NOT NULL,
	   base      TEXT    NOT NULL, -- digest of the set before, empty in the first
	   documents TEXT    NOT NULL, -- JSON: names and SHA-256
	   author    TEXT    NOT NULL,
	   comment   TEXT    NOT NULL,
	   time      INTEGER NOT NULL,
	   proposal  INTEGER NOT NULL, -- 0 if it came from none
	   approvals TEXT    NOT NULL, -- JSON: by whom and when
	   hash      BLOB    NOT NULL  -- SHA-256 of the previous hash and the canonical row
	 ) STRICT;
	 CREATE TABLE policy_proposals (
	   id        INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 … without gaps
	   digest    TEXT    NOT NULL,
	   base      TEXT    NOT NULL,
	   documents TEXT    NOT NULL,
	   author    TEXT    NOT NULL,
	   comment   TEXT    NOT NULL,
	   created   INTEGER NOT NULL,
	   expires   INTEGER NOT NULL,
	   approvals TEXT    NOT NULL,
	   state     TEXT    NOT NULL, -- open, applied or withdrawn
	   event     INTEGER NOT NULL  -- the last event that changed the row
	 ) STRICT;
	 CREATE INDEX policy_proposals_by_end ON policy_proposals (state, expires);
	 CREATE TABLE policy_shadows ( -- what was watched; the last one is, unless it says that none is
	   seq       INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 … without gaps
	   digest    TEXT    NOT NULL, -- empty where the shadow was ended
	   base      TEXT    NOT NULL,
	   documents TEXT    NOT NULL,
	   author    TEXT    NOT NULL,
	   comment   TEXT    NOT NULL,
	   time      INTEGER NOT NULL
	 ) STRICT;
	 ALTER TABLE audit_events ADD COLUMN policy_set BLOB; -- the history's hash with the set that was applied, NULL without one
	 ALTER TABLE audit_events ADD COLUMN proposal BLOB;   -- of the proposal that changed: its number in 8 bytes, SHA-256 of its canonical row
	 ALTER TABLE audit_events ADD COLUMN shadow BLOB;     -- SHA-256 of the canonical row of policy_shadows that was added
	 CREATE INDEX audit_events_of_sets ON audit_events (seq) WHERE policy_set IS NOT NULL;
	 CREATE INDEX audit_events_of_proposals ON audit_events (proposal) WHERE proposal IS NOT NULL;
	 CREATE INDEX audit_events_of_shadows ON audit_events (seq) WHERE shadow IS NOT NULL;
	 CREATE INDEX issuances_by_time ON issuances (issued_at, attestation_id);`,
	`CREATE INDEX attestation_keys_by_event ON attestation_keys (event, ak_sha256);`,
	`CREATE TABLE revocations ( -- of certificates
	   seq            INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 … without gaps
	   attestation_id TEXT    NOT NULL UNIQUE,      -- of the issuance
	   serial         TEXT    NOT NULL UNIQUE,
	   spki_sha256    BLOB    NOT NULL,
	   not_after      INTEGER NOT NULL,
	   event          INTEGER NOT NULL              -- that revoked it, and says why
	 ) STRICT;
	 CREATE INDEX revocations_by_end ON revocations (not_after);
	 ALTER TABLE audit_events ADD COLUMN revocations BLOB; -- of those that were added: the first one's number and how many in 8 bytes each, SHA-256 of the canonical rows`,
	`ALTER TABLE issuances ADD COLUMN names TEXT; -- DNS names and addresses of the certificate, comma-separated; NULL without one, and in rows of earlier versions`,
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

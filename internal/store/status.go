package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const selectStatus = `SELECT e.time FROM issuances i LEFT JOIN revocations r ON r.attestation_id = i.attestation_id
	   LEFT JOIN audit_events e ON e.seq = r.event WHERE i.serial = ?`

// CertificateStatus returns whether a certificate with this serial number, in lower-case hex, was issued, and
// when it was revoked: zero if it is not. It reads what is committed, so that a revocation shows
// from the instant that it is on record.
func (s *Store) CertificateStatus(ctx context.Context, serial string) (issued bool, revoked time.Time, err error) {
	var at sql.NullInt64
	err = s.db.QueryRowContext(ctx, selectStatus, serial).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, time.Time{}, nil
	case err != nil:
		return false, time.Time{}, looked(err)
	case at.Valid:
		revoked = time.UnixMicro(at.Int64).UTC()
	}
	return true, revoked, nil
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// IssuanceFilter says which issuances are asked for: those that are as every
// field says that is not zero.
type IssuanceFilter struct {
	EndsAfter     time.Time // what it covers is live then, or was issued by a clock that was ahead
	Since, Until  time.Time // issued from Since up to before Until
	Workload      string
	SPIFFEID      string
	Purpose       string
	Kind          evidence.Kind // among others
	PolicyDigest  string
	Certified     bool   // on which a certificate was issued
	Serial        string // of the certificate, lower-case hex
	TokenID       string
	AttestationID string
	Simulated     *bool // nil asks for both
	Unrevoked     bool  // whose certificate is not revoked
	Claims        bool  // with claims; without, they are nil

	Before *IssuanceCursor // continues an answer
	Limit  int             // 1 to [MaxPage]
}

// IssuanceCursor is a place in the order of issuances.
type IssuanceCursor struct {
	IssuedAt      time.Time `json:"issued_at"` // in microseconds, as the ledger has it
	AttestationID string    `json:"attestation_id"`
}

// revokedAt is when an issuance's certificate was revoked, NULL if it was not.
const revokedAt = `, (SELECT e.time FROM revocations r JOIN audit_events e ON e.seq = r.event WHERE r.attestation_id = issuances.attestation_id)`

// errPageFull ends an answer early.
var errPageFull = errors.New("store: the page is full")

// Issuances returns issuances, the newest first, and where to go on: nil at the
// end. With claims an answer may be shorter than the limit.
func (s *Store) Issuances(ctx context.Context, f IssuanceFilter) (list []Issuance, next *IssuanceCursor, err error) {
	columns, bytes := issuanceColumns+`, ''`+revokedAt+` FROM issuances`, 0
	if f.Claims {
		columns = issuanceColumns + `, claims` + revokedAt + ` FROM issuances`
	}
	q, err := f.query()
	if err != nil {
		return nil, nil, err
	}
	err = s.page(ctx, columns, q, "issued_at DESC, attestation_id DESC", f.Limit, func(rows *sql.Rows) error {
		if bytes >= maxPageClaims {
			return errPageFull
		}
		i, err := listed(rows)
		if err != nil {
			return err
		}
		bytes += len(i.Claims)
		list = append(list, i)
		return nil
	})
	full := errors.Is(err, errPageFull)
	if err != nil && !full {
		return nil, nil, err
	}
	if full || len(list) == f.Limit {
		last := list[len(list)-1]
		next = &IssuanceCursor{last.IssuedAt, last.AttestationID}
	}
	return list, next, nil
}

// CountIssuances counts what [Store.Issuances] would return altogether.
func (s *Store) CountIssuances(ctx context.Context, f IssuanceFilter) (n int64, err error) {
	q, err := f.query()
	if err != nil {
		return 0, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM issuances`+q.String(), q.values...).Scan(&n)
	return n, unavailable(err)
}

func (f IssuanceFilter) query() (q query, err error) {
	if !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) {
		return query{}, evidence.Errorf(evidence.CodeLedgerQuery, "until", "the range ends before it begins")
	}
	if !f.EndsAfter.IsZero() {
		q.where("issued_at > ? AND not_after > ?", f.EndsAfter.Add(-maxLife).UnixMicro(), f.EndsAfter.UnixMicro())
	}
	q.within("issued_at", f.Since, f.Until)
	q.text("workload", f.Workload)
	q.text("spiffe_id", f.SPIFFEID)
	q.text("purpose", f.Purpose)
	q.text("policy_digest", f.PolicyDigest)
	q.text("serial", f.Serial)
	q.text("token_id", f.TokenID)
	q.text("attestation_id", f.AttestationID)
	if f.Certified {
		q.where("serial <> ''")
	}
	if f.Unrevoked {
		q.where("NOT EXISTS (SELECT 1 FROM revocations r WHERE r.attestation_id = issuances.attestation_id)")
	}
	if f.Simulated != nil {
		q.where("simulated = ?", *f.Simulated)
	}
	if f.Kind != "" {
		q.where("instr(',' || kinds || ',', ',' || ? || ',') > 0", string(f.Kind))
	}
	if c := f.Before; c != nil {
		q.where("(issued_at, attestation_id) < (?, ?)", c.IssuedAt.UnixMicro(), c.AttestationID)
	}
	return q, nil
}

// Issuance returns what was issued on an attestation, with its claims, or an
// *evidence.Error with CodeAttestationUnknown.
func (s *Store) Issuance(ctx context.Context, attestationID string) (*Issuance, error) {
	i, err := listed(s.db.QueryRowContext(ctx, issuanceColumns+`, claims`+revokedAt+` FROM issuances WHERE attestation_id = ?`, attestationID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, evidence.Errorf(evidence.CodeAttestationUnknown, "attestation_id", "nothing was issued on this attestation")
	}
	if err != nil {
		return nil, looked(err)
	}
	return &i, nil
}

// listed reads a row with its revokedAt.
func listed(row scanner) (Issuance, error) {
	var revoked sql.NullInt64
	r, err := scanIssuance(row, &revoked)
	if err != nil {
		return Issuance{}, err
	}
	i := r.issuance()
	if revoked.Valid {
		i.RevokedAt = time.UnixMicro(revoked.Int64).UTC()
	}
	return i, nil
}

// issuance is the row in the terms of the entry that it came from.
func (r issuanceRow) issuance() Issuance {
	i := Issuance{
		AttestationID: r.AttestationID, Purpose: r.Purpose, IssuedAt: time.UnixMicro(r.IssuedAt).UTC(),
		NotBefore: time.UnixMicro(r.NotBefore).UTC(), NotAfter: time.UnixMicro(r.NotAfter).UTC(),
		Serial: r.Serial, TokenID: r.TokenID, SPKISHA256: r.SPKISHA256, SPIFFEID: r.SPIFFEID,
		Workload: r.Workload, PolicyDigest: r.PolicyDigest, Simulated: r.Simulated,
	}
	if r.Claims != "" {
		i.Claims = json.RawMessage(r.Claims)
	}
	if r.Names != nil {
		i.Names = strings.FieldsFunc(*r.Names, func(c rune) bool { return c == ',' })
	}
	for kind := range strings.SplitSeq(r.Kinds, ",") {
		if kind != "" {
			i.Kinds = append(i.Kinds, evidence.Kind(kind))
		}
	}
	return i
}

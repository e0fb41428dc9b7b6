package store

import (
	"database/sql"
	"errors"
)

const (
	selectKey     = `SELECT ak_sha256, ek_sha256, revoked, state, policy FROM attestation_keys WHERE ak_sha256 = ?`
	selectCurrent = `SELECT ak_sha256, ek_sha256, revoked, state, policy FROM attestation_keys WHERE ek_sha256 = ? AND revoked <> 'superseded'`
	upsertKey     = `INSERT INTO attestation_keys (ak_sha256, ek_sha256, revoked, state, policy, event) VALUES (?, ?, ?, ?, ?, ?)
	   ON CONFLICT (ak_sha256) DO UPDATE SET ek_sha256 = excluded.ek_sha256, revoked = excluded.revoked,
	   state = excluded.state, policy = excluded.policy, event = excluded.event`
	insertEnrolment = `INSERT INTO enrolments (id, ek_sha256, ak_sha256, ak_name, ek_source, manufacturer, model, version, serial,
	   issued_at, not_after, simulated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// refusal is what the rules for attestation keys or policy sets say against an entry. It is
// found before anything of the entry is written, so the transaction goes on.
type refusal struct {
	cause error
	known []keyRow // what the file has, which the caller did not know
}

func (r *refusal) Error() string { return r.cause.Error() }
func (r *refusal) Unwrap() error { return r.cause }

// keyRows returns the rows of attestation keys that e leads to, by what the
// transaction has so far, or a *refusal.
func (w *writer) keyRows(e Entry) ([]keyRow, error) {
	switch {
	case e.Enrolment != nil:
		return w.enrol(e.Enrolment)
	case e.Key != nil:
		return w.update(e.Key)
	case e.KeyChange != nil:
		return w.change(e.KeyChange)
	}
	return nil, nil
}

func (w *writer) enrol(e *Enrolment) ([]keyRow, error) {
	ekID, akID := e.ids()
	ak, err := w.lookUp(w.key, akID[:])
	if err != nil {
		return nil, err
	}
	current, err := w.lookUp(w.current, ekID[:])
	if err != nil {
		return nil, err
	}
	known := keyRow{}
	if ak != nil {
		known = *ak
	}
	rows, err := e.apply(known, current)
	return rows, refuse(err, ak, current)
}

func (w *writer) update(u *KeyUpdate) ([]keyRow, error) {
	ak, err := w.lookUp(w.key, u.AK[:])
	if err != nil {
		return nil, err
	}
	known := keyRow{}
	if ak != nil {
		known = *ak
	}
	row, err := u.apply(known)
	return []keyRow{row}, refuse(err, ak)
}

func (w *writer) change(c *KeyChange) ([]keyRow, error) {
	ak, err := w.lookUp(w.key, c.AK[:])
	if err != nil {
		return nil, err
	}
	if ak == nil {
		return nil, refuse(unknownKey())
	}
	row, err := c.apply(*ak)
	return []keyRow{row}, refuse(err, ak)
}

func refuse(cause error, known ...*keyRow) error {
	if cause == nil {
		return nil
	}
	r := &refusal{cause: cause}
	for _, row := range known {
		if row != nil {
			r.known = append(r.known, *row)
		}
	}
	return r
}

// lookUp returns the one row that stmt finds, or nil.
func (w *writer) lookUp(stmt *sql.Stmt, digest []byte) (*keyRow, error) {
	if err := w.fault(stepLookUp); err != nil {
		return nil, err
	}
	row, err := scanKey(stmt.QueryRow(digest))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &row, nil
}

// writeKeys writes the rows as event seq leaves them, and returns what the
// chain has of them.
func (w *writer) writeKeys(rows []keyRow, seq int64) (changes []byte, err error) {
	for _, r := range rows {
		if err := w.fault(stepKey); err != nil {
			return nil, err
		}
		if _, err := w.putKey.Exec(r.AK, r.EK, r.Revoked, r.State, r.Policy, seq); err != nil {
			return nil, err
		}
		changes = append(append(changes, r.AK...), r.digest()...)
	}
	return changes, nil
}

func (w *writer) writeEnrolment(r enrolmentRow) error {
	if err := w.fault(stepEnrolment); err != nil {
		return err
	}
	_, err := w.enrolment.Exec(r.ID, r.EKSHA256, r.AKSHA256, r.AKName, r.EKSource, r.Manufacturer, r.Model, r.Version, r.Serial,
		r.IssuedAt, r.NotAfter, r.Simulated)
	return err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// writer is the one connection that writes. It is used by one goroutine.
type writer struct {
	conn      *sql.Conn
	head      *sql.Stmt
	issuance  *sql.Stmt
	enrolment *sql.Stmt
	key       *sql.Stmt // looks one up by its own digest,
	current   *sql.Stmt // by that of its TPM's endorsement key,
	putKey    *sql.Stmt // and writes one
	event     *sql.Stmt
	beat      *sql.Stmt
	// fault is asked before every write; tests make writes fail with it.
	fault func(step) error
}

// step names a write of a transaction.
type step string

const (
	stepBegin      step = "begin"
	stepHead       step = "head"
	stepLookUp     step = "look-up"
	stepIssuance   step = "issuance"
	stepEnrolment  step = "enrolment"
	stepKey        step = "key"
	stepDocument   step = "document"
	stepPolicySet  step = "policy set"
	stepProposal   step = "proposal"
	stepShadow     step = "shadow"
	stepRevocation step = "revocation"
	stepEvent      step = "event"
	stepBeat       step = "heartbeat"
	stepCommit     step = "commit"
)

const (
	selectHead     = `SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1`
	insertIssuance = `INSERT INTO issuances (attestation_id, purpose, issued_at, not_before, not_after, serial, token_id,
	   spki_sha256, spiffe_id, workload, policy_digest, kinds, simulated, names, claims)
	   VALUES (?, ?, ?, ?, ?, nullif(?, ''), nullif(?, ''), ?, ?, ?, ?, ?, ?, ?, ?)`
	insertEvent = `INSERT INTO audit_events (seq, time, actor, action, outcome, code, attestation_id, detail,
	   issuance, enrolment, keys, policy_set, proposal, shadow, revocations, hash)
	   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	upsertBeat = `INSERT INTO heartbeat (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at`
)

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, fault: func(step) error { return nil }}
	for query, stmt := range map[string]**sql.Stmt{
		selectHead: &w.head, insertIssuance: &w.issuance, insertEnrolment: &w.enrolment,
		selectKey: &w.key, selectCurrent: &w.current, upsertKey: &w.putKey,
		insertEvent: &w.event, upsertBeat: &w.beat,
	} {
		if *stmt, err = conn.PrepareContext(ctx, query); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

func (w *writer) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{w.head, w.issuance, w.enrolment, w.key, w.current, w.putKey, w.event, w.beat} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// entryError is the failure of one entry, which must not cost the others theirs.
type entryError struct{ cause error }

func (e *entryError) Error() string { return e.cause.Error() }
func (e *entryError) Unwrap() error { return e.cause }

// commit writes the jobs in one transaction: all of them, but those that the
// rules for attestation keys and policy sets are against, or none. It sets each job's refusal, and
// returns the rows of attestation keys that were changed or are news to a refused
// caller. An error that one job alone may be at fault for is an *entryError.
func (w *writer) commit(jobs []*job) (known []keyRow, err error) {
	if err := w.exec(stepBegin, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// A rollback that fails leaves the transaction open; the next BEGIN then
			// fails, and so does every entry until the service is restarted.
			_, rollback := w.conn.ExecContext(context.Background(), "ROLLBACK")
			if rollback != nil {
				err = fmt.Errorf("%w (rollback: %v)", err, rollback)
			}
		}
	}()
	end, err := w.lastEvent()
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		rows, err := w.writeJob(j, &end)
		if err != nil {
			return nil, &entryError{err}
		}
		known = append(known, rows...)
	}
	return known, w.exec(stepCommit, "COMMIT")
}

func (w *writer) writeJob(j *job, end *link) (known []keyRow, err error) {
	j.refusal = nil
	if j.beat {
		return nil, w.writeBeat()
	}
	known, err = w.writeEntry(j.entry, end)
	var against *refusal
	if errors.As(err, &against) {
		j.refusal = against.cause
		return against.known, nil
	}
	return known, err
}

func (w *writer) exec(s step, query string) error {
	if err := w.fault(s); err != nil {
		return err
	}
	_, err := w.conn.ExecContext(context.Background(), query)
	return err
}

// link is an end of the chain.
type link struct {
	seq  int64
	hash []byte
}

// lastEvent reads the chain's head anew for each transaction, so that no failure
// can leave a stale copy behind.
func (w *writer) lastEvent() (end link, err error) {
	if err := w.fault(stepHead); err != nil {
		return link{}, err
	}
	err = w.head.QueryRow().Scan(&end.seq, &end.hash)
	if errors.Is(err, sql.ErrNoRows) {
		return link{}, nil
	}
	return end, err
}

// writeEntry writes e behind end, which it moves on, and returns the rows of
// attestation keys that it wrote. It judges before it writes: after a *refusal
// nothing was written.
func (w *writer) writeEntry(e Entry, end *link) ([]keyRow, error) {
	keys, err := w.keyRows(e)
	if err != nil {
		return nil, err
	}
	r := e.Event.row(end.seq + 1)
	if e.Issuance != nil {
		row := e.Issuance.row()
		if err := w.writeIssuance(row); err != nil {
			return nil, err
		}
		r.Issuance = row.digest()
	}
	if e.Enrolment != nil {
		row := e.Enrolment.row()
		if err := w.writeEnrolment(row); err != nil {
			return nil, err
		}
		r.Enrolment = row.digest()
	}
	if r.Keys, err = w.writeKeys(keys, r.Seq); err != nil {
		return nil, err
	}
	if e.policy != nil {
		if err := w.changePolicy(e.policy, &r); err != nil {
			return nil, err
		}
	}
	hash := r.chain(end.hash)
	if err := w.writeEvent(r, hash); err != nil {
		return nil, err
	}
	*end = link{r.Seq, hash}
	return keys, nil
}

func (w *writer) writeEvent(r eventRow, hash []byte) error {
	if err := w.fault(stepEvent); err != nil {
		return err
	}
	_, err := w.event.Exec(r.Seq, r.Time, r.Actor, r.Action, r.Outcome, r.Code, r.AttestationID, r.Detail,
		r.Issuance, r.Enrolment, r.Keys, r.PolicySet, r.Proposal, r.Shadow, r.Revocations, hash)
	return err
}

func (w *writer) writeIssuance(r issuanceRow) error {
	if err := w.fault(stepIssuance); err != nil {
		return err
	}
	_, err := w.issuance.Exec(r.AttestationID, r.Purpose, r.IssuedAt, r.NotBefore, r.NotAfter, r.Serial, r.TokenID,
		r.SPKISHA256, r.SPIFFEID, r.Workload, r.PolicyDigest, r.Kinds, r.Simulated, r.Names, r.Claims)
	return err
}

func (w *writer) writeBeat() error {
	if err := w.fault(stepBeat); err != nil {
		return err
	}
	_, err := w.beat.Exec(time.Now().UnixMicro())
	return err
}

package store

import (
	"context"

	"github.com/quotary/quotary/evidence"
)

// policyChange is what an event does to policy sets, proposals, the shadow or revocations.
type policyChange interface {
	// judge reads what the transaction has so far and refuses with an *evidence.Error.
	judge(w *writer, now int64) error
	// write writes what judge let pass, and into r what the chain has of it.
	write(w *writer, r *eventRow) error
}

// proposalChange changes one proposal and says what became of it.
type proposalChange interface {
	policyChange
	outcome() proposalRow
}

const (
	insertSet = `INSERT INTO policy_sets (seq, ` + candidateColumns + `, time, proposal, approvals, hash)
	   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectSet      = `SELECT seq, ` + candidateColumns + `, time, proposal, approvals, hash FROM policy_sets`
	upsertProposal = `INSERT INTO policy_proposals (id, ` + candidateColumns + `, created, expires, approvals, state, event)
	   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	   ON CONFLICT (id) DO UPDATE SET approvals = excluded.approvals, state = excluded.state, event = excluded.event`
	selectProposal = `SELECT id, ` + candidateColumns + `, created, expires, approvals, state, event FROM policy_proposals`
	// lastSet and lastOfProposal are what the newest event on the history, or on a
	// proposal, says of it; a row that says something else was changed.
	lastSet        = `SELECT policy_set FROM audit_events WHERE policy_set IS NOT NULL ORDER BY seq DESC LIMIT 1`
	lastOfProposal = `SELECT substr(proposal, 9) FROM audit_events WHERE proposal >= ? AND proposal < ? ORDER BY seq DESC LIMIT 1`
	lastProposal   = `SELECT substr(max(proposal), 1, 8) FROM audit_events WHERE proposal IS NOT NULL`
	// setSinceProposal asks whether a set was applied after a proposal was made.
	setSinceProposal = `SELECT EXISTS (SELECT 1 FROM audit_events WHERE policy_set IS NOT NULL
	   AND seq > (SELECT min(seq) FROM audit_events WHERE proposal >= ? AND proposal < ?))`
	// countProposals counts what can still be approved, and what of that is an author's.
	countProposals = `SELECT count(*), count(*) FILTER (WHERE author = ?) FROM policy_proposals WHERE state = 'open' AND expires > ?
	   AND event > coalesce((SELECT max(seq) FROM audit_events WHERE policy_set IS NOT NULL), 0)`
)

// changePolicy judges a change and then writes it.
func (w *writer) changePolicy(change policyChange, r *eventRow) error {
	if err := w.fault(stepLookUp); err != nil {
		return err
	}
	if err := change.judge(w, r.Time); err != nil {
		if !evidence.CodeOf(err).IsZero() {
			return &refusal{cause: err}
		}
		return err
	}
	return change.write(w, r)
}

// application puts a set in force: a candidate, or an open proposal's.
type application struct {
	candidate *deposit // or
	proposal  int64    // of this
	digest    string
	row       setRow // once it was judged
	previous  []byte
	closed    proposalRow
	seq       int64 // once it was written
}

func (a *application) judge(w *writer, now int64) error {
	active, hash, err := activeSet(context.Background(), w.conn)
	if err != nil {
		return err
	}
	a.previous = hash
	a.row = setRow{Seq: active.Seq + 1, Time: now, Approvals: jsonText([]Approval{})}
	if a.candidate != nil {
		a.row.Candidate = a.candidate.row
		return replaces(a.row.Candidate, active)
	}
	if a.closed, err = w.openProposal(a.proposal, a.digest, now); err != nil {
		return err
	}
	a.row.Candidate, a.row.Proposal, a.row.Approvals = a.closed.Candidate, a.closed.ID, a.closed.Approvals
	a.closed.State = ProposalApplied
	return w.stillReplaces(a.closed, active)
}

func (a *application) write(w *writer, r *eventRow) error {
	if a.candidate != nil {
		if err := w.writeDocuments(a.candidate); err != nil {
			return err
		}
	}
	if err := w.fault(stepPolicySet); err != nil {
		return err
	}
	row := a.row
	r.PolicySet = row.chain(a.previous)
	values := append(append([]any{row.Seq}, row.Candidate.values()...), row.Time, row.Proposal, row.Approvals, r.PolicySet)
	if _, err := w.conn.ExecContext(context.Background(), insertSet, values...); err != nil {
		return err
	}
	a.seq = row.Seq
	if a.candidate != nil {
		return nil
	}
	return w.writeProposal(a.closed, r)
}

// replaces refuses what starts from another set than the active one.
func replaces(c candidateRow, active setRow) error {
	if c.Base != active.Candidate.Digest {
		return evidence.Errorf(evidence.CodePolicyConflict, "base", "set %d is active, %s; the change starts from %s",
			active.Seq, orNone(active.Candidate.Digest), orNone(c.Base))
	}
	return nil
}

func orNone(digest string) string {
	if digest == "" {
		return "none"
	}
	return digest
}

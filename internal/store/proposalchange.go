package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/quotary/quotary/evidence"
)

// proposing records a new proposal.
type proposing struct {
	candidate *deposit
	life      time.Duration
	row       proposalRow
}

func (p *proposing) outcome() proposalRow { return p.row }

func (p *proposing) judge(w *writer, now int64) error {
	active, _, err := activeSet(context.Background(), w.conn)
	if err != nil {
		return err
	}
	p.row = proposalRow{
		Candidate: p.candidate.row, Created: now, Expires: now + p.life.Microseconds(),
		Approvals: jsonText([]Approval{}), State: ProposalOpen,
	}
	if err := replaces(p.row.Candidate, active); err != nil {
		return err
	}
	if err := w.mayPropose(p.row.Candidate.Author, now); err != nil {
		return err
	}
	var last []byte // by the events: a number whose row was removed is not used again
	if err := w.conn.QueryRowContext(context.Background(), lastProposal).Scan(&last); err != nil {
		return err
	}
	p.row.ID = 1
	if len(last) == proposalKeySize {
		p.row.ID += int64(binary.BigEndian.Uint64(last))
	}
	return nil
}

// mayPropose refuses more proposals than people look at.
func (w *writer) mayPropose(author string, now int64) error {
	var open, own int
	if err := w.conn.QueryRowContext(context.Background(), countProposals, author, now).Scan(&open, &own); err != nil {
		return err
	}
	switch {
	case open >= MaxProposals:
		return evidence.Errorf(evidence.CodePolicyProposals, "", "%d proposals are open", open)
	case own >= MaxProposalsOfOne:
		return evidence.Errorf(evidence.CodePolicyProposals, "", "%d proposals of %s are open", own, author)
	}
	return nil
}

func (p *proposing) write(w *writer, r *eventRow) error {
	if err := w.writeDocuments(p.candidate); err != nil {
		return err
	}
	return w.writeProposal(p.row, r)
}

// approving adds an approval to a proposal.
type approving struct {
	id                 int64
	digest, by, serial string
	row                proposalRow
}

func (a *approving) outcome() proposalRow { return a.row }

func (a *approving) judge(w *writer, now int64) error {
	active, _, err := activeSet(context.Background(), w.conn)
	if err != nil {
		return err
	}
	if a.row, err = w.openProposal(a.id, a.digest, now); err != nil {
		return err
	}
	if err := w.stillReplaces(a.row, active); err != nil {
		return err
	}
	a.row, err = a.row.approve(a.by, a.serial, now)
	return err
}

func (a *approving) write(w *writer, r *eventRow) error { return w.writeProposal(a.row, r) }

// withdrawing closes a proposal.
type withdrawing struct {
	id  int64
	row proposalRow
}

func (c *withdrawing) outcome() proposalRow { return c.row }

func (c *withdrawing) judge(w *writer, now int64) (err error) {
	if c.row, err = proposalIn(context.Background(), w.conn, c.id); err != nil {
		return err
	}
	if err := c.row.openAt(now); err != nil {
		return err
	}
	c.row.State = ProposalWithdrawn
	return nil
}

func (c *withdrawing) write(w *writer, r *eventRow) error { return w.writeProposal(c.row, r) }

// openProposal returns the proposal of this number and digest, or refuses.
func (w *writer) openProposal(id int64, digest string, now int64) (proposalRow, error) {
	row, err := proposalIn(context.Background(), w.conn, id)
	if err != nil {
		return proposalRow{}, err
	}
	if row.Candidate.Digest != digest {
		return proposalRow{}, evidence.Errorf(evidence.CodePolicyProposalUnknown, "digest", "proposal %d is of %s", id, row.Candidate.Digest)
	}
	return row, row.openAt(now)
}

// stillReplaces refuses a proposal since which a set was applied. Its owners agreed
// before that; if the set that it starts from comes back, nobody agreed to go on.
func (w *writer) stillReplaces(row proposalRow, active setRow) error {
	if err := replaces(row.Candidate, active); err != nil {
		return err
	}
	late, err := overtaken(context.Background(), w.conn, row.ID)
	if late {
		return evidence.Errorf(evidence.CodePolicyConflict, "proposal", "a set was applied since proposal %d was made; propose it anew", row.ID)
	}
	return err
}

func (w *writer) writeProposal(row proposalRow, r *eventRow) error {
	if err := w.fault(stepProposal); err != nil {
		return err
	}
	values := append(append([]any{row.ID}, row.Candidate.values()...), row.Created, row.Expires, row.Approvals, row.State, r.Seq)
	if _, err := w.conn.ExecContext(context.Background(), upsertProposal, values...); err != nil {
		return err
	}
	r.Proposal = append(proposalKey(row.ID), row.digest()...)
	return nil
}

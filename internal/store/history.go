package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/quotary/quotary/evidence"
)

// ActivePolicy returns the set that was applied last, with its documents, and nil
// if none ever was. It refuses a history whose end was cut off or changed with
// evidence.CodeLedgerTampered.
func (s *Store) ActivePolicy(ctx context.Context) (active *PolicySet, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		row, hash, err := activeSet(ctx, tx)
		if err != nil || row.Seq == 0 {
			return err
		}
		active, err = wholeSet(ctx, tx, row, hash)
		return err
	})
	return active, err
}

// PolicyAt returns one set of the history with its documents, or an
// *evidence.Error with CodePolicySetUnknown.
func (s *Store) PolicyAt(ctx context.Context, seq int64) (set *PolicySet, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		row, hash, err := scanSet(tx.QueryRowContext(ctx, selectSet+` WHERE seq = ?`, seq))
		if errors.Is(err, sql.ErrNoRows) {
			return evidence.Errorf(evidence.CodePolicySetUnknown, "seq", "the history has no set %d", seq)
		}
		if err != nil {
			return err
		}
		set, err = wholeSet(ctx, tx, row, hash)
		return err
	})
	return set, err
}

func wholeSet(ctx context.Context, tx *sql.Tx, row setRow, hash []byte) (*PolicySet, error) {
	set, err := row.set(hash)
	if err != nil {
		return nil, err
	}
	if set.Documents, err = readDocuments(ctx, tx, row.Candidate.Documents); err != nil {
		return nil, err
	}
	return &set, nil
}

// PolicyHistory returns sets of the history without their documents, the newest
// first: those before the number before, all if that is 0, at most limit (1 to
// [MaxPage]).
func (s *Store) PolicyHistory(ctx context.Context, before int64, limit int) (sets []PolicySet, err error) {
	var q query
	q.below("seq", before)
	err = s.page(ctx, selectSet, q, "seq DESC", limit, func(rows *sql.Rows) error {
		row, hash, err := scanSet(rows)
		if err != nil {
			return err
		}
		set, err := row.set(hash)
		sets = append(sets, set)
		return err
	})
	return sets, err
}

// Proposal returns a proposal with its documents, or an *evidence.Error with
// CodePolicyProposalUnknown.
func (s *Store) Proposal(ctx context.Context, id int64) (p Proposal, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		row, err := proposalIn(ctx, tx, id)
		if err != nil {
			return err
		}
		if p, err = row.proposal(); err != nil {
			return err
		}
		if p.Overtaken, err = overtaken(ctx, tx, id); err != nil {
			return err
		}
		p.Documents, err = readDocuments(ctx, tx, row.Candidate.Documents)
		return err
	})
	return p, err
}

// Proposals returns proposals of every state without their documents, the newest
// first: those before the number before, all if that is 0, at most limit (1 to
// [MaxPage]).
func (s *Store) Proposals(ctx context.Context, before int64, limit int) (list []Proposal, err error) {
	var q query
	q.below("id", before)
	err = s.page(ctx, selectProposal, q, "id DESC", limit, func(rows *sql.Rows) error {
		var event int64
		row, err := scanProposal(rows, &event)
		if err != nil {
			return err
		}
		p, err := row.proposal()
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.look(ctx, func(tx *sql.Tx) (err error) {
		for i := 0; i < len(list) && err == nil; i++ {
			list[i].Overtaken, err = overtaken(ctx, tx, list[i].ID)
		}
		return err
	})
	return list, err
}

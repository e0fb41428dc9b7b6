package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"

	"github.com/quotary/quotary/evidence"
)

// activeSet returns the newest set of the history with the history's hash: the
// zero row and nil if none was applied. It refuses a history whose end was cut off
// or changed; [Store.Verify] looks at all of it.
func activeSet(ctx context.Context, q queryer) (row setRow, hash []byte, err error) {
	row, hash, err = scanSet(q.QueryRowContext(ctx, selectSet+` ORDER BY seq DESC LIMIT 1`))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return setRow{}, nil, err
	}
	if err == nil {
		previous, err := hashOf(ctx, q, row.Seq-1)
		if err != nil {
			return setRow{}, nil, err
		}
		if !bytes.Equal(row.chain(previous), hash) {
			return setRow{}, nil, tampered("policy set %d does not fit its hash", row.Seq)
		}
	}
	return row, hash, said(ctx, q, hash, "newest policy set", lastSet)
}

// hashOf returns the history's hash up to seq, nil before the first set.
func hashOf(ctx context.Context, q queryer, seq int64) (hash []byte, err error) {
	if seq == 0 {
		return nil, nil
	}
	err = q.QueryRowContext(ctx, `SELECT hash FROM policy_sets WHERE seq = ?`, seq).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, tampered("policy set %d is missing", seq)
	}
	return hash, err
}

// proposalIn returns a proposal, or an *evidence.Error if there is none or if it is
// not what the newest event on it says.
func proposalIn(ctx context.Context, q queryer, id int64) (proposalRow, error) {
	var event int64
	row, err := scanProposal(q.QueryRowContext(ctx, selectProposal+` WHERE id = ?`, id), &event)
	if errors.Is(err, sql.ErrNoRows) {
		return proposalRow{}, evidence.Errorf(evidence.CodePolicyProposalUnknown, "proposal", "there is no proposal %d", id)
	}
	if err != nil {
		return proposalRow{}, err
	}
	return row, said(ctx, q, row.digest(), "proposal", lastOfProposal, proposalKey(id), proposalKey(id+1))
}

// overtaken reports whether a set was applied since the proposal was made, by the order
// of events: clocks may run backwards.
func overtaken(ctx context.Context, q queryer, id int64) (late bool, err error) {
	err = q.QueryRowContext(ctx, setSinceProposal, proposalKey(id), proposalKey(id+1)).Scan(&late)
	return late, err
}

// said holds what a row is to what the newest event on it says, which query yields.
func said(ctx context.Context, q queryer, digest []byte, what, query string, args ...any) error {
	var last []byte
	if err := q.QueryRowContext(ctx, query, args...).Scan(&last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if !bytes.Equal(last, digest) {
		return tampered("the %s is not what the newest event says", what)
	}
	return nil
}

// proposalKey is how events name a proposal: its number in eight bytes, which
// sort as numbers do, before the SHA-256 of its row.
func proposalKey(id int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, proposalKeySize+sha256.Size), uint64(id))
}

const proposalKeySize = 8

type scanner interface{ Scan(...any) error }

func scanSet(row scanner) (r setRow, hash []byte, err error) {
	err = row.Scan(append(append([]any{&r.Seq}, r.Candidate.fields()...), &r.Time, &r.Proposal, &r.Approvals, &hash)...)
	return r, hash, err
}

func scanProposal(row scanner, event *int64) (r proposalRow, err error) {
	err = row.Scan(append(append([]any{&r.ID}, r.Candidate.fields()...), &r.Created, &r.Expires, &r.Approvals, &r.State, event)...)
	return r, err
}

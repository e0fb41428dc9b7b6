package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
)

// policyWalk finds the rows of policy sets, proposals and the shadow that events
// speak of, counts them, and gathers the documents that they name.
type policyWalk struct {
	tx                       *sql.Tx
	sets, proposals, shadows int64
	hash                     []byte          // of the history so far
	documents                map[string]bool // by their SHA-256
}

// match checks what an event says of policies.
func (w *policyWalk) match(ctx context.Context, event eventRow) error {
	if event.PolicySet != nil {
		if err := w.matchSet(ctx, event); err != nil {
			return err
		}
	}
	if event.Proposal != nil {
		if err := w.matchProposal(ctx, event); err != nil {
			return err
		}
	}
	if event.Shadow != nil {
		return w.matchShadow(ctx, event)
	}
	return nil
}

// matchSet holds the next row of the history to the history's own chain and to
// the event.
func (w *policyWalk) matchSet(ctx context.Context, event eventRow) error {
	w.sets++
	row, hash, err := scanSet(w.tx.QueryRowContext(ctx, selectSet+` WHERE seq = ?`, w.sets))
	if err == nil && !bytes.Equal(row.chain(w.hash), hash) {
		return tampered("policy set %d does not fit its hash", w.sets)
	}
	if err := same(event, "policy set", hash, event.PolicySet, err); err != nil {
		return err
	}
	w.hash = hash
	return w.refer(row.Candidate)
}

func (w *policyWalk) matchProposal(ctx context.Context, event eventRow) error {
	if len(event.Proposal) != proposalKeySize+sha256.Size {
		return tampered("event %d speaks of a part of a proposal", event.Seq)
	}
	id := int64(binary.BigEndian.Uint64(event.Proposal))
	var last int64
	row, err := scanProposal(w.tx.QueryRowContext(ctx, selectProposal+` WHERE id = ?`, id), &last)
	settled, err := settles(event, "proposal", last, row.digest(), event.Proposal[proposalKeySize:], err)
	if err != nil || !settled {
		return err
	}
	w.proposals++
	return w.refer(row.Candidate)
}

func (w *policyWalk) matchShadow(ctx context.Context, event eventRow) error {
	w.shadows++
	row, err := scanShadow(w.tx.QueryRowContext(ctx, selectShadow+` WHERE seq = ?`, w.shadows))
	if err := same(event, "shadow", row.digest(), event.Shadow, err); err != nil {
		return err
	}
	return w.refer(row.Candidate)
}

// refer notes the documents that a row names.
func (w *policyWalk) refer(row candidateRow) error {
	refs, err := refsOf(row.Documents)
	for _, ref := range refs {
		w.documents[string(ref.SHA256)] = true
	}
	return err
}

// checkDocuments holds every document to its name, and refuses those that are
// missing or that nothing names.
func (w *policyWalk) checkDocuments(ctx context.Context) error {
	rows, err := w.tx.QueryContext(ctx, `SELECT sha256, content FROM policy_documents`)
	if err != nil {
		return unavailable(err)
	}
	defer rows.Close()
	stored := 0
	for ; rows.Next(); stored++ {
		var name, content []byte
		if err := rows.Scan(&name, &content); err != nil {
			return unavailable(err)
		}
		if sum := sha256.Sum256(content); !bytes.Equal(sum[:], name) || !w.documents[string(name)] {
			return tampered("the policy document %x was changed, or nothing names it", name)
		}
	}
	if err := rows.Err(); err != nil {
		return unavailable(err)
	}
	if stored != len(w.documents) {
		return tampered("of %d policy documents %d are there", len(w.documents), stored)
	}
	return nil
}

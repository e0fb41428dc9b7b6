package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
)

// EventFilter says which events are asked for: those that are as every field says
// that is not zero.
type EventFilter struct {
	Since, Until  time.Time // of a time from Since up to before Until
	Actor         string
	Action        string
	Outcome       Outcome
	Code          string
	AttestationID string

	After, Before int64 // numbers between these, both excluded
	OldestFirst   bool  // from After on; otherwise from Before back
	Limit         int   // 1 to [MaxPage]
}

// StoredEvent is an event as it stands in the chain.
type StoredEvent struct {
	Seq           int64
	Time          time.Time
	Actor         string
	Action        string
	Outcome       Outcome
	Code          string // of this build or another; empty if nothing was refused
	AttestationID string
	Detail        json.RawMessage // nil without one
	Hash          evidence.Hex    // of the chain up to here, 32 bytes
	// What it changed, beside what AttestationID names.
	PolicySet evidence.Hex // the history's hash with the policy set that was applied, or nil
	Proposal  int64        // the proposal that changed, or 0
	Shadow    bool         // the shadow changed
	Revoked   int64        // how many certificates it revoked
}

// Events returns events of the audit trail. Whoever follows it asks for the
// oldest first, After the last number seen.
func (s *Store) Events(ctx context.Context, f EventFilter) (list []StoredEvent, err error) {
	q, err := f.query()
	if err != nil {
		return nil, err
	}
	order := "seq DESC"
	if f.OldestFirst {
		order = "seq"
	}
	err = s.page(ctx, eventColumns, q, order, f.Limit, func(rows *sql.Rows) error {
		row, hash, err := scanEvent(rows)
		list = append(list, row.stored(hash))
		return err
	})
	return list, err
}

func (f EventFilter) query() (q query, err error) {
	if !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) || f.Before != 0 && f.Before < f.After {
		return query{}, evidence.Errorf(evidence.CodeLedgerQuery, "", "the range ends before it begins")
	}
	q.within("time", f.Since, f.Until)
	q.text("actor", f.Actor)
	q.text("action", f.Action)
	q.text("outcome", string(f.Outcome))
	q.text("code", f.Code)
	q.text("attestation_id", f.AttestationID)
	q.below("seq", f.Before)
	if f.After != 0 {
		q.where("seq > ?", f.After)
	}
	return q, nil
}

func (r eventRow) stored(hash []byte) StoredEvent {
	e := StoredEvent{
		Seq: r.Seq, Time: time.UnixMicro(r.Time).UTC(), Actor: r.Actor, Action: r.Action, Outcome: Outcome(r.Outcome),
		Code: r.Code, AttestationID: r.AttestationID, Hash: hash, PolicySet: r.PolicySet, Shadow: r.Shadow != nil,
	}
	if r.Detail != "" {
		e.Detail = json.RawMessage(r.Detail)
	}
	if len(r.Revocations) >= revocationsKeySize {
		e.Revoked = int64(binary.BigEndian.Uint64(r.Revocations[8:]))
	}
	if len(r.Proposal) >= proposalKeySize {
		e.Proposal = int64(binary.BigEndian.Uint64(r.Proposal))
	}
	return e
}

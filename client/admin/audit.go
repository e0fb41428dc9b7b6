package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/quotary/quotary/client/internal/exchange"
	"github.com/quotary/quotary/evidence"
)

// EventFilter says which events are asked for: those that are as every field says
// that is not zero.
type EventFilter struct {
	Since         time.Time `json:"since,omitzero"`
	Action        string    `json:"action,omitempty"`
	Outcome       string    `json:"outcome,omitempty"` // issued, refused, undecided or done
	Actor         string    `json:"actor,omitempty"`
	AttestationID string    `json:"attestation_id,omitempty"`
	// AfterSeq asks for the oldest after an event; nil for the newest of all.
	AfterSeq *int64 `json:"after_seq,omitempty"`
	Limit    int    `json:"limit,omitempty"` // at most [MaxPage]
}

// Event is a row of the audit trail.
type Event struct {
	Seq           int64           `json:"seq"`
	Time          time.Time       `json:"time"`
	Actor         string          `json:"actor"`
	Action        string          `json:"action"`
	Outcome       string          `json:"outcome"`
	Code          string          `json:"code,omitempty"` // why, if refused
	AttestationID string          `json:"attestation_id,omitempty"`
	Detail        json.RawMessage `json:"detail,omitempty"`
	// What the event changed: the history's hash with the set that it put in force, the
	// proposal that it made, approved or closed, the shadow, how many certificates it revoked.
	PolicySet evidence.Hex `json:"policy_set,omitempty"`
	Proposal  int64        `json:"proposal,omitempty"`
	Shadow    bool         `json:"shadow,omitempty"`
	Revoked   int64        `json:"revoked,omitempty"`
	Hash      evidence.Hex `json:"hash"` // of the chain up to here: with Seq a [Head]
}

// Events are some events, the oldest first.
type Events struct {
	Events []Event `json:"events"`
	// LastSeq is the number of the newest event of all that were looked at.
	LastSeq int64 `json:"last_seq"`
}

// Next is the AfterSeq that goes on behind what came.
func (e *Events) Next() int64 {
	if n := len(e.Events); n > 0 {
		return e.Events[n-1].Seq
	}
	return e.LastSeq
}

// Events returns a page of the audit trail. Its numbers rise, and lie behind
// AfterSeq.
func (c *Client) Events(ctx context.Context, f EventFilter) (*Events, error) {
	page, err := post[Events](ctx, c, "audit", f)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(page.Events, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	last := int64(0)
	if f.AfterSeq != nil {
		last = *f.AfterSeq
	}
	for _, e := range page.Events {
		if e.Seq <= last {
			return nil, exchange.Unusable("events", "the events' numbers do not rise")
		}
		last = e.Seq
	}
	return page, nil
}

// Verification is what the service found when it walked its audit chain.
type Verification struct {
	Events    int64 `json:"events"`
	Issuances int64 `json:"issuances"`
	Head      Head  `json:"head"`
}

// VerifyAudit has the service walk its audit chain, which must contain the earlier
// heads that are given. The error is a *client.Problem with CodeLedgerTampered if it
// does not hold. What the answer itself shows is checked here: a service that
// tampers with its ledger would not say so, but cannot bring an earlier head back.
func (c *Client) VerifyAudit(ctx context.Context, earlier ...Head) (*Verification, error) {
	v, err := post[Verification](ctx, c, "audit/verify", struct {
		Contains []Head `json:"contains,omitempty"`
	}{earlier})
	if err != nil {
		return nil, err
	}
	if v.Events != v.Head.Events {
		return nil, exchange.Unusable("head", "the head is of %d events, and %d were walked", v.Head.Events, v.Events)
	}
	for _, old := range earlier {
		switch {
		case old.Events > v.Head.Events:
			return nil, evidence.Errorf(evidence.CodeLedgerTampered, "", "the chain ends at event %d, before event %d of an earlier head", v.Head.Events, old.Events)
		case old.Events == v.Head.Events && !slices.Equal(old.Hash, v.Head.Hash):
			return nil, evidence.Errorf(evidence.CodeLedgerTampered, "", "event %d is not the one of an earlier head", old.Events)
		}
	}
	return v, nil
}

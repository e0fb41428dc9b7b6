package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/internal/strictjson"
)

// AuditEvent is a row of the audit trail.
type AuditEvent struct {
	Seq           int64           `json:"seq"`
	Time          time.Time       `json:"time"`
	Actor         string          `json:"actor"`
	Action        string          `json:"action"`
	Outcome       store.Outcome   `json:"outcome"`
	Code          string          `json:"code,omitempty"` // why, if refused
	AttestationID string          `json:"attestation_id,omitempty"`
	Detail        json.RawMessage `json:"detail,omitempty"`
	// What the event changed: the history's hash with the set that it put in force, the
	// proposal that it made, approved or closed, the shadow.
	PolicySet evidence.Hex `json:"policy_set,omitempty"`
	Proposal  int64        `json:"proposal,omitempty"`
	Shadow    bool         `json:"shadow,omitempty"`
	Revoked   int64        `json:"revoked,omitempty"` // how many certificates
	Hash      evidence.Hex `json:"hash"`              // of the chain up to here
}

// AuditResponse is the answer to POST /v1/admin/audit: events, the oldest first.
type AuditResponse struct {
	Events  []AuditEvent `json:"events"`
	LastSeq int64        `json:"last_seq"` // the newest event of all that were looked at
}

// VerifyResponse is the answer to POST /v1/admin/audit/verify.
type VerifyResponse struct {
	Events    int64      `json:"events"`
	Issuances int64      `json:"issuances"`
	Head      LedgerHead `json:"head"`
}

// audit answers POST /v1/admin/audit.
func (s *Server) audit(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "since", "action", "outcome", "actor", "attestation_id", "after_seq", "limit")
	if err != nil {
		return reply{}, err
	}
	f, err := o.events()
	if err != nil {
		return reply{}, err
	}
	// What is looked at ends at least here, so whoever goes on behind it misses nothing.
	head, err := s.Ledger.Head(x.r.Context())
	if err != nil {
		return reply{}, err
	}
	list, err := s.Records.Events(x.r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	if !f.OldestFirst {
		slices.Reverse(list)
	}
	r := AuditResponse{Events: []AuditEvent{}, LastSeq: head.Seq}
	for _, e := range list {
		r.Events = append(r.Events, newAuditEvent(e))
	}
	return reply{body: r}, nil
}

func newAuditEvent(e store.StoredEvent) AuditEvent {
	return AuditEvent{
		Seq: e.Seq, Time: e.Time.UTC(), Actor: e.Actor, Action: e.Action, Outcome: e.Outcome, Code: e.Code, AttestationID: e.AttestationID,
		Detail: e.Detail, PolicySet: e.PolicySet, Proposal: e.Proposal, Shadow: e.Shadow, Revoked: e.Revoked, Hash: e.Hash,
	}
}

// events reads which events are asked for: the oldest behind a number, or the
// newest of all.
func (o object) events() (f store.EventFilter, err error) {
	var outcome string
	if err := o.into(map[string]*string{"action": &f.Action, "outcome": &outcome, "actor": &f.Actor, "attestation_id": &f.AttestationID}); err != nil {
		return f, err
	}
	f.Outcome = store.Outcome(outcome)
	if f.Since, err = o.time("since"); err != nil {
		return f, err
	}
	_, f.OldestFirst = o["after_seq"]
	if f.After, err = o.number("after_seq", 0, math.MaxInt64, 0); err != nil {
		return f, err
	}
	f.Limit, err = o.limit()
	return f, err
}

// verifyAudit answers POST /v1/admin/audit/verify.
func (s *Server) verifyAudit(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "contains")
	if err != nil {
		return reply{}, err
	}
	earlier, err := o.heads("contains")
	if err != nil {
		return reply{}, err
	}
	var head store.Head
	var issuances int64
	err = s.computing(x, func(ctx context.Context) (err error) {
		head, issuances, err = s.Records.Verify(ctx, earlier...)
		return err
	})
	return reply{body: VerifyResponse{head.Seq, issuances, LedgerHead{head.Seq, head.Hash}}}, err
}

// heads returns the ends of the chain that somebody kept.
func (o object) heads(name string) ([]store.Head, error) {
	raw, given := o[name]
	if !given {
		return nil, nil
	}
	list, err := strictjson.Parse(raw, strictjson.Rules{Depth: 2, Elements: maxHeads, Text: maxMember, NoNull: true})
	if err != nil {
		return nil, malformed(name, "%w", err)
	}
	if list.Kind != strictjson.Array {
		return nil, malformed(name, "this is not an array")
	}
	heads := make([]store.Head, len(list.Items))
	for i := range list.Items {
		v := &list.Items[i].Value
		events, hash := v.Get("events"), v.Get("hash")
		if len(v.Items) != 2 || events == nil || hash == nil || events.Kind != strictjson.Number || hash.Kind != strictjson.Text {
			return nil, malformed(name, "an earlier head has events, a number, and hash")
		}
		heads[i].Seq, err = strconv.ParseInt(events.Text, 10, 64)
		if heads[i].Hash, _ = hex.DecodeString(hash.Text); err != nil || heads[i].Seq < 0 || (len(heads[i].Hash) != 32) != (heads[i].Seq == 0) {
			return nil, malformed(name, "a head's events are counted from 0, and its hash is 64 hex digits")
		}
	}
	return heads, nil
}

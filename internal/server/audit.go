package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/verifier"
)

// budget bounds audit events of requests that change nothing, and counts those
// that it left out.
type budget struct {
	limiter *rate.Limiter
	omitted atomic.Int64 // since the last event that was recorded
}

func newBudget() *budget {
	return &budget{limiter: rate.NewLimiter(refusalsPerSecond, refusalBurst)}
}

// take returns whether an event may be recorded, and how many before it were not.
func (b *budget) take() (omitted int64, ok bool) {
	if !b.limiter.Allow() {
		b.omitted.Add(1)
		return 0, false
	}
	return b.omitted.Swap(0), true
}

// detail is what an audit event says beyond its columns.
type detail struct {
	RequestID string   `json:"request_id"`
	Route     string   `json:"route"`
	Field     string   `json:"field,omitempty"`
	Failed    []string `json:"failed,omitempty"`
	Workload  string   `json:"workload,omitempty"`
	Role      string   `json:"role,omitempty"`     // of an administrator
	Peer      string   `json:"peer,omitempty"`     // where an administrator's request came from
	Reason    string   `json:"reason,omitempty"`   // of an administrator's change
	Where     string   `json:"where,omitempty"`    // of a revocation: the condition
	DryRun    bool     `json:"dry_run,omitempty"`  // the change was only tried
	JWTSVID   []string `json:"jwt_svid,omitempty"` // the audiences of one that was issued
	Omitted   int64    `json:"omitted,omitempty"`  // events before this one that were not recorded

	// Of an enrolment, or an administrator's look at a key: what was asked for, also where it was refused.
	EKSHA256 evidence.Hex `json:"ek_sha256,omitempty"`
	AKSHA256 evidence.Hex `json:"ak_sha256,omitempty"`
}

// audited records a handler's refusals. A refusal that cannot be recorded ends
// as such, whatever it was: nothing leaves before it is recorded. What a handler
// issues it records itself, with [Server.recordIssuance].
func (s *Server) audited(action string, h handler) handler {
	return func(x *exchange) (reply, error) {
		rep, err := fenced(h, x)
		if err == nil {
			return rep, nil
		}
		if failed := s.recordRefusal(x, action, err); failed != nil {
			return reply{}, failed
		}
		return reply{}, err
	}
}

func (s *Server) recordRefusal(x *exchange, action string, err error) error {
	p := problemOf(x, err)
	s.metrics.outcome(x, action, p.Code)
	if p.Code == evidence.CodeOverloaded.String() || p.Code == evidence.CodeLedgerUnavailable.String() {
		return nil // writing more is no help
	}
	bounded := s.refusals
	if x.caller != nil && x.caller.Role != 0 {
		bounded = s.calls // what anybody may send must not hide what administrators do
	}
	omitted, ok := bounded.take()
	if !ok {
		return nil
	}
	d := x.detail()
	d.Field, d.Failed, d.Omitted = clip(p.Field, maxPath), failedCodes(p.Checks), omitted
	event := store.Event{Outcome: store.Refused, AttestationID: p.AttestationID, Action: action}
	if p.Verdict == verifier.Undecided {
		event.Outcome = store.Undecided
	}
	if err := event.Code.UnmarshalText([]byte(p.Code)); err != nil {
		return err
	}
	return s.record(x, d, store.Entry{Event: event})
}

// recordIssuance makes g durable. What fails to be recorded must not leave.
func (s *Server) recordIssuance(x *exchange, action string, g *grant) error {
	issuance, err := g.issuance()
	if err != nil {
		return err
	}
	d := x.detail()
	d.Workload = g.result.Workload()
	if g.jwt != nil {
		d.JWTSVID = g.jwt.Audience
	}
	event := store.Event{Action: action, Outcome: store.Issued, AttestationID: g.result.ID()}
	entry := store.Entry{Event: event, Issuance: issuance}
	if update := g.result.KeyUpdate(); update != nil {
		entry.Key = &store.KeyUpdate{AK: update.AK, Before: update.Before, After: &update.After, Policy: update.Scope}
	}
	if err := s.record(x, d, entry); err != nil {
		return err
	}
	s.metrics.outcome(x, action, "")
	return nil
}

// record completes the event and commits the entry. It goes on if the client
// leaves: what happened is to be known all the same.
func (s *Server) record(x *exchange, d detail, e store.Entry) error {
	var err error
	if e.Event, err = s.event(x, d, e.Event); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), recordTimeout)
	defer cancel()
	return s.timed("record", func() error { return s.Ledger.Record(ctx, e) })
}

// detail is what all events of a request say.
func (x *exchange) detail() detail {
	d := detail{RequestID: x.id, Route: x.route, EKSHA256: x.keys.EKSHA256, AKSHA256: x.keys.AKSHA256}
	if x.caller != nil {
		d.Role, d.Peer, d.Reason, d.DryRun = x.caller.Role.String(), x.peer(), x.caller.reason, x.caller.dry
		d.Where = x.caller.where
	}
	return d
}

// event completes an event: when it was, and who asked.
func (s *Server) event(x *exchange, d detail, e store.Event) (_ store.Event, err error) {
	e.Time, e.Actor = s.Now(), "peer:"+x.peer()
	if x.caller != nil {
		e.Actor = "admin:" + x.caller.Actor()
	}
	e.Detail, err = json.Marshal(d)
	return e, err
}

// issuance is what the ledger keeps of g.
func (g *grant) issuance() (*store.Issuance, error) {
	r := g.result
	recorded := r.Claims()
	for i := range recorded {
		recorded[i] = recorded[i].Recorded()
	}
	claims, err := json.Marshal(recorded)
	if err != nil {
		return nil, err
	}
	i := &store.Issuance{
		AttestationID: r.ID(), Purpose: string(r.Purpose()), IssuedAt: r.AppraisedAt(),
		SPIFFEID: r.Identity().SPIFFEID, Workload: r.Workload(), PolicyDigest: r.PolicyDigest(),
		Simulated: r.Simulated(), Claims: claims,
	}
	if i.Purpose == "" {
		i.Purpose = "appraisal"
	}
	for _, c := range r.Claims() {
		i.Kinds = append(i.Kinds, c.Kind)
	}
	if key := r.Key(); !key.IsZero() {
		sum := sha256.Sum256(key.SPKI())
		i.SPKISHA256 = sum[:]
	}
	if g.jwt != nil {
		i.NotBefore, i.NotAfter = r.AppraisedAt(), g.jwt.Expires
	}
	if g.token != nil {
		i.TokenID, i.NotBefore, i.NotAfter = g.token.ID.String(), r.AppraisedAt(), g.token.Expires
	}
	if g.svid != nil {
		i.Serial, i.NotBefore, i.NotAfter = g.svid.Serial, g.svid.NotBefore, g.svid.NotAfter
		i.Names = r.Identity().Names()
	}
	return i, nil
}

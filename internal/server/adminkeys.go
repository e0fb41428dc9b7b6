package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/store"
)

// AttestationKey is an attestation key that the ledger knows.
type AttestationKey struct {
	// AK and EK are SHA-256 of a SubjectPublicKeyInfo, or of a simulated TPM what stands for that.
	AK        evidence.Hex    `json:"ak"`
	EK        evidence.Hex    `json:"ek,omitempty"` // of the TPM that the key is enrolled with
	Status    store.KeyStatus `json:"status"`
	Base      evidence.Hex    `json:"base"` // for a change of the key
	Simulated bool            `json:"simulated"`
	// The last event that changed what is known of it.
	ChangedAt     time.Time `json:"changed_at"`
	ChangedBy     string    `json:"changed_by"`
	Action        string    `json:"action"`
	Event         int64     `json:"event"`
	Reason        string    `json:"reason,omitempty"` // of a revocation or release
	AttestationID string    `json:"attestation_id,omitempty"`
	// What the last attestation was granted, if that was the last event or what it was about.
	Workload string     `json:"workload,omitempty"`
	SPIFFEID string     `json:"spiffe_id,omitempty"`
	NotAfter *time.Time `json:"not_after,omitempty"`
	Quote    *LastQuote `json:"quote,omitempty"` // the last one that was accepted
}

// LastQuote is what the last accepted quote of a key said of its TPM.
type LastQuote struct {
	Clock    uint64 `json:"clock"` // milliseconds
	Resets   uint32 `json:"resets"`
	Restarts uint32 `json:"restarts"`
	Policy   string `json:"policy"` // that judged it
}

// KeysResponse is the answer to POST /v1/admin/keys.
type KeysResponse struct {
	Keys   []AttestationKey `json:"keys"`
	Cursor string           `json:"cursor,omitempty"`
}

// KeyChangeResponse is the answer to POST /v1/admin/keys/revoke and release.
type KeyChangeResponse struct {
	Key     AttestationKey `json:"key"` // as it is now
	Applied bool           `json:"applied"`
}

func newKey(k *store.AttestationKey) AttestationKey {
	out := AttestationKey{
		AK: k.AK[:], EK: k.EK, Status: k.Status, Base: k.Base[:], Simulated: k.Simulated,
		ChangedAt: k.Time, ChangedBy: k.Actor, Action: k.Action, Event: k.Event, AttestationID: k.AttestationID,
		Workload: k.Workload, SPIFFEID: k.SPIFFEID,
	}
	var said detail
	if json.Unmarshal(k.Detail, &said) == nil {
		out.Reason = said.Reason
	}
	if !k.NotAfter.IsZero() {
		out.NotAfter = &k.NotAfter
	}
	if k.State.Quoted {
		out.Quote = &LastQuote{k.State.Clock, k.State.Resets, k.State.Restarts, k.Policy}
	}
	return out
}

// keyDigest returns a member that is a SHA-256, or nil if it is not there.
func (o object) keyDigest(name string) (*evidence.Digest, error) {
	text, err := o.text(name)
	if _, given := o[name]; !given || err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(evidence.Digest{}) || strings.ToLower(text) != text {
		return nil, malformed(name, "this is no SHA-256 in 64 lower-case hex digits")
	}
	return (*evidence.Digest)(raw), nil
}

// neededDigest is one that names something.
func (o object) neededDigest(name string) (evidence.Digest, error) {
	digest, err := o.keyDigest(name)
	if err == nil && digest == nil {
		err = malformed(name, "it is missing")
	}
	if err != nil {
		return evidence.Digest{}, err
	}
	return *digest, nil
}

// keys answers POST /v1/admin/keys.
func (s *Server) keys(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "status", "ek", "cursor", "limit")
	if err != nil {
		return reply{}, err
	}
	f, err := o.keyFilter()
	if err != nil {
		return reply{}, err
	}
	list, next, err := s.Records.AttestationKeys(x.r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	r := KeysResponse{Keys: []AttestationKey{}}
	for i := range list {
		r.Keys = append(r.Keys, newKey(&list[i]))
	}
	if next != nil {
		r.Cursor, err = newCursor(next)
	}
	return reply{body: r}, err
}

func (o object) keyFilter() (f store.KeyFilter, err error) {
	var status string
	if err := o.into(map[string]*string{"status": &status}); err != nil {
		return f, err
	}
	f.Status = store.KeyStatus(status)
	if f.EK, err = o.keyDigest("ek"); err != nil {
		return f, err
	}
	var cursor store.KeyCursor
	given, err := o.cursor(&cursor)
	if err != nil {
		return f, err
	}
	if given {
		f.Before = &cursor
	}
	f.Limit, err = o.limit()
	return f, err
}

// showKey answers POST /v1/admin/keys/show.
func (s *Server) showKey(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "ak")
	if err != nil {
		return reply{}, err
	}
	k, err := s.namedKey(x, o)
	if err != nil {
		return reply{}, err
	}
	return reply{body: newKey(k)}, nil
}

// namedKey is the attestation key that a call names; events of the call name it, too.
func (s *Server) namedKey(x *exchange, o object) (*store.AttestationKey, error) {
	ak, err := o.neededDigest("ak")
	if err != nil {
		return nil, err
	}
	x.keys.AKSHA256 = ak[:]
	k, err := s.Records.AttestationKey(x.r.Context(), ak)
	if err != nil {
		return nil, err
	}
	x.keys.AKSHA256, x.keys.EKSHA256 = k.AK[:], k.EK
	return k, nil
}

// revokeKey answers POST /v1/admin/keys/revoke.
func (s *Server) revokeKey(x *exchange) (reply, error) {
	return s.changeKey(x, actionRevokeKey, admin.Revoke, store.RevokeKey)
}

// releaseKey answers POST /v1/admin/keys/release.
func (s *Server) releaseKey(x *exchange) (reply, error) {
	return s.changeKey(x, actionReleaseKey, admin.Release, store.ReleaseKey)
}

// changeKey tries or makes a change of a key that is still what the caller looked at.
func (s *Server) changeKey(x *exchange, action string, needs admin.Action, act store.KeyAct) (reply, error) {
	o, err := x.decodeCall(maxCall, "ak", "base", "reason", "dry_run")
	if err != nil {
		return reply{}, err
	}
	dry, err := o.dryRun()
	if err != nil {
		return reply{}, err
	}
	if !dry {
		if err := s.may(x, needs); err != nil {
			return reply{}, err
		}
	}
	k, err := s.namedKey(x, o)
	if err != nil {
		return reply{}, err
	}
	change := store.KeyChange{AK: k.AK, Act: act}
	if change.Base, err = o.neededDigest("base"); err != nil {
		return reply{}, err
	}
	if x.caller.reason, err = o.reason(); err != nil {
		return reply{}, err
	}
	if err := k.Takes(change); err != nil {
		return reply{}, err
	}
	x.caller.about = k.AttestationID
	if !dry {
		if k, err = s.recordKey(x, action, change); err != nil {
			return reply{}, err
		}
	}
	return reply{body: KeyChangeResponse{newKey(k), !dry}}, nil
}

// recordKey makes the change, and returns the key as it is then.
func (s *Server) recordKey(x *exchange, action string, change store.KeyChange) (*store.AttestationKey, error) {
	err := s.changing(x, action, func(ctx context.Context, event store.Event) error {
		event.AttestationID = x.caller.about
		return s.Ledger.Record(ctx, store.Entry{Event: event, KeyChange: &change})
	})
	if err != nil {
		return nil, err
	}
	if change.Act == store.RevokeKey {
		s.Continuous.Trigger(continuous.Key)
	}
	return s.Records.AttestationKey(x.r.Context(), change.AK)
}

// reason is why an administrator does something, for the audit trail.
func (o object) reason() (string, error) {
	text, err := o.text("reason")
	switch {
	case err != nil:
		return "", err
	case strings.TrimSpace(text) == "":
		return "", malformed("reason", "say why, for the audit trail")
	case len(text) > maxReason || !utf8.ValidString(text):
		return "", malformed("reason", "a reason has at most %d bytes", maxReason)
	}
	return text, nil
}

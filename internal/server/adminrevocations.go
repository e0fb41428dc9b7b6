package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// RevocationResponse is the answer to POST /v1/admin/revocations.
type RevocationResponse struct {
	// Certificates are those that are revoked, or would be: the newest, as many as a page has.
	Certificates []IssuedAttestation `json:"certificates"`
	Matched      int                 `json:"matched"` // how many there are
	// Unclear counts certificates that are left alone because the condition is neither true nor
	// false of them: they rest on other evidence, or it does not say what is asked for.
	Unclear int `json:"unclear"`
	// LeftOut are the names of what is not live, or revoked already.
	LeftOut  []string `json:"left_out"`
	Revoked  int      `json:"revoked"`  // 0 on a dry run
	Sequence int64    `json:"sequence"` // of the last revocation; 0 on a dry run
	Applied  bool     `json:"applied"`
}

// RevokedCertificate is a certificate that counts no more.
type RevokedCertificate struct {
	Sequence      int64        `json:"sequence"`
	Serial        string       `json:"serial"`
	SPKISHA256    evidence.Hex `json:"spki_sha256"`
	AttestationID string       `json:"attestation_id"`
	Workload      string       `json:"workload"`
	SPIFFEID      string       `json:"spiffe_id"`
	NotAfter      time.Time    `json:"not_after"`
	RevokedAt     time.Time    `json:"revoked_at"`
	RevokedBy     string       `json:"revoked_by"`
	Event         int64        `json:"event"`
	Reason        string       `json:"reason"`
	Where         string       `json:"where,omitempty"`  // the condition that it was revoked by
	Failed        []string     `json:"failed,omitempty"` // the checks that it no longer passes, if the service revoked it
}

// RevocationsResponse is the answer to POST /v1/admin/revocations/list.
type RevocationsResponse struct {
	Revocations []RevokedCertificate `json:"revocations"`
	Cursor      string               `json:"cursor,omitempty"`
}

// revocation is a search for what is to be revoked.
type revocation struct {
	where                 *policies.Where // or
	serials, attestations []string        // these
	found                 RevocationResponse
	ids                   []string // the attestations of all that was found
}

// revoke answers POST /v1/admin/revocations.
func (s *Server) revoke(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "where", "serials", "attestation_ids", "reason", "dry_run")
	if err != nil {
		return reply{}, err
	}
	dry, err := o.dryRun()
	if x.caller.dry = dry; err != nil {
		return reply{}, err
	}
	if !dry {
		if err := s.may(x, admin.Revoke); err != nil {
			return reply{}, err
		}
	}
	r, err := o.revocation(x)
	if err != nil {
		return reply{}, err
	}
	if err := s.computing(x, func(ctx context.Context) error { return s.find(ctx, r) }); err != nil {
		return reply{}, err
	}
	if !dry {
		if err := s.recordRevocation(x, r); err != nil {
			return reply{}, err
		}
	}
	return reply{body: r.found}, nil
}

// revocation reads what is to be revoked, and why.
func (o object) revocation(x *exchange) (*revocation, error) {
	r := &revocation{found: RevocationResponse{Certificates: []IssuedAttestation{}, LeftOut: []string{}}}
	var err error
	if x.caller.reason, err = o.reason(); err != nil {
		return nil, err
	}
	named := 0
	for name, list := range map[string]*[]string{"serials": &r.serials, "attestation_ids": &r.attestations} {
		if *list, err = o.texts(name); err != nil {
			return nil, err
		}
		if len(*list) > maxRevocationNames {
			return nil, malformed(name, "more than %d names", maxRevocationNames)
		}
		if len(*list) > 0 {
			named++
		}
	}
	text, err := o.text("where")
	if err != nil {
		return nil, err
	}
	if _, given := o["where"]; given {
		named++
		if r.where, err = newWhere(text, x.caller.reason); err != nil {
			return nil, err
		}
		x.caller.where = text
	}
	if named != 1 {
		return nil, malformed("where", "say what to revoke: where, serials or attestation_ids, one of them")
	}
	return r, nil
}

// newWhere compiles a condition, which the audit trail has to have place for.
func newWhere(text, reason string) (*policies.Where, error) {
	encoded, err := json.Marshal([]string{text, reason})
	if err != nil || len(encoded) > maxCause {
		return nil, malformed("where", "condition and reason together take more than %d bytes in the audit trail", maxCause)
	}
	w, err := policies.NewWhere(text)
	var found policies.Problems
	if errors.As(err, &found) {
		place := strings.TrimPrefix(found[0].Field, "where:")
		return nil, evidence.Errorf(evidence.CodeRevocationWhere, "where", "line %s: %s", strings.Replace(place, ":", ", column ", 1), found[0].Detail)
	}
	return w, err
}

// find looks for live certificates that are not revoked.
func (s *Server) find(ctx context.Context, r *revocation) error {
	for _, serial := range r.serials {
		number := strings.ToLower(strings.ReplaceAll(serial, ":", ""))
		if strings.Trim(number, "0123456789abcdef") != "" {
			return malformed("serials", "%.64q is no serial number in hex", serial)
		}
		f := store.IssuanceFilter{Serial: number, Limit: 1}
		if err := s.named(ctx, r, serial, f); err != nil {
			return err
		}
	}
	for _, id := range r.attestations {
		if err := s.named(ctx, r, id, store.IssuanceFilter{AttestationID: id, Limit: 1}); err != nil {
			return err
		}
	}
	if r.where == nil {
		return nil
	}
	f := store.IssuanceFilter{Claims: true, Limit: store.MaxPage}
	for now := s.Now(); ; {
		page, next, err := s.live(ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			r.judge(&page[i], now)
		}
		if next == nil || len(r.ids) > store.MaxRevocations {
			return nil
		}
		f.Before = next
	}
}

// named finds the one certificate that a name stands for.
func (s *Server) named(ctx context.Context, r *revocation, name string, f store.IssuanceFilter) error {
	if name == "" {
		return malformed("", "a name is empty")
	}
	page, _, err := s.live(ctx, f)
	if err != nil {
		return err
	}
	if len(page) == 0 {
		r.found.LeftOut = append(r.found.LeftOut, name)
		return nil
	}
	r.take(&page[0])
	return nil
}

// live looks for certificates that could still be used.
func (s *Server) live(ctx context.Context, f store.IssuanceFilter) ([]store.Issuance, *store.IssuanceCursor, error) {
	f.EndsAfter, f.Certified, f.Unrevoked = s.Now(), true, true
	return s.Records.Issuances(ctx, f)
}

// judge holds a certificate's claims to the condition.
func (r *revocation) judge(i *store.Issuance, now time.Time) {
	is := policies.Attested{Workload: i.Workload, SPIFFEID: i.SPIFFEID}
	err := json.Unmarshal(i.Claims, &is.Claims)
	picked := false
	if err == nil {
		picked, err = r.where.Picks(is, now)
	}
	switch {
	case picked:
		r.take(i)
	case err != nil:
		r.found.Unclear++
	}
}

func (r *revocation) take(i *store.Issuance) {
	r.ids = append(r.ids, i.AttestationID)
	if r.found.Matched++; len(r.found.Certificates) < store.MaxPage {
		shown := newIssued(i)
		shown.Claims = nil
		r.found.Certificates = append(r.found.Certificates, shown)
	}
}

// recordRevocation revokes what was found, as many certificates at once as an event has place for.
func (s *Server) recordRevocation(x *exchange, r *revocation) error {
	if len(r.ids) == 0 {
		return evidence.Errorf(evidence.CodeRevocationNone, "", "nothing that is live and not revoked yet is what you named")
	}
	err := s.changing(x, actionRevoke, func(ctx context.Context, event store.Event) error {
		for rest := r.ids; len(rest) > 0; rest = rest[min(len(rest), store.MaxRevoked):] {
			count, last, err := s.Records.Revoke(ctx, event, rest[:min(len(rest), store.MaxRevoked)])
			if evidence.CodeOf(err) == evidence.CodeRevocationNone && len(r.ids) > store.MaxRevoked {
				continue // others did meanwhile
			}
			if err != nil {
				return err
			}
			r.found.Revoked, r.found.Sequence = r.found.Revoked+count, last
		}
		return nil
	})
	if r.found.Applied = err == nil; r.found.Revoked == 0 {
		return err
	}
	if failed := s.Revocations.Renew(context.WithoutCancel(x.r.Context())); failed != nil {
		s.Logger.Error("what was revoked is on record, but not on the revocation lists yet; this is tried again", "cause", failed, "code", evidence.CodeOf(failed).String())
	}
	return err
}

// revocations answers POST /v1/admin/revocations/list.
func (s *Server) revocations(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "live", "cursor", "limit")
	if err != nil {
		return reply{}, err
	}
	var f store.RevocationFilter
	if f.Before, err = o.before(); err != nil {
		return reply{}, err
	}
	live, err := o.truth("live")
	if err != nil {
		return reply{}, err
	}
	if live != nil && *live {
		f.PublishedAt = s.Now()
	}
	if f.Limit, err = o.limit(); err != nil {
		return reply{}, err
	}
	list, err := s.Records.Revocations(x.r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	r := RevocationsResponse{Revocations: []RevokedCertificate{}}
	for i := range list {
		r.Revocations = append(r.Revocations, newRevoked(&list[i]))
	}
	if len(list) == f.Limit {
		r.Cursor, err = newCursor(list[len(list)-1].Seq)
	}
	return reply{body: r}, err
}

func newRevoked(r *store.Revocation) RevokedCertificate {
	out := RevokedCertificate{
		Sequence: r.Seq, Serial: r.Serial, SPKISHA256: r.SPKISHA256, AttestationID: r.AttestationID, Workload: r.Workload, SPIFFEID: r.SPIFFEID,
		NotAfter: r.NotAfter, RevokedAt: r.Time, RevokedBy: r.Actor, Event: r.Event,
	}
	var said detail
	if json.Unmarshal(r.Detail, &said) == nil {
		out.Reason, out.Where, out.Failed = said.Reason, said.Where, said.Failed
	}
	return out
}

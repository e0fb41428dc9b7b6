package server

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// IssuedAttestation is what was issued on an accepted appraisal.
type IssuedAttestation struct {
	AttestationID string          `json:"attestation_id"`
	Purpose       string          `json:"purpose"`
	IssuedAt      time.Time       `json:"issued_at"`
	NotBefore     time.Time       `json:"not_before"`
	NotAfter      time.Time       `json:"not_after"`
	Workload      string          `json:"workload"`
	SPIFFEID      string          `json:"spiffe_id"`
	PolicyDigest  string          `json:"policy_digest"`
	Kinds         []evidence.Kind `json:"kinds"`
	Simulated     bool            `json:"simulated"`
	Serial        string          `json:"serial,omitempty"`
	TokenID       string          `json:"token_id,omitempty"`
	RevokedAt     time.Time       `json:"revoked_at,omitzero"` // when the certificate was revoked
	Claims        json.RawMessage `json:"claims,omitempty"`    // of one that is shown
}

// AttestationsResponse is the answer to POST /v1/admin/attestations and certificates.
type AttestationsResponse struct {
	Attestations []IssuedAttestation `json:"attestations"`
	Cursor       string              `json:"cursor,omitempty"`
}

func newIssued(i *store.Issuance) IssuedAttestation {
	return IssuedAttestation{
		AttestationID: i.AttestationID, Purpose: i.Purpose, IssuedAt: i.IssuedAt.UTC(), NotBefore: i.NotBefore.UTC(), NotAfter: i.NotAfter.UTC(),
		Workload: i.Workload, SPIFFEID: i.SPIFFEID, PolicyDigest: i.PolicyDigest, Kinds: append([]evidence.Kind{}, i.Kinds...),
		Simulated: i.Simulated, Serial: i.Serial, TokenID: i.TokenID, Claims: i.Claims, RevokedAt: i.RevokedAt,
	}
}

// issuanceMembers are what a list can be asked for by.
var issuanceMembers = []string{"live", "workload", "spiffe_id", "kind", "since", "until", "policy_digest", "simulated", "cursor", "limit"}

// attestations answers POST /v1/admin/attestations.
func (s *Server) attestations(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, issuanceMembers...)
	if err != nil {
		return reply{}, err
	}
	return s.issuances(x, o, store.IssuanceFilter{})
}

// certificates answers POST /v1/admin/certificates.
func (s *Server) certificates(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, append([]string{"serial"}, issuanceMembers...)...)
	if err != nil {
		return reply{}, err
	}
	serial, err := o.text("serial")
	if err != nil {
		return reply{}, err
	}
	return s.issuances(x, o, store.IssuanceFilter{Certified: true, Serial: strings.ToLower(strings.ReplaceAll(serial, ":", ""))})
}

func (s *Server) issuances(x *exchange, o object, f store.IssuanceFilter) (reply, error) {
	if err := o.filter(&f, s.Now()); err != nil {
		return reply{}, err
	}
	list, next, err := s.Records.Issuances(x.r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	r := AttestationsResponse{Attestations: []IssuedAttestation{}}
	for i := range list {
		r.Attestations = append(r.Attestations, newIssued(&list[i]))
	}
	if next != nil {
		r.Cursor, err = newCursor(next)
	}
	return reply{body: r}, err
}

// filter reads what is asked for.
func (o object) filter(f *store.IssuanceFilter, now time.Time) (err error) {
	var kind string
	if err := o.into(map[string]*string{"workload": &f.Workload, "spiffe_id": &f.SPIFFEID, "kind": &kind, "policy_digest": &f.PolicyDigest}); err != nil {
		return err
	}
	f.Kind = evidence.Kind(kind)
	if f.Since, err = o.time("since"); err != nil {
		return err
	}
	if f.Until, err = o.time("until"); err != nil {
		return err
	}
	live, err := o.truth("live")
	if err != nil {
		return err
	}
	if live != nil && *live {
		f.EndsAfter = now
	}
	if f.Simulated, err = o.truth("simulated"); err != nil {
		return err
	}
	var cursor store.IssuanceCursor
	given, err := o.cursor(&cursor)
	if err != nil {
		return err
	}
	if given {
		f.Before = &cursor
	}
	f.Limit, err = o.limit()
	return err
}

// showAttestation answers POST /v1/admin/attestations/show.
func (s *Server) showAttestation(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "attestation_id")
	if err != nil {
		return reply{}, err
	}
	id, err := o.attestationID()
	if err != nil {
		return reply{}, err
	}
	issuance, err := s.Records.Issuance(x.r.Context(), id)
	if err != nil {
		return reply{}, err
	}
	x.caller.about = issuance.AttestationID
	return reply{body: newIssued(issuance)}, nil
}

package server

import (
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/inforce"
)

// StatusResponse is the answer to GET /v1/admin/status.
type StatusResponse struct {
	Version           string       `json:"version"`
	StartedAt         time.Time    `json:"started_at"`
	TrustDomain       string       `json:"trust_domain"`
	SimulatedAccepted bool         `json:"simulated_accepted"`
	PolicyDigest      string       `json:"policy_digest"`
	Workloads         []string     `json:"workloads"`
	Ledger            LedgerHead   `json:"ledger"`
	Parts             []Part       `json:"parts"`
	Policy            PolicyState  `json:"policy"`
	Shadow            *ShadowState `json:"shadow"`    // null without one
	Proposals         int          `json:"proposals"` // that can be approved
	Approvals         int          `json:"approvals"` // how many owners a change needs

	Continuous ContinuousState `json:"continuous_trust"`
}

// ContinuousState says how live identities are held to what is in force.
type ContinuousState struct {
	Mode     continuous.Mode `json:"mode"`
	Due      bool            `json:"due"`              // they are, or are about to be, looked at
	LastAt   time.Time       `json:"last_at,omitzero"` // when all were looked at last,
	Reviewed int             `json:"reviewed"`         // how many,
	Revoked  int             `json:"revoked"`          // revoked,
	Failing  int             `json:"failing"`          // not revoked although they no longer pass,
	Unknown  int             `json:"unknown"`          // and not judged, as the record does not say enough
	Fault    bool            `json:"fault,omitempty"`  // the last look was left, and is tried again; the log says why
}

func newContinuous(s continuous.Status) ContinuousState {
	return ContinuousState{s.Mode, s.Due, s.Last.At.UTC(), s.Last.Reviewed, s.Last.Revoked, s.Last.Failing, s.Last.Unknown, s.Fault != ""}
}

// LedgerHead is the end of the audit chain, to be kept elsewhere and compared later.
type LedgerHead struct {
	Events int64        `json:"events"`
	Hash   evidence.Hex `json:"hash"` // SHA-256
}

// PolicyState says which policy set is in force.
type PolicyState struct {
	Mode   inforce.Mode `json:"mode"` // who decides
	Seq    int64        `json:"seq"`  // 0 before the first was applied
	Digest string       `json:"digest"`
}

// ShadowState says which candidate is tried beside it.
type ShadowState struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
}

// WhoamiResponse is the answer to GET /v1/admin/whoami.
type WhoamiResponse struct {
	Name      string       `json:"name"`
	Role      string       `json:"role"`
	Method    admin.Method `json:"method"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"` // when certificate or token end
}

// whoami answers GET /v1/admin/whoami.
func (s *Server) whoami(x *exchange) (reply, error) {
	c := x.caller
	return reply{body: WhoamiResponse{c.Name, c.Role.String(), c.Method, c.Until}}, nil
}

// status answers GET /v1/admin/status.
func (s *Server) status(x *exchange) (reply, error) {
	head, err := s.Ledger.Head(x.r.Context())
	if err != nil {
		return reply{}, err
	}
	open, err := s.openProposals(x.r.Context())
	if err != nil {
		return reply{}, err
	}
	active := s.Policies.Active()
	r := StatusResponse{
		Version: s.Version, StartedAt: s.started.UTC(), TrustDomain: s.TrustDomain,
		SimulatedAccepted: s.SimulatedAccepted, PolicyDigest: active.Set.Digest(), Workloads: active.Set.Workloads(),
		Ledger: LedgerHead{head.Seq, head.Hash}, Parts: s.parts(x.r.Context()),
		Policy:    PolicyState{Mode: active.Mode, Digest: active.Set.Digest()},
		Proposals: open, Approvals: s.Administrators.Approvals(), Continuous: newContinuous(s.Continuous.Status()),
	}
	if active.Applied != nil {
		r.Policy.Seq = active.Applied.Seq
	}
	if shadow, ok := s.Policies.Shadow(); ok {
		r.Shadow = &ShadowState{shadow.Digest, shadow.Since.UTC()}
	}
	return reply{body: r}, nil
}

package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// StatusResponse is the answer to GET /v1/admin/status.
type StatusResponse struct {
	Version           string     `json:"version"`
	StartedAt         time.Time  `json:"started_at"`
	TrustDomain       string     `json:"trust_domain"`
	SimulatedAccepted bool       `json:"simulated_accepted"`
	PolicyDigest      string     `json:"policy_digest"`
	Workloads         []string   `json:"workloads"`
	Ledger            LedgerHead `json:"ledger"`
	Parts             []Part     `json:"parts"`
}

// LedgerHead is the end of the audit chain, to be kept elsewhere and compared later.
type LedgerHead struct {
	Events int64        `json:"events"`
	Hash   evidence.Hex `json:"hash"` // SHA-256
}

// administrator lets only requests with the administrator's credential through.
func (s *Server) administrator(h handler) handler {
	return func(x *exchange) (reply, error) {
		credential, ok := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
		digest := sha256.Sum256([]byte(credential))
		equal := subtle.ConstantTimeCompare(digest[:], s.AdminDigest[:]) == 1
		if !ok || !equal || len(x.r.Header.Values("Authorization")) != 1 {
			return reply{}, evidence.Errorf(evidence.CodeUnauthorized, "Authorization", "send the administrator's credential as a bearer token")
		}
		return h(x)
	}
}

// status answers GET /v1/admin/status.
func (s *Server) status(x *exchange) (reply, error) {
	head, err := s.Ledger.Head(x.r.Context())
	if err != nil {
		return reply{}, err
	}
	policy := s.Policy()
	return reply{body: StatusResponse{
		Version: s.Version, StartedAt: s.started.UTC(), TrustDomain: s.TrustDomain,
		SimulatedAccepted: s.SimulatedAccepted, PolicyDigest: policy.Digest, Workloads: policy.Workloads,
		Ledger: LedgerHead{head.Seq, head.Hash}, Parts: s.parts(x.r.Context()),
	}}, nil
}

package server

import (
	"context"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
)

// HealthResponse is the answer to GET /healthz, and to a GET /readyz of a
// service that is ready.
type HealthResponse struct {
	Status  string `json:"status"` // "ok" or "ready"
	Version string `json:"version"`
	// SimulatedAccepted says that this service accepts simulated evidence. No
	// service that anybody relies on does.
	SimulatedAccepted bool   `json:"simulated_accepted"`
	Parts             []Part `json:"parts,omitempty"`
}

// Part is one thing that the service needs.
type Part struct {
	Name   string `json:"name"` // "policy", "authority" or "ledger"
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
}

// health says that the process answers.
func (s *Server) health(*exchange) (reply, error) {
	return reply{body: HealthResponse{Status: "ok", Version: s.Version, SimulatedAccepted: s.SimulatedAccepted}}, nil
}

// readiness remembers the last answer for a moment, because each costs an fsync.
type readiness struct {
	mu    sync.Mutex
	at    time.Time
	parts []Part
}

// notReady is the error of a service in which a part is not usable.
type notReady struct {
	reason *evidence.Error
	parts  []Part
}

func (e *notReady) Error() string { return e.reason.Error() }
func (e *notReady) Unwrap() error { return e.reason }

// readiness answers GET /readyz: could an attestation succeed now?
func (s *Server) readiness(x *exchange) (reply, error) {
	parts := s.parts(x.r.Context())
	for _, p := range parts {
		if !p.Ready {
			return reply{}, &notReady{evidence.Errorf(evidence.CodeNotReady, p.Name, "%s: %s", p.Name, p.Detail), parts}
		}
	}
	return reply{body: HealthResponse{Status: "ready", Version: s.Version, SimulatedAccepted: s.SimulatedAccepted, Parts: parts}}, nil
}

// parts tries every part, at most once in readyFor.
func (s *Server) parts(ctx context.Context) []Part {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if now := time.Now(); s.ready.parts == nil || now.Sub(s.ready.at) >= readyFor {
		s.ready.at, s.ready.parts = now, []Part{s.policyPart(), s.authorityPart(), s.ledgerPart(ctx)}
	}
	return s.ready.parts
}

func (s *Server) policyPart() Part {
	if len(s.Policies.Set().Workloads()) == 0 {
		return Part{Name: "policy", Detail: "no workload is defined, so every attestation would be refused"}
	}
	return Part{Name: "policy", Ready: true}
}

func (s *Server) authorityPart() Part {
	if err := s.CanIssue(); err != nil {
		return Part{Name: "authority", Detail: "certificates cannot be issued: " + evidence.CodeOf(err).String()}
	}
	return Part{Name: "authority", Ready: true}
}

func (s *Server) ledgerPart(ctx context.Context) Part {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := s.Ledger.Writable(ctx); err != nil {
		return Part{Name: "ledger", Detail: "the ledger cannot be written"}
	}
	return Part{Name: "ledger", Ready: true}
}

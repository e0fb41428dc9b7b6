// Package server is the HTTP interface of the service. A handler decodes a
// request strictly, calls the verifier once, has the outcome recorded and
// encodes it; it decides nothing itself. Nothing is issued before the ledger has
// it, and every refusal is a problem document (RFC 9457) with a stable code.
//
// Start at [New]; the routes are in routes.go, the interface is described in
// openapi.json, which tests hold to the handlers.
package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// Appraiser judges evidence: a *verifier.Verifier.
type Appraiser interface {
	Appraise(verifier.Request) (verifier.Result, error)
	// Reappraise judges again what lacked endorsements that were fetched since.
	Reappraise(verifier.Result) (verifier.Result, error)
	// Spend uses up the challenge of a request that is refused before it can be
	// appraised, so that a challenge is one attempt.
	Spend(challenge string)
	// ExamineAt judges whether evidence was genuine at a time. Nothing can be issued on it.
	ExamineAt(bundle evidence.Bundle, reportData []byte, at time.Time) verifier.Examination
}

// Challenger makes challenges: a *verifier.Challenges.
type Challenger interface {
	Issue(purpose evidence.Purpose, audience string, now time.Time) (evidence.Challenge, string)
}

// Authority makes certificates: a *ca.Authority.
type Authority interface {
	Issue(verifier.Result) (*ca.SVID, error)
	Bundle() ([]byte, error)
}

// Tokens makes attestation results: a *tokens.Issuer.
type Tokens interface {
	Issue(verifier.Result, tokens.Options) (tokens.Token, error)
	Keys() tokens.KeySet
}

// JWTSVIDs makes JWT-SVIDs: a *tokens.SVIDIssuer.
type JWTSVIDs interface {
	Issue(result verifier.Result, audience []string) (tokens.SVID, error)
}

// Federation has the bundles of other trust domains: a *federation.Federation.
type Federation interface {
	Bundles() map[string]json.RawMessage
}

// Ledger makes outcomes durable: a *store.Store.
type Ledger interface {
	Record(context.Context, store.Entry) error
	Writable(context.Context) error
	Head(context.Context) (store.Head, error)
}

// Records are what administrators look up, and the proposals that they withdraw:
// a *store.Store, the one that is the ledger.
type Records interface {
	Issuances(context.Context, store.IssuanceFilter) ([]store.Issuance, *store.IssuanceCursor, error)
	Issuance(ctx context.Context, attestationID string) (*store.Issuance, error)
	Events(context.Context, store.EventFilter) ([]store.StoredEvent, error)
	Verify(ctx context.Context, earlier ...store.Head) (head store.Head, issuances int64, err error)
	PolicyAt(ctx context.Context, seq int64) (*store.PolicySet, error)
	PolicyHistory(ctx context.Context, before int64, limit int) ([]store.PolicySet, error)
	Proposal(ctx context.Context, id int64) (store.Proposal, error)
	Proposals(ctx context.Context, before int64, limit int) ([]store.Proposal, error)
	Withdraw(ctx context.Context, event store.Event, id int64) (store.Proposal, error)
	AttestationKeys(context.Context, store.KeyFilter) ([]store.AttestationKey, *store.KeyCursor, error)
	AttestationKey(ctx context.Context, ak evidence.Digest) (*store.AttestationKey, error)
	Revoke(ctx context.Context, event store.Event, attestations []string) (revoked int, last int64, err error)
	Revocations(context.Context, store.RevocationFilter) ([]store.Revocation, error)
}

// Continuous holds live identities to what is in force: a *continuous.Sweeper.
type Continuous interface {
	// Trigger is called when something changed by which they were judged.
	Trigger(continuous.Trigger)
	// Epoch is asked for before evidence is judged, and Issued is told when the ledger has what
	// was issued on it.
	Epoch() uint64
	Issued(epoch uint64, at time.Time)
	Status() continuous.Status
}

// Config is what a Server works with. Every field but those marked is needed.
type Config struct {
	Appraiser  Appraiser
	Challenger Challenger
	Authority  Authority
	Tokens     Tokens
	JWTSVIDs   JWTSVIDs
	Ledger     Ledger
	Records    Records
	// Policies is the policy set in force; the Appraiser goes by the same.
	Policies *inforce.Policies
	// Administrators says who is one.
	Administrators Administrators
	// CanIssue says whether certificates could be issued now, and why not.
	CanIssue func() error
	// Revocations has the revocation lists.
	Revocations Revocations
	// Continuous holds live identities to what is in force.
	Continuous Continuous
	// TrustDomain is the audience of every challenge.
	TrustDomain string
	// Reloader reads the service's files again. Optional; without one nobody can ask for it.
	Reloader Reloader
	// Federation has the bundles of other trust domains. Optional; without it there are none.
	Federation Federation
	// Enrolment enrols TPMs. Optional; without it nobody can.
	Enrolment *Enrolment
	// Endorser fetches what appraisals lack. Optional; without one they remain undecided.
	Endorser Endorser
	// Collectors add to what GET /metrics shows. Optional.
	Collectors []prometheus.Collector
	// SimulatedAccepted says that the service accepts simulated evidence; the
	// server only tells everybody.
	SimulatedAccepted bool
	// Version is the build's version.
	Version string
	// Concurrency is how many appraisals run at once. Optional; defaults to the
	// number of CPUs, more only adds waiting.
	Concurrency int
	// Logger takes one line per request. Optional; defaults to none.
	Logger *slog.Logger
	// Now is the clock. Optional; defaults to time.Now.
	Now func() time.Time
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	Config
	started  time.Time
	gate     *gate
	room     room
	feedRoom room    // of those who follow revocations
	planning *gate   // computations for administrators
	uploads  *gate   // their large bodies
	answers  *gate   // to questions about single certificates
	refusals *budget // of events of refused requests
	calls    *budget // of events of administrators' calls that change nothing
	metrics  *metrics
	ready    readiness
	static   map[string]document // path to what never changes
	news     news                // of revocations
	handler  http.Handler
	leaving  chan struct{} // closed when an http.Server shuts down
	leave    sync.Once
}

// New returns a Server. It fails if a needed part is missing or cannot produce
// its public documents.
func New(c Config) (*Server, error) {
	if c.Appraiser == nil || c.Challenger == nil || c.Authority == nil || c.Tokens == nil || c.JWTSVIDs == nil || c.Ledger == nil ||
		c.Records == nil || c.Policies == nil || c.Administrators == nil || c.CanIssue == nil || c.Revocations == nil || c.Continuous == nil || c.TrustDomain == "" {
		return nil, errors.New("server: a part is missing in the configuration")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		Config: c, started: c.Now(), gate: newGate(c.Concurrency), room: room{free: maxInFlight}, feedRoom: room{free: maxInFlight},
		planning: newGate(maxPlans), uploads: newGate(maxUploads), answers: newGate(maxAnswers), refusals: newBudget(), calls: newBudget(),
		metrics: newMetrics(c.Version, c.SimulatedAccepted), leaving: make(chan struct{}),
	}
	s.metrics.registry.MustRegister(c.Collectors...)
	var err error
	if s.static, err = s.documents(); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// Handler returns the service's routes with everything around them.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTP returns an http.Server for the handler with all bounds set. It asks clients
// for administrators' certificates.
func (s *Server) HTTP(config *tls.Config) *http.Server {
	h := s.http(s.handler)
	h.TLSConfig = s.askForCertificates(config)
	h.RegisterOnShutdown(func() { s.leave.Do(func() { close(s.leaving) }) }) // who waits for news waits no longer
	return h
}

// http returns an http.Server for a handler with all bounds set.
func (s *Server) http(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         newConnections(maxConnections).note,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		// OPTIONS * gets a problem document like all else.
		DisableGeneralOptionsHandler: true,
		// Failed handshakes are the peer's business and come in any number.
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
}

// Package authz answers the proxies on a machine, which ask for each request whether it may
// go on: Envoy by gRPC (envoy.service.auth.v3), nginx by HTTP (auth_request), both at one
// socket. Package authorize decides; this one keeps what that goes by at hand: the trust
// bundle, and what the service revokes.
//
// Nobody is let in by a fault: who cannot be judged is refused, and a proxy that gets no
// answer must refuse as well, as both do unless told otherwise.
//
// Start at [New] and [Service.Run].
package authz

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"golang.org/x/time/rate"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
)

// Trust knows the attestation service: a *trust.Trust.
type Trust interface {
	// Refresh returns what the service publishes now.
	Refresh(context.Context) (*agent.Published, error)
	// Follow tells what the service revoked, until ctx ends.
	Follow(ctx context.Context, tell func(*client.Revocations))
}

// Config says how a Service decides.
type Config struct {
	Rules  []authorize.Rule
	MaxAge time.Duration // of bundle and feed; an hour if zero
	Trust  Trust
	Logger *slog.Logger
}

// Service answers proxies. It is safe for concurrent use, and a prometheus.Collector.
type Service struct {
	config     Config
	authorizer *authorize.Authorizer
	metrics    *metrics
	denials    *rate.Limiter

	mu          sync.Mutex
	left        int // denials that were not logged
	bundle      *spiffebundle.Bundle
	at          time.Time // when that was the service's
	revocations *client.Revocations
}

// New returns a Service that refuses all until [Service.Run] has learnt whom to trust. The
// error is an *evidence.Error with CodeConfigMalformed.
func New(c Config) (*Service, error) {
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if c.MaxAge < minMaxAge || c.MaxAge > maxMaxAge {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "max_age", "%s is not between %s and a day, for which revocation lists hold", c.MaxAge, minMaxAge)
	}
	authorizer, err := authorize.New(authorize.Config{Rules: c.Rules, MaxAge: c.MaxAge})
	if err != nil {
		return nil, err
	}
	s := &Service{config: c, authorizer: authorizer, denials: rate.NewLimiter(denialsPerSecond, denialBurst)}
	s.metrics = newMetrics(authorizer)
	return s, nil
}

// Describe and Collect implement prometheus.Collector.
func (s *Service) Describe(out chan<- *prometheus.Desc) { s.metrics.Describe(out) }

// Collect implements prometheus.Collector.
func (s *Service) Collect(out chan<- prometheus.Metric) { s.metrics.Collect(out) }

// Run keeps trust bundle and revocations at hand until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var followed sync.WaitGroup
	followed.Go(func() {
		s.config.Trust.Follow(ctx, func(r *client.Revocations) { s.learn(func() { s.revocations = r }) })
	})
	defer followed.Wait()
	tick := time.NewTicker(refreshPause)
	defer tick.Stop()
	for {
		s.refresh(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) refresh(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	at := time.Now() // before: it is known to have been the service's then
	published, err := s.config.Trust.Refresh(within)
	if err != nil {
		if ctx.Err() == nil {
			s.config.Logger.Warn("the trust bundle could not be renewed", "cause", err.Error())
		}
		return
	}
	s.learn(func() { s.bundle, s.at = published.Bundle, at })
}

// learn has decisions rest on what is known, once there is all of it.
func (s *Service) learn(note func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note()
	if s.bundle != nil && s.revocations != nil {
		s.authorizer.Learn(s.bundle.TrustDomain().Name(), s.bundle.X509Authorities(), s.revocations, s.at)
	}
}

// Ready reports whether decisions rest on something.
func (s *Service) Ready() bool { return !s.authorizer.Heard().IsZero() }

// decide decides one request, counts it, and tells of a denial. lack, if it is not empty,
// says why there is no certificate.
func (s *Service) decide(r authorize.Request, lack string) authorize.Decision {
	started := time.Now()
	d := s.fenced(r, started)
	if d.Code == evidence.CodeAuthorizeCertificate && lack != "" {
		d.Reason = lack
	}
	s.metrics.decided(d, time.Since(started))
	s.tell(r, d)
	return d
}

// fenced decides, and turns a panic into a denial.
func (s *Service) fenced(r authorize.Request, now time.Time) (d authorize.Decision) {
	defer func() {
		if fault := recover(); fault != nil {
			s.config.Logger.Error("a decision failed", "cause", fault, "stack", string(debug.Stack()))
			d = authorize.Decision{Code: evidence.CodeInternal, Reason: "the decision failed"}
		}
	}()
	return s.authorizer.Decide(r, now)
}

// tell logs a denial, unless there are too many.
func (s *Service) tell(r authorize.Request, d authorize.Decision) {
	if d.Allowed {
		return
	}
	s.mu.Lock()
	left := s.left
	allowed := s.denials.Allow()
	if s.left = 0; !allowed {
		s.left = left + 1
	}
	s.mu.Unlock()
	if !allowed {
		return
	}
	s.config.Logger.Warn("a request was denied", "code", d.Code.String(), "reason", d.Reason, "spiffe_id", d.SPIFFEID,
		"method", clip(r.Method), "host", clip(r.Host), "path", clip(r.Path()), "left_out", left)
}

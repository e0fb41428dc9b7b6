package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// exchange is one request and what became of it: what the log line, the metrics
// and the audit event say. It belongs to the request's goroutine.
type exchange struct {
	w       http.ResponseWriter // a *recorder
	r       *http.Request
	id      string // random, in the response's X-Request-Id and the log
	started time.Time
	route   string  // the pattern that it matched, or "other"
	caller  *caller // the administrator who sent it, once known; else nil
	place   *place  // among the requests that are handled at once; nil if not bounded
	slot    *slot   // among those that are appraised at once; nil before

	status int // 0 until a response was written
	sent   int

	result    verifier.Result // not Valid until there was an appraisal
	kinds     []evidence.Kind
	keys      evidence.EnrolmentClaims // that are to be enrolled, or that an administrator looks at, as far as they could be read
	enrolment verifier.Enrolment       // not Valid until one was recorded
	code      evidence.Code            // why it was refused
	cause     error                    // the error behind a problem, for the log alone
}

// handler answers one request: with a reply, or an error that becomes a problem
// document.
type handler func(*exchange) (reply, error)

// reply is a successful response.
type reply struct {
	contentType string // defaults to application/json
	cache       string // Cache-Control; defaults to no-store
	body        any    // []byte as it is, anything else as JSON
	stream      func() // writes the body instead, piece by piece
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// endpoint runs a handler behind a fence and writes what it returns.
func (s *Server) endpoint(h handler) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.enter(r)
		rep, err := fenced(h, x)
		if err == nil {
			err = x.send(http.StatusOK, rep)
		}
		if err != nil {
			s.refuse(x, err)
		}
	}
}

// fenced turns a panic into an error: one request fails, not the process.
func fenced(h handler, x *exchange) (rep reply, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			rep, err = reply{}, fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	return h(x)
}

// send writes a response. It fails only before anything was written.
func (x *exchange) send(status int, rep reply) error {
	body, ok := rep.body.([]byte)
	if !ok && rep.stream == nil {
		var err error
		if body, err = json.Marshal(rep.body); err != nil {
			return err
		}
	}
	header := x.w.Header()
	header.Set("Content-Type", orElse(rep.contentType, "application/json"))
	header.Set("Cache-Control", orElse(rep.cache, "no-store"))
	x.w.WriteHeader(status)
	if rep.stream != nil {
		rep.stream()
		return nil
	}
	_, _ = x.w.Write(body) // a client that left is no failure of ours
	return nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// enter notes which route the request matched, from a closed set. It must be
// called within the router, which takes its context back when it returns.
func (x *exchange) enter(r *http.Request) {
	x.r = r
	if rctx := chi.RouteContext(r.Context()); rctx != nil && rctx.RoutePattern() != "" {
		x.route = rctx.RoutePattern()
	}
}

// peer is the address of the connection. What proxies say of others is not
// looked at, because anybody can say it.
func (x *exchange) peer() string {
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		return x.r.RemoteAddr
	}
	return host
}

// log writes the request's one line. It holds neither evidence nor secrets.
func (s *Server) log(x *exchange) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request_id", x.id),
		slog.String("method", knownMethod(x.r.Method)),
		slog.String("route", x.route),
		slog.String("path", clip(x.r.URL.Path, maxPath)),
		slog.Int("status", x.status),
		slog.String("peer", x.peer()),
		slog.Int64("duration_us", s.Now().Sub(x.started).Microseconds()),
		slog.Int("sent", x.sent),
	}
	if x.result.Valid() {
		attrs = append(attrs,
			slog.String("attestation_id", x.result.ID()), slog.String("verdict", string(x.result.Verdict())),
			slog.String("workload", x.result.Workload()), slog.String("spiffe_id", x.result.Identity().SPIFFEID),
			slog.Any("kinds", x.kinds), slog.Bool("simulated", x.result.Simulated()),
			slog.String("policy_digest", x.result.PolicyDigest()))
	}
	if x.enrolment.Valid() {
		keys := x.enrolment.Claims()
		attrs = append(attrs,
			slog.String("enrolment_id", x.enrolment.ID()), slog.String("ek_sha256", keys.EKSHA256.String()),
			slog.String("ak_sha256", keys.AKSHA256.String()), slog.Bool("simulated", keys.Simulated))
	}
	if !x.code.IsZero() {
		attrs = append(attrs, slog.String("code", x.code.String()))
	}
	if x.status >= http.StatusInternalServerError {
		level = faultLevel(x.code)
		if x.cause != nil {
			attrs = append(attrs, slog.String("cause", x.cause.Error()))
		}
	}
	s.Logger.LogAttrs(x.r.Context(), level, "request", attrs...)
}

// faultLevel is the level of a request that the service could not serve. Anybody
// can ask for what needs endorsements that nobody has, or ask too often: that is
// no fault that somebody should be woken for.
func faultLevel(code evidence.Code) slog.Level {
	switch code {
	case evidence.CodeEndorsementsMissing, evidence.CodeOverloaded:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// clip keeps foreign text in logs and messages short.
func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// Package control steers simulated machines over HTTP: makes them, has them attest, and
// breaks them or their vendors, for tests in any language. It is the interface of
// quotary-sim serve; docs/ci.md shows it in use and has every path.
//
// Whoever reaches it owns the machines and their keys, so it is for loopback alone. It
// takes requests from programs, not from web pages.
//
// Start at [New].
package control

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/vendors"
)

// Options say what is steered.
type Options struct {
	Fleet   *fleet.Fleet
	Vendors *vendors.Server
	Clock   *lab.Clock
	Host    Host
	// Added, if set, is called with each machine that was made and admitted, Removed with the
	// name of each that is about to end.
	Added   func(*fleet.Machine) error
	Removed func(name string) error
	// Changed, if set, is called when something has changed that machines are judged by.
	Changed func()
}

// Server is the interface, an http.Handler that is safe for concurrent use.
type Server struct {
	options Options
	handler http.Handler
	adding  sync.Mutex // one machine at a time is made and admitted
}

// New returns the interface to machines.
func New(o Options) *Server {
	s := &Server{options: o}
	mux := http.NewServeMux()
	for pattern, handle := range map[string]handler{
		"GET /v1/machines":                  s.list,
		"POST /v1/machines":                 s.create,
		"GET /v1/machines/{name}":           s.show,
		"DELETE /v1/machines/{name}":        s.remove,
		"POST /v1/machines/{name}/attest":   s.attest,
		"POST /v1/machines/{name}/identity": s.identity,
		"POST /v1/machines/{name}/enrol":    s.enrol,
		"POST /v1/machines/{name}/extend":   s.changing(s.extend),
		"POST /v1/machines/{name}/reboot":   s.changing(s.reboot),
		"GET /v1/faults":                    s.faults,
		"POST /v1/faults":                   s.changing(s.inject),
		"POST /v1/faults/clear":             s.changing(s.clear),
		"GET /v1/clock":                     s.clock,
		"POST /v1/clock":                    s.changing(s.travel),
		"POST /v1/refresh":                  s.changing(s.refresh),
		"GET /v1/bundle":                    s.bundle,
	} {
		mux.Handle(pattern, handle)
	}
	mux.Handle("/", handler(func(r *http.Request) (reply, error) { return reply{}, unrouted(r, mux) }))
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(handler(func(*http.Request) (reply, error) {
		return reply{}, evidence.Errorf(evidence.CodeForbidden, "Origin", "this interface is not for pages of other origins")
	}))
	s.handler = foreign.Handler(mux)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isLocal(r.Host) {
		handler(func(*http.Request) (reply, error) {
			return reply{}, evidence.Errorf(evidence.CodeForbidden, "Host", "this interface answers to addresses, localhost, and names without a dot")
		}).ServeHTTP(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

// isLocal reports whether a request's host is no name that somebody could own, and have a
// browser believe that its page came from here.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return net.ParseIP(strings.Trim(host, "[]")) != nil || !strings.Contains(host, ".")
}

// unrouted says what is wrong with a request that no handler is for.
func unrouted(r *http.Request, mux *http.ServeMux) error {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			return evidence.Errorf(evidence.CodeMethodNotAllowed, "", "%s takes %s", r.URL.Path, method)
		}
	}
	return evidence.Errorf(evidence.CodeNotFound, "", "there is nothing at this path; docs/ci.md lists them")
}

// reply is the answer to a request that succeeded.
type reply struct {
	status      int    // 200 if zero
	contentType string // application/json if empty
	body        any    // sent as JSON, or as it is where it is a []byte; nil for none
}

// handler answers one kind of request.
type handler func(*http.Request) (reply, error)

// changing is a handler that changes what machines are judged by.
func (s *Server) changing(h handler) handler {
	return func(r *http.Request) (reply, error) {
		out, err := h(r)
		if err == nil && s.options.Changed != nil {
			s.options.Changed()
		}
		return out, err
	}
}

// ServeHTTP answers with the reply, or with a problem document.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	out, err := h(r)
	if err != nil {
		out = problemOf(err)
	}
	body, ok := out.body.([]byte)
	if !ok && out.body != nil {
		if body, err = json.MarshalIndent(out.body, "", "  "); err != nil {
			out, body = problemOf(err), nil
		}
		body = append(body, '\n')
	}
	if out.contentType == "" {
		out.contentType = "application/json"
	}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	w.Header().Set("Content-Type", out.contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(out.status)
	_, _ = w.Write(body) // who asked may be gone
}

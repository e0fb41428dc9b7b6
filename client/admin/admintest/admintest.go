// Package admintest stands in for the service's side of the administrators'
// interface in tests: HTTPS under an authority of its own, administrators who are
// known by certificate or token, and answers that the test gives. Requests that
// are not exactly as the interface has them are refused.
//
// Start at [Start].
package admintest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client/admin"
)

// TrustDomain is the service's trust domain.
const TrustDomain = "example.org"

// The tokens that the service takes, and the roles that they give.
const (
	Credential    = "credential-that-the-first-start-printed" // bootstrap, owner
	ViewerToken   = "eyJhbGciOiJFUzI1NiJ9.viewer.c2lnbmF0dXJl"
	OperatorToken = "eyJhbGciOiJFUzI1NiJ9.operator.c2lnbmF0dXJl"
)

// Problem is a refusal.
type Problem struct {
	Status   int          `json:"status"`
	Code     string       `json:"code"`
	Detail   string       `json:"detail"`
	Request  string       `json:"request_id"`
	Problems []admin.Note `json:"problems,omitempty"`
}

// Refuse returns a refusal.
func Refuse(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail, Request: "request-1"}
}

// Route answers a request, of which body is the JSON that was sent.
type Route func(who admin.Principal, body []byte) (any, *Problem)

// Service is a service that stands in for a real one.
type Service struct {
	URL     string
	RootPEM []byte
	Roots   *x509.CertPool

	administrators *authority
	routes         map[string]Route
	server         *http.Server
	ended          chan struct{}

	mu       sync.Mutex
	requests []string
}

// Start serves routes, whose keys are method and path behind /v1/admin/, such as
// "POST audit". dir takes the authority's files. "GET whoami" is answered in any case.
func Start(dir string, routes map[string]Route) (*Service, error) {
	own, err := ca.Open(ca.Config{Dir: filepath.Join(dir, "ca"), TrustDomain: TrustDomain})
	if err != nil {
		return nil, err
	}
	cert, err := own.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		return nil, err
	}
	s := &Service{RootPEM: own.RootPEM(), Roots: x509.NewCertPool(), routes: routes, ended: make(chan struct{})}
	s.Roots.AppendCertsFromPEM(s.RootPEM)
	if s.administrators, err = newAuthority(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.URL = "https://" + listener.Addr().String()
	bundle, err := own.Bundle()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/bundle", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bundle) })
	mux.HandleFunc("/", s.answer)
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert},
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.administrators.pool,
		},
	}
	go func() { defer close(s.ended); _ = s.server.ServeTLS(listener, "", "") }()
	return s, nil
}

// Close ends the service.
func (s *Service) Close() {
	_ = s.server.Close()
	<-s.ended
}

// Requests returns what was asked so far: method, path behind /v1/admin/, body.
func (s *Service) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Certify returns a certificate for an administrator with its key, both in PEM.
func (s *Service) Certify(name, role string, notAfter time.Time) (certificate, key []byte, err error) {
	return s.administrators.issue(name, role, notAfter)
}

// WriteCertificate writes a certificate and its key into one file.
func (s *Service) WriteCertificate(file, name, role string, notAfter time.Time) error {
	certificate, key, err := s.Certify(name, role, notAfter)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(certificate, key...), 0o600)
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) {
	answer, refusal := s.dispatch(r)
	if refusal != nil {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(refusal.Status)
		_ = json.NewEncoder(w).Encode(refusal)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Service) dispatch(r *http.Request) (any, *Problem) {
	body, err := io.ReadAll(r.Body)
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/admin/")
	switch {
	case err != nil:
		return nil, Refuse(400, "request.malformed", err.Error())
	case !ok || r.URL.RawQuery != "":
		return nil, Refuse(404, "request.not-found", "there is nothing at this path")
	case r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json":
		return nil, Refuse(415, "request.media-type", "a POST without application/json")
	case r.Method == http.MethodGet && (len(body) > 0 || r.Header.Get("Content-Type") != ""):
		return nil, Refuse(400, "request.malformed", "a GET with a body")
	}
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+path+" "+string(body)))
	s.mu.Unlock()
	who, refusal := s.principal(r)
	if refusal != nil {
		return nil, refusal
	}
	if route := s.routes[r.Method+" "+path]; route != nil {
		return route(who, body)
	}
	if r.Method+" "+path == "GET whoami" {
		return who, nil
	}
	return nil, Refuse(404, "request.not-found", "there is nothing at this path")
}

// Decode reads a request strictly.
func Decode(body []byte, into any) *Problem {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return Refuse(400, "request.malformed", err.Error())
	}
	if decoder.More() {
		return Refuse(400, "request.malformed", "something behind the request")
	}
	return nil
}

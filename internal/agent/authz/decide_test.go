package authz

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

func newService(t *testing.T) (*Service, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	s, err := New(Config{
		Rules: []authorize.Rule{{Allow: authorize.Allow{SPIFFEIDs: []string{"spiffe://example.org/*"}}}}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

// Denials are logged without the query, some of many, and how many were left out is told.
func TestDenialsInTheLog(t *testing.T) {
	s, log := newService(t)
	s.denials = rate.NewLimiter(0, 2)
	for range 5 {
		s.decide(authorize.Request{Method: "GET", Host: "api.test", Target: "/a?password=b"}, "")
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Contains(log.String(), "password") || !strings.Contains(log.String(), " path=/a ") {
		t.Errorf("%s", log)
	}
	s.denials = rate.NewLimiter(0, 1)
	s.decide(authorize.Request{}, "")
	if !strings.Contains(log.String(), " left_out=3\n") {
		t.Errorf("%s", log)
	}
}

// broken are revocations that cannot be asked.
type broken struct{}

func (broken) Check([]*x509.Certificate) error { panic("check") }
func (broken) Issuers() []*x509.Certificate    { panic("issuers") }
func (broken) Heard() time.Time                { panic("heard") }

// A fault lets nobody in.
func TestFaultIsADenial(t *testing.T) {
	s, log := newService(t)
	s.authorizer.Learn("example.org", nil, broken{}, time.Now())
	if d := s.decide(authorize.Request{}, ""); d.Allowed || d.Code != evidence.CodeInternal || !strings.Contains(log.String(), "a decision failed") {
		t.Errorf("%+v, %s", d, log)
	}
}

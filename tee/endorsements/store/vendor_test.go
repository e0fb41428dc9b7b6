package store_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// service is the vendor's service, a transport that answers by itself.
type service struct {
	*world
	mu      sync.Mutex
	answers map[string]func(*http.Request) *http.Response // by path and query
	always  func(*http.Request) *http.Response            // before those, if set
	asked   []string
	first   *x509.RevocationList
}

// newService hands out the baseline: the issuer of line A and a list.
func newService(w *world) *service {
	s := &service{world: w, answers: map[string]func(*http.Request) *http.Response{}}
	s.first = w.list(5, epoch.Add(-day), epoch.AddDate(1, 0, 0), 1000)
	s.offer(issuerA, pemOf(w.issuer("A", epoch.AddDate(-1, 0, 0)), w.root))
	s.offer(crl, s.first.Raw)
	return s
}

// list5 is the list that the service begins with: number 5, for a year.
func (s *service) list5() *x509.RevocationList { return s.first }

// offer has the service answer with content.
func (s *service) offer(name tee.EndorsementName, body []byte) {
	s.answer(name, func(*http.Request) *http.Response { return response(200, body) })
}

func (s *service) answer(name tee.EndorsementName, answer func(*http.Request) *http.Response) {
	path, ok := endorser{}.Locate(name)
	if !ok {
		s.t.Fatalf("%v has no place", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answer
}

// all has the service answer everything alike; nil: as before.
func (s *service) all(answer func(*http.Request) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = answer
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.String())
	answer := s.answers[r.URL.RequestURI()]
	if s.always != nil {
		answer = s.always
	}
	s.mu.Unlock()
	if answer == nil {
		return response(404, []byte("Not Found")), nil
	}
	res := answer(r)
	if res == nil {
		return nil, fmt.Errorf("connection refused")
	}
	return res, r.Context().Err()
}

// requests returns how often the service was asked since the last call.
func (s *service) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.asked)
	s.asked = nil
	return n
}

func response(status int, body []byte, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func status(code int, header ...string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response { return response(code, []byte("sorry"), header...) }
}

func down(*http.Request) *http.Response { return nil }

// hangs answers after the request was given up.
func hangs(r *http.Request) *http.Response {
	<-r.Context().Done()
	return nil
}

// hangingBody sends a part of a body and then nothing.
func hangingBody(r *http.Request) *http.Response {
	res := response(200, nil)
	res.ContentLength = -1
	res.Body = io.NopCloser(io.MultiReader(strings.NewReader("-----BEGIN"), readerFunc(func([]byte) (int, error) {
		<-r.Context().Done()
		return 0, r.Context().Err()
	})))
	return res
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// harness is a store over a service.
type harness struct {
	*store.Store
	service *service
	t       *testing.T
	mu      sync.Mutex
	events  []store.Event
	faults  map[string]error
}

// open opens a store over a service. Its jitter is none.
func open(t *testing.T, s *service, change ...func(*store.Config)) *harness {
	t.Helper()
	h := &harness{service: s, t: t}
	c := store.Config{
		Vendors:   []store.Vendor{{Name: "test-kds", BaseURL: "https://kds.example", Endorser: endorser{root: s.root}, ChainHeaders: []string{"Issuer-Chain"}}},
		Transport: s,
		Random:    func() float64 { return 0.5 },
		Notify: func(e store.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
	}
	for _, f := range change {
		f(&c)
	}
	opened, err := store.OpenFaulty(c, func(operation string) error { return h.fault(operation) })
	if err != nil {
		t.Fatal(err)
	}
	h.Store = opened
	t.Cleanup(func() { h.Close() })
	return h
}

// fault is asked before operations on the directory.
func (h *harness) fault(operation string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faults[operation]
}

// fail has operations fail from now on; without any, none.
func (h *harness) fail(err error, operations ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = map[string]error{}
	for _, operation := range operations {
		h.faults[operation] = err
	}
}

// heard returns the events since the last call.
func (h *harness) heard() []store.Event {
	synctest.Wait() // who fetched may be back before it is told
	h.mu.Lock()
	defer h.mu.Unlock()
	events := h.events
	h.events = nil
	return events
}

// serves checks what is in the snapshot: the raw contents, no more and no less.
func (h *harness) serves(want ...[]byte) {
	h.t.Helper()
	got := h.contents()
	for _, raw := range want {
		if !got[string(raw)] {
			h.t.Errorf("not served: %.60q", raw)
		}
		delete(got, string(raw))
	}
	for raw := range got {
		h.t.Errorf("served: %.60q", raw)
	}
}

func (h *harness) contents() map[string]bool {
	e, got := h.Endorsements(), map[string]bool{}
	for _, cert := range e.Certificates() {
		got[string(cert.Raw)] = true
	}
	for _, list := range e.RevocationLists() {
		got[string(list.Raw)] = true
	}
	for _, d := range e.AllDocuments() {
		got[string(d.Raw)] = true
	}
	return got
}

// run starts the refresh loop and returns what ends it.
func (h *harness) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// refused fetches and checks the code of the refusal.
func (h *harness) refused(code evidence.Code, names ...tee.EndorsementName) (retryAfter time.Duration) {
	h.t.Helper()
	retryAfter, err := h.fetch(names...)
	if evidence.CodeOf(err) != code {
		h.t.Errorf("want %v, got %v", code, err)
	}
	return retryAfter
}

// fetched fetches and wants it to succeed.
func (h *harness) fetched(names ...tee.EndorsementName) {
	h.t.Helper()
	if again, err := h.fetch(names...); err != nil || again != 0 {
		h.t.Fatalf("%v (again after %v)", err, again)
	}
}

// fetch fetches with a deadline of 10 seconds.
func (h *harness) fetch(names ...tee.EndorsementName) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return h.Fetch(ctx, names)
}

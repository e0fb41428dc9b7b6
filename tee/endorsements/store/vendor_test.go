package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

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
}

// newService hands out an issuer, a list and a document, all fresh at epoch.
func newService(w *world) *service {
	s := &service{world: w, answers: map[string]func(*http.Request) *http.Response{}}
	s.offer(issuerA, pemOf(w.issuer("A", epoch.AddDate(-1, 0, 0)), w.root))
	s.offer(crl, w.list(5, epoch.Add(-day), epoch.AddDate(1, 0, 0)).Raw)
	return s
}

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
}

// open opens a store over a service. Its jitter is none.
func open(t *testing.T, s *service, change ...func(*store.Config)) *harness {
	t.Helper()
	h := &harness{service: s, t: t}
	c := store.Config{
		Vendors:   []store.Vendor{{Name: "test-kds", BaseURL: "https://kds.example/mirror", Endorser: endorser{root: s.root}, ChainHeaders: []string{"Issuer-Chain"}}},
		Transport: s,
		Random:    func() float64 { return 0.5 },
		Notify: func(e store.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
	}
	c.Vendors[0].BaseURL = "https://kds.example"
	for _, f := range change {
		f(&c)
	}
	opened, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	h.Store = opened
	return h
}

// fetch fetches with a deadline of 10 seconds.
func (h *harness) fetch(names ...tee.EndorsementName) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return h.Fetch(ctx, names)
}

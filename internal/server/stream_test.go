package server_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// Streams last for ever, and keep nobody out: the one that lasts longest gives way to another.
func TestAttack_D01_StreamsKeepNobodyOut(t *testing.T) {
	a := start(t, servertest.Options{})
	release := make(chan struct{})
	wait := a.flood(t, func(client *http.Client) {
		req := a.request(http.MethodGet, "/v1/revocations", nil)
		req.Header.Set("Accept", "text/event-stream")
		if resp, err := client.Do(req); err == nil {
			defer resp.Body.Close()
			<-release // and nobody reads
		}
	})
	follows := func() {
		t.Helper()
		for range 20 {
			if got := a.get("/v1/revocations"); got.status != http.StatusOK {
				t.Fatalf("status %d", got.status)
			}
		}
	}
	follows()
	if err := a.Server.Revocations.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	follows()
	a.honest(t)
	close(release)
	wait()
}

// Who follows revocations takes no place of those who attest, and keeps their own.
func TestAttack_D01_StreamsTakeNoPlaceOfAttestations(t *testing.T) {
	a := start(t, servertest.Options{})
	var streams []func() (string, server.FeedResponse)
	for range 256 { // as many as there is room for
		_, next := a.follow()
		next()
		streams = append(streams, next)
	}
	a.honest(t)
	if err := a.Server.Revocations.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, next := range streams {
		next() // is fatal where the stream has ended
	}
}

// HEAD says what a stream would be, and ends.
func TestHeadOfAStream(t *testing.T) {
	a := start(t, servertest.Options{})
	req := a.request(http.MethodHead, "/v1/revocations", nil)
	req.Header.Set("Accept", "application/json;q=0.1, Text/Event-Stream")
	if got := a.do(req); got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d, %v", got.status, got.header)
	}
}

// taker is a client's side of a response, which may stop taking it.
type taker struct {
	*httptest.ResponseRecorder
	stalls    bool
	deadlines []bool // for writing: whether there is one
	taken     chan struct{}
}

func (c *taker) SetReadDeadline(time.Time) error { return nil }

func (c *taker) SetWriteDeadline(at time.Time) error {
	c.deadlines = append(c.deadlines, !at.IsZero())
	return nil
}

func (c *taker) Write(b []byte) (int, error) {
	if !c.deadlines[len(c.deadlines)-1] {
		panic("a write without a deadline")
	}
	if c.stalls {
		return 0, os.ErrDeadlineExceeded
	}
	return c.ResponseRecorder.Write(b)
}

func (c *taker) FlushError() error {
	if c.Body.Len() > 0 {
		close(c.taken)
	}
	return nil
}

// Who does not take an event in time is dropped; who does is waited for without end, until
// the service stops.
func TestStreamEnds(t *testing.T) {
	a := start(t, servertest.Options{})
	open := func(c *taker) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/revocations", nil)
		req.Header.Set("Accept", "text/event-stream")
		a.Server.Handler().ServeHTTP(c, req)
	}
	open(&taker{ResponseRecorder: httptest.NewRecorder(), stalls: true})
	c := &taker{ResponseRecorder: httptest.NewRecorder(), taken: make(chan struct{})}
	ended := make(chan struct{})
	go func() { defer close(ended); open(c) }()
	<-c.taken
	if err := a.Server.HTTP(&tls.Config{}).Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
	if want := []bool{false, true, false, true, false, true}; !slices.Equal(c.deadlines, want) {
		t.Errorf("deadlines %v, want %v", c.deadlines, want)
	}
}

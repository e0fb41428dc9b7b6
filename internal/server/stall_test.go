package server_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server/servertest"
)

// stalled is a client that keeps requests open over one HTTP/2 connection.
func (a *api) stalled(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: a.TLS(), ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// flood starts far more requests than the service handles at once, over few
// connections. What it returns waits for their end.
func (a *api) flood(t *testing.T, request func(*http.Client)) (wait func()) {
	t.Helper()
	var all sync.WaitGroup
	for range 8 {
		client := a.stalled(t)
		resp, err := client.Get(a.URL + "/healthz") // makes the connection
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for range 90 {
			all.Go(func() { request(client) })
		}
	}
	time.Sleep(time.Second)
	return all.Wait
}

// honest expects answers, at once, for everybody who sends and takes them.
func (a *api) honest(t *testing.T) {
	t.Helper()
	for range 20 {
		a.challenge(evidence.PurposeCertificate)
	}
}

func TestAttack_D01_StalledBodiesKeepNobodyOut(t *testing.T) {
	a := start(t, servertest.Options{})
	release := make(chan struct{})
	wait := a.flood(t, func(client *http.Client) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/v1/attestations", stall(release))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	a.honest(t)
	close(release)
	wait()
}

// stall is a body that does not arrive.
type stall chan struct{}

func (s stall) Read([]byte) (int, error) { <-s; return 0, io.EOF }

func TestAttack_D01_ResponsesNobodyTakesKeepNobodyOut(t *testing.T) {
	a := start(t, servertest.Options{})
	release := make(chan struct{})
	wait := a.flood(t, func(client *http.Client) {
		resp, err := client.Get(a.URL + "/openapi.json")
		if err != nil {
			return
		}
		defer resp.Body.Close()
		<-release
	})
	a.honest(t)
	close(release)
	wait()
}

// TestHead answers as GET does, without the body: load balancers ask so.
func TestHead(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, path := range []string{"/healthz", "/v1/bundle", "/openapi.json"} {
		get, head := a.do(a.request(http.MethodGet, path, nil)), a.do(a.request(http.MethodHead, path, nil))
		if head.status != get.status || len(head.body) != 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: HEAD gives %d %q with %d bytes, GET %d", path, head.status, head.header.Get("Content-Type"), len(head.body), get.status)
		}
	}
}

func TestMethodsThatAPathTakes(t *testing.T) {
	a := start(t, servertest.Options{})
	for path, allowed := range map[string]string{"/v1/challenges": "POST", "/v1/bundle": "GET, HEAD", "/healthz": "GET, HEAD"} {
		answer := a.do(a.request(http.MethodPut, path, nil))
		answer.refused(http.StatusMethodNotAllowed, evidence.CodeMethodNotAllowed)
		if got := strings.Join(answer.header.Values("Allow"), ", "); got != allowed {
			t.Errorf("%s: Allow %q", path, got)
		}
	}
}

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

func TestAttack_D05_PanicInATechnology(t *testing.T) {
	a := start(t, servertest.Options{Judge: func(evidence.Item) tee.Outcome { panic("index out of range") }})
	body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
	a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
	a.post("/v1/attestations", body).refused(http.StatusConflict, evidence.CodeChallengeSpent)
	a.ledger(2, 0)
}

// panicking is a part that panics.
type panicking struct{}

func (panicking) Appraise(verifier.Request) (verifier.Result, error) { panic("a secret in a panic") }

func (panicking) Reappraise(verifier.Result) (verifier.Result, error) { panic("a secret in a panic") }

func (panicking) Spend(string) {}

func (panicking) ExamineAt(evidence.Bundle, []byte, time.Time) verifier.Examination {
	panic("a secret in a panic")
}

func TestAttack_D05_PanicInAHandler(t *testing.T) {
	var log lockedBuffer
	a := start(t, servertest.Options{Log: &log, Config: func(c *server.Config) { c.Appraiser = panicking{} }})
	for range 3 { // each request is answered; the slots of the gate come back
		answer := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
		answer.refused(http.StatusInternalServerError, evidence.CodeInternal)
		if strings.Contains(string(answer.body), "secret") {
			t.Errorf("the client sees the panic: %s", answer.body)
		}
	}
	if !strings.Contains(log.String(), "a secret in a panic") || !strings.Contains(log.String(), "robust_test.go") {
		t.Error("the log does not have the cause with its stack")
	}
	if !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Error("a fault of the service is not logged as one")
	}
	a.ledger(3, 0)
}

// brokenLedger fails or hangs as told.
type brokenLedger struct {
	server.Ledger
	fail atomic.Pointer[error]
}

func (l *brokenLedger) Record(ctx context.Context, e store.Entry) error {
	if err := l.fail.Load(); err != nil {
		return *err
	}
	return l.Ledger.Record(ctx, e)
}

func (l *brokenLedger) Writable(ctx context.Context) error {
	if err := l.fail.Load(); err != nil {
		return *err
	}
	return l.Ledger.Writable(ctx)
}

func TestAttack_Y18_NothingLeavesUnrecorded(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		code   evidence.Code
	}{
		"ledger down": {evidence.Errorf(evidence.CodeLedgerUnavailable, "", "disk /var/secret full"), http.StatusServiceUnavailable, evidence.CodeLedgerUnavailable},
		"queue full":  {evidence.Errorf(evidence.CodeOverloaded, "", "too many"), http.StatusServiceUnavailable, evidence.CodeOverloaded},
		"odd error":   {errors.New("no such table /var/secret"), http.StatusInternalServerError, evidence.CodeInternal},
		"timed out":   {context.DeadlineExceeded, http.StatusInternalServerError, evidence.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			var broken *brokenLedger
			a := start(t, servertest.Options{Ledger: func(l server.Ledger) server.Ledger {
				broken = &brokenLedger{Ledger: l}
				return broken
			}})
			m := newMachine(t)
			body := m.body(t, a.challenge(evidence.PurposeCertificate))
			body["token"] = []string{"jwt", "cwt"}
			tokenBody := m.body(t, a.challenge(evidence.PurposeToken))
			bundle, _ := m.kinds.Attest(t.Context(), evidence.Binding{})
			background := map[string]any{"evidence": bundle, "report_data": strings.Repeat("00", 64)}
			refusal := m.body(t, a.challenge(evidence.PurposeToken))
			refusal["evidence"] = bundle
			broken.fail.Store(&tc.err)
			for path, body := range map[string]any{"/v1/attestations": body, "/v1/appraisals": background} {
				answer := a.post(path, body)
				answer.refused(tc.status, tc.code)
				for _, leaked := range []string{"BEGIN", "eyJ", "svid", "spiffe://", "/var/secret"} {
					if strings.Contains(string(answer.body), leaked) {
						t.Errorf("%s leaks %q: %s", path, leaked, answer.body)
					}
				}
			}
			a.post("/v1/attestations", tokenBody).refused(tc.status, tc.code)
			a.post("/v1/attestations", refusal).refused(tc.status, tc.code) // not even the refusal
			a.ledger(0, 0)
			broken.fail.Store(nil)
			var got server.AttestationResponse
			a.post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
			a.ledger(1, 1)
		})
	}
}

func TestAttack_H08_DiskFull(t *testing.T) {
	a := start(t, servertest.Options{})
	a.Store.Close() // what a full disk looks like from above: every entry fails
	a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).
		refused(http.StatusServiceUnavailable, evidence.CodeLedgerUnavailable)
	a.get("/readyz").refused(http.StatusServiceUnavailable, evidence.CodeNotReady)
	if a.get("/healthz").status != http.StatusOK {
		t.Error("the process is alive all the same")
	}
}

// brokenAuthority does not issue.
type brokenAuthority struct{ server.Authority }

func (brokenAuthority) Issue(verifier.Result) (*ca.SVID, error) {
	return nil, evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate does not conform to its secret profile")
}

func TestAuthorityThatFailsIsOurFault(t *testing.T) {
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Authority = brokenAuthority{c.Authority} }})
	answer := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
	answer.refused(http.StatusInternalServerError, evidence.CodeInternal)
	if strings.Contains(string(answer.body), "secret") {
		t.Errorf("the client sees the cause: %s", answer.body)
	}
	a.ledger(1, 0)
}

func TestAttack_H12_ReadinessNamesTheMissingPart(t *testing.T) {
	for part, o := range map[string]servertest.Options{
		"policy":    {NoPolicy: true},
		"authority": {Config: func(c *server.Config) { c.CanIssue = func() error { return errors.New("no") } }},
		"ledger": {Ledger: func(l server.Ledger) server.Ledger {
			b := &brokenLedger{Ledger: l}
			err := errors.New("no")
			b.fail.Store(&err)
			return b
		}},
	} {
		t.Run(part, func(t *testing.T) {
			a := start(t, o)
			p := a.get("/readyz").refused(http.StatusServiceUnavailable, evidence.CodeNotReady)
			if p.Field != part || len(p.Parts) != 3 {
				t.Errorf("problem %+v", p)
			}
			for _, got := range p.Parts {
				if got.Ready == (got.Name == part) {
					t.Errorf("part %+v", got)
				}
			}
		})
	}
	a := start(t, servertest.Options{})
	var ready server.HealthResponse
	a.get("/readyz").into(&ready)
	if ready.Status != "ready" || len(ready.Parts) != 3 {
		t.Errorf("got %+v", ready)
	}
}

// Readiness costs an fsync; asking often must not.
func TestReadinessIsRemembered(t *testing.T) {
	var beats atomic.Int64
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.CanIssue = func() error { beats.Add(1); return nil } }})
	for range 50 {
		a.get("/readyz")
	}
	if beats.Load() > 5 {
		t.Errorf("tried %d times", beats.Load())
	}
}

func TestAttack_D06_OverloadIsShed(t *testing.T) {
	release := make(chan struct{})
	var running, most atomic.Int64
	a := start(t, servertest.Options{
		Config: func(c *server.Config) { c.Concurrency = 2 },
		Judge: func(item evidence.Item) tee.Outcome {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-release
			running.Add(-1)
			return teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		},
	})
	const callers = 120 // two run, 64 wait, the rest is told to come back
	bodies := make([][]byte, callers)
	for i := range bodies {
		bodies[i], _ = json.Marshal(newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
	}
	answers := make(chan answer, callers)
	for _, body := range bodies {
		go func() { answers <- a.post("/v1/attestations", string(body)) }()
	}
	for range callers - 2 - 64 {
		answer := <-answers
		answer.refused(http.StatusServiceUnavailable, evidence.CodeOverloaded)
		if answer.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", answer.header.Get("Retry-After"))
		}
	}
	if a.get("/healthz").status != http.StatusOK {
		t.Error("health is not answered under load")
	}
	close(release)
	for range 2 + 64 {
		if answer := <-answers; answer.status != http.StatusOK && answer.status != http.StatusServiceUnavailable {
			t.Errorf("status %d: %s", answer.status, answer.body)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d appraisals at once", most.Load())
	}
}

// slow sends what it is given and then nothing.
func (a *api) slow(t *testing.T, head string) (status string, took time.Duration) {
	t.Helper()
	begin := time.Now()
	conn, err := tls.Dial("tcp", a.Address, a.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), time.Since(begin)
}

func TestAttack_D01_SlowWriters(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for timeouts")
	}
	a := start(t, servertest.Options{})
	head := "POST /v1/challenges HTTP/1.1\r\nHost: " + a.Address + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
	t.Run("headers", func(t *testing.T) {
		t.Parallel()
		if _, took := a.slow(t, head); took > time.Minute {
			t.Errorf("the connection was open for %v", took)
		}
	})
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		status, took := a.slow(t, head+"\r\n{")
		if !strings.Contains(status, "408") || took > time.Minute {
			t.Errorf("%q after %v", status, took)
		}
	})
}

func TestAttack_D20_Bounds(t *testing.T) {
	a := start(t, servertest.Options{})
	s := a.Server.HTTP(&tls.Config{MinVersion: tls.VersionTLS13})
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes > 64<<10 || s.HTTP2.MaxConcurrentStreams > 100 {
		t.Errorf("a bound is missing: %+v", s)
	}
	for _, proto := range []string{"h2", "http/1.1"} {
		config := a.TLS()
		config.NextProtos = []string{proto}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: proto == "h2"}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		req := a.request(http.MethodGet, "/healthz", nil)
		for i := range 100 {
			req.Header.Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat("x", 1000))
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: status %d", proto, resp.StatusCode)
			}
		}
	}
	config := a.TLS()
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if conn, err := tls.Dial("tcp", a.Address, config); err == nil {
		conn.Close()
		t.Error("TLS 1.2 was accepted")
	}
}

// routeTable lists what the router really has.
func routeTable(t *testing.T, s *server.Server) map[string][]string {
	t.Helper()
	table := map[string][]string{}
	err := chi.Walk(server.Routes(s), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		table[route] = append(table[route], method)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Every route with every method, and with nothing that proves anything: nothing
// is issued, and nothing of the administrator's is shown.
func TestAttack_A12_NoOtherWayToACertificate(t *testing.T) {
	a := start(t, servertest.Options{})
	issuing := []string{"/v1/attestations", "/v1/appraisals"}
	table := routeTable(t, a.Server)
	for route, methods := range table {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			answer := a.do(a.request(method, strings.Replace(route, "{authority}", "00", 1), []byte(`{}`)))
			known := slices.Contains(methods, method) || method == http.MethodHead && slices.Contains(methods, http.MethodGet)
			switch {
			case !known && answer.status != http.StatusMethodNotAllowed:
				t.Errorf("%s %s: status %d, want 405", method, route, answer.status)
			case known && slices.Contains(issuing, route) && answer.status != http.StatusBadRequest && answer.status != http.StatusUnsupportedMediaType:
				t.Errorf("%s %s: status %d", method, route, answer.status)
			case known && strings.HasPrefix(route, "/v1/admin") && answer.status != http.StatusUnauthorized:
				t.Errorf("%s %s: status %d, want 401", method, route, answer.status)
			}
			if bytes.Contains(answer.body, []byte("BEGIN CERTIFICATE-----\\n")) && !strings.HasPrefix(route, "/openapi") {
				t.Errorf("%s %s brought a certificate", method, route)
			}
		}
	}
	if len(table) != 46 {
		t.Errorf("%d routes: a new one needs a look here: %v", len(table), table)
	}
	_, issuances, err := a.Store.Verify(t.Context())
	if err != nil || issuances != 0 {
		t.Errorf("%d issuances, %v", issuances, err)
	}
}

func TestAttack_D15_PathsHaveOneSpelling(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, target := range []string{
		"//v1/admin/status", "/v1//admin/status", "/v1/admin/status/", "/v1/./admin/status", "/v1/x/../admin/status", "/v1/admin%2fstatus",
		"/v1/admin/statu%73", "/V1/admin/status", "/v1/admin/status;x", "/v1/admin/status%00", "/v1/admin\\status", "/%761/bundle", "/v1/bundle/",
		"//v1/bundle", "/v1/../v1/bundle", "/v1/bundle%20", "/healthz/", "/metrics/.", "/", "/v1", "/v1/", "/.well-known/", "/v1/admin",
		"*",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			conn, err := tls.Dial("tcp", a.Address, a.TLS())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, target)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s %s: %v", method, target, err)
			}
			resp.Body.Close()
			conn.Close()
			if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %s: status %d", method, target, resp.StatusCode)
			}
			if resp.Header.Get("Location") != "" {
				t.Errorf("%s %s: redirected", method, target)
			}
		}
	}
}

func TestAttack_D16_ForwardedAddressesAreNotBelieved(t *testing.T) {
	var log lockedBuffer
	a := start(t, servertest.Options{Log: &log})
	req := a.request(http.MethodPost, "/v1/attestations", []byte(`{}`))
	for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "Forwarded", "CF-Connecting-IP"} {
		req.Header.Set(header, "203.0.113.7")
	}
	req.Host = "203.0.113.7"
	a.do(req)
	if strings.Contains(log.String(), "203.0.113.7") {
		t.Errorf("the log believes a header: %s", log.String())
	}
	if !strings.Contains(log.String(), `"peer":"127.0.0.1"`) {
		t.Errorf("no peer in %s", log.String())
	}
}

func TestAttack_D17_ClientsCannotAddSeries(t *testing.T) {
	a := start(t, servertest.Options{})
	count := func() int { return strings.Count(string(a.get("/metrics").body), "\n") }
	for range 3 {
		a.do(a.request("GET", "/x", nil))
		a.do(a.request("BREW", "/x", nil))
		a.post("/v1/attestations", `{"x":1}`)
		a.get("/metrics")
	}
	before := count()
	for i := range 300 {
		a.do(a.request(fmt.Sprintf("M%d", i), fmt.Sprintf("/path-%d", i), nil))
		a.post("/v1/attestations", fmt.Sprintf(`{"x%d":1}`, i))
	}
	if after := count(); after > before+5 {
		t.Errorf("%d series before, %d after", before, after)
	}
}

func TestAttack_D18_LogLines(t *testing.T) {
	var log lockedBuffer
	a := start(t, servertest.Options{Log: &log})
	m := newMachine(t)
	body := m.body(t, a.challenge(evidence.PurposeCertificate))
	body["token"] = []string{"jwt"}
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)
	req := a.request(http.MethodGet, "/a", nil)
	req.URL.Path = "/\n{\"level\":\"INFO\"}\x1b[31m" + strings.Repeat("x", 1000)
	req.Header.Set("Authorization", "Bearer "+servertest.AdminCredential)
	a.do(req)
	status := a.request(http.MethodGet, "/v1/admin/status", nil)
	status.Header.Set("Authorization", "Bearer "+servertest.AdminCredential)
	a.do(status)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 {
		t.Errorf("%d lines for 4 requests:\n%s", len(lines), log.String())
	}
	encoded, _ := json.Marshal(body["evidence"])
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || len(line) > 2000 {
			t.Errorf("%v in a line of %d bytes", err, len(line))
		}
	}
	for name, secret := range map[string]string{
		"the credential": servertest.AdminCredential, "the evidence": string(encoded[40:80]), "the token": got.EAR.JWT[:20],
		"the challenge": body["challenge"].(string)[:20], "a certificate": "BEGIN CERT", "an escape": "\x1b",
	} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %s", name)
		}
	}
}

func TestAttack_D24_ManyMachinesAtOnce(t *testing.T) {
	a := start(t, servertest.Options{})
	var all sync.WaitGroup
	const machines = 32
	for i := range machines {
		kind := []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX}[i%2]
		all.Go(func() {
			m := newMachine(t, kind)
			for {
				answer := a.post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeCertificate)))
				if answer.status == http.StatusServiceUnavailable {
					continue
				}
				var got server.AttestationResponse
				answer.into(&got)
				if string(a.verifiedLeaf(got).RawSubjectPublicKeyInfo) != string(spki(t, &m.key.PublicKey)) {
					t.Error("a certificate for another machine's key")
				}
				return
			}
		})
	}
	all.Wait()
	a.ledger(machines, machines)
}

func TestAttack_D25_ClientsThatLeave(t *testing.T) {
	a := start(t, servertest.Options{})
	a.get("/healthz")
	before := runtime.NumGoroutine()
	body, _ := json.Marshal(newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
	for i := range 200 {
		conn, err := tls.Dial("tcp", a.Address, a.TLS())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/attestations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:i*len(body)/200])
		if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before+5 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func TestAttack_D26_NothingIsCompressed(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, path := range []string{"/healthz", "/metrics", "/v1/bundle", "/openapi.json"} {
		req := a.request(http.MethodGet, path, nil)
		req.Header.Set("Accept-Encoding", "gzip, br, zstd")
		answer := a.do(req)
		if answer.header.Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed", path)
		}
		if answer.header.Get("X-Content-Type-Options") != "nosniff" || answer.header.Get("Content-Security-Policy") == "" || answer.header.Get("Cache-Control") == "" {
			t.Errorf("%s: headers %v", path, answer.header)
		}
	}
}

func TestAttack_A20_AdministratorsCredential(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic " + servertest.AdminCredential, "bearer " + servertest.AdminCredential,
		"Bearer " + servertest.AdminCredential + "x", servertest.AdminCredential, "Bearer x"} {
		req := a.request(http.MethodGet, "/v1/admin/status", nil)
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		answer := a.do(req)
		answer.refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
		if answer.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	req := a.request(http.MethodGet, "/v1/admin/status", nil)
	req.Header.Set("Authorization", "Bearer "+servertest.AdminCredential)
	var got server.StatusResponse
	a.do(req).into(&got)
	if got.Ledger.Events != 8 || len(got.Ledger.Hash) != 32 || len(got.Workloads) != 1 || got.TrustDomain != servertest.TrustDomain {
		t.Errorf("got %+v", got)
	}
}

// Refusals cost a sender nothing, so what the ledger keeps of them is bounded,
// and what is left out is counted.
func TestRefusalsInTheLedgerAreBounded(t *testing.T) {
	a := start(t, servertest.Options{})
	const requests = 3000
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range requests / 4 {
				a.post("/v1/attestations", `{}`)
			}
		})
	}
	all.Wait()
	head, _, err := a.Store.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if head.Seq < 1000 || head.Seq > 2000 {
		t.Errorf("%d events for %d refusals", head.Seq, requests)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

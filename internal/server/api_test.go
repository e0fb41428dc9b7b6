package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee/teetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a running service and a client of it.
type api struct {
	*servertest.Service
	t      testing.TB
	client *http.Client
}

func start(t testing.TB, o servertest.Options) *api {
	t.Helper()
	s := servertest.New(t, o)
	return &api{s, t, s.Client(t)}
}

// answer is a response.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// into decodes a successful response strictly.
func (a answer) into(v any) {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
}

// problem checks that the response is a problem document and returns it.
func (a answer) problem() server.Problem {
	a.t.Helper()
	var p server.Problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("status %d, Content-Type %q: %s", a.status, got, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatal(err)
	}
	if p.Status != a.status || p.Type != server.ProblemType+p.Code || p.Title == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("problem does not fit its response: %+v", p)
	}
	return p
}

// refused checks status and code.
func (a answer) refused(status int, code evidence.Code) server.Problem {
	a.t.Helper()
	p := a.problem()
	if a.status != status || p.Code != code.String() {
		a.t.Errorf("%d %s (%s: %s), want %d %s", a.status, p.Code, p.Field, p.Detail, status, code)
	}
	return p
}

// do sends a request as it is.
func (a *api) do(req *http.Request) answer {
	a.t.Helper()
	resp, err := a.client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer{a.t, resp.StatusCode, resp.Header, body}
}

func (a *api) request(method, path string, body []byte) *http.Request {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.URL+path, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (a *api) get(path string) answer { return a.do(a.request(http.MethodGet, path, nil)) }

// post sends a value as JSON, or a string as it is.
func (a *api) post(path string, v any) answer {
	a.t.Helper()
	body, ok := v.(string)
	if !ok {
		encoded, err := json.Marshal(v)
		if err != nil {
			a.t.Fatal(err)
		}
		body = string(encoded)
	}
	return a.do(a.request(http.MethodPost, path, []byte(body)))
}

func (a *api) challenge(purpose evidence.Purpose) server.ChallengeResponse {
	a.t.Helper()
	var c server.ChallengeResponse
	a.post("/v1/challenges", map[string]any{"purpose": purpose}).into(&c)
	return c
}

// machine is a workload on a machine of package teetest.
type machine struct {
	key   *ecdsa.PrivateKey
	kinds teetest.Attester
}

func newMachine(t testing.TB, kinds ...evidence.Kind) machine {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) == 0 {
		kinds = []evidence.Kind{evidence.KindSEVSNP}
	}
	return machine{key, kinds}
}

func spki(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// csr returns a certificate request, as template has it.
func csr(t testing.TB, key crypto.Signer, template x509.CertificateRequest) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// evidenceFor returns evidence for a challenge, as JSON.
func (m machine) evidenceFor(t testing.TB, c server.ChallengeResponse) evidence.Bundle {
	t.Helper()
	nonce, err := base64.RawURLEncoding.DecodeString(c.Nonce)
	if err != nil {
		t.Fatal(err)
	}
	binding := evidence.NewBinding(c.Purpose, [evidence.NonceSize]byte(nonce), spki(t, &m.key.PublicKey), c.Audience, m.kinds)
	bundle, err := m.kinds.Attest(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// body is a complete and correct request of the machine.
func (m machine) body(t testing.TB, c server.ChallengeResponse) map[string]any {
	t.Helper()
	return map[string]any{
		"challenge": c.Challenge, "evidence": m.evidenceFor(t, c), "csr": csr(t, m.key, x509.CertificateRequest{}),
	}
}

// ledger checks that the ledger's chain holds, and what is in it.
func (a *api) ledger(events, issuances int64) {
	a.t.Helper()
	head, got, err := a.Store.Verify(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	if head.Seq != events || got != issuances {
		a.t.Errorf("%d events and %d issuances, want %d and %d", head.Seq, got, events, issuances)
	}
}

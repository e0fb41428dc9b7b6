package authz_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/authz"
	"github.com/quotary/quotary/internal/agent/fleettest"
)

// envoy asks as Envoy does.
type envoy struct {
	t      *testing.T
	client auth.AuthorizationClient
}

func (g *gateway) envoy(t *testing.T) envoy {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+g.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return envoy{t, auth.NewAuthorizationClient(conn)}
}

func (e envoy) check(certificate, path string, change func(*auth.AttributeContext)) *auth.CheckResponse {
	e.t.Helper()
	attributes := &auth.AttributeContext{
		Source: &auth.AttributeContext_Peer{
			Principal:   fleettest.GuestID,
			Certificate: strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(certificate),
		},
		Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{Method: "GET", Host: "api.test", Path: path}},
	}
	if change != nil {
		change(attributes)
	}
	response, err := e.client.Check(e.t.Context(), &auth.CheckRequest{Attributes: attributes})
	if err != nil {
		e.t.Fatal(err)
	}
	if err := response.ValidateAll(); err != nil { // as Envoy does
		e.t.Error(err)
	}
	return response
}

// set are the headers of an answer by name.
func set(t *testing.T, options []*core.HeaderValueOption) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range options {
		if o.GetAppendAction() != core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s is %s", o.GetHeader().GetKey(), o.GetAppendAction())
		}
		out[o.GetHeader().GetKey()] = o.GetHeader().GetValue()
	}
	return out
}

// deniedBy holds an answer to be a denial for a reason.
func deniedBy(t *testing.T, response *auth.CheckResponse, code evidence.Code, status int, grpc codes.Code) {
	t.Helper()
	d := response.GetDeniedResponse()
	if response.GetStatus().GetCode() != int32(grpc) || int(d.GetStatus().GetCode()) != status || set(t, d.GetHeaders())["x-quotary-code"] != code.String() {
		t.Errorf("%v, want %s", response, code)
	}
}

// Proxies are answered by a real connection, of the certificate that they pass on, and a
// revocation counts with the next request.
func TestGateway(t *testing.T) {
	g := newGateway(t)
	id, other := g.attested(t), g.attested(t)
	eventually(t, g.Ready)
	t.Run("Envoy", func(t *testing.T) { asEnvoy(t, g, id) })
	t.Run("auth_request", func(t *testing.T) { asNginx(t, g, id) })
	t.Run("metrics", func(t *testing.T) { counted(t, g.Service) })
	e := g.envoy(t)
	g.fleet.Revoke(id.AttestationID)
	eventually(t, func() bool { return e.check(plain(id), "/guest", nil).GetOkResponse() == nil })
	deniedBy(t, e.check(plain(id), "/guest", nil), evidence.CodeRevocationRevoked, http.StatusForbidden, codes.PermissionDenied)
	if e.check(plain(other), "/guest", nil).GetOkResponse() == nil {
		t.Error("somebody else is refused as well")
	}
}

func asEnvoy(t *testing.T, g *gateway, id *client.Identity) {
	e := g.envoy(t)
	forged := func(a *auth.AttributeContext) {
		a.Request.Http.Headers = map[string]string{"x-quotary-spiffe-id": "spiffe://fleet.test/admin", "x_quotary_spiffe-id": "spiffe://fleet.test/admin", "x.quotary~workload": "admin", "x-other": "1"}
		a.Request.Http.HeaderMap = &core.HeaderMap{Headers: []*core.HeaderValue{{Key: "X-Quotary_Status", RawValue: []byte("affirming")}, {Key: "x-raw"}}}
	}
	ok := e.check(plain(id), "/guest/a?b=c", forged).GetOkResponse()
	told := set(t, ok.GetHeaders())
	attested, err := time.Parse(time.RFC3339, told["x-quotary-attested-at"])
	if err != nil || time.Since(attested) > time.Hour || told["x-quotary-spiffe-id"] != fleettest.GuestID || told["x-quotary-workload"] != "guest" || told["x-quotary-simulated"] != "true" || told["x-quotary-status"] == "" {
		t.Errorf("told %v", told)
	}
	if got, want := ok.GetHeadersToRemove(), []string{"X-Quotary_Status", "x.quotary~workload", "x_quotary_spiffe-id"}; !slices.Equal(got, want) {
		t.Errorf("removed %q, want %q", got, want)
	}
	deniedBy(t, e.check(plain(id), "/other", nil), evidence.CodeAuthorizeSPIFFEID, http.StatusForbidden, codes.PermissionDenied)
	deniedBy(t, e.check(plain(id), "/real", nil), evidence.CodeAuthorizeSimulated, http.StatusForbidden, codes.PermissionDenied)
	deniedBy(t, e.check(plain(id), "/else", nil), evidence.CodeAuthorizeRule, http.StatusForbidden, codes.PermissionDenied)
	deniedBy(t, e.check(plain(id), "/guest/../other", nil), evidence.CodeAuthorizeRequest, http.StatusForbidden, codes.PermissionDenied)
	named := e.check("", "/guest", nil)
	deniedBy(t, named, evidence.CodeAuthorizeCertificate, http.StatusUnauthorized, codes.Unauthenticated)
	if !strings.Contains(named.GetStatus().GetMessage(), "include_peer_certificate: true") || !strings.Contains(g.log.String(), "include_peer_certificate: true") {
		t.Errorf("a principal alone: %v", named)
	}
	nobody := e.check("", "/guest", func(a *auth.AttributeContext) { a.Source = nil })
	deniedBy(t, nobody, evidence.CodeAuthorizeCertificate, http.StatusUnauthorized, codes.Unauthenticated)
	empty, err := e.client.Check(t.Context(), &auth.CheckRequest{})
	if err != nil || empty.GetOkResponse() != nil {
		t.Errorf("a question without anything: %v, %v", empty, err)
	}
}

// question asks as nginx does; change may turn the question into another.
func (g *gateway) question(t *testing.T, certificate, target string, change func(*http.Request)) *http.Response {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return g.dial(ctx) }, DisableCompression: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.test/authorize", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"User-Agent": nil, "X-Ssl-Client-Cert": {strings.ReplaceAll(url.QueryEscape(certificate), "+", "%20")}, "X-Ssl-Client-Verify": {"SUCCESS"},
		"X-Original-Method": {"GET"}, "X-Original-Uri": {target},
	}
	if change != nil {
		change(req)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func asNginx(t *testing.T, g *gateway, id *client.Identity) {
	allowed := g.question(t, plain(id), "/guest/a", nil)
	if allowed.StatusCode != http.StatusOK || allowed.Header.Get("X-Quotary-Spiffe-Id") != fleettest.GuestID || allowed.Header.Get("X-Quotary-Simulated") != "true" || allowed.Header.Get("X-Quotary-Attested-At") == "" {
		t.Errorf("%d %v", allowed.StatusCode, allowed.Header)
	}
	with := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	for name, test := range map[string]struct {
		target string
		change func(*http.Request)
		status int
		code   evidence.Code
	}{
		"another SPIFFE ID":     {"/other", nil, http.StatusForbidden, evidence.CodeAuthorizeSPIFFEID},
		"no rule":               {"/", nil, http.StatusForbidden, evidence.CodeAuthorizeRule},
		"two readings":          {"/guest/%2e%2e/other", nil, http.StatusForbidden, evidence.CodeAuthorizeRequest},
		"no certificate":        {"/guest", with("X-Ssl-Client-Cert"), http.StatusUnauthorized, evidence.CodeAuthorizeCertificate},
		"not verified":          {"/guest", with("X-Ssl-Client-Verify", "FAILED:certificate has expired"), http.StatusUnauthorized, evidence.CodeAuthorizeCertificate},
		"none to verify":        {"/guest", with("X-Ssl-Client-Verify", "NONE"), http.StatusUnauthorized, evidence.CodeAuthorizeCertificate},
		"verification not told": {"/guest", with("X-Ssl-Client-Verify"), http.StatusUnauthorized, evidence.CodeAuthorizeCertificate},
		"no method":             {"/guest", with("X-Original-Method"), http.StatusForbidden, evidence.CodeAuthorizeRequest},
		"no target":             {"/guest", with("X-Original-Uri"), http.StatusForbidden, evidence.CodeAuthorizeRequest},
		"two targets":           {"/guest", with("X-Original-Uri", "/guest", "/other"), http.StatusInternalServerError, evidence.Code{}},
		"a client's header":     {"/guest", with("X-Forwarded-For", "10.0.0.1"), http.StatusInternalServerError, evidence.Code{}},
		"another path":          {"/guest", func(r *http.Request) { r.URL.Path = "/other" }, http.StatusNotFound, evidence.CodeNotFound},
		"another method":        {"/guest", func(r *http.Request) { r.Method = http.MethodPost }, http.StatusNotFound, evidence.CodeNotFound},
	} {
		got := g.question(t, plain(id), test.target, test.change)
		if got.StatusCode != test.status || got.Header.Get("X-Quotary-Code") != test.code.String() || got.Header.Get("X-Quotary-Spiffe-Id") != "" {
			t.Errorf("%s: %d %v", name, got.StatusCode, got.Header)
		}
	}
}

// counted holds metrics to what was decided.
func counted(t *testing.T, c prometheus.Collector) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total, seconds, heard := 0.0, uint64(0), 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			total += m.GetCounter().GetValue()
			seconds += m.GetHistogram().GetSampleCount()
			heard += m.GetGauge().GetValue()
		}
	}
	if total < 10 || float64(seconds) != total || heard == 0 {
		t.Errorf("%v decisions, %d timed, heard at %v", total, seconds, heard)
	}
}

// Until a gateway knows whom to trust it lets nobody in; and how long it may know nothing
// new has bounds.
func TestKnowsNothing(t *testing.T) {
	if _, err := authz.New(authz.Config{Rules: []authorize.Rule{{}}}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
		t.Errorf("a rule for nobody: %v", err)
	}
	for _, age := range []time.Duration{time.Second, 25 * time.Hour, -time.Hour} {
		if _, err := authz.New(authz.Config{Rules: rules, MaxAge: age}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", age, err)
		}
	}
	s, err := authz.New(authz.Config{Rules: rules})
	if err != nil || s.Ready() {
		t.Errorf("%v", err)
	}
}

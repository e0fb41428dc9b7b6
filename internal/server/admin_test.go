package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// with returns a client of the same service that always sends a certificate.
func (a *api) with(certificate tls.Certificate) *api {
	return &api{a.Service, a.t, a.ClientWith(a.t, certificate)}
}

// as returns a client of the same service for an administrator.
func (a *api) as(name string, role admin.Role) *api {
	return a.with(a.Certificate(a.t, name, role))
}

// bearer sends a request with a bearer credential.
func (a *api) bearer(method, path, credential string, body []byte) answer {
	a.t.Helper()
	req := a.request(method, path, body)
	req.Header.Set("Authorization", "Bearer "+credential)
	return a.do(req)
}

// call calls a route of the administrators' interface, and holds answer and
// request to the description.
func (a *api) call(c contract, route string, in any) answer {
	a.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	path = "/v1/admin/" + path
	if method == http.MethodGet {
		got := a.get(path)
		c.holds(method, path, got)
		return got
	}
	got := a.post(path, in)
	c.holds(method, path, got)
	return got
}

// least is who may call a route, at least, with a body that says nothing.
var least = map[string]admin.Role{
	"GET whoami": admin.Viewer, "GET status": admin.Viewer, "GET policy": admin.Viewer, "GET policy/shadow": admin.Viewer,
	"POST policy/history": admin.Viewer, "POST policy/at": admin.Viewer, "POST policy/proposals": admin.Viewer,
	"POST policy/proposals/show": admin.Viewer, "POST policy/explain": admin.Viewer, "POST attestations": admin.Viewer,
	"POST attestations/show": admin.Viewer, "POST certificates": admin.Viewer, "POST audit": admin.Viewer, "POST audit/verify": admin.Viewer,
	"POST policy/plan": admin.Operator, "POST policy/shadow": admin.Operator, "POST policy/withdraw": admin.Operator,
	"POST policy/apply": admin.Operator, "POST policy/rollback": admin.Operator, // dry runs
	"POST policy/approve": admin.Owner,
	"POST keys":           admin.Viewer, "POST keys/show": admin.Viewer, "POST keys/revoke": admin.Viewer, "POST keys/release": admin.Viewer, // dry runs
	"POST reload": admin.Operator, "POST revocations": admin.Operator, "POST revocations/list": admin.Viewer,
}

// adminRoutes are those that the router really has.
func adminRoutes(t *testing.T, a *api) (routes []string) {
	for route, methods := range routeTable(t, a.Server) {
		if path, ok := strings.CutPrefix(route, "/v1/admin/"); ok {
			for _, method := range methods {
				routes = append(routes, method+" "+path)
			}
		}
	}
	slices.Sort(routes)
	return routes
}

// Every route with every role.
func TestAttack_Y13_RolesOfEveryRoute(t *testing.T) {
	a := start(t, servertest.Options{})
	routes := adminRoutes(t, a)
	if len(routes) != len(least) {
		t.Errorf("%d routes, %d are listed here", len(routes), len(least))
	}
	for _, role := range []admin.Role{admin.Viewer, admin.Operator, admin.Owner} {
		who := a.as("somebody", role)
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			answer := who.do(who.request(method, "/v1/admin/"+path, []byte(`{}`)))
			if needs := least[route]; needs == 0 || role < needs {
				answer.refused(http.StatusForbidden, evidence.CodeForbidden)
			} else if answer.status != http.StatusOK && answer.status != badRequest && answer.status != http.StatusNotFound {
				t.Errorf("%s as %s: status %d: %s", route, role, answer.status, answer.body)
			}
		}
	}
}

// What a route does beyond what it is called with at least needs more.
func TestAttack_Y13_RolesOfWhatIsAskedFor(t *testing.T) {
	a := start(t, servertest.Options{})
	digest := a.Policies.Set().Digest()
	documents := []server.Document{{Name: "web.yaml", Content: servertest.Policy}}
	bundle, _ := newMachine(t).kinds.Attest(t.Context(), evidence.Binding{})
	viewer, operator := a.as("vera", admin.Viewer), a.as("oscar", admin.Operator)
	for _, body := range []map[string]any{
		{"evidence": bundle}, {"attestation_id": "x", "documents": documents}, {"evidence": bundle, "documents": documents},
	} {
		viewer.post("/v1/admin/policy/explain", body).refused(http.StatusForbidden, evidence.CodeForbidden)
	}
	apply := map[string]any{"documents": documents, "base": digest, "dry_run": false}
	operator.post("/v1/admin/policy/apply", apply).refused(http.StatusForbidden, evidence.CodeForbidden)
	operator.post("/v1/admin/policy/rollback", map[string]any{"seq": 1, "base": digest, "dry_run": false}).refused(http.StatusForbidden, evidence.CodeForbidden)
	if a.Policies.Active().Applied != nil {
		t.Error("an operator applied a policy")
	}
	apply["dry_run"] = true
	var tried server.ChangeResponse
	operator.post("/v1/admin/policy/apply", apply).into(&tried)
}

// Every route with every method and credentials that are none. Nothing of the
// body is read, nothing is answered and nothing changes.
func TestAttack_Y11_NoRouteWithoutACredential(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.Certificate(t, "alice", admin.Owner)
	revoked := a.Certificate(t, "mallory", admin.Owner)
	a.Revoke(t, revoked)
	ways := map[string]func(method, path string) answer{
		"nothing":             func(m, p string) answer { return a.do(a.request(m, p, []byte(`{}`))) },
		"another credential":  func(m, p string) answer { return a.bearer(m, p, servertest.AdminCredential+"x", []byte(`{}`)) },
		"a token":             func(m, p string) answer { return a.bearer(m, p, "eyJhbGciOiJub25lIn0.e30.", []byte(`{}`)) },
		"revoked certificate": func(m, p string) answer { b := a.with(revoked); return b.do(b.request(m, p, []byte(`{}`))) },
		"two credentials":     func(m, p string) answer { return a.with(alice).bearer(m, p, servertest.AdminCredential, []byte(`{}`)) },
	}
	for _, route := range adminRoutes(t, a) {
		method, path, _ := strings.Cut(route, " ")
		for name, try := range ways {
			answer := try(method, "/v1/admin/"+path)
			p := answer.refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
			if answer.header.Get("WWW-Authenticate") == "" || len(p.Checks)+len(p.Problems)+len(p.Parts) > 0 {
				t.Errorf("%s with %s: %s", route, name, answer.body)
			}
		}
		for _, other := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if !slices.Contains(routeTable(t, a.Server)["/v1/admin/"+path], other) {
				b := a.with(alice)
				b.do(b.request(other, "/v1/admin/"+path, nil)).refused(http.StatusMethodNotAllowed, evidence.CodeMethodNotAllowed)
			}
		}
	}
	if a.Policies.Active().Applied != nil {
		t.Error("a policy was applied")
	}
}

// Certificates of other authorities are no administrators', the service's own for
// workloads among them.
func TestAttack_A20_CertificatesOfOthers(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	var got server.AttestationResponse
	a.post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
	workload, err := tls.X509KeyPair([]byte(got.SVID.Certificates), pemKey(t, m.key))
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, servertest.Options{}).Certificate(t, "alice", admin.Owner) // of a service of the same name
	for name, certificate := range map[string]tls.Certificate{"a workload's": workload, "another service's": other, "self-signed": selfSigned(t)} {
		for _, path := range []string{"/v1/admin/status", "/v1/admin/policy", "/v1/admin/whoami"} {
			b := a.with(certificate)
			if p := b.get(path).refused(http.StatusUnauthorized, evidence.CodeUnauthorized); !strings.Contains(p.Detail, "certificate") {
				t.Errorf("%s certificate at %s: %s", name, path, p.Detail)
			}
		}
	}
	a.as("alice", admin.Owner).get("/v1/admin/whoami").into(&server.WhoamiResponse{})
	// Whoever has a certificate is nobody in particular to the rest of the service.
	if status := a.as("alice", admin.Owner).get("/healthz").status; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// A revocation counts at once, on connections that are open.
func TestAttack_A20_RevokedOnAnOpenConnection(t *testing.T) {
	a := start(t, servertest.Options{})
	certificate := a.Certificate(t, "alice", admin.Owner)
	alice := a.with(certificate)
	alice.get("/v1/admin/whoami").into(&server.WhoamiResponse{})
	a.Revoke(t, certificate)
	alice.get("/v1/admin/whoami").refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
}

// The bootstrap credential is an owner, and no more than one where several must agree.
func TestAttack_A27_BootstrapIsNobodyInParticular(t *testing.T) {
	a := start(t, servertest.Options{Approvals: 2})
	var who server.WhoamiResponse
	a.bearer(http.MethodGet, "/v1/admin/whoami", servertest.AdminCredential, nil).into(&who)
	if who.Name != "bootstrap" || who.Role != "owner" || who.Method != admin.ByBootstrap || !who.ExpiresAt.IsZero() {
		t.Errorf("got %+v", who)
	}
	body := fmt.Sprintf(`{"documents":[],"base":%q,"dry_run":false}`, a.Policies.Set().Digest())
	var proposed server.ChangeResponse
	a.bearer(http.MethodPost, "/v1/admin/policy/apply", servertest.AdminCredential, []byte(body)).into(&proposed)
	if proposed.Applied || proposed.Proposal.Approvals != 0 {
		t.Errorf("got %+v", proposed)
	}
	a.bearer(http.MethodPost, "/v1/admin/policy/approve", servertest.AdminCredential, []byte(`{"proposal":1}`)).refused(http.StatusForbidden, evidence.CodeForbidden)
}

// unread is a body that notes whether anybody wants it.
type unread struct {
	endless
	mu    sync.Mutex
	asked bool
}

func (u *unread) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = true
	return u.endless.Read(p)
}

func TestAttack_D01_BodiesOfStrangersAreNotRead(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, route := range adminRoutes(t, a) {
		method, path, _ := strings.Cut(route, " ")
		body := &unread{}
		req := httptest.NewRequest(method, "/v1/admin/"+path, body)
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.Server.Handler().ServeHTTP(w, req)
		if w.Code != http.StatusUnauthorized || body.asked {
			t.Errorf("%s: status %d, read %v", route, w.Code, body.asked)
		}
	}
}

// Large bodies are for those who may send documents, and bounded for them too.
func TestAttack_D01_LargeBodiesOfAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	viewer, operator := a.as("vera", admin.Viewer), a.as("oscar", admin.Operator)
	large := bytes.Repeat([]byte(" "), 100<<10)
	for _, path := range []string{"audit", "policy/explain", "policy/at", "attestations"} {
		viewer.post("/v1/admin/"+path, string(large)).refused(http.StatusRequestEntityTooLarge, evidence.CodeRequestTooLarge)
	}
	for _, path := range []string{"policy/plan", "policy/apply", "policy/shadow", "policy/explain"} {
		req := operator.request(http.MethodPost, "/v1/admin/"+path, nil)
		req.Body, req.ContentLength = endless{}, -1
		operator.do(req).refused(http.StatusRequestEntityTooLarge, evidence.CodeRequestTooLarge)
	}
	content := strings.Repeat("#", 5<<20)
	documents := []server.Document{{Name: "a.yaml", Content: content}, {Name: "b.yaml", Content: content}}
	operator.post("/v1/admin/policy/plan", map[string]any{"documents": documents}).refused(http.StatusRequestEntityTooLarge, evidence.CodePolicyTooLarge)
}

// Pages of other sites can have a browser send an administrator's certificate.
func TestAttack_Y17_RequestsOfBrowsers(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.as("alice", admin.Owner)
	for _, route := range adminRoutes(t, a) {
		method, path, _ := strings.Cut(route, " ")
		for name, value := range map[string]string{"Origin": "https://evil.example", "Cookie": "a=b", "Sec-Fetch-Site": "same-origin"} {
			req := alice.request(method, "/v1/admin/"+path, []byte(`{}`))
			req.Header.Set(name, value)
			answer := alice.do(req)
			answer.refused(http.StatusForbidden, evidence.CodeForbidden)
			for header := range answer.header {
				if strings.HasPrefix(header, "Access-Control-") || header == "Set-Cookie" {
					t.Errorf("%s answers with %s", route, header)
				}
			}
		}
	}
	preflight := a.request(http.MethodOptions, "/v1/admin/policy/apply", nil)
	preflight.Header.Set("Origin", "https://evil.example")
	preflight.Header.Set("Access-Control-Request-Method", "POST")
	if answer := a.do(preflight); answer.status != http.StatusMethodNotAllowed || answer.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("status %d, headers %v", answer.status, answer.header)
	}
}

// What is not exactly a list of documents is refused before anything looks at it.
func TestAttack_D03_DocumentsAreStrict(t *testing.T) {
	a := start(t, servertest.Options{})
	oscar := a.as("oscar", admin.Operator)
	for name, list := range map[string]string{
		"no list":          `{"name":"a.yaml","content":""}`,
		"null":             `null`,
		"a null document":  `[null]`,
		"a text":           `["a.yaml"]`,
		"no content":       `[{"name":"a.yaml"}]`,
		"no name":          `[{"content":""}]`,
		"another member":   `[{"name":"a.yaml","content":"","x":""}]`,
		"a member twice":   `[{"name":"a.yaml","content":"","content":""}]`,
		"another spelling": `[{"Name":"a.yaml","content":""}]`,
		"both spellings":   `[{"name":"a.yaml","Name":"b.yaml"}]`,
		"a number":         `[{"name":"a.yaml","content":1}]`,
		"a name twice":     `[{"name":"a.yaml","content":""},{"name":"a.yaml","content":""}]`,
		"no extension":     `[{"name":"a","content":""}]`,
		"only extension":   `[{"name":".yaml","content":""}]`,
		"a path":           `[{"name":"../a.yaml","content":""}]`,
		"a root":           `[{"name":"/etc/a.yaml","content":""}]`,
		"a backslash":      `[{"name":"..\\a.yaml","content":""}]`,
		"a hidden file":    `[{"name":".a.yaml","content":""}]`,
		"an option":        `[{"name":"-a.yaml","content":""}]`,
		"a colon":          `[{"name":"a:1:2.yaml","content":""}]`,
		"a NUL":            `[{"name":"a\u0000.yaml","content":""}]`,
		"not ASCII":        `[{"name":"ä.yaml","content":""}]`,
		"a long name":      `[{"name":"` + strings.Repeat("a", 200) + `.yaml","content":""}]`,
		"a lone surrogate": `[{"name":"a.yaml","content":"\ud800"}]`,
		"many":             `[` + strings.Repeat(`{"name":"a.yaml","content":""},`, 2000) + `{"name":"a.yaml","content":""}]`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"policy/plan", "policy/shadow"} {
				p := oscar.post("/v1/admin/"+path, `{"documents":`+list+`}`).refused(badRequest, evidence.CodeRequestMalformed)
				if !strings.HasPrefix(p.Field, "documents") && name != "a lone surrogate" { // which no member may have
					t.Errorf("field %q", p.Field)
				}
			}
		})
	}
	for _, body := range []string{`{}`, `{"documents":[],"documents":[]}`, `{"documents":[],"x":1}`, `[]`, ``, `{"documents":[]}x`} {
		oscar.post("/v1/admin/policy/plan", body).refused(badRequest, evidence.CodeRequestMalformed)
	}
	if _, ok := a.Policies.Shadow(); ok {
		t.Error("there is a shadow")
	}
}

func TestAttack_D03_CallsAreStrict(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.as("alice", admin.Owner)
	for _, tc := range [][2]string{
		{"policy/at", `{"seq":0}`}, {"policy/at", `{"seq":1.0}`}, {"policy/at", `{"seq":1e0}`}, {"policy/at", `{"seq":"1"}`}, {"policy/at", `{"seq":99999999999999999999}`},
		{"policy/at", `{"seq":null}`}, {"policy/at", `{}`}, {"policy/history", `{"limit":0}`}, {"policy/history", `{"limit":501}`}, {"policy/history", `{"limit":-1}`},
		{"policy/history", `{"cursor":""}`}, {"policy/history", `{"cursor":"x!"}`}, {"policy/history", `{"cursor":"LTE"}`}, {"policy/history", `{"cursor":"bnVsbA"}`},
		{"attestations", `{"cursor":"MQ"}`}, {"attestations", `{"live":"true"}`}, {"attestations", `{"live":null}`}, {"attestations", `{"since":"yesterday"}`},
		{"attestations", `{"since":""}`}, {"attestations", `{"since":"0000-01-01T00:00:00Z"}`}, {"attestations", `{"serial":"aa"}`}, {"audit", `{"after_seq":-1}`},
		{"audit/verify", `{"contains":{}}`}, {"audit/verify", `{"contains":[{"events":1}]}`}, {"audit/verify", `{"contains":[{"events":1,"hash":"aa"}]}`},
		{"audit/verify", `{"contains":[{"events":-1,"hash":""}]}`}, {"audit/verify", `{"contains":[1]}`}, {"policy/approve", `{"proposal":"1"}`},
		{"policy/apply", `{"documents":[]}`}, {"policy/apply", `{"documents":[],"base":"x","dry_run":"no"}`}, {"policy/apply", `{"documents":[],"base":"x","dry_run":null}`},
		{"policy/explain", `{}`}, {"policy/explain", `{"attestation_id":"x","evidence":["a","b"]}`}, {"policy/explain", `{"attestation_id":"x","documents":[]}`},
		{"keys", `{"ek":"aa"}`}, {"keys", `{"ek":null}`}, {"keys", `{"cursor":"MQ"}`}, {"keys/show", `{}`}, {"keys/show", `{"ak":"` + strings.Repeat("AA", 32) + `"}`},
		{"keys/revoke", `{"reason":"r"}`}, {"keys/release", `{"dry_run":null}`}, {"reload", `{"x":1}`},
	} {
		if p := alice.post("/v1/admin/"+tc[0], tc[1]).problem(); p.Status != badRequest || p.Code != evidence.CodeRequestMalformed.String() {
			t.Errorf("%s %s: %d %s: %s", tc[0], tc[1], p.Status, p.Code, p.Detail)
		}
	}
}

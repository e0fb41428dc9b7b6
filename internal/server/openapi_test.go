package server_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// contract is openapi.json as the service serves it.
type contract struct {
	checker
	t *testing.T
}

func readContract(t *testing.T, a *api) contract {
	t.Helper()
	value, err := decode(a.get("/openapi.json").body)
	if err != nil {
		t.Fatal(err)
	}
	return contract{checker{value.(map[string]any)}, t}
}

func child(node map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		node, _ = node[key].(map[string]any)
	}
	return node
}

// operation returns the description of a method of a path.
func (c contract) operation(method, path string) map[string]any {
	return child(c.document, "paths", path, strings.ToLower(method))
}

// response returns the description of a status of an operation.
func (c contract) response(method, path string, status int) map[string]any {
	r := child(c.operation(method, path), "responses", strconv.Itoa(status))
	if ref, ok := r["$ref"].(string); ok {
		return c.resolve(ref)
	}
	return r
}

// holds checks a real response against its description.
func (c contract) holds(method, path string, answer answer) {
	c.t.Helper()
	described := c.response(method, path, answer.status)
	if described == nil {
		c.t.Errorf("%s %s: status %d is not described: %s", method, path, answer.status, answer.body)
		return
	}
	mediaType, _, err := mime.ParseMediaType(answer.header.Get("Content-Type"))
	content := child(described, "content", mediaType)
	if err != nil || content == nil {
		c.t.Errorf("%s %s %d: Content-Type %q is not described", method, path, answer.status, answer.header.Get("Content-Type"))
		return
	}
	for name := range child(described, "headers") {
		if answer.header.Get(name) == "" {
			c.t.Errorf("%s %s %d: no header %s", method, path, answer.status, name)
		}
	}
	if !strings.HasSuffix(mediaType, "json") {
		return
	}
	value, err := decode(answer.body)
	if err != nil {
		c.t.Error(err)
		return
	}
	if wrong := c.check(child(content, "schema"), value, "response"); wrong != "" {
		c.t.Errorf("%s %s %d: %s in %s", method, path, answer.status, wrong, answer.body)
	}
}

func TestOpenAPIHasEveryRouteAndNoOther(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	table := map[string][]string{}
	for route, methods := range routeTable(t, a.Server) {
		table[strings.Replace(route, "/*", "/{request}", 1)] = methods // which may have slashes
	}
	for route, methods := range table {
		for _, method := range methods {
			if c.operation(method, route) == nil {
				t.Errorf("%s %s is routed and not described", method, route)
			}
		}
	}
	ids := map[string]bool{}
	for path, item := range child(c.document, "paths") {
		for method, operation := range item.(map[string]any) {
			if !slices.Contains(table[path], strings.ToUpper(method)) {
				t.Errorf("%s %s is described and not routed", method, path)
			}
			id := operation.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("operationId %s is there twice", id)
			}
			ids[id] = true
		}
	}
}

// examples calls f for every example in a part of the document, with its schema.
func examples(node any, at string, f func(at string, schema map[string]any, example any)) {
	switch n := node.(type) {
	case map[string]any:
		if example, ok := n["example"]; ok {
			f(at, child(n, "schema"), example)
		}
		for key, value := range n {
			examples(value, at+"/"+key, f)
		}
	case []any:
		for i, value := range n {
			examples(value, fmt.Sprintf("%s/%d", at, i), f)
		}
	}
}

func TestOpenAPIExamplesFitTheirSchemas(t *testing.T) {
	c := readContract(t, start(t, servertest.Options{}))
	count := 0
	examples(map[string]any(c.document), "", func(at string, schema map[string]any, example any) {
		count++
		if wrong := c.check(schema, example, at); wrong != "" {
			t.Error(wrong)
		}
		problem, ok := example.(map[string]any)
		if code, isProblem := problem["code"].(string); ok && isProblem {
			var known evidence.Code
			if err := known.UnmarshalText([]byte(code)); err != nil || known.Description() != problem["title"] {
				t.Errorf("%s: code %q with title %q", at, code, problem["title"])
			}
			if server.Statuses[known] != 0 && float64(server.Statuses[known]) != problem["status"] {
				t.Errorf("%s: status %v for %s", at, problem["status"], code)
			}
		}
	})
	if count < 15 {
		t.Errorf("only %d examples found", count)
	}
}

// Real responses of every operation, good and bad, hold to the description, and
// so do the real requests.
func TestOpenAPIHoldsTheHandlers(t *testing.T) {
	missing := false
	a := start(t, servertest.Options{Judge: func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		if missing {
			o.Missing = []tee.EndorsementName{{Type: "vcek", ID: "Milan"}}
		}
		return o
	}})
	c := readContract(t, a)
	m := newMachine(t, evidence.KindSEVSNP, evidence.KindTDX)
	post := func(path string, body map[string]any, want int) {
		t.Helper()
		answer := a.post(path, body)
		if answer.status != want {
			t.Errorf("%s: status %d, want %d: %s", path, answer.status, want, answer.body)
		}
		c.holds("POST", path, answer)
		if want != http.StatusOK {
			return
		}
		encoded, _ := json.Marshal(body)
		value, _ := decode(encoded)
		schema := child(c.operation("POST", path), "requestBody", "content", "application/json", "schema")
		if wrong := c.check(schema, value, "request"); wrong != "" {
			t.Errorf("%s: %s", path, wrong)
		}
	}
	post("/v1/challenges", map[string]any{"purpose": "token"}, 200)
	post("/v1/challenges", map[string]any{"purpose": "x"}, 400)

	full := m.body(t, a.challenge(evidence.PurposeCertificate))
	full["token"], full["audience"] = []string{"jwt", "cwt"}, "relying-party"
	post("/v1/attestations", full, 200)
	post("/v1/attestations", full, 409)
	post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeToken)), 200)
	post("/v1/attestations", map[string]any{}, 400)
	wrong := m.body(t, a.challenge(evidence.PurposeCertificate))
	wrong["evidence"] = m.evidenceFor(t, a.challenge(evidence.PurposeCertificate))
	post("/v1/attestations", wrong, 422)

	bundle, _ := m.kinds.Attest(t.Context(), evidence.Binding{})
	background := map[string]any{"evidence": bundle, "report_data": strings.Repeat("00", 64), "token": []string{"cwt"}}
	post("/v1/appraisals", background, 200)
	background["report_data"] = "00"
	post("/v1/appraisals", background, 422)

	missing = true
	post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeToken)), 503)

	for _, path := range []string{"/v1/bundle", "/v1/bundles", "/.well-known/jwks.json", "/.well-known/cose-keys", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/admin/status"} {
		c.holds("GET", path, a.get(path))
	}
	req := a.request(http.MethodGet, "/v1/admin/status", nil)
	req.Header.Set("Authorization", "Bearer "+servertest.AdminCredential)
	c.holds("GET", "/v1/admin/status", a.do(req))
	a.Store.Close()
	c.holds("GET", "/v1/admin/status", a.do(req))
	c.holds("POST", "/v1/attestations", a.post("/v1/attestations", m.body(t, a.challenge(evidence.PurposeCertificate))))
}

// Every code that a request can meet has a status of its own; what is left is
// the service's own fault.
func TestEveryCodeOfARequestHasAStatus(t *testing.T) {
	for _, code := range evidence.Codes() {
		area, _, _ := strings.Cut(code.String(), ".")
		if slices.Contains([]string{"evidence", "request", "challenge", "key", "hex", "service"}, area) && server.Statuses[code] == 0 && code != evidence.CodeInternal {
			t.Errorf("%s would become an internal error", code)
		}
	}
	for code, status := range server.Statuses {
		if code.IsZero() || status < 400 || status == http.StatusInternalServerError {
			t.Errorf("%s has status %d", code, status)
		}
	}
}

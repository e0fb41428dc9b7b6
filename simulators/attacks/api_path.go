package attacks

import (
	"context"
	"net/http"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// pathRows ask for paths in other spellings, and for what no path leads to.
func pathRows() []Row {
	ask := func(method, path string, want evidence.Code, header http.Header) Case {
		name := method + " " + path
		for field := range header {
			name += " with " + field
		}
		return Case{
			Name: name, Subject: snpPlain, Want: codes(want), Proof: ByService, Why: "no evidence is looked at",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				answer, err := a.Do(ctx, method, path, header, http.NoBody)
				return answer.Got(nil), err
			},
		}
	}
	const get = http.MethodGet
	return []Row{
		{"D14", "names that become paths", []Case{
			ask(get, "/v1/../../etc/passwd", evidence.CodeNotFound, nil),
			ask(get, "/v1/%2e%2e/%2e%2e/etc/passwd", evidence.CodeNotFound, nil),
			ask(get, "/v1/..%5c..%5cca/root.key", evidence.CodeNotFound, nil),
			ask(get, "/ca/root.key", evidence.CodeNotFound, nil),
			ask(get, "/v1/bundle%00.json", evidence.CodeNotFound, nil),
		}},
		{"D15", "paths of many spellings", []Case{
			ask(get, "//v1/admin/whoami", evidence.CodeNotFound, nil),
			ask(get, "/v1//admin/whoami", evidence.CodeNotFound, nil),
			ask(get, "/v1/./admin/whoami", evidence.CodeNotFound, nil),
			ask(get, "/V1/admin/whoami", evidence.CodeNotFound, nil),
			ask(get, "/v1/bundle/../admin/whoami", evidence.CodeNotFound, nil),
			ask(get, "/v1/bundle/", evidence.CodeNotFound, nil),
			ask("TRACE", "/v1/bundle", evidence.CodeMethodNotAllowed, nil),
			ask(get, "/v1/attestations", evidence.CodeMethodNotAllowed, http.Header{"X-Http-Method-Override": {"POST"}}),
		}},
		{"D16", "addresses that a client claims", []Case{
			ask(get, "/v1/admin/whoami", evidence.CodeUnauthorized, http.Header{"X-Forwarded-For": {"127.0.0.1"}}),
			ask(get, "/v1/admin/whoami", evidence.CodeUnauthorized, http.Header{"X-Forwarded-Client-Cert": {`URI="spiffe://sim.test/quotary/admin/owner/x"`}}),
		}},
		{"D17", "series that a client can add", []Case{
			ask("QUOTARYATTACK", "/v1/attestations", evidence.CodeMethodNotAllowed, nil),
		}},
		{"D18", "lines in a log", []Case{{
			Name: "identifier of a request with a line in it", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: reflected,
		}}},
	}
}

// reflected finds fault with an answer that repeats what a client calls its request.
func reflected(ctx context.Context, a *Attacker) (Got, error) {
	got := Got{Accepted: true}
	const claimed = `x","level":"ERROR","msg":"forged`
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id", "Traceparent"} {
		answer, err := a.Do(ctx, http.MethodGet, "/v1/nowhere", http.Header{name: {claimed}}, http.NoBody)
		if err != nil {
			return Got{}, err
		}
		if strings.Contains(string(answer.Body), "forged") {
			got.fault("the answer repeats " + name)
		}
		for field, values := range answer.Header {
			if strings.Contains(strings.Join(values, ""), "forged") {
				got.fault(field + " repeats " + name)
			}
		}
	}
	return got, nil
}

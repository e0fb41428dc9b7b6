package attacks

import (
	"context"
	"net/http"

	"github.com/quotary/quotary/evidence"
)

// otherWayRows look for another way to a certificate, or to who decides over them.
func otherWayRows() []Row {
	path := func(method, path string, want evidence.Code) Case {
		return Case{
			Name: method + " " + path, Subject: snpPlain, Want: codes(want), Proof: ByService, Why: "no evidence is looked at",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				if method == http.MethodGet {
					answer, err := a.get(ctx, path)
					return answer.Got(nil), err
				}
				answer, err := a.Post(ctx, path, []byte("{}"))
				return answer.Got(nil), err
			},
		}
	}
	const post, get = http.MethodPost, http.MethodGet
	return []Row{
		{"A12", "another way to a certificate", []Case{
			path(post, "/v1/certificates", evidence.CodeNotFound),
			path(post, "/v1/renew", evidence.CodeNotFound),
			path(post, "/v1/sign", evidence.CodeNotFound),
			path(post, "/scep", evidence.CodeNotFound),
			path(get, "/acme/directory", evidence.CodeNotFound),
			path(post, "/v1/activations", evidence.CodeNotFound),
		}},
		{"A27", "first administrator", []Case{
			path(post, "/v1/admin/bootstrap", evidence.CodeNotFound),
			path(get, "/v1/admin/whoami", evidence.CodeUnauthorized),
			path(post, "/v1/admin/policy/apply", evidence.CodeUnauthorized),
			path(post, "/v1/admin/policy/approve", evidence.CodeUnauthorized),
			path(post, "/v1/admin/policy/rollback", evidence.CodeUnauthorized),
			path(get, "/v1/admin/policy", evidence.CodeUnauthorized),
		}},
	}
}

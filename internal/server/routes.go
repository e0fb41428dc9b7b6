package server

import (
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
)

// The routes, as openapi.json has them.
const (
	pathChallenges   = "/v1/challenges"
	pathAttestations = "/v1/attestations"
	pathAppraisals   = "/v1/appraisals"
	pathEnrolments   = "/v1/tpm/enrolments"
	pathActivations  = "/v1/tpm/activations"
	pathTPMCA        = "/v1/tpm/ca"
	pathBundle       = "/v1/bundle"
	pathBundles      = "/v1/bundles"
	pathCRL          = "/v1/crl"
	pathCRLOf        = "/v1/crl/{authority}"
	pathCRLs         = "/v1/crls"
	pathOCSP         = "/v1/ocsp"
	pathOCSPOf       = "/v1/ocsp/*"
	pathFeed         = "/v1/revocations"
	pathAdmin        = "/v1/admin/"
	pathJWKS         = "/.well-known/jwks.json"
	pathCOSEKeys     = "/.well-known/cose-keys"
	pathHealth       = "/healthz"
	pathReady        = "/readyz"
	pathMetrics      = "/metrics"
	pathOpenAPI      = "/openapi.json"
)

// routes returns the router with everything around it.
func (s *Server) routes() http.Handler {
	return s.around(s.roomOf, s.router())
}

// around puts around a router what every request meets.
func (s *Server) around(roomOf func(*http.Request) *room, router http.Handler) http.Handler {
	return s.observe(s.bounded(roomOf, canonicalPaths(router, s.endpoint(notFound))))
}

// router has the routes. Nothing in it looks at what proxies say of the client's
// address, follows redirects or mends paths.
func (s *Server) router() chi.Router {
	r := chi.NewRouter()
	r.Use(middleware.GetHead) // RFC 9110 §9.1: whatever answers GET answers HEAD
	r.Post(pathChallenges, s.endpoint(s.challenge))
	r.Post(pathAttestations, s.endpoint(s.audited("attestation", s.attest)))
	r.Post(pathAppraisals, s.endpoint(s.audited("appraisal", s.appraise)))
	r.Post(pathEnrolments, s.endpoint(s.audited("enrolment", s.enrol)))
	r.Post(pathActivations, s.endpoint(s.audited("enrolment", s.activate)))
	r.Get(pathTPMCA, s.endpoint(s.attestationCAs))
	r.Get(pathBundle, s.endpoint(s.bundle))
	r.Get(pathBundles, s.endpoint(s.bundles))
	s.publish(r)
	r.Get(pathFeed, s.endpoint(s.feed))
	for at := range s.static {
		r.Get(at, s.endpoint(s.document))
	}
	for _, o := range s.operations() {
		r.Method(o.method, pathAdmin+o.path, s.endpoint(s.administrators(o)))
	}
	r.Get(pathHealth, s.endpoint(s.health))
	r.Get(pathReady, s.endpoint(s.readiness))
	r.Get(pathMetrics, s.metrics.handler())
	r.NotFound(s.endpoint(notFound))
	r.MethodNotAllowed(s.endpoint(methodNotAllowed))
	return r
}

// operations is the administrators' interface. What a call needs beyond that, it
// says itself: to apply a policy needs more than to try.
func (s *Server) operations() []operation {
	const get, post = http.MethodGet, http.MethodPost
	return []operation{
		{get, "whoami", "whoami", admin.Read, s.whoami},
		{get, "status", "status", admin.Read, s.status},
		{get, "policy", "policy", admin.Read, s.policy},
		{post, "policy/history", "policy.history", admin.Read, s.history},
		{post, "policy/at", "policy.at", admin.Read, s.policyAt},
		{post, "policy/plan", "policy.plan", admin.Plan, s.plan},
		{post, "policy/apply", actionApply, admin.Plan, s.apply},
		{post, "policy/rollback", actionRollback, admin.Plan, s.rollback},
		{post, "policy/proposals", "policy.proposals", admin.Read, s.proposals},
		{post, "policy/proposals/show", "policy.proposals.show", admin.Read, s.proposal},
		{post, "policy/approve", actionApprove, admin.Approve, s.approve},
		{post, "policy/withdraw", actionWithdraw, admin.Withdraw, s.withdraw},
		{get, "policy/shadow", "policy.shadow", admin.Read, s.shadow},
		{post, "policy/shadow", actionShadow, admin.Shadow, s.setShadow},
		{post, "policy/explain", "policy.explain", admin.Read, s.explain},
		{post, "attestations", "attestations", admin.Read, s.attestations},
		{post, "attestations/show", "attestations.show", admin.Read, s.showAttestation},
		{post, "certificates", "certificates", admin.Read, s.certificates},
		{post, "keys", "keys", admin.Read, s.keys},
		{post, "keys/show", "keys.show", admin.Read, s.showKey},
		{post, "keys/revoke", actionRevokeKey, admin.Read, s.revokeKey},
		{post, "keys/release", actionReleaseKey, admin.Read, s.releaseKey},
		{post, "revocations", actionRevoke, admin.Plan, s.revoke},
		{post, "revocations/list", "revocations.list", admin.Read, s.revocations},
		{post, "reload", actionReload, admin.Reload, s.reload},
		{post, "audit", "audit", admin.Read, s.audit},
		{post, "audit/verify", "audit.verify", admin.Read, s.verifyAudit},
	}
}

// The names of calls that may change something.
const (
	actionApply    = "policy.apply"
	actionRollback = "policy.rollback"
	actionApprove  = "policy.approve"
	actionWithdraw = "policy.withdraw"
	actionShadow   = "policy.shadow.set"

	actionRevokeKey  = "keys.revoke"
	actionReleaseKey = "keys.release"
	actionReload     = "reload"
	actionRevoke     = "revocations"
)

func notFound(*exchange) (reply, error) {
	return reply{}, evidence.Errorf(evidence.CodeNotFound, "", "there is nothing at this path; see %s", pathOpenAPI)
}

func methodNotAllowed(x *exchange) (reply, error) {
	x.allow()
	return reply{}, evidence.Errorf(evidence.CodeMethodNotAllowed, "", "the path does not take this method; see %s", pathOpenAPI)
}

// canonicalPaths lets only paths through that have one spelling: no escapes, no
// empty or dot segments, no trailing slash. A path is never mended, because what
// stands before the service might have judged it as it was written. What follows /v1/ocsp/ is
// no path but base64, and leads nowhere else.
func canonicalPaths(next http.Handler, notFound http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if strings.HasPrefix(r.URL.EscapedPath(), pathOCSP+"/") {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.RawPath != "" || !strings.HasPrefix(p, "/") || path.Clean(p) != p || r.URL.EscapedPath() != p || rawEscape(r) {
			notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rawEscape reports whether the request's target was written with an escape in
// its path, even one that was not needed.
func rawEscape(r *http.Request) bool {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	return strings.Contains(target, "%")
}

// allow names the methods that the path takes (RFC 9110 §15.5.6).
func (x *exchange) allow() {
	router := chi.RouteContext(x.r.Context()).Routes
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if router.Match(chi.NewRouteContext(), method, x.r.URL.Path) {
			x.w.Header().Add("Allow", method)
			if method == http.MethodGet {
				x.w.Header().Add("Allow", http.MethodHead)
			}
		}
	}
}

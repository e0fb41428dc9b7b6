package server_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// Who has lost their certificate has approved of nothing by it, as soon as it is
// revoked.
func TestAttack_Y11_RevokedOwnersDoNotCount(t *testing.T) {
	a := start(t, servertest.Options{Approvals: 2})
	c := readContract(t, a)
	stolen := a.Certificate(t, "mallory", admin.Owner)
	var proposed server.ChangeResponse
	base := a.Policies.Set().Digest()
	a.with(stolen).call(c, "POST policy/apply", map[string]any{"documents": document("15m"), "base": base, "dry_run": false}).into(&proposed)
	a.Revoke(t, stolen)
	approval := map[string]any{"proposal": proposed.Proposal.ID, "digest": proposed.Digest}
	var by server.ApprovalResponse
	if a.as("bob", admin.Owner).call(c, "POST policy/approve", approval).into(&by); by.Applied || a.Policies.Set().Digest() != base {
		t.Fatal("bob alone put a set in force")
	}
	if p := by.Proposal; len(p.Approvals) != 2 || p.Agreed != 1 {
		t.Errorf("%d of %d approvals are said to count", p.Agreed, len(p.Approvals))
	}
	if a.as("alice", admin.Owner).call(c, "POST policy/approve", approval).into(&by); !by.Applied {
		t.Errorf("two owners approved: %+v", by)
	}
}

// A candidate may take long to compile. It takes no place of an appraisal's.
func TestAttack_D06_CandidatesHoldUpNoAttestation(t *testing.T) {
	var holding atomic.Bool
	judging, end := make(chan struct{}), make(chan struct{})
	a := start(t, servertest.Options{
		Config: func(c *server.Config) { c.Concurrency = 1 },
		Judge: func(item evidence.Item) tee.Outcome {
			if holding.Load() {
				judging <- struct{}{}
				<-end
			}
			return teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		},
	})
	c := readContract(t, a)
	a.attest()
	oscar := a.as("oscar", admin.Operator)
	var listed server.AttestationsResponse
	oscar.call(c, "POST attestations", map[string]any{}).into(&listed)
	holding.Store(true)
	var all sync.WaitGroup
	all.Go(func() { a.attest() })
	<-judging
	var why server.ExplainResponse
	oscar.call(c, "POST policy/explain", map[string]any{"attestation_id": listed.Attestations[0].AttestationID, "documents": strict}).into(&why)
	if why.Verdict != policies.Rejected {
		t.Errorf("got %+v", why)
	}
	close(end)
	all.Wait()
}

// What takes seconds takes turns, whoever asks for it: an earlier set, too, is
// compiled to be looked at.
func TestAttack_D06_ViewersTakeTurns(t *testing.T) {
	held := slow{begun: make(chan struct{}), end: make(chan struct{})}
	a := start(t, servertest.Options{Config: func(c *server.Config) {
		held.Records = c.Records
		c.Records = held
	}})
	alice, vera := a.as("alice", admin.Owner), a.as("vera", admin.Viewer)
	c := readContract(t, a)
	apply := map[string]any{"documents": document("15m"), "base": a.Policies.Set().Digest(), "dry_run": false}
	alice.call(c, "POST policy/apply", apply).into(&server.ChangeResponse{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { alice.post("/v1/admin/audit/verify", `{}`).into(&server.VerifyResponse{}) })
		<-held.begun
	}
	vera.call(c, "POST policy/at", map[string]any{"seq": 1}).refused(http.StatusServiceUnavailable, evidence.CodeOverloaded)
	close(held.end)
	all.Wait()
	vera.call(c, "POST policy/at", map[string]any{"seq": 1}).into(&server.PolicyResponse{})
}

// outsiders takes everybody for somebody whom the provider knows and who has no role.
type outsiders struct{ server.Administrators }

func (o outsiders) Authenticate(*http.Request) (admin.Principal, error) {
	who := admin.Principal{Name: "8f3a", Method: admin.ByOIDC, Issuer: "https://login.example.org"}
	return who, evidence.Errorf(evidence.CodeForbidden, "", "no role")
}

// Who is no administrator and tries all the same is named.
func TestAttack_Y18_OutsidersAreNamed(t *testing.T) {
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Administrators = outsiders{c.Administrators} }})
	a.post("/v1/admin/policy/apply", `{}`).refused(http.StatusForbidden, evidence.CodeForbidden)
	list, err := a.Store.Events(t.Context(), store.EventFilter{Action: "admin.policy.apply", Limit: 10})
	if err != nil || len(list) != 1 || list[0].Actor != "admin:oidc:https://login.example.org#8f3a" || list[0].Outcome != store.Refused {
		t.Errorf("%+v, %v", list, err)
	}
}

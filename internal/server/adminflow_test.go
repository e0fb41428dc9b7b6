package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

func pemKey(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// document is the service's policy with another life of identities.
func document(ttl string) []server.Document {
	return []server.Document{{Name: "web.yaml", Content: strings.Replace(servertest.Policy, "ttl: 30m", "ttl: "+ttl, 1)}}
}

// strict is the policy for SEV-SNP machines with another measurement.
var strict = []server.Document{{Name: "web.yaml", Content: `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://example.org/web", ttl: 30m}
any_of:
  - {sev_snp: {measurements: ["` + strings.Repeat("ee", 48) + `"], minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}}}
`}}

func (a *api) attest() server.AttestationResponse {
	a.t.Helper()
	var got server.AttestationResponse
	a.post("/v1/attestations", newMachine(a.t).body(a.t, a.challenge(evidence.PurposeCertificate))).into(&got)
	return got
}

// A policy's life: planned, tried, applied, rolled back, looked up.
func TestPolicyOfAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	issued := a.attest()

	var first server.PolicyResponse
	alice.call(c, "GET policy", nil).into(&first)
	if first.Mode != "service" || first.Seq != 0 || len(first.Documents) != 1 || first.Documents[0].Content != servertest.Policy {
		t.Fatalf("got %+v", first)
	}
	var plan server.PlanResponse
	alice.call(c, "POST policy/plan", map[string]any{"documents": strict}).into(&plan)
	if plan.Base != first.Digest || plan.Plan.Denied.Count != 1 || plan.Plan.Denied.Live != 1 || len(plan.Diff.Documents) != 1 {
		t.Errorf("plan %+v", plan.Plan)
	}
	change := map[string]any{"documents": document("15m"), "base": first.Digest, "comment": "shorter"}
	var tried, applied server.ChangeResponse
	alice.call(c, "POST policy/apply", change).into(&tried)
	if tried.Applied || a.Policies.Set().Digest() != first.Digest {
		t.Error("a dry run is the default, and changes nothing")
	}
	change["dry_run"] = false
	alice.call(c, "POST policy/apply", change).into(&applied)
	if !applied.Applied || applied.Seq != 1 || applied.Digest != a.Policies.Set().Digest() || applied.Digest == first.Digest {
		t.Errorf("applied %+v", applied)
	}
	if got := a.attest(); got.PolicyDigest != applied.Digest || got.SVID.NotAfter.Sub(got.AppraisedAt) > 15*time.Minute {
		t.Errorf("got %+v", got)
	}
	alice.call(c, "POST policy/apply", change).refused(http.StatusConflict, evidence.CodePolicyConflict)
	var again server.ChangeResponse
	change["base"] = applied.Digest
	alice.call(c, "POST policy/apply", change).into(&again)
	if again.Applied || !again.InForce || again.Seq != 1 {
		t.Errorf("applied again %+v", again)
	}
	change["documents"] = strict
	alice.call(c, "POST policy/apply", change).into(&applied)

	rollback := map[string]any{"seq": 1, "base": applied.Digest, "dry_run": false}
	var back server.ChangeResponse
	alice.call(c, "POST policy/rollback", rollback).into(&back)
	if back.Seq != 3 || back.Digest != tried.Digest {
		t.Errorf("got %+v", back)
	}
	rollback["seq"] = 9
	alice.call(c, "POST policy/rollback", rollback).refused(http.StatusNotFound, evidence.CodePolicySetUnknown)

	var page, rest server.HistoryResponse
	alice.call(c, "POST policy/history", map[string]any{"limit": 2}).into(&page)
	alice.call(c, "POST policy/history", map[string]any{"limit": 2, "cursor": page.Cursor}).into(&rest)
	if len(page.Sets) != 2 || page.Sets[0].Seq != 3 || len(rest.Sets) != 1 || rest.Cursor != "" || rest.Sets[0].Author != "certificate:alice" || rest.Sets[0].Comment != "shorter" {
		t.Errorf("got %+v and %+v", page, rest)
	}
	var at server.PolicyResponse
	alice.call(c, "POST policy/at", map[string]any{"seq": 2}).into(&at)
	if at.Documents[0] != strict[0] || at.Digest != applied.Digest {
		t.Errorf("got %+v", at)
	}
	var why server.ExplainResponse
	alice.call(c, "POST policy/explain", map[string]any{"attestation_id": issued.AttestationID, "documents": strict}).into(&why)
	if why.Verdict != policies.Rejected || why.Subject.Workload != "web" || len(why.Remedies) == 0 || why.PolicyDigest != applied.Digest {
		t.Errorf("got %+v", why)
	}
}

// Documents that do not load come back with the place of each problem.
func TestPolicyDocumentsThatDoNotLoad(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	bad := []server.Document{{Name: "a.yaml", Content: "apiVersion: quotary.dev/v1\nkind: Workload\nname: web\nmesurement: x\n"}, {Name: "b.yaml", Content: "- x\n"}}
	for route, body := range map[string]map[string]any{
		"POST policy/plan":   {"documents": bad},
		"POST policy/shadow": {"documents": bad},
		"POST policy/apply":  {"documents": bad, "base": a.Policies.Set().Digest(), "dry_run": false},
	} {
		p := alice.call(c, route, body).refused(badRequest, evidence.CodePolicyInvalid)
		if len(p.Problems) < 2 || p.Problems[0].File != "a.yaml" || p.Problems[0].Line == 0 || p.Problems[0].Code == "" || p.Problems[0].Detail == "" {
			t.Errorf("%s: %+v", route, p.Problems)
		}
	}
	a.Policies.Set()
	if a.Policies.Active().Applied != nil {
		t.Error("a set that does not load is in force")
	}
}

// Where several owners must agree, a change waits for them.
func TestProposals(t *testing.T) {
	a := start(t, servertest.Options{Approvals: 2})
	c := readContract(t, a)
	alice, bob := a.as("alice", admin.Owner), a.as("bob", admin.Owner)
	base := a.Policies.Set().Digest()
	propose := func(ttl string) int64 {
		t.Helper()
		var got server.ChangeResponse
		alice.call(c, "POST policy/apply", map[string]any{"documents": document(ttl), "base": base, "dry_run": false}).into(&got)
		if got.Applied || got.Proposal == nil || got.Proposal.Approvals != 1 || got.Proposal.Needed != 2 {
			t.Fatalf("got %+v of %+v", got.Proposal, got)
		}
		return got.Proposal.ID
	}
	var byOperator server.ChangeResponse
	a.as("oscar", admin.Operator).call(c, "POST policy/apply", map[string]any{"documents": document("12m"), "base": base, "dry_run": false}).into(&byOperator)
	if byOperator.Applied || byOperator.Proposal.Approvals != 0 {
		t.Errorf("an operator's proposal: %+v", byOperator.Proposal)
	}
	one, two, three := propose("15m"), propose("20m"), propose("25m")
	alice.call(c, "POST policy/approve", map[string]any{"proposal": one}).refused(http.StatusConflict, evidence.CodePolicyProposalApproved)
	a.as("alice", admin.Owner).call(c, "POST policy/approve", map[string]any{"proposal": one}).refused(http.StatusConflict, evidence.CodePolicyProposalApproved)
	var seen server.ProposalResponse
	bob.call(c, "POST policy/proposals/show", map[string]any{"proposal": one}).into(&seen)
	bob.call(c, "POST policy/approve", map[string]any{"proposal": two, "digest": seen.Proposal.Digest}).refused(http.StatusNotFound, evidence.CodePolicyProposalUnknown)
	bob.call(c, "POST policy/approve", map[string]any{"proposal": 9}).refused(http.StatusNotFound, evidence.CodePolicyProposalUnknown)
	var approved, withdrawn server.ApprovalResponse
	alice.call(c, "POST policy/withdraw", map[string]any{"proposal": three}).into(&withdrawn)
	bob.call(c, "POST policy/approve", map[string]any{"proposal": three}).refused(http.StatusConflict, evidence.CodePolicyProposalClosed)
	if a.Policies.Active().Applied != nil {
		t.Fatal("a proposal is in force")
	}
	bob.call(c, "POST policy/approve", map[string]any{"proposal": one, "digest": seen.Proposal.Digest}).into(&approved)
	if !approved.Applied || approved.Seq != 1 || approved.Proposal.State != "applied" || a.Policies.Set().Digest() != seen.Proposal.Digest {
		t.Errorf("got %+v", approved)
	}
	bob.call(c, "POST policy/approve", map[string]any{"proposal": two}).refused(http.StatusConflict, evidence.CodePolicyConflict)
	var list server.ProposalsResponse
	bob.call(c, "POST policy/proposals", map[string]any{}).into(&list)
	states := ""
	for _, p := range list.Proposals {
		states += p.State + " "
	}
	if states != "withdrawn expired applied expired " {
		t.Errorf("states %s", states)
	}
	var status server.StatusResponse
	bob.call(c, "GET status", nil).into(&status)
	if status.Proposals != 0 || status.Approvals != 2 || status.Policy.Seq != 1 {
		t.Errorf("status %+v", status)
	}
}

func TestPolicyManagedByFiles(t *testing.T) {
	a := start(t, servertest.Options{ByFiles: true})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	change := map[string]any{"documents": document("15m"), "base": a.Policies.Set().Digest(), "dry_run": false}
	alice.call(c, "POST policy/apply", change).refused(http.StatusConflict, evidence.CodePolicyManagedByFiles)
	alice.call(c, "POST policy/plan", map[string]any{"documents": document("15m")}).into(&server.PlanResponse{})
}

// A shadow set and dry runs decide nothing, and what is in force is no shadow.
func TestAttack_Y15_AShadowDecidesNothing(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	oscar := a.as("oscar", admin.Operator)
	var none, shadow server.ShadowResponse
	oscar.call(c, "GET policy/shadow", nil).into(&none)
	if none.Digest != "" {
		t.Errorf("got %+v", none)
	}
	active := a.Policies.Set().Digest()
	oscar.call(c, "POST policy/shadow", map[string]any{"documents": strict}).into(&server.ShadowSetResponse{})
	for range 3 {
		if got := a.attest(); got.PolicyDigest != active {
			t.Errorf("got %+v", got)
		}
	}
	oscar.call(c, "GET policy/shadow", nil).into(&shadow)
	if len(shadow.Counts) != 1 || shadow.Counts[0].Count != 3 || shadow.Counts[0].Active != policies.Accepted || shadow.Counts[0].Candidate != policies.Rejected || shadow.Author != "certificate:oscar" {
		t.Errorf("got %+v", shadow)
	}
	// The other way round: what the shadow would accept is refused.
	a.as("alice", admin.Owner).call(c, "POST policy/apply", map[string]any{"documents": strict, "base": active, "dry_run": false}).into(&server.ChangeResponse{})
	oscar.call(c, "POST policy/shadow", map[string]any{"documents": document("15m")}).into(&server.ShadowSetResponse{})
	a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).refused(unprocessable, evidence.CodeNotAccepted)
	oscar.call(c, "GET policy/shadow", nil).into(&shadow)
	if last := shadow.Counts[len(shadow.Counts)-1]; last.Active != policies.Rejected || last.Candidate != policies.Accepted {
		t.Errorf("got %+v", shadow.Counts)
	}
	oscar.call(c, "POST policy/shadow", map[string]any{"documents": []server.Document{}}).into(&server.ShadowSetResponse{})
	if a.Policies.Shadowed() {
		t.Error("the shadow did not end")
	}
}

func TestWithoutAShadowNothingIsSpent(t *testing.T) {
	a := start(t, servertest.Options{})
	if allocated := testing.AllocsPerRun(100, func() { server.TryShadow(a.Server) }); allocated > 1 { // the request itself
		t.Errorf("%v allocations", allocated)
	}
}

// Policies change while machines attest: each result is of one set, whole.
func TestAttack_Y14_PoliciesChangeUnderAppraisals(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.as("alice", admin.Owner)
	sets := map[string]time.Duration{a.Policies.Set().Digest(): 30 * time.Minute}
	var mu sync.Mutex
	var all sync.WaitGroup
	done := make(chan struct{})
	all.Go(func() {
		defer close(done)
		for i := range 12 {
			minutes := 10 + i%2*10
			change := map[string]any{"documents": document(fmt.Sprintf("%dm", minutes)), "base": a.Policies.Set().Digest()}
			var tried, applied server.ChangeResponse
			alice.post("/v1/admin/policy/apply", change).into(&tried)
			mu.Lock()
			sets[tried.Digest] = time.Duration(minutes) * time.Minute
			mu.Unlock()
			change["dry_run"] = false
			alice.post("/v1/admin/policy/apply", change).into(&applied)
		}
	})
	for range 3 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got := a.attest()
				mu.Lock()
				ttl, known := sets[got.PolicyDigest]
				mu.Unlock()
				life := got.SVID.NotAfter.Sub(got.AppraisedAt) // which is before the certificate's own beginning
				if !known || life > ttl+time.Minute || life < ttl-2*time.Minute {
					t.Errorf("set %s, life %s", got.PolicyDigest, life)
				}
			}
		})
	}
	all.Wait()
	if head, _, err := a.Store.Verify(t.Context()); err != nil || head.Seq == 0 {
		t.Error(err)
	}
}

// A change that cannot be recorded is none.
func TestAttack_Y18_NoChangeWithoutARecord(t *testing.T) {
	a := start(t, servertest.Options{})
	alice := a.as("alice", admin.Owner)
	base := a.Policies.Set().Digest()
	a.Store.Close()
	unavailable := http.StatusServiceUnavailable
	alice.post("/v1/admin/policy/apply", map[string]any{"documents": document("15m"), "base": base, "dry_run": false}).refused(unavailable, evidence.CodeLedgerUnavailable)
	alice.post("/v1/admin/policy/shadow", map[string]any{"documents": document("15m")}).refused(unavailable, evidence.CodeLedgerUnavailable)
	alice.get("/v1/admin/policy").refused(unavailable, evidence.CodeLedgerUnavailable)
	alice.get("/v1/admin/whoami").refused(unavailable, evidence.CodeLedgerUnavailable)
	if a.Policies.Set().Digest() != base || a.Policies.Shadowed() {
		t.Error("a change was made without a record")
	}
}

// Every call is in the audit trail, done or refused, with who made it; a change is
// there once.
func TestAttack_Y18_EveryCallIsRecorded(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice, vera := a.as("alice", admin.Owner), a.as("vera", admin.Viewer)
	vera.get("/v1/admin/whoami")
	vera.post("/v1/admin/policy/plan", `{}`)
	a.get("/v1/admin/policy")
	alice.post("/v1/admin/policy/apply", map[string]any{"documents": document("15m"), "base": a.Policies.Set().Digest(), "dry_run": false})
	a.bearer(http.MethodGet, "/v1/admin/policy", servertest.AdminCredential, nil)
	var got server.AuditResponse
	alice.call(c, "POST audit", map[string]any{"after_seq": 0}).into(&got)
	want := []string{
		"admin:certificate:vera admin.whoami done ", "admin:certificate:vera admin.policy.plan refused service.forbidden",
		"peer:127.0.0.1 admin.policy refused service.unauthorized", "admin:certificate:alice admin.policy.apply done ", "admin:bootstrap admin.policy done ",
	}
	if len(got.Events) != len(want) || got.LastSeq != int64(len(want)) {
		t.Fatalf("got %+v", got)
	}
	for i, e := range got.Events {
		if line := fmt.Sprintf("%s %s %s %s", e.Actor, e.Action, e.Outcome, e.Code); line != want[i] {
			t.Errorf("event %d: %s, want %s", i, line, want[i])
		}
		if strings.HasPrefix(e.Actor, "admin:") != strings.Contains(string(e.Detail), `"role":"`) {
			t.Errorf("event %d: %s", i, e.Detail)
		}
	}
	var newest, of server.AuditResponse
	alice.call(c, "POST audit", map[string]any{"limit": 2}).into(&newest)
	if len(newest.Events) != 2 || newest.Events[0].Seq != 5 || newest.Events[1].Seq != 6 {
		t.Errorf("got %+v", newest)
	}
	alice.call(c, "POST audit", map[string]any{"actor": "admin:certificate:vera", "outcome": "refused"}).into(&of)
	if len(of.Events) != 1 {
		t.Errorf("got %+v", of)
	}
	var whole server.VerifyResponse
	head := got.Events[2]
	alice.call(c, "POST audit/verify", map[string]any{"contains": []any{map[string]any{"events": head.Seq, "hash": head.Hash}}}).into(&whole)
	if whole.Events != whole.Head.Events || whole.Events < 8 {
		t.Errorf("got %+v", whole)
	}
	p := alice.call(c, "POST audit/verify", map[string]any{"contains": []any{map[string]any{"events": head.Seq, "hash": strings.Repeat("00", 32)}}}).refused(http.StatusConflict, evidence.CodeLedgerTampered)
	if p.Detail == "" {
		t.Error("no detail")
	}
}

// The audit trail tells a trial from a change, and of a change which set came into force,
// or which proposal changed.
func TestAttack_Y18_ChangesAreTold(t *testing.T) {
	a := start(t, servertest.Options{Approvals: 2})
	c := readContract(t, a)
	alice, bob, base := a.as("alice", admin.Owner), a.as("bob", admin.Owner), a.Policies.Set().Digest()
	call := map[string]any{"documents": document("15m"), "base": base}
	alice.call(c, "POST policy/apply", call).into(&server.ChangeResponse{})
	call["dry_run"] = false
	alice.call(c, "POST policy/apply", call).into(&server.ChangeResponse{})
	bob.call(c, "POST policy/approve", map[string]any{"proposal": 1}).into(&server.ApprovalResponse{})
	bob.call(c, "POST policy/shadow", map[string]any{"documents": document("30m")}).into(&server.ShadowSetResponse{})
	var history server.HistoryResponse
	bob.call(c, "POST policy/history", map[string]any{}).into(&history)
	var got server.AuditResponse
	bob.call(c, "POST audit", map[string]any{"after_seq": 0}).into(&got)
	var told []string
	for _, e := range got.Events {
		if e.Action != "admin.policy.history" {
			told = append(told, fmt.Sprintf("%s %v %d %s %v", e.Action, strings.Contains(string(e.Detail), `"dry_run":true`), e.Proposal, e.PolicySet, e.Shadow))
		}
	}
	want := []string{
		"admin.policy.apply true 0  false",                                       // the trial
		"admin.policy.apply false 1  false", "admin.policy.apply false 1  false", // the proposal, and its author's approval
		"admin.policy.approve false 1  false", "admin.policy.approve false 1 " + history.Sets[0].Hash + " false",
		"admin.policy.shadow.set false 0  true",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

// Whoever sends refused requests without end fills the budget of strangers, not that
// of administrators.
func TestAttack_Y18_StrangersDoNotHideAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				a.get("/v1/admin/policy")
			}
		})
	}
	all.Wait()
	vera := a.as("vera", admin.Viewer)
	vera.get("/v1/admin/policy").into(&server.PolicyResponse{})
	var got server.AuditResponse
	vera.post("/v1/admin/audit", map[string]any{"actor": "admin:certificate:vera"}).into(&got)
	if len(got.Events) != 1 || got.Events[0].Action != "admin.policy" || got.LastSeq > 1700 {
		t.Errorf("got %+v", got)
	}
}

func TestAttestationsOfAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	vera := a.as("vera", admin.Viewer)
	first := a.attest()
	var second server.AttestationResponse
	a.post("/v1/attestations", newMachine(t, evidence.KindTDX).body(t, a.challenge(evidence.PurposeToken))).into(&second)
	ids := func(route string, filter map[string]any) string {
		t.Helper()
		var out []string
		for {
			var page server.AttestationsResponse
			vera.call(c, route, filter).into(&page)
			for _, i := range page.Attestations {
				out = append(out, map[string]string{first.AttestationID: "first", second.AttestationID: "second"}[i.AttestationID])
			}
			if page.Cursor == "" {
				return strings.Join(out, " ")
			}
			filter["cursor"] = page.Cursor
		}
	}
	for _, tc := range []struct {
		route  string
		filter map[string]any
		want   string
	}{
		{"POST attestations", map[string]any{}, "second first"},
		{"POST attestations", map[string]any{"limit": 1, "live": true}, "second first"},
		{"POST attestations", map[string]any{"kind": "tdx"}, "second"},
		{"POST attestations", map[string]any{"workload": "db"}, ""},
		{"POST attestations", map[string]any{"simulated": true}, ""},
		{"POST attestations", map[string]any{"simulated": false, "spiffe_id": "spiffe://example.org/web"}, "second first"},
		{"POST attestations", map[string]any{"until": time.Now().Add(-time.Hour)}, ""},
		{"POST certificates", map[string]any{}, "first"},
		{"POST certificates", map[string]any{"serial": strings.ToUpper(first.SVID.Serial)}, "first"},
		{"POST certificates", map[string]any{"serial": "aa"}, ""},
	} {
		if got := ids(tc.route, tc.filter); got != tc.want {
			t.Errorf("%s %v: %s, want %s", tc.route, tc.filter, got, tc.want)
		}
	}
	vera.call(c, "POST attestations", map[string]any{"since": time.Now(), "until": time.Now().Add(-time.Hour)}).refused(badRequest, evidence.CodeLedgerQuery)
	var one server.IssuedAttestation
	vera.call(c, "POST attestations/show", map[string]any{"attestation_id": first.AttestationID}).into(&one)
	if len(one.Claims) == 0 || one.Serial != first.SVID.Serial {
		t.Errorf("got %+v", one)
	}
	for _, route := range []string{"POST attestations/show", "POST policy/explain"} {
		vera.call(c, route, map[string]any{"attestation_id": strings.Repeat("0", 32)}).refused(http.StatusNotFound, evidence.CodeAttestationUnknown)
	}
	var looked server.AuditResponse
	vera.call(c, "POST audit", map[string]any{"attestation_id": first.AttestationID, "actor": "admin:certificate:vera"}).into(&looked)
	if len(looked.Events) != 1 || looked.Events[0].Action != "admin.attestations.show" {
		t.Errorf("who looked: %+v", looked)
	}
	var why server.ExplainResponse
	vera.call(c, "POST policy/explain", map[string]any{"attestation_id": first.AttestationID}).into(&why)
	if why.Verdict != policies.Accepted || why.Workload != "web" || why.Subject.AttestationID != first.AttestationID {
		t.Errorf("got %+v", why)
	}
}

// Evidence is explained if it is genuine, and nothing can be done with that.
func TestExplainEvidence(t *testing.T) {
	genuine := true
	a := start(t, servertest.Options{Judge: judgeIf(&genuine)})
	c := readContract(t, a)
	oscar := a.as("oscar", admin.Operator)
	bundle, _ := newMachine(t).kinds.Attest(t.Context(), evidence.Binding{})
	var why server.ExplainResponse
	oscar.call(c, "POST policy/explain", map[string]any{"evidence": bundle}).into(&why)
	if why.Verdict != policies.Accepted || len(why.Subject.Kinds) != 1 || why.Subject.AttestationID != "" {
		t.Errorf("got %+v", why)
	}
	oscar.call(c, "POST policy/explain", map[string]any{"evidence": bundle, "documents": strict}).into(&why)
	if why.Verdict != policies.Rejected || len(why.Remedies) == 0 {
		t.Errorf("got %+v", why)
	}
	oscar.call(c, "POST policy/explain", map[string]any{"evidence": bundle, "at": "2026-01-02T03:04:05Z"}).into(&why)
	oscar.call(c, "POST policy/explain", map[string]any{"evidence": bundle, "at": "then"}).refused(badRequest, evidence.CodeRequestMalformed)
	genuine = false
	p := oscar.call(c, "POST policy/explain", map[string]any{"evidence": bundle}).refused(unprocessable, evidence.CodeNotAccepted)
	if p.Verdict != "rejected" || len(p.Checks.Failed()) == 0 || p.AttestationID != "" {
		t.Errorf("got %+v", p)
	}
	_, issuances, err := a.Store.Verify(t.Context())
	if err != nil || issuances != 0 {
		t.Errorf("%d issuances, %v", issuances, err)
	}
}

// What lacks endorsements is fetched, and otherwise is not explained.
func TestExplainEvidenceThatLacksEndorsements(t *testing.T) {
	missing := []tee.EndorsementName{{Type: "vcek", ID: "Milan 00"}}
	a := start(t, servertest.Options{Judge: func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		o.Missing = missing
		return o
	}})
	oscar := a.as("oscar", admin.Operator)
	bundle, _ := newMachine(t).kinds.Attest(t.Context(), evidence.Binding{})
	answer := oscar.call(readContract(t, a), "POST policy/explain", map[string]any{"evidence": bundle})
	if p := answer.refused(http.StatusServiceUnavailable, evidence.CodeEndorsementsMissing); p.Verdict != "undecided" || len(p.Missing) != 1 {
		t.Errorf("got %+v", p)
	}
}

// slow is a ledger that takes its time to be walked.
type slow struct {
	server.Records
	begun, end chan struct{}
}

func (s slow) Verify(ctx context.Context, earlier ...store.Head) (store.Head, int64, error) {
	s.begun <- struct{}{}
	<-s.end
	return s.Records.Verify(ctx, earlier...)
}

// What administrators have computed holds up no attestation.
func TestAttack_D06_ComputationsHoldUpNoAttestation(t *testing.T) {
	s := slow{begun: make(chan struct{}), end: make(chan struct{})}
	a := start(t, servertest.Options{Config: func(c *server.Config) {
		s.Records, c.Concurrency = c.Records, 1
		c.Records = s
	}})
	alice := a.as("alice", admin.Owner)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { alice.post("/v1/admin/audit/verify", `{}`).into(&server.VerifyResponse{}) })
		<-s.begun
	}
	a.attest()
	alice.get("/v1/admin/whoami").into(&server.WhoamiResponse{})
	close(s.end)
	all.Wait()
}

// judgeIf finds evidence genuine for as long as it is so.
func judgeIf(genuine *bool) func(evidence.Item) tee.Outcome {
	return func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		if !*genuine {
			o.Checks.Fail(evidence.CodeEvidenceMalformed, "something", "something else")
		}
		return o
	}
}

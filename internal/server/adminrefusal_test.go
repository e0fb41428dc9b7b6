package server_test

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/policies"
)

// Who was refused by policy can be explained by the name that the refusal has, and a
// plan says that they would be newly admitted.
func TestRefusedMachines(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	var before server.PolicyResponse
	alice.call(c, "GET policy", nil).into(&before)
	var applied server.ChangeResponse
	alice.call(c, "POST policy/apply", map[string]any{"documents": strict, "base": before.Digest, "dry_run": false}).into(&applied)

	refused := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).refused(unprocessable, evidence.CodeNotAccepted)
	var why server.ExplainResponse
	alice.call(c, "POST policy/explain", map[string]any{"attestation_id": refused.AttestationID}).into(&why)
	if why.Verdict != policies.Rejected || why.Subject.AttestationID != refused.AttestationID || why.Subject.RefusedAt.IsZero() || len(why.Remedies) == 0 {
		t.Errorf("got %+v", why)
	}
	var plan server.PlanResponse
	alice.call(c, "POST policy/plan", map[string]any{"documents": before.Documents}).into(&plan)
	if plan.Plan.Admitted.Count != 1 {
		t.Errorf("got %+v", plan.Plan)
	}
}

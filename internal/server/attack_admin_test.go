package server_test

import (
	"testing"

	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
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
	if a.as("alice", admin.Owner).call(c, "POST policy/approve", approval).into(&by); !by.Applied {
		t.Errorf("two owners approved: %+v", by)
	}
}

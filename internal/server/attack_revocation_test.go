package server_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/store"
	simulated "github.com/quotary/quotary/simulators/tpm"
)

// Who is not one of the owners revokes and releases nobody's key: not without a
// credential, not with what the service issues to workloads, and not as an operator.
// What they tried is on record.
func TestAttack_A18_RevocationBySomebodyElse(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	first := e.enrolled(e.machine("one", simulated.MachineOptions{}))
	var key server.AttestationKey
	alice := e.as("alice", admin.Owner)
	alice.post("/v1/admin/keys/show", map[string]any{"ak": first.AKSHA256}).into(&key)
	change := map[string]any{"ak": key.AK, "base": key.Base, "reason": "a reason", "dry_run": false}
	encoded, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	workload := newMachine(t)
	_, issued := e.attested(workload)
	leaf, rest := pem.Decode([]byte(issued.SVID.Certificates))
	issuer, _ := pem.Decode(rest)
	asWorkload := e.with(tls.Certificate{Certificate: [][]byte{leaf.Bytes, issuer.Bytes}, PrivateKey: workload.key})

	for _, path := range []string{"/v1/admin/keys/revoke", "/v1/admin/keys/release"} {
		e.post(path, change).refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
		asWorkload.post(path, change).refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
		e.bearer(http.MethodPost, path, issued.EAR.JWT, encoded).refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
		for _, role := range []admin.Role{admin.Viewer, admin.Operator} {
			e.as("oscar", role).post(path, change).refused(http.StatusForbidden, evidence.CodeForbidden)
		}
	}
	if state, _, known := e.Store.KeyState([32]byte(key.AK)); !known || state.Revoked {
		t.Errorf("known %v, revoked %v", known, state.Revoked)
	}
	var trail server.AuditResponse
	alice.post("/v1/admin/audit", map[string]any{}).into(&trail)
	refused := 0
	for _, event := range trail.Events {
		if event.Outcome == store.Refused && slices.Contains([]string{evidence.CodeForbidden.String(), evidence.CodeUnauthorized.String()}, event.Code) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no attempt is on record")
	}
	var done server.KeyChangeResponse
	alice.post("/v1/admin/keys/revoke", change).into(&done) // or the above would prove nothing
	if state, _, _ := e.Store.KeyState([32]byte(key.AK)); !state.Revoked || !done.Applied {
		t.Errorf("an owner: %+v", done)
	}
}

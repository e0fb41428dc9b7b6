package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	simulated "github.com/quotary/quotary/simulators/tpm"
)

// enrolled enrols a machine's key.
func (e enrolling) enrolled(m *simulated.Machine) server.ActivationResponse {
	e.t.Helper()
	var done server.ActivationResponse
	e.post("/v1/tpm/activations", e.answer(m, e.begin(m))).into(&done)
	return done
}

// An attestation key's life as administrators see and change it.
func TestKeysOfAdministrators(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{keepFirst: true})
	c := readContract(t, e.api)
	alice := e.as("alice", admin.Owner)
	m := e.machine("one", simulated.MachineOptions{})
	first := e.enrolled(m)

	var page server.KeysResponse
	alice.call(c, "POST keys", map[string]any{"status": "active", "ek": first.EKSHA256, "limit": 1}).into(&page)
	if len(page.Keys) != 1 || !page.Keys[0].Simulated || page.Keys[0].Action != "enrolment" || page.Cursor == "" {
		t.Fatalf("got %+v", page)
	}
	alice.call(c, "POST keys", map[string]any{"status": "active", "cursor": page.Cursor}).into(&page)
	if len(page.Keys) != 0 {
		t.Errorf("behind the only key: %+v", page)
	}
	alice.call(c, "POST keys", map[string]any{"status": "gone"}).refused(http.StatusBadRequest, evidence.CodeLedgerQuery)

	var key server.AttestationKey
	alice.call(c, "POST keys/show", map[string]any{"ak": first.AKSHA256}).into(&key) // a simulated key, by its own digest
	alice.call(c, "POST keys/show", map[string]any{"ak": strings.Repeat("00", 32)}).refused(http.StatusNotFound, evidence.CodeAttestationKeyUnknown)
	if key.Status != "active" || key.EK == nil || key.AttestationID != first.EnrolmentID {
		t.Errorf("got %+v", key)
	}

	change := map[string]any{"ak": key.AK, "base": key.Base, "reason": "machine stolen"}
	var got server.KeyChangeResponse
	epoch := e.Continuous.Epoch()
	alice.call(c, "POST keys/revoke", change).into(&got)
	if e.Continuous.Epoch() != epoch {
		t.Error("a dry run has identities looked at")
	}
	if got.Applied || got.Key.Status != "active" {
		t.Error("a dry run is the default, and changes nothing")
	}
	change["dry_run"] = false
	alice.call(c, "POST keys/revoke", change).into(&got)
	if !got.Applied || got.Key.Status != "revoked" || got.Key.Reason != "machine stolen" || got.Key.ChangedBy != "admin:certificate:alice" || !got.Key.Simulated {
		t.Errorf("got %+v", got)
	}
	if e.Continuous.Epoch() == epoch {
		t.Error("nobody looks at the identities that rest on the key")
	}
	e.post("/v1/tpm/activations", e.answer(m, e.begin(m))).refused(http.StatusUnprocessableEntity, evidence.CodeTPMAKRevoked)
	alice.call(c, "POST keys/revoke", change).refused(http.StatusConflict, evidence.CodeAttestationKeyChanged)
	change["base"] = got.Key.Base
	alice.call(c, "POST keys/revoke", change).refused(http.StatusConflict, evidence.CodeAttestationKeyChanged)

	change["reason"] = "the TPM goes on with another key"
	var released server.KeyChangeResponse
	alice.call(c, "POST keys/release", change).into(&released)
	if released.Key.Status != "revoked" || released.Key.EK != nil {
		t.Errorf("got %+v", released)
	}
	e.post("/v1/tpm/activations", e.answer(m, e.begin(m))).refused(http.StatusUnprocessableEntity, evidence.CodeTPMAKRevoked)

	var events server.AuditResponse
	alice.call(c, "POST audit", map[string]any{"action": "admin.keys.revoke", "outcome": "done"}).into(&events)
	if n := len(events.Events); n != 2 || events.Events[1].AttestationID != first.EnrolmentID || !strings.Contains(string(events.Events[1].Detail), `"reason":"machine stolen"`) {
		t.Errorf("got %+v", events) // the dry run, and the change
	}
	if _, _, err := e.Store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// Only owners change keys, with a reason, and by what they looked at.
func TestAttack_Y13_KeysAreChangedByOwners(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	first := e.enrolled(e.machine("one", simulated.MachineOptions{}))
	oscar, alice := e.as("oscar", admin.Operator), e.as("alice", admin.Owner)
	var key server.AttestationKey
	oscar.post("/v1/admin/keys/show", map[string]any{"ak": first.AKSHA256}).into(&key)
	change := map[string]any{"ak": key.AK, "base": key.Base, "reason": "r", "dry_run": false}
	for _, act := range []string{"revoke", "release"} {
		oscar.post("/v1/admin/keys/"+act, change).refused(http.StatusForbidden, evidence.CodeForbidden)
		for _, reason := range []string{"", "  ", strings.Repeat("r", 501)} {
			alice.post("/v1/admin/keys/"+act, map[string]any{"ak": key.AK, "base": key.Base, "reason": reason, "dry_run": false}).refused(http.StatusBadRequest, evidence.CodeRequestMalformed)
		}
		alice.post("/v1/admin/keys/"+act, map[string]any{"ak": key.AK, "base": key.AK, "reason": "r", "dry_run": false}).refused(http.StatusConflict, evidence.CodeAttestationKeyChanged)
	}
	if _, _, ok := e.Store.KeyState([32]byte(key.AK)); !ok {
		t.Error("the key is not known by what the list calls it")
	}
	if state, _, _ := e.Store.KeyState([32]byte(key.AK)); state.Revoked {
		t.Error("the key was changed")
	}
	change["reason"] = strings.Repeat("\x01", 500) // as large as it gets in a detail
	var got server.KeyChangeResponse
	alice.post("/v1/admin/keys/revoke", change).into(&got)
	if got.Key.Status != "revoked" {
		t.Errorf("got %+v", got)
	}
}

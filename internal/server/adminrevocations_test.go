package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
)

// Certificates are revoked by cause and by name; a dry run tells whose.
func TestRevocationsOfAdministrators(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	one, two, three := a.attest(), a.attest(), a.attest()

	var got server.RevocationResponse
	cause := map[string]any{"where": `workload == "web" && sev_snp.reported_tcb.snp < 99 && spiffe_id.endsWith("/web")`, "reason": "old firmware"}
	alice.call(c, "POST revocations", cause).into(&got)
	if got.Applied || got.Matched != 3 || len(got.Certificates) != 3 || got.Certificates[0].Serial != three.SVID.Serial || got.Revoked != 0 {
		t.Errorf("dry run: %+v", got)
	}
	var list server.RevocationsResponse
	alice.call(c, "POST revocations/list", map[string]any{}).into(&list)
	if len(list.Revocations) != 0 {
		t.Errorf("a dry run revoked %+v", list)
	}
	named := map[string]any{"serials": []string{strings.ToUpper(two.SVID.Serial), "00"}, "reason": "key leaked", "dry_run": false}
	alice.call(c, "POST revocations", named).into(&got)
	if !got.Applied || got.Revoked != 1 || got.Sequence != 1 || len(got.LeftOut) != 1 || got.LeftOut[0] != "00" {
		t.Errorf("by serial: %+v", got)
	}
	alice.call(c, "POST revocations", named).refused(http.StatusConflict, evidence.CodeRevocationNone)
	alice.call(c, "POST revocations", map[string]any{"attestation_ids": []string{one.AttestationID}, "reason": "lost", "dry_run": false}).into(&got)
	if got.Revoked != 1 || got.Sequence != 2 {
		t.Errorf("by attestation: %+v", got)
	}
	cause["dry_run"] = false
	alice.call(c, "POST revocations", cause).into(&got)
	if got.Revoked != 1 || got.Sequence != 3 || got.Matched != 1 {
		t.Errorf("by cause, what was left: %+v", got)
	}
	alice.call(c, "POST revocations/list", map[string]any{"live": true, "limit": 2}).into(&list)
	if len(list.Revocations) != 2 || list.Cursor == "" || list.Revocations[0].Where != cause["where"] || list.Revocations[0].Reason != "old firmware" ||
		list.Revocations[0].Serial != three.SVID.Serial || list.Revocations[0].RevokedBy != "admin:certificate:alice" {
		t.Errorf("got %+v", list)
	}
	var rest server.RevocationsResponse
	alice.call(c, "POST revocations/list", map[string]any{"cursor": list.Cursor}).into(&rest)
	if len(rest.Revocations) != 1 || rest.Revocations[0].Sequence != 1 || rest.Revocations[0].Where != "" || rest.Cursor != "" {
		t.Errorf("got %+v", rest)
	}
	var events server.AuditResponse
	alice.call(c, "POST audit", map[string]any{"action": "admin.revocations"}).into(&events)
	done := int64(0)
	for _, e := range events.Events {
		if e.Outcome == store.Done {
			done += e.Revoked
		}
	}
	if done != 3 {
		t.Errorf("events speak of %d revocations: %+v", done, events)
	}
	if _, _, err := a.Store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	four := a.attest() // who was revoked may attest anew
	alice.call(c, "POST revocations", cause).into(&got)
	if got.Matched != 1 || got.Certificates[0].Serial != four.SVID.Serial {
		t.Errorf("what was issued since: %+v", got)
	}
}

// Evidence of another kind is left alone, and counted.
func TestRevocationThatIsUnclear(t *testing.T) {
	a := start(t, servertest.Options{})
	a.attest()
	var got server.RevocationResponse
	a.as("oscar", admin.Operator).post("/v1/admin/revocations", map[string]any{"where": `tdx.tcb.status == "UpToDate"`, "reason": "r"}).into(&got)
	if got.Matched != 0 || got.Unclear != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestRevocationsThatSayTooLittleOrTooMuch(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice := a.as("alice", admin.Owner)
	long := make([]string, 101)
	for i := range long {
		long[i] = "00"
	}
	for name, body := range map[string]map[string]any{
		"nothing named":   {"reason": "r"},
		"two ways":        {"reason": "r", "where": "simulated", "serials": []string{"00"}},
		"no reason":       {"where": "simulated"},
		"an empty name":   {"reason": "r", "serials": []string{""}},
		"no number":       {"reason": "r", "serials": []string{"0x7f"}},
		"too many names":  {"reason": "r", "attestation_ids": long},
		"no place for it": {"reason": "r", "where": `workload == "` + strings.Repeat("<", 600) + `"`},
	} {
		if got := alice.call(c, "POST revocations", body); got.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, got.status)
		}
	}
	for _, where := range []string{"", "true", "worklaod == 'x'", `workload == "w`} {
		alice.call(c, "POST revocations", map[string]any{"reason": "r", "where": where}).refused(http.StatusBadRequest, evidence.CodeRevocationWhere)
	}
}

// Who is not an owner revokes no certificate: nobody, a workload or an operator.
func TestAttack_A18_CertificatesAreRevokedByOwners(t *testing.T) {
	a := start(t, servertest.Options{})
	issued := a.attest()
	body := map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}
	a.post("/v1/admin/revocations", body).refused(http.StatusUnauthorized, evidence.CodeUnauthorized)
	for _, role := range []admin.Role{admin.Viewer, admin.Operator} {
		a.as("oscar", role).post("/v1/admin/revocations", body).refused(http.StatusForbidden, evidence.CodeForbidden)
	}
	if list, err := a.Store.Revocations(t.Context(), store.RevocationFilter{Limit: 1}); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	var got server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", body).into(&got) // or the above would prove nothing
	if got.Revoked != 1 {
		t.Errorf("an owner: %+v", got)
	}
}

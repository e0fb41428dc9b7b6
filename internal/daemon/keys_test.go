package daemon_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/client"
	sdk "github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/tpm"
)

// A key that an administrator revokes is refused from the next attestation on, also by a
// service that was restarted; its TPM comes back with another key once it is released.
func TestRevokedAttestationKey(t *testing.T) {
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "revoked"})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "stolen", WithoutCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.Measure(7, []byte("secure boot on")); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, policy, fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://quotary.internal/web"}
allow_simulated: true
any_of:
  - tpm: {pcrs: {sha256: {7: [%s]}}, ak: {sources: [enrolled]}}
`, machine.PCRs()[tpm.SHA256][7]))
	data := filepath.Join(t.TempDir(), "data")
	config := daemon.Config{Policies: []string{policy}, Simulated: daemon.Simulated{Accept: true, Roots: []string{rootFile(t, vendor.EKAnchor())}}}
	service := start(t, data, config)
	c := service.dial(t)
	enrolled, err := c.Enrol(t.Context(), enrolling{machine}, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	machine.UseCertificates(enrolled.Certificates)
	if err := granted(t, c, machine); err != nil {
		t.Fatal(err)
	}
	alice := owner(t, service, data, "alice")
	key, err := alice.Key(t.Context(), enrolled.AKSHA256)
	if err != nil || key.Status != "active" || key.Workload != "web" || key.Quote == nil {
		t.Fatalf("got %+v, %v", key, err)
	}
	change := sdk.KeyChange{AK: key.AK, Base: key.Base, Reason: "stolen"}
	if err := granted(t, c, machine); err != nil { // meanwhile
		t.Fatal(err)
	}
	revoked, err := alice.RevokeKey(t.Context(), change)
	if err != nil || !revoked.Applied {
		t.Fatalf("got %+v, %v", revoked, err)
	}
	refused := func(when string) {
		t.Helper()
		if err := granted(t, c, machine); !refusedFor(err, evidence.CodeTPMAKRevoked) {
			t.Errorf("%s: %v", when, err)
		}
		var p *client.Problem
		if _, err := c.Enrol(t.Context(), enrolling{machine}, client.EnrolOptions{}); !errors.As(err, &p) || p.Reason.Code != evidence.CodeTPMAKRevoked {
			t.Errorf("%s, enrolled again: %v", when, err)
		}
	}
	refused("revoked")
	service.stop()
	service = start(t, data, config)
	c = service.dial(t)
	refused("after a restart")
	change.Base = revoked.Key.Base
	if _, err := owner(t, service, data, "alice").ReleaseKey(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	refused("released")
}

// A reload by an administrator is one by the process's signal, with a name in the audit trail.
func TestReloadByAdministrator(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "web.yaml")
	write(t, file, documentOf("web")[0].Content)
	r := start(t, data, daemon.Config{Policies: []string{file}})
	alice := owner(t, r, data, "alice")
	write(t, file, documentOf("db")[0].Content)
	got, err := alice.Reload(t.Context())
	if err != nil || got.Policy.Mode != "files" || r.Workloads()[0] != "db" {
		t.Errorf("got %+v, %v", got, err)
	}
	write(t, file, "kind: Nothing\n")
	if _, err := alice.Reload(t.Context()); evidence.CodeOf(err) != evidence.CodePolicyInvalid || r.Workloads()[0] != "db" {
		t.Errorf("got %v", err)
	}
	events, err := alice.Events(t.Context(), sdk.EventFilter{Action: "admin.reload", Outcome: "done"})
	if err != nil || len(events.Events) != 1 || events.Events[0].Actor != "admin:certificate:alice" {
		t.Errorf("got %+v, %v", events, err)
	}
}

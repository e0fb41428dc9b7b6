package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee/teetest"
)

// alternative is a policy of one alternative.
func alternative(text string) []server.Document {
	head, _, _ := strings.Cut(strict[0].Content, "any_of:\n")
	return []server.Document{{Name: "web.yaml", Content: head + "any_of:\n  - " + text + "\n"}}
}

// snpWith accepts the SEV-SNP machine of package teetest, and waives something.
func snpWith(waived string) string {
	return `{sev_snp: {measurements: ["` + teetest.Measurement(48).String() + `"], minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}, allow: [` + waived + `]}}`
}

// No owner can open everything in a hurry: there is no policy that accepts all
// evidence, and none that accepts evidence without looking at what was started.
func TestAttack_Y16_NothingAcceptsAll(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice, base := a.as("alice", admin.Owner), a.Policies.Set().Digest()
	for _, text := range []string{"any", "{}", "{sev_snp: any}", "{sev_snp: {}}", "{sev_snp: any, tdx: any, tpm: any}", snpWith("debug"), "{require: [{name: all, rule: 'true', message: all}]}"} {
		answer := alice.call(c, "POST policy/apply", map[string]any{"documents": alternative(text), "base": base, "dry_run": false})
		answer.refused(badRequest, evidence.CodePolicyInvalid)
	}
	if a.Policies.Set().Digest() != base {
		t.Error("another set is in force")
	}
}

// What a policy waives is told before it is put in force, and in force.
func TestAttack_Y16_RelaxationsAreTold(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	alice, base := a.as("alice", admin.Owner), a.Policies.Set().Digest()
	waiving := alternative(snpWith("provisional-firmware"))
	var planned server.PlanResponse
	alice.call(c, "POST policy/plan", map[string]any{"documents": waiving}).into(&planned)
	if gained := planned.Diff.RelaxationsGained; !slices.Contains(gained, "web: sev-snp.provisional-firmware") {
		t.Errorf("gains %q", gained)
	}
	alice.call(c, "POST policy/apply", map[string]any{"documents": waiving, "base": base, "dry_run": false}).into(&server.ChangeResponse{})
	if got := a.attest(); !slices.Contains(got.Relaxed, "sev-snp.provisional-firmware") {
		t.Errorf("relaxed: %q", got.Relaxed)
	}
}

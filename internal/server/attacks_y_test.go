package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/archtest"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee/teetest"
)

// administrationAttacks lists the known attacks on administrators and what they do,
// by number, with what each is and the tests, here and elsewhere, that show it to fail.
var administrationAttacks = map[string]archtest.AttackRow{
	"Y10": {"sets, references and approvals that are forged, old or nobody's", `internal/daemon.TestAttack_Y10_ServiceWithReferenceKeys internal/inforce.TestAttack_Y10_NoWayPastReferenceKeys
		internal/inforce.TestAttack_Y10_ProposalOnAnOldSet internal/store.TestAttack_Y10_ForgedApprovals internal/store.TestAttack_Y10_RolledBackHistoryIsNotInForce
		internal/store.TestAttack_Y10_RolledBackShadow internal/store.TestAttack_Y10_ChangedDocumentIsNotReused internal/store.TestAttack_Y10_StaleBaseIsRefused`},
	"Y11": {"no authentication, or by what is none any more", `TestAttack_Y11_NoRouteWithoutACredential TestAttack_Y11_RevokedOwnersDoNotCount
		internal/admin.TestAttack_Y11_NothingWithoutACredential internal/inforce.TestAttack_Y11_ApprovalByARevokedCertificate`},
	"Y12": {"credentials that last long or leak", `internal/admin.TestAttack_Y12_CredentialsEnd client/admin.TestAttack_Y12_TheCredentialIsShownToTheServiceOnly
		cmd/quotary.TestAttack_Y12_NoSecretIsTold cmd/quotary.TestAttack_Y12_FilesOfOthersAreRefused`},
	"Y13": {"more than the role permits", "TestAttack_Y13_RolesOfEveryRoute TestAttack_Y13_RolesOfWhatIsAskedFor internal/admin.TestAttack_Y13_RolesMatrix"},
	"Y14": {"two changes at once, or one during an appraisal", `TestAttack_Y14_PoliciesChangeUnderAppraisals internal/inforce.TestAttack_Y14_ConcurrentChanges
		internal/inforce.TestAttack_Y14_PlansHoldUpNoChange internal/store.TestAttack_Y14_ConcurrentApplies internal/store.TestAttack_Y14_ReadersSeeWholeSets`},
	"Y15": {"shadow that decides, or stops something", `TestAttack_Y15_AShadowDecidesNothing internal/inforce.TestAttack_Y15_ShadowGrantsNothing
		internal/inforce.TestAttack_Y15_WhatDoesNotDecideStopsNothing`},
	"Y16": {"a policy that accepts all, left in force", "TestAttack_Y16_NothingAcceptsAll TestAttack_Y16_RelaxationsAreTold"},
	"Y17": {"another site's page in an administrator's browser", "TestAttack_Y17_RequestsOfBrowsers internal/admin.TestAttack_Y17_Browsers"},
	"Y18": {"changes that nobody recorded", `TestAttack_Y18_NoChangeWithoutARecord TestAttack_Y18_EveryCallIsRecorded TestAttack_Y18_StrangersDoNotHideAdministrators
		TestAttack_Y18_NothingLeavesUnrecorded TestAttack_Y18_OutsidersAreNamed internal/daemon.TestAttack_Y18_ReloadThatCannotBeRecorded internal/inforce.TestAttack_Y18_ChangeWithoutRecord
		internal/inforce.TestAttack_Y18_StoppedBeforeItWasApplied internal/store.TestAttack_Y18_FailureOfEachWriteOfAPolicy
		internal/store.TestAttack_Y18_PolicyPersistedButFailed internal/store.TestAttack_Y18_CallerLeaves`},
	"Y19": {"commands that end well where something failed, or tell what a service forged", `cmd/quotary.TestAttack_Y19_AdministratorsExitCodes
		cmd/quotary.TestAttack_Y19_AdministratorsResultsAreDelivered cmd/quotary.TestAttack_Y19_PolicyCommandsRefused cmd/quotary.TestAttack_Y19_HostileService
		cmd/quotary.TestAttack_Y19_NamesOfDocuments`},
	"Y20": {"values of an attacker's machine become the reference", `policies/draft.TestAttack_Y20_DraftPinsWhatItSaw policies/draft.TestAttack_Y20_DraftWaivesNothing
		policies/draft.TestAttack_Y20_HostileTexts cmd/quotary.TestAttack_Y20_DraftsWarn cmd/quotary.TestAttack_Y20_NoDraftOfWhatIsNotGenuine`},
}

// TestAttackRows_Administration holds the table to the tests.
func TestAttackRows_Administration(t *testing.T) {
	tree, err := archtest.Load(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"Y10", "Y11", "Y12", "Y13", "Y14", "Y15", "Y16", "Y17", "Y18", "Y19", "Y20"}
	for _, violation := range archtest.Attacks(tree, "internal/server", ids, administrationAttacks) {
		t.Error(violation)
	}
}

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

package sevsnp_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file are told in genuine reports: a machine lies about
// nothing, and is not what its verifier wants. What refuses it is policy, which
// has to see it in the claims of a report that was signed so.

// deployment is a machine of one product line, with a policy that accepts it.
type deployment struct {
	vendor *simulator.Vendor
	lines  []string // of the requirement
	report func(*simulator.Report)
}

// deployments are one with each TCB layout: a guest with an ID block, on a
// platform with every protection.
func deployments() map[string]deployment {
	healthy := func(r *simulator.Report) {
		r.Version = 5
		r.Policy = 1<<17 | 1<<20 | 1<<22 | 1<<23 | 1<<24 | 1<<25
		r.PlatformInfo = 1<<2 | 1<<3 | 1<<4 | 1<<5
		r.LaunchMitVector, r.CurrentMitVector = 0x17, 0x17
		r.HostData = sha256.Sum256([]byte("init-data"))
		r.IDKeyDigest, r.AuthorKeyDigest, r.AuthorKeyEnabled = [48]byte{1}, [48]byte{2}, true
		r.FamilyID, r.ImageID, r.GuestSVN = [16]byte{3}, [16]byte{4}, 7
	}
	lines := func(vendor *simulator.Vendor, product, tcb string) []string {
		r := vendor.Report("policy")
		healthy(r)
		return []string{
			"measurements: [" + quoted(r.Measurement[:]) + "]", "host_data: [" + quoted(r.HostData[:]) + "]",
			"id_key_digests: [" + quoted(r.IDKeyDigest[:]) + "]", "author_key_digests: [" + quoted(r.AuthorKeyDigest[:]) + "]",
			"family_id: [" + quoted(r.FamilyID[:]) + "]", "image_id: [" + quoted(r.ImageID[:]) + "]", "minimum_guest_svn: 7",
			"products: [" + product + "]", "minimum_tcb: " + tcb, "minimum_mitigation: {launch: \"0000000000000012\", current: \"0000000000000012\"}",
			"guest_policy: {smt: forbidden, single_socket: required, aes_256_xts: required, rapl_disabled: required, ciphertext_hiding: required, page_swap_disabled: required}",
			"platform: {smt: forbidden, tsme: forbidden, ecc: required, rapl_disabled: required, ciphertext_hiding: required, alias_check_complete: required}",
			"chip_ids: {allow: [" + quoted(r.ChipID[:]) + "]}",
		}
	}
	return map[string]deployment{
		"Milan": {milan(), lines(milan(), "Milan", "{bootloader: 4, tee: 0, snp: 24, microcode: 219}"), healthy},
		"Turin": {turin(), lines(turin(), "Turin", "{fmc: 1, bootloader: 2, tee: 1, snp: 4, microcode: 74}"), healthy},
	}
}

func quoted(b []byte) string { return `"` + hex.EncodeToString(b) + `"` }

// judge has the machine report what change makes of it, verifies that and asks the
// policy. What a policy is asked about is always genuine.
func (d deployment) judge(t *testing.T, change func(*simulator.Report)) policies.Decision {
	t.Helper()
	text := "apiVersion: quotary.dev/v1\nkind: Workload\nname: web\nidentity: {spiffe_id: \"spiffe://example.org/web\", ttl: 30m}\nallow_simulated: true\nany_of:\n  - sev_snp:\n      " +
		strings.Join(d.lines, "\n      ") + "\n"
	set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, d.vendor, "policy", d.report, change)
	e := authorities(d.vendor, m.Certificate)
	e.AddCRL(published(d.vendor).CRLs(d.vendor.ARK().Certificate.RawSubject)[0])
	out := trusting().Verify(item(t, m), e, tee.Params{Now: now})
	wantGenuine(t, out)
	return set.Evaluate(policies.Input{Claims: []evidence.Claims{out.Claims}, SimulatedAccepted: true, Now: now})
}

// lie is what a machine reports, and the check that refuses it.
type lie struct {
	name   string
	change func(*simulator.Report)
	code   evidence.Code
}

func denied(t *testing.T, lies ...lie) {
	t.Helper()
	for name, d := range deployments() {
		accepted := d.judge(t, func(*simulator.Report) {})
		if accepted.Verdict != policies.Accepted {
			t.Fatalf("%s: the healthy machine is %s\n%s", name, accepted.Verdict, lines(accepted.Checks))
		}
		for _, l := range lies {
			t.Run(name+"/"+l.name, func(t *testing.T) {
				decision := d.judge(t, l.change)
				failed := slices.ContainsFunc(decision.Checks.Failed(), func(c evidence.Check) bool { return c.Code == l.code })
				if decision.Verdict != policies.Rejected || !failed {
					t.Errorf("%s, not refused by %s\n%s", decision.Verdict, l.code, lines(decision.Checks))
				}
			})
		}
	}
}

func TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy(t *testing.T) {
	flip := func(bit uint) func(*simulator.Report) { return func(r *simulator.Report) { r.Policy ^= 1 << bit } }
	denied(t,
		lie{"debug", flip(19), evidence.CodePolicySNPDebug},
		lie{"migration", flip(18), evidence.CodePolicySNPMigration},
		lie{"an agent", func(r *simulator.Report) { r.ReportIDMA = [32]byte{1} }, evidence.CodePolicySNPMigration},
		lie{"SMT", flip(16), evidence.CodePolicySNPGuestPolicy},
		lie{"several sockets", flip(20), evidence.CodePolicySNPGuestPolicy},
		lie{"CXL", flip(21), evidence.CodePolicySNPCXL},
		lie{"AES-128", flip(22), evidence.CodePolicySNPGuestPolicy},
		lie{"RAPL", flip(23), evidence.CodePolicySNPGuestPolicy},
		lie{"ciphertexts in view", flip(24), evidence.CodePolicySNPGuestPolicy},
		lie{"pages move", flip(25), evidence.CodePolicySNPGuestPolicy})
}

func TestAttack_S17_S22_S23_S24_S25_Platform(t *testing.T) {
	flip := func(bit uint) func(*simulator.Report) {
		return func(r *simulator.Report) { r.PlatformInfo ^= 1 << bit }
	}
	denied(t,
		lie{"SMT", flip(0), evidence.CodePolicySNPPlatform},
		lie{"TSME", flip(1), evidence.CodePolicySNPPlatform},
		lie{"no ECC", flip(2), evidence.CodePolicySNPPlatform},
		lie{"RAPL", flip(3), evidence.CodePolicySNPPlatform},
		lie{"ciphertexts in view", flip(4), evidence.CodePolicySNPPlatform},
		lie{"aliases not checked", flip(5), evidence.CodePolicySNPPlatform},
		lie{"trusted I/O", flip(7), evidence.CodePolicySNPPlatform})
}

func TestAttack_S26_S27_S28_Firmware(t *testing.T) {
	lower := func(t *simulator.TCB) { t.SNP-- }
	swap := func(t *simulator.TCB) { t.SNP, t.Microcode = t.SNP-1, t.Microcode+1 } // more, as a number
	denied(t,
		lie{"reported lowered", func(r *simulator.Report) { lower(&r.ReportedTCB) }, evidence.CodePolicySNPTCB},
		lie{"committed below", func(r *simulator.Report) { lower(&r.CommittedTCB) }, evidence.CodePolicySNPTCB},
		lie{"launched below", func(r *simulator.Report) { lower(&r.LaunchTCB) }, evidence.CodePolicySNPLaunchTCB},
		lie{"as a number", func(r *simulator.Report) { swap(&r.ReportedTCB); swap(&r.CommittedTCB) }, evidence.CodePolicySNPTCB},
		lie{"bootloader below", func(r *simulator.Report) { r.ReportedTCB.Bootloader--; r.ReportedTCB.SNP += 9 }, evidence.CodePolicySNPTCB},
		lie{"not committed", func(r *simulator.Report) { r.Committed.Build-- }, evidence.CodePolicySNPProvisional},
		lie{"TCB not committed", func(r *simulator.Report) { r.CurrentTCB.SNP++ }, evidence.CodePolicySNPProvisional})
}

// TestAttack_S27_FMCBelow lowers what only Turin has, and raises all else.
func TestAttack_S27_FMCBelow(t *testing.T) {
	decision := deployments()["Turin"].judge(t, func(r *simulator.Report) {
		for _, tcb := range []*simulator.TCB{&r.ReportedTCB, &r.CommittedTCB, &r.CurrentTCB, &r.LaunchTCB} {
			*tcb = simulator.TCB{FMC: 0, Bootloader: 9, TEE: 9, SNP: 9, Microcode: 99}
		}
	})
	if check, _ := decision.Checks.Get(evidence.CodePolicySNPTCB); decision.Verdict != policies.Rejected || check.Status != evidence.Fail {
		t.Errorf("%s\n%s", decision.Verdict, lines(decision.Checks))
	}
}

func TestAttack_S29_MitigationNotInForce(t *testing.T) {
	denied(t,
		lie{"not since launch", func(r *simulator.Report) { r.LaunchMitVector = 0x02 }, evidence.CodePolicySNPMitigation},
		lie{"not now", func(r *simulator.Report) { r.CurrentMitVector = 0x10 }, evidence.CodePolicySNPMitigation},
		lie{"none", func(r *simulator.Report) { r.LaunchMitVector, r.CurrentMitVector = 0, 0 }, evidence.CodePolicySNPMitigation},
		lie{"of a version without", func(r *simulator.Report) { r.Version = 4 }, evidence.CodePolicySNPMitigation})
}

func TestAttack_S09_S31_S42_WhoAndWhere(t *testing.T) {
	denied(t,
		lie{"chip masked", func(r *simulator.Report) { r.ChipID = [64]byte{} }, evidence.CodePolicySNPChip},
		lie{"another chip", func(r *simulator.Report) { r.ChipID[0]++ }, evidence.CodePolicySNPChip},
		lie{"another level", func(r *simulator.Report) { r.VMPL = 1 }, evidence.CodePolicySNPVMPL},
		lie{"the lowest level", func(r *simulator.Report) { r.VMPL = 3 }, evidence.CodePolicySNPVMPL})
}

func TestAttack_S44_S45_S46_S47_S48_S49_S51_Image(t *testing.T) {
	truncated := sha512.Sum384([]byte("init-data"))
	denied(t,
		lie{"another measurement", func(r *simulator.Report) { r.Measurement[47]++ }, evidence.CodePolicySNPMeasurement},
		lie{"no measurement", func(r *simulator.Report) { r.Measurement = [48]byte{} }, evidence.CodePolicySNPMeasurement},
		lie{"other host data", func(r *simulator.Report) { r.HostData = sha256.Sum256([]byte("other init-data")) }, evidence.CodePolicySNPHostData},
		lie{"a digest of another size", func(r *simulator.Report) { r.HostData = [32]byte(truncated[:32]) }, evidence.CodePolicySNPHostData},
		lie{"no host data", func(r *simulator.Report) { r.HostData = [32]byte{} }, evidence.CodePolicySNPHostData},
		lie{"no ID key", func(r *simulator.Report) { r.IDKeyDigest = [48]byte{} }, evidence.CodePolicySNPIDKey},
		lie{"author key not enabled", func(r *simulator.Report) { r.AuthorKeyEnabled = false }, evidence.CodePolicySNPAuthorKey},
		lie{"another author key", func(r *simulator.Report) { r.AuthorKeyDigest[0]++ }, evidence.CodePolicySNPAuthorKey},
		lie{"another family", func(r *simulator.Report) { r.FamilyID[0]++ }, evidence.CodePolicySNPFamilyID},
		lie{"another image", func(r *simulator.Report) { r.ImageID[0]++ }, evidence.CodePolicySNPImageID},
		lie{"an older image", func(r *simulator.Report) { r.GuestSVN-- }, evidence.CodePolicySNPGuestSVN})
}

func TestAttack_S11_S35_KeyAndRevocation(t *testing.T) {
	for name, d := range deployments() {
		var kept []string
		for _, line := range d.lines {
			if !strings.HasPrefix(line, "chip_ids") {
				kept = append(kept, line)
			}
		}
		text := fmt.Sprintf("apiVersion: quotary.dev/v1\nkind: Workload\nname: web\nidentity: {spiffe_id: \"spiffe://example.org/web\", ttl: 30m}\nallow_simulated: true\nany_of:\n  - sev_snp:\n      %s\n      csp_ids: {allow: [\"CN=cloud.example\"]}\n",
			strings.Join(kept, "\n      "))
		set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		for csp, want := range map[string]policies.Verdict{"CN=cloud.example": policies.Accepted, "CN=evil.example": policies.Rejected} {
			r := d.vendor.Report("policy")
			d.report(r)
			for _, tcb := range []*simulator.TCB{&r.ReportedTCB, &r.CurrentTCB, &r.CommittedTCB} {
				tcb.Microcode = 222 // few have it: other tests find theirs among the vendor's VLEKs
			}
			m, err := d.vendor.NewMachine(simulator.MachineOptions{Name: "provider's", Report: r, CSPID: csp})
			if err != nil {
				t.Fatal(err)
			}
			out := trusting().Verify(item(t, m), published(d.vendor), tee.Params{Now: now})
			wantGenuine(t, out)
			if got := set.Evaluate(policies.Input{Claims: []evidence.Claims{out.Claims}, SimulatedAccepted: true, Now: now}); got.Verdict != want {
				t.Errorf("%s, %s: %s\n%s", name, csp, got.Verdict, lines(got.Checks))
			}
			// Without a current list nobody knows whether the chain is revoked.
			out = trusting().Verify(item(t, m), nil, tee.Params{Now: now})
			wantGenuine(t, out)
			if got := set.Evaluate(policies.Input{Claims: []evidence.Claims{out.Claims}, SimulatedAccepted: true, Now: now}); got.Verdict == policies.Accepted {
				t.Errorf("%s, %s: accepted without a list", name, csp)
			}
		}
	}
}

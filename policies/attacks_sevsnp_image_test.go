package policies_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func TestAttack_S42_HigherVMPL(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"VMPL 1", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 1 }, evidence.CodePolicySNPVMPL},
		{"VMPL 3", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 3 }, evidence.CodePolicySNPVMPL},
	})
	c := goodSNP()
	wantVerdict(t, evaluate(load(t, snpWith("vmpl: 1")), c), policies.Rejected, evidence.CodePolicySNPVMPL)
	c.SEVSNP.VMPL = 1
	wantVerdict(t, evaluate(load(t, snpWith("vmpl: 1")), c), policies.Accepted, evidence.CodePolicySNPVMPL)
}

func TestAttack_S43_HostRequestedReport(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"-1", snpWith(), func(c *evidence.Claims) { c.SEVSNP.VMPL = 0xffffffff }, evidence.CodePolicySNPVMPL},
		{"4", snpWith("vmpl: 0"), func(c *evidence.Claims) { c.SEVSNP.VMPL = 4 }, evidence.CodePolicySNPVMPL},
	})
	if text := loadErr(t, snpWith("vmpl: 4294967295")); !strings.Contains(text, "from 0 to 3") {
		t.Error(text)
	}
}

func TestAttack_S44_MeasurementTricks(t *testing.T) {
	runAttacks(t, goodSNP, []attack{
		{"prefix", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = fill(0x11, 47) }, evidence.CodePolicySNPMeasurement},
		{"longer", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = fill(0x11, 49) }, evidence.CodePolicySNPMeasurement},
		{"empty", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement = nil }, evidence.CodePolicySNPMeasurement},
		{"last byte", snpWith(), func(c *evidence.Claims) { c.SEVSNP.Measurement[47]++ }, evidence.CodePolicySNPMeasurement},
	})
	for _, value := range []string{`""`, "00", m11[:94], m11 + "11", strings.Repeat("00", 48), `"` + m11 + ` "`, m11 + ", " + m11} {
		loadErr(t, replace(snpWith(), `"`+m11+`"`, value))
	}
}

func TestAttack_S45_HostData(t *testing.T) {
	policy := snpWith(`host_data: ["` + strings.Repeat("03", 32) + `"]`)
	runAttacks(t, goodSNP, []attack{
		{"other", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(1, 32) }, evidence.CodePolicySNPHostData},
		{"zero", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(0, 32) }, evidence.CodePolicySNPHostData},
		{"absent", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = nil }, evidence.CodePolicySNPHostData},
		{"S46 truncated digest of another size", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = fill(3, 48) }, evidence.CodePolicySNPHostData},
	})
	if text := loadErr(t, snpWith(`host_data: ["`+strings.Repeat("03", 48)+`"]`)); !strings.Contains(text, "expected 64 hex digits, got 96") {
		t.Error(text)
	}
}

// S46: another document was started with, and its digest is in HOST_DATA.
func TestAttack_S46_OtherInitData(t *testing.T) {
	good, other := sha256.Sum256([]byte("init-data")), sha256.Sum256([]byte("init-data "))
	long := sha512.Sum384([]byte("init-data"))
	policy := snpWith(`host_data: ["` + evidence.Hex(good[:]).String() + `"]`)
	with := func() evidence.Claims {
		c := goodSNP()
		c.SEVSNP.HostData = good[:]
		return c
	}
	runAttacks(t, with, []attack{
		{"another document", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = other[:] }, evidence.CodePolicySNPHostData},
		{"a longer digest, cut", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = long[:32] }, evidence.CodePolicySNPHostData},
		{"the digest, cut", policy, func(c *evidence.Claims) { c.SEVSNP.HostData = good[:31] }, evidence.CodePolicySNPHostData},
	})
	loadErr(t, snpWith(`host_data: ["`+evidence.Hex(long[:]).String()+`"]`))
}

// S51: on an image that runs anybody's code, a good measurement says nothing of
// who asks: HOST_DATA, or whatever tells workloads apart, must be pinned, and is compared.
func TestAttack_S51_GenericImage(t *testing.T) {
	mine := snpWith(`host_data: ["` + hexOf(3, 32) + `"]`)
	theirs := replace(replace(snpWith(`host_data: ["`+hexOf(4, 32)+`"]`), "name: web", "name: factory"), "example.org/web", "example.org/factory")
	set := load(t, mine, theirs)
	c := goodSNP()
	if d := evaluate(set, c); d.Workload != "web" || d.Verdict != policies.Accepted {
		t.Errorf("%s %s", d.Workload, d.Verdict)
	}
	c.SEVSNP.HostData = fill(4, 32)
	if d := evaluate(set, c); d.Workload != "factory" || d.Identity.SPIFFEID != "spiffe://example.org/factory" {
		t.Errorf("%s %s", d.Workload, d.Identity.SPIFFEID)
	}
	c.SEVSNP.HostData = fill(5, 32)
	wantVerdict(t, evaluate(set, c), policies.Rejected, evidence.CodePolicySNPHostData)
	// Two workloads that only the measurement tells apart are no workloads.
	generic := load(t, snpWith(), theirs)
	c.SEVSNP.HostData = fill(4, 32)
	wantVerdict(t, evaluate(generic, c), policies.Rejected, evidence.CodePolicyAmbiguous)
}

func TestAttack_S47_IDBlockWithoutKey(t *testing.T) {
	for _, key := range []string{
		`family_id: ["` + strings.Repeat("01", 16) + `"]`, `image_id: ["` + strings.Repeat("02", 16) + `"]`, "minimum_guest_svn: 7",
	} {
		if text := loadErr(t, snpWith(key)); !strings.Contains(text, "policy.unsafe") {
			t.Error(text)
		}
	}
	policy := snpWith(`image_id: ["`+strings.Repeat("02", 16)+`"]`, `family_id: ["`+strings.Repeat("01", 16)+`"]`, `id_key_digests: ["`+strings.Repeat("04", 48)+`"]`)
	runAttacks(t, goodSNP, []attack{
		{"image", policy, func(c *evidence.Claims) { c.SEVSNP.ImageID = fill(9, 16) }, evidence.CodePolicySNPImageID},
		{"family", policy, func(c *evidence.Claims) { c.SEVSNP.FamilyID = nil }, evidence.CodePolicySNPFamilyID},
		{"no key", policy, func(c *evidence.Claims) { c.SEVSNP.IDKeyDigest = fill(0, 48) }, evidence.CodePolicySNPIDKey},
		{"other key", policy, func(c *evidence.Claims) { c.SEVSNP.IDKeyDigest = fill(1, 48) }, evidence.CodePolicySNPIDKey},
	})
	loadErr(t, replace(snpWith(), `["`+m11+`"]`, "any"))
	d := evaluate(load(t, replace(snpWith(`id_key_digests: ["`+strings.Repeat("04", 48)+`"]`), `["`+m11+`"]`, "any")), goodSNP())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPIDKey)
}

func TestAttack_S48_AuthorKeyNotEnabled(t *testing.T) {
	policy := snpWith(`author_key_digests: ["` + strings.Repeat("05", 48) + `"]`)
	runAttacks(t, goodSNP, []attack{
		{"not enabled", policy, func(c *evidence.Claims) { c.SEVSNP.AuthorKeyEnabled = false }, evidence.CodePolicySNPAuthorKey},
		{"other", policy, func(c *evidence.Claims) { c.SEVSNP.AuthorKeyDigest = fill(4, 48) }, evidence.CodePolicySNPAuthorKey},
	})
}

func TestAttack_S49_GuestSVNRollback(t *testing.T) {
	policy := snpWith("minimum_guest_svn: 7", `id_key_digests: ["`+strings.Repeat("04", 48)+`"]`)
	runAttacks(t, goodSNP, []attack{
		{"one less", policy, func(c *evidence.Claims) { c.SEVSNP.GuestSVN = 6 }, evidence.CodePolicySNPGuestSVN},
	})
}

package corim_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/corim"
)

// exactClaims are those of a machine with the versions that the CoRIMs below name.
func exactClaims() evidence.Claims {
	tcb := evidence.SNPTCB{Bootloader: 4, SNP: 24, Microcode: 219}
	return evidence.Claims{
		Kind: evidence.KindSEVSNP, TrustAnchor: &evidence.TrustAnchor{Name: "root", Origin: evidence.OriginPinned},
		SEVSNP: &evidence.SNPClaims{
			Version: 3, Product: "Milan", ProductSource: "report", GuestSVN: 3, SigningKey: "vcek", RevocationChecked: true,
			Policy: evidence.SNPPolicy{Raw: evidence.Hex{0, 0, 0, 0, 0, 3, 0, 0}}, PlatformInfo: evidence.SNPPlatform{Raw: make(evidence.Hex, 8)},
			Measurement: bytes.Repeat([]byte{0x11}, 48), ReportIDMA: bytes.Repeat([]byte{0xff}, 32),
			ReportedTCB: tcb, CommittedTCB: tcb, CurrentTCB: tcb, LaunchTCB: tcb, CurrentVersion: "1.55.29", CommittedVersion: "1.55.29",
		},
	}
}

// Exact versions become rules that hold of that version and no other, neither of
// an older nor of a newer one, nor of a TCB of another layout.
func TestExactVersions(t *testing.T) {
	fmc := uint8(0)
	milan := uint64(0xdb18000000000004)
	for name, c := range map[string]struct {
		element any
		changes []func(*evidence.SNPClaims)
	}{
		"guest SVN": {element(1, 1, tag(552, 3)), []func(*evidence.SNPClaims){
			func(c *evidence.SNPClaims) { c.GuestSVN = 2 }, func(c *evidence.SNPClaims) { c.GuestSVN = 4 },
		}},
		"reported": {element(647, 1, milan), []func(*evidence.SNPClaims){
			func(c *evidence.SNPClaims) { c.ReportedTCB.SNP-- }, func(c *evidence.SNPClaims) { c.ReportedTCB.SNP++ }, func(c *evidence.SNPClaims) { c.ReportedTCB.TEE = 1 },
			func(c *evidence.SNPClaims) { c.ReportedTCB.Bootloader++ }, func(c *evidence.SNPClaims) { c.ReportedTCB.Microcode++ }, func(c *evidence.SNPClaims) { c.ReportedTCB.FMC = &fmc },
		}},
		"committed": {element(3329, 1, milan), []func(*evidence.SNPClaims){
			func(c *evidence.SNPClaims) { c.CommittedTCB.SNP++; c.CurrentTCB.SNP++ }, func(c *evidence.SNPClaims) { c.CommittedTCB.SNP--; c.CurrentTCB.SNP-- },
		}},
		"launch": {element(3968, 1, tag(552, milan)), []func(*evidence.SNPClaims){
			func(c *evidence.SNPClaims) { c.LaunchTCB.Microcode++ }, func(c *evidence.SNPClaims) { c.LaunchTCB.Microcode-- },
		}},
	} {
		got, err := corim.Import(manifest(t, amdProfile, nil, snp(c.element)), corim.ImportOptions{Now: now, Partial: true})
		if err != nil || len(got.Requirements) != 1 || got.Requirements[0].Key != "require" || got.LeftOut != nil {
			t.Fatalf("%s: %v, %+v", name, err, got)
		}
		set := load(t, fmt.Appendf(nil, "apiVersion: quotary.dev/v1\nkind: Workload\nname: w\nidentity: {spiffe_id: spiffe://example.org/w}\nany_of:\n  - sev_snp: {measurements: {reference: guest}, minimum_tcb: any}\n    require: [%s]\n---\n%s",
			got.Requirements[0].Value, got.YAML))
		verdict := func(change func(*evidence.SNPClaims)) policies.Verdict {
			claims := exactClaims()
			change(claims.SEVSNP)
			return set.Evaluate(policies.Input{Claims: []evidence.Claims{claims}, Now: now}).Verdict
		}
		if got := verdict(func(*evidence.SNPClaims) {}); got != policies.Accepted {
			t.Errorf("%s: %s", name, got)
		}
		for i, change := range c.changes {
			if got := verdict(change); got != policies.Rejected {
				t.Errorf("%s, change %d: %s", name, i, got)
			}
		}
	}
}

package tokens

import (
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// A machine that a bulletin speaks of is genuine and vulnerable; one whose
// revocation list has ended is not known to be supported.
func TestVectorOfMachinesThatAreBehind(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*evidence.SNPClaims)
		hardware Trust
		bulletin bool
	}{
		"up to date": {func(*evidence.SNPClaims) {}, 2, false},
		"an old SNP": {func(c *evidence.SNPClaims) { c.ReportedTCB.SNP, c.CommittedTCB.SNP, c.CurrentTCB.SNP = 20, 20, 20 }, 32, true},
		"a stale CRL": {func(c *evidence.SNPClaims) {
			c.RevocationChecked, c.RevocationNextUpdate = false, verifiertest.Now().Add(-time.Hour)
		}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			claims := newHouse(t).issue(t, verifiertest.Request{
				Purpose: evidence.PurposeToken,
				Claims:  func(all *evidence.Claims) { c.change(all.SEVSNP) },
				Policy: `apiVersion: quotary.dev/v1
kind: Workload
name: any
identity: {spiffe_id: "spiffe://example.org/any"}
any_of:
  - sev_snp: {measurements: ["` + teetest.Measurement(48).String() + `"], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}, revocation: {stale_ok: 24h}}
`,
			}).Claims
			if got := claims.Submodules["sev-snp"].Vector.Hardware; got != c.hardware {
				t.Errorf("hardware %d, want %d", got, c.hardware)
			}
			if got := claims.Appraisal.Advisories; (len(got) > 0) != c.bulletin || slices.Contains(got, "") {
				t.Errorf("advisories %v", got)
			}
		})
	}
}

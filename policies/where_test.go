package policies_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// A condition picks by claims and by what was granted. Evidence of another kind is neither
// picked nor left alone silently, unless the rest of the condition decides.
func TestWhere(t *testing.T) {
	const is, isnt, unclear = "picked", "not picked", "unclear"
	for text, want := range map[string]string{
		`workload == "web"`:                                 is,
		`workload == "db"`:                                  isnt,
		`spiffe_id.startsWith("spiffe://example.o")`:        is,
		`sev_snp.measurement == "` + m11 + `"`:              is,
		`sev_snp.reported_tcb.snp < 1`:                      isnt,
		`sev_snp.reported_tcb.snp < 1 || workload == "web"`: is,
		`tdx.tcb.status == "UpToDate"`:                      unclear,
		`tdx.tcb.status == "UpToDate" || workload == "web"`: is,
		`"tdx" in kinds && tdx.tcb.status == "UpToDate"`:    isnt,
		`sev_snp.csp_id == "x"`:                             unclear,
		`has(sev_snp.csp_id) && sev_snp.csp_id == "x"`:      isnt,
		`simulated`: isnt,
	} {
		w, err := policies.NewWhere(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		picked, err := w.Picks(policies.Attested{Claims: []evidence.Claims{goodSNP()}, Workload: "web", SPIFFEID: "spiffe://example.org/web"}, time.Now())
		got := isnt
		if err != nil {
			got = unclear
		} else if picked {
			got = is
		}
		if got != want || err != nil && picked {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
		if _, err := w.Picks(policies.Attested{Workload: "web"}, time.Now()); err == nil {
			t.Errorf("%s: nothing was claimed, and that is not unclear", text)
		}
	}
}

// What cannot be what somebody means is refused, with its place.
func TestWhereIsChecked(t *testing.T) {
	for text, place := range map[string]string{ // lines and columns count from 1
		``:                       "where:1:",
		`workload`:               "where:1:",
		`workload == `:           "where:1:",
		`worklaod == "web"`:      "where:1:",
		`workload == 1`:          "where:1:",
		`sev_snp.mesurement==""`: "where:1:",
		`true`:                   "where:1:",
		`1 == 1`:                 "where:1:",
		`workload.matches("w")`:  "where:1:",
		strings.Repeat(`workload == "web" || `, 300) + `workload == "db"`: "where:1:",
		`tpm.pcrs.all(a, tpm.pcrs.all(b, tpm.pcrs.all(c, a+b+c < 9)))`:    "where:1:",
	} {
		_, err := policies.NewWhere(text)
		var found policies.Problems
		if !errors.As(err, &found) || !strings.HasPrefix(found[0].Field, place) || found[0].Code != evidence.CodePolicyRuleInvalid {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

package policies_test

import (
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// S50, Y20 and the like: an image found bad later stops counting when its
// reference values expire or are removed.
func TestAttack_S50_ExpiredReferenceValues(t *testing.T) {
	set := load(t, reference("release", "2026-12-01T00:00:00Z"), replace(snpWith(), `["`+m11+`"]`, "{reference: release}"))
	at := func(when time.Time) policies.Decision {
		return set.Evaluate(policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: when})
	}
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	d := at(end)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicySNPMeasurement)
	if !d.ValidUntil.Equal(end) {
		t.Errorf("valid until %s", d.ValidUntil)
	}
	wantVerdict(t, at(end.Add(time.Nanosecond)), policies.Rejected, evidence.CodePolicyReferenceExpired)
	wantVerdict(t, at(time.Time{}), policies.Rejected, evidence.CodePolicyReferenceExpired)
}

// reference is a document of reference values with goodSNP's measurement.
func reference(name, notAfter string) string {
	return `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: ` + name + `
technology: sev-snp
provenance: {source: an image, created_by: a build, created_at: 2026-11-01T00:00:00Z}
not_after: ` + notAfter + `
values: {measurements: ["` + m11 + `", "` + m22 + `"]}
`
}

func TestValidUntil(t *testing.T) {
	two := replace(snpWith(), `["`+m11+`"]`, "[{reference: early}, {reference: late}]")
	set := load(t, reference("early", "2026-11-23T00:00:00Z"), reference("late", "2027-01-01T00:00:00Z"), two)
	if d := evaluate(set, goodSNP()); !d.ValidUntil.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the longer of two references counts, got %s", d.ValidUntil)
	}
	set = load(t, reference("early", "2026-11-01T00:00:01Z"), reference("late", "2027-01-01T00:00:00Z"), two)
	if d := evaluate(set, goodSNP()); d.Verdict != policies.Accepted {
		t.Errorf("one expired reference hides another in force")
	}
}

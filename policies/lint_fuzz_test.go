package policies_test

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Whatever loads can be linted, told apart from itself and explained; and what
// lint and explanations say agrees with decisions.
func FuzzLookingAtPolicies(f *testing.F) {
	for _, text := range []string{
		snpWith(), tdxWith(), tpmWith(), snpWith() + "---\n" + other(snpWith("allow: [debug]")), withRules(snpWith(), "sev_snp.vmpl == 0 && !(sev_snp.guest_svn in [1, 2])"),
		reference("all", "2026-12-21T00:00:00Z") + "---\n" + replace(snpWith(), `["`+m11+`"]`, "[{reference: all}]"), advisories(), imaWith(imaListed),
		tpmWarned(`7: {warn_only: ["`+p54+`"]}`) + "---\n" + other(tpmWith()), snpWith(`host_data: ["`+hexOf(1, 32)+`"]`) + "---\n" + other(snpWith(`host_data: ["`+hexOf(1, 32)+`", "`+hexOf(2, 32)+`"]`)),
		head + snpAlternative + tdxAlternative + "    require: [{name: r, rule: simulated || now > timestamp(\"2026-01-01T00:00:00Z\"), message: m}]\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		files := filesOf(text)
		set, err := policies.Load(files...)
		if found, _ := policies.Lint(now, files...); err != nil {
			if len(found) == 0 {
				t.Fatal("lint finds nothing in what does not load")
			}
			return
		}
		if c := diff(t, files, files); len(c.Documents) > 0 || c.Before != c.After {
			t.Fatalf("differs from itself: %+v", c)
		}
		for _, c := range []evidence.Claims{goodSNP(), goodTDX(), goodTPM()} {
			in := policies.Input{Claims: []evidence.Claims{c}, Now: now}
			e := set.Explain(in)
			if d := set.Evaluate(in); e.Decision.Verdict != d.Verdict || len(e.Workloads) > 0 && d.Workload != "" && e.Workloads[0].Verdict != d.Verdict {
				t.Fatalf("explained %+v, decided %+v", e, d)
			}
		}
	})
}

package policies_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// referring is a set whose measurements are n reference values.
func referring(t testing.TB, n int) *policies.Set {
	return load(t, manyReferences(n), replace(snpWith(), `["`+m11+`"]`, "{reference: release}"))
}

// However many reference values there are, an evaluation allocates the same.
func TestAllocationsDoNotGrowWithReferences(t *testing.T) {
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now}
	few, many := referring(t, 10), referring(t, 100_000)
	count := func(set *policies.Set) float64 {
		return testing.AllocsPerRun(100, func() { set.Evaluate(in) })
	}
	if a, b := count(few), count(many); b > a {
		t.Errorf("%.0f allocations with 10 values, %.0f with 100,000", a, b)
	}
}

// However many rules read a claim, it is turned into a value of theirs once.
func TestAllocationsHardlyGrowWithRules(t *testing.T) {
	rules := slices.Repeat([]string{`sev_snp.measurement != "00" && sev_snp.guest_svn >= 1`}, 20)
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now}
	count := func(set *policies.Set) float64 {
		return testing.AllocsPerRun(100, func() { set.Evaluate(in) })
	}
	if few, many := count(load(t, withRules(snpWith(), rules[:1]...))), count(load(t, withRules(snpWith(), rules...))); many > few+10 {
		t.Errorf("%.0f allocations with one rule, %.0f with 20", few, many)
	}
}

// BenchmarkFlatLookup reports how much longer an evaluation takes among 100,000
// reference values than among 10: about once as long.
func BenchmarkFlatLookup(b *testing.B) {
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now}
	few, many := referring(b, 10), referring(b, 100_000)
	var spent [2]time.Duration
	for b.Loop() {
		for i, set := range []*policies.Set{few, many} {
			start := time.Now()
			if d := set.Evaluate(in); d.Verdict != policies.Accepted {
				b.Fatal(d.Verdict)
			}
			spent[i] += time.Since(start)
		}
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio-100000-to-10")
}

// BenchmarkExplain tells how evidence fares against 100 workloads.
func BenchmarkExplain(b *testing.B) {
	var texts []string
	for i := range 100 {
		texts = append(texts, named(fmt.Sprintf("w%d", i), replace(snpWith(), m11, m22)))
	}
	set := load(b, texts...)
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now}
	b.ReportAllocs()
	for b.Loop() {
		if e := set.Explain(in); e.Decision.Verdict != policies.Rejected {
			b.Fatal(e.Decision.Verdict)
		}
	}
}

// BenchmarkPlan replays a thousand records against two sets of ten workloads.
func BenchmarkPlan(b *testing.B) {
	texts := []string{snpWith()}
	for i := range 9 {
		texts = append(texts, named(fmt.Sprintf("w%d", i), replace(snpWith(), m11, m22)))
	}
	active, candidate := load(b, texts...), load(b, append([]string{snpWith("vmpl: 1")}, texts[1:]...)...)
	records := slices.Collect(many(1000, goodSNP()))
	b.ReportAllocs()
	for b.Loop() {
		if r := policies.Plan(active, candidate, slices.Values(records), policies.PlanOptions{Now: now}); r.Records != len(records) || r.Denied.Count == 0 {
			b.Fatal(tallied(r))
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(records)), "ns/record")
}

// BenchmarkLint holds 300 workloads against each other.
func BenchmarkLint(b *testing.B) {
	var texts []string
	for i := range 300 {
		texts = append(texts, named(fmt.Sprintf("w%d", i), replace(snpWith(), m11, fmt.Sprintf("%096x", i+1))))
	}
	files := filesOf(texts...)
	for b.Loop() {
		if found, warned := policies.Lint(now, files...); found != nil || warned != nil {
			b.Fatal(found, warned)
		}
	}
}

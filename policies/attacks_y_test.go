package policies_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Y07: against a reference that knows no order: the decision is that of the one
// workload that matches alone, whatever the order of documents.
func TestAttack_Y07_OrderOfDocuments(t *testing.T) {
	texts := []string{
		snpWith(), named("wide", snpWith("allow: [debug]")), named("tdx", tdxWith()), named("tpm", tpmWith()),
		named("other-image", replace(snpWith(), m11, m22)), named("level", snpWith("vmpl: 1")),
	}
	debug, level, second := goodSNP(), goodSNP(), goodSNP()
	debug.SEVSNP.Policy.Debug, level.SEVSNP.VMPL, second.SEVSNP.Measurement = true, 1, fill(0x22, 48)
	for _, c := range []evidence.Claims{goodSNP(), debug, level, second, goodTDX(), goodTPM()} {
		var matching []string
		for _, text := range texts {
			if d := evaluate(load(t, text), c); d.Verdict == policies.Accepted {
				matching = append(matching, d.Workload)
			}
		}
		for shift := range texts {
			d := evaluate(load(t, slices.Concat(texts[shift:], texts[:shift])...), c)
			if accepted := d.Verdict == policies.Accepted; accepted != (len(matching) == 1) || accepted && d.Workload != matching[0] {
				t.Errorf("%v match, and %s is %s", matching, d.Workload, d.Verdict)
			}
		}
	}
}

// Y14: while sets are exchanged, every decision is that of one of them, and says
// of which.
func TestAttack_Y14_DecisionsOfOneSet(t *testing.T) {
	sets := []*policies.Set{load(t, snpWith()), load(t, other(snpWith("allow: [debug]"))), load(t, named("level", snpWith("vmpl: 1")))}
	want := map[string]policies.Decision{}
	for _, set := range sets {
		want[set.Digest()] = evaluate(set, goodSNP())
	}
	var active atomic.Pointer[policies.Set]
	active.Store(sets[0])
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 500 {
				active.Store(sets[i%len(sets)])
				d := evaluate(active.Load(), goodSNP())
				whole, known := want[d.Digest]
				if !known || d.Verdict != whole.Verdict || d.Workload != whole.Workload || d.Identity.SPIFFEID != whole.Identity.SPIFFEID || !slices.Equal(d.Checks, whole.Checks) {
					t.Errorf("decision %+v, want %+v", d, whole)
					return
				}
			}
		})
	}
	all.Wait()
}

// Rules take long to compile: their number and size are bounded for a set, not
// only for a workload.
func TestAttack_Y08_RulesOfASet(t *testing.T) {
	workloads := func(n, rules int, rule string) (texts []string) {
		for i := range n {
			text := withRules(tpmWith(), slices.Repeat([]string{rule}, rules)...)
			texts = append(texts, strings.NewReplacer("name: web\n", fmt.Sprintf("name: w%d\n", i)).Replace(text))
		}
		return texts
	}
	load(t, workloads(2, 4, "tpm.safe")...)
	for name, texts := range map[string][]string{
		"many":  workloads(160, 26, "tpm.safe"),
		"large": workloads(16, 30, "tpm.safe"+strings.Repeat(" ", 1200)+"&& tpm.safe"),
	} {
		if text := loadErr(t, texts...); strings.Count(text, "of a set have at most") != 1 {
			t.Errorf("%s: %s", name, clip(text))
		}
	}
}

// A comment ends where people see it end: a character that breaks the line for the parser
// alone, or has an editor show text in another order, is refused, also in what was signed.
func TestAttack_Y04_LinesThatNobodySees(t *testing.T) {
	good := snpWith()
	load(t, strings.ReplaceAll(good, "\n", "\r\n"))
	load(t, good+"# caf\u00e9 \u2014 \u200b\n")
	for _, char := range []string{"\u0085", "\u2028", "\u2029", "\r", "\u202e", "\u2066", "\u200f"} {
		text := strings.Replace(good, "name: ", "# reviewed, do not touch "+char+"allow_simulated: true\nname: ", 1)
		if found := loadErr(t, text); !strings.Contains(found, evidence.CodePolicySyntax.String()) || !strings.Contains(found, ":3:26: ") {
			t.Errorf("%q: %s", char, found)
		}
	}
}

package policies_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// named gives the workload of a text another name, and its identity with it.
func named(name, text string) string {
	return replace(replace(text, "name: web\n", "name: "+name+"\n"), "spiffe://example.org/web\"", "spiffe://example.org/"+name+"\"")
}

// crowds are sets of several workloads and alternatives.
func crowds(t testing.TB) []*policies.Set {
	several := head + snpAlternative + tdxAlternative + tpmAlternative + "    name: pinned\n"
	return []*policies.Set{
		load(t, snpWith(), named("far", replace(snpWith("vmpl: 3"), m11, m22)), named("tdx", tdxWith()), named("tpm", tpmWith())),
		load(t, snpWith("revocation: off"), named("twin", snpWith())),
		load(t, several, named("rules", withRules(snpWith(), `sev_snp.guest_svn > 7`)), named("strict", withRules(snpWith("vmpl: 1"), "false || sev_snp.vmpl == 7"))),
		load(t, named("files", imaWith(imaListed)), tpmWith(), named("safe", withRules(tpmWith(), "tpm.clock > 10"))),
		load(t, named("debug", snpWith("allow: [debug]", "advisories: deny")), snpWith("products: {deny: [Milan]}"), named("td", tdxWith("allow: [debug, migratable]"))),
	}
}

// The explanation has the decision's verdict, workload and checks, whatever the
// claims; what it tells of the others is no better.
func TestExplainAgreesWithEvaluate(t *testing.T) {
	sets := append(documents(t), crowds(t)...)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		claims := []evidence.Claims{rapid.SampledFrom(append(goodClaims(), staleTPM())).Draw(t, "claims")}
		perturb(t, &claims[0])
		if rapid.IntRange(0, 5).Draw(t, "bundle") == 0 {
			claims = append(claims, rapid.SampledFrom(goodClaims()).Draw(t, "more"))
		}
		in := policies.Input{Claims: claims, Now: now, TrustDomain: rapid.SampledFrom([]string{"", "example.org", "example.net"}).Draw(t, "domain")}
		want := set.Evaluate(in)
		e := set.Explain(in)
		if !reflect.DeepEqual(e.Decision, want) {
			t.Fatalf("decision %+v, want %+v", e.Decision, want)
		}
		if len(e.Workloads) == 0 {
			return // the claims were refused
		}
		agrees(t, e, want)
		if (want.Verdict == policies.Accepted) != (len(e.Remedies) == 0) {
			t.Fatalf("%s with remedies %v", want.Verdict, e.Remedies)
		}
	})
}

func agrees(t *rapid.T, e policies.Explanation, d policies.Decision) {
	nearest := e.Workloads[0]
	if d.Workload != "" && nearest.Workload != d.Workload {
		t.Fatalf("nearest %s, decided %s", nearest.Workload, d.Workload)
	}
	if d.Workload != "" && nearest.Verdict != d.Verdict {
		t.Fatalf("nearest %s, decided %s", nearest.Verdict, d.Verdict)
	}
	if got, want := nearest.Alternatives[0].Checks, d.Checks[1:]; d.Workload != "" && !slices.Equal(got, want) {
		t.Fatalf("checks\n%swant\n%s", list(got), list(want))
	}
	for _, w := range e.Workloads {
		if rank(w.Verdict) > rank(nearest.Verdict) {
			t.Fatalf("%s is %s, and behind %s, which is %s", w.Workload, w.Verdict, nearest.Workload, nearest.Verdict)
		}
		for _, a := range w.Alternatives {
			if failed := a.Failed(); (len(failed) == 0) != (a.Verdict == policies.Accepted) || len(a.Remedies) != len(failed) {
				t.Fatalf("%s is %s with %d remedies for\n%s", a.Alternative, a.Verdict, len(a.Remedies), list(failed))
			}
			for _, r := range a.Remedies {
				if r.Text == "" || strings.Contains(r.Text, "absent") {
					t.Fatalf("remedy %+v", r)
				}
			}
		}
	}
}

// remedies returns the remedies for evidence, each on a line.
func remedies(set *policies.Set, claims ...evidence.Claims) string {
	var lines []string
	for _, r := range set.Explain(policies.Input{Claims: claims, Now: now}).Remedies {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "\n")
}

// A remedy that names a key helps, if the document does what it says.
func TestExplainRemediesHelp(t *testing.T) {
	old := goodSNP()
	setLevels(&old, evidence.SNPTCB{Bootloader: 3, SNP: 22, Microcode: 219}, "1.55.29")
	imaged, debugged, chip, patched, outOfDate := goodSNP(), goodSNP(), goodSNP(), goodTPM(), goodTDX()
	imaged.SEVSNP.Measurement = fill(0x33, 48)
	debugged.SEVSNP.Policy.Debug, debugged.SEVSNP.Policy.Raw = true, evidence.Hex{0, 0, 0, 0, 0, 0x0b, 0, 0}
	chip.SEVSNP.ChipID = fill(8, 64)
	patched.TPM.PCRs[7] = fill(0x58, 32)
	outOfDate.TDX.TCB.Status, outOfDate.TDX.TCB.PlatformStatus = "OutOfDate", "OutOfDate"
	m33, p58 := hexOf(0x33, 48), hexOf(0x58, 32)
	for name, c := range map[string]struct {
		policy string
		claims evidence.Claims
		want   string // in the remedies
		better string // the policy with the remedy
	}{
		"measurement": {snpWith(), imaged, "add " + m33 + " to sev_snp.measurements of web; or launch the listed image (caution: ", replace(snpWith(), m11, m33)},
		"tcb": {
			snpWith(), old, "or lower sev_snp.minimum_tcb of web to {bootloader: 3, tee: 0, snp: 22, microcode: 219} (caution: ",
			replace(snpWith(), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}", "{bootloader: 3, tee: 0, snp: 22, microcode: 219}"),
		},
		"debug":    {snpWith(), debugged, "launch the guest with a policy that forbids debugging: the host can read all of a guest that it may debug", ""},
		"chip":     {snpWith(`chip_ids: {allow: ["` + hexOf(7, 64) + `"]}`), chip, "add " + hexOf(8, 64) + " to sev_snp.chip_ids.allow of web", snpWith(`chip_ids: {allow: ["` + hexOf(8, 64) + `"]}`)},
		"denied":   {snpWith(`chip_ids: {deny: ["` + hexOf(8, 64) + `"]}`), chip, "take " + hexOf(8, 64) + " off sev_snp.chip_ids.deny of web", snpWith()},
		"pcr":      {tpmWith(), patched, "add " + p58 + " to tpm.pcrs.sha256.7 of web", replace(tpmWith(), p57, p58)},
		"rule":     {withRules(snpWith(), `sev_snp.guest_svn > 7`), goodSNP(), "make rule rule-0 of web hold, or change it: ", snpWith()},
		"status":   {tdxWith(), outOfDate, "list the status in tdx.tcb_statuses", tdxWith("tcb_statuses: [UpToDate, OutOfDate]", "advisories: none")},
		"turin":    {snpWith(), goodTurin(), "give sev_snp.minimum_tcb of web a minimum of Turin's own", turinPolicy},
		"kind":     {tpmWith(), goodSNP(), "collect evidence of kind tpm too", ""},
		"too many": {tdxWith(), goodSNP(), "or write sev_snp: any (caution: ", ""},
		"expired": {
			reference("old", "2026-11-21T00:00:00Z") + "---\n" + replace(snpWith(), `["`+m11+`"]`, "{reference: old}"), goodSNP(), "give reference values old a later not_after",
			reference("old", "2026-12-21T00:00:00Z") + "---\n" + replace(snpWith(), `["`+m11+`"]`, "{reference: old}"),
		},
		"reference": {reference("all", "2026-12-21T00:00:00Z") + "---\n" + replace(snpWith(), `["`+m11+`"]`, "{reference: all}"), imaged, "to sev_snp.measurements of web, or to reference values all; or launch", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := remedies(load(t, c.policy), c.claims); !strings.Contains(got, c.want) {
				t.Errorf("remedies:\n%s\nwant %q", got, c.want)
			}
			if c.better != "" {
				if found, _ := lint(c.better); found != "" {
					t.Errorf("the remedy cannot be put in force: %s", found)
				}
				wantVerdict(t, evaluate(load(t, c.better), c.claims), policies.Accepted, evidence.Code{})
			}
		})
	}
}

// No remedy offers what lint refuses.
func TestExplainOffersNoDebugging(t *testing.T) {
	debugged, profiled := goodSNP(), goodTDX()
	debugged.SEVSNP.Policy.Debug, debugged.SEVSNP.Policy.Raw = true, evidence.Hex{0, 0, 0, 0, 0, 0x0b, 0, 0}
	profiled.TDX.Attributes.TUD = true
	for _, c := range []struct {
		set    *policies.Set
		claims evidence.Claims
	}{{load(t, snpWith()), debugged}, {load(t, tdxWith()), profiled}} {
		e := c.set.Explain(policies.Input{Claims: []evidence.Claims{c.claims}, Now: now})
		if len(e.Remedies) != 1 || e.Remedies[0].Key != "" || e.Remedies[0].Caution != "" || strings.Contains(e.Remedies[0].Text, "allow") {
			t.Errorf("%+v", e.Remedies)
		}
	}
}

// A remedy warns exactly where the document would accept more, and never says
// that more would be accepted where no document can do that.
func TestExplainRemediesAreHonest(t *testing.T) {
	unknown, waiting, bare := goodSNP(), goodSNP(), goodTDX()
	unknown.SEVSNP.Policy.Raw = evidence.Hex{0, 0, 0, 0, 0x80, 3, 0, 0}
	waiting.SEVSNP.RevocationChecked = false
	bare.TDX.TCB = nil
	for name, c := range map[string]struct {
		set    *policies.Set
		claims evidence.Claims
		want   string
	}{
		"unknown bit":   {load(t, snpWith()), unknown, "launch the guest with a policy that has the required settings"},
		"no list":       {load(t, snpWith()), waiting, "provide the vendor's current revocation list for the chain (endorsements), or write revocation: {stale_ok: DURATION} where the newest list has ended not long ago"},
		"no collateral": {load(t, tdxWith()), bare, "provide Intel's collateral for the platform (endorsements)"},
		"no workload":   {&policies.Set{}, goodSNP(), "write a document of kind Workload that describes the machine"},
		"no claims":     {load(t, snpWith()), evidence.Claims{}, "no document can help: the claims are not what a verifier finds in genuine evidence"},
		"ambiguous":     {load(t, snpWith(), other(snpWith("vmpl: 0"))), goodSNP(), "other, web match: ask something of one of them that the other's machines do not show (measurements, host_data, an identity key), or remove one"},
		"either":        {load(t, snpWith(), other(snpWith("vmpl: 0"))), waiting, "other, web may match, and checks are missing to tell them apart: provide what the checks that were not performed need"},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.set.Explain(policies.Input{Claims: []evidence.Claims{c.claims}, Now: now})
			for _, r := range e.Remedies {
				if r.Text != c.want || (r.Caution != "") != (name == "no workload") {
					t.Errorf("remedy %+v, want %q", r, c.want)
				}
			}
			if len(e.Remedies) == 0 {
				t.Error("no remedy")
			}
		})
	}
}

// Every code of a check that may fail is explained, each with a caution where a
// document would be relaxed.
func TestExplainEveryRequirement(t *testing.T) {
	seen := map[string]bool{}
	empty := []evidence.Claims{
		{Kind: evidence.KindSEVSNP, TrustAnchor: anchor(), SEVSNP: &evidence.SNPClaims{}},
		{Kind: evidence.KindTDX, TrustAnchor: anchor(), TDX: &evidence.TDXClaims{}},
		{Kind: evidence.KindTPM, TrustAnchor: anchor(), TPM: &evidence.TPMClaims{}},
	}
	for _, set := range append(documents(t), crowds(t)...) {
		for _, claims := range [][]evidence.Claims{empty, empty[:1], empty[1:2], empty[2:]} {
			for _, w := range set.Explain(policies.Input{Claims: claims, Now: now}).Workloads {
				for _, a := range w.Alternatives {
					for _, r := range a.Remedies {
						seen[r.Code.String()] = true
						if (r.Key == "") != (r.Caution == "") {
							t.Errorf("remedy %+v", r)
						}
					}
				}
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d codes seen", len(seen))
	}
}

// Explanations are JSON under stable names, and bounded.
func TestExplanationIsBounded(t *testing.T) {
	var texts []string
	for i := range 60 {
		texts = append(texts, named(fmt.Sprintf("w%02d", i), replace(snpWith(), m11, m22)))
	}
	e := load(t, texts...).Explain(policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now})
	if len(e.Workloads) != 50 || e.Omitted != 10 {
		t.Errorf("%d workloads, %d omitted", len(e.Workloads), e.Omitted)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"workloads":[{"workload":"w00","spiffe_id":"spiffe://example.org/w00","verdict":"rejected","distance":1,"alternatives":[{"alternative":"w00","verdict":"rejected"`, `"omitted":10`, `"remedies":[{"code":"policy.sev-snp.measurement","kind":"sev-snp","key":"sev_snp.measurements","text":"add `} {
		if !strings.Contains(string(text), key) {
			t.Errorf("no %s in %.600s", key, text)
		}
	}
}

// An explanation is of the set that it was asked of, at the instant that it was given.
func TestExplainAtAnotherTime(t *testing.T) {
	set := load(t, reference("all", "2026-12-21T00:00:00Z"), replace(snpWith(), `["`+m11+`"]`, "{reference: all}"))
	for at, want := range map[time.Time]policies.Verdict{now: policies.Accepted, now.AddDate(0, 2, 0): policies.Rejected} {
		if e := set.Explain(policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: at}); e.Workloads[0].Verdict != want || e.Decision.Digest != set.Digest() {
			t.Errorf("at %s: %+v", at, e)
		}
	}
}

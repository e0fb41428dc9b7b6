package policies_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// recorded is a record of an appraisal that the set accepted; or of one that nothing is known of.
func recorded(id string, live bool, set *policies.Set, claims ...evidence.Claims) policies.Record {
	r := policies.Record{ID: id, Live: live, At: now.Add(-time.Hour), Claims: claims}
	if set != nil {
		d := evaluate(set, claims...)
		r.Verdict, r.Workload, r.SPIFFEID = d.Verdict, d.Workload, d.Identity.SPIFFEID
	}
	return r
}

func plan(active, candidate *policies.Set, records ...policies.Record) policies.PlanReport {
	return policies.Plan(active, candidate, slices.Values(records), policies.PlanOptions{Now: now, Expiring: 7 * 24 * time.Hour})
}

// tallied is the counts of a report.
func tallied(r policies.PlanReport) string {
	return fmt.Sprintf("records %d live %d same %d denied %d undecided %d admitted %d moved %d unjudgeable %d drifted %d",
		r.Records, r.Live, r.Same, r.Denied.Count, r.Undecided.Count, r.Admitted.Count, r.Moved.Count, r.Unjudgeable.Count, r.Drifted.Count)
}

func TestPlan(t *testing.T) {
	old, odd, waiting := goodSNP(), goodSNP(), goodSNP()
	setLevels(&old, evidence.SNPTCB{Bootloader: 4, SNP: 24, Microcode: 219}, "1.55.29")
	odd.SEVSNP.Measurement = fill(0x33, 48)
	waiting.SEVSNP.RevocationChecked = false
	active := load(t, snpWith("revocation: off"))
	records := []policies.Record{
		recorded("old-1", true, active, old), recorded("old-2", false, active, old), recorded("current", true, active, currentSNP()),
		recorded("odd", false, active, odd), recorded("waiting", true, active, waiting),
	}
	tcb := "{bootloader: 4, tee: 0, snp: 24, microcode: 219}"
	for name, c := range map[string]struct {
		candidate *policies.Set
		want      string
		lines     []string
	}{
		"the same": {active, "records 5 live 3 same 5 denied 0 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0", []string{"5 of 5 stay as they are"}},
		"a higher minimum": {
			load(t, replace(snpWith("revocation: off"), tcb, "{bootloader: 4, tee: 0, snp: 25, microcode: 219}")),
			"records 5 live 3 same 2 denied 3 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0",
			[]string{"3 of 5 would be denied (2 of them live)", "  3 by policy.sev-snp.minimum-tcb of web: want at least bootloader 4, tee 0, snp 25, microcode 219, got bootloader 4, tee 0, snp 24, microcode 219"},
		},
		"revocation lists":   {load(t, snpWith()), "records 5 live 3 same 4 denied 0 undecided 1 admitted 0 moved 0 unjudgeable 0 drifted 0", []string{"1 of 5 would be undecided (1 of them live)", "  1 by policy.sev-snp.revocation of web: want a chain that the vendor's revocation list covers, got there was no revocation list for the chain"}},
		"one more image":     {load(t, replace(snpWith("revocation: off"), `"`+m11+`"`, `"`+m11+`", "`+hexOf(0x33, 48)+`"`)), "records 5 live 3 same 4 denied 0 undecided 0 admitted 1 moved 0 unjudgeable 0 drifted 0", []string{"  1 from web to web"}},
		"another name":       {load(t, other(snpWith("revocation: off"))), "records 5 live 3 same 1 denied 0 undecided 0 admitted 0 moved 4 unjudgeable 0 drifted 0", []string{"4 of 5 would get another identity (3 of them live)", "  4 from web to other"}},
		"another DNS name":   {load(t, replace(snpWith("revocation: off"), "web.example.org", "www.example.org")), "records 5 live 3 same 1 denied 0 undecided 0 admitted 0 moved 4 unjudgeable 0 drifted 0", nil},
		"another life":       {load(t, replace(snpWith("revocation: off"), "30m", "20m")), "records 5 live 3 same 5 denied 0 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0", nil},
		"no workload":        {nil, "records 5 live 3 same 1 denied 4 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0", []string{"  4 by policy.no-workload: want at least one workload, got the active policy has none"}},
		"a workload is gone": {load(t, named("else", tdxWith())), "records 5 live 3 same 1 denied 4 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0", []string{"  4 by policy.workload: want the workload web, got there is none of this name"}},
		"ambiguous":          {load(t, snpWith("revocation: off"), other(snpWith("revocation: off", "vmpl: 0"))), "records 5 live 3 same 1 denied 4 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0", []string{"  4 by policy.ambiguous: want exactly one workload, got other, web match"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := plan(active, c.candidate, records...)
			if got := tallied(r); got != c.want {
				t.Errorf("%s\nwant %s\n%s", got, c.want, strings.Join(r.Lines(), "\n"))
			}
			for _, line := range c.lines {
				if !slices.Contains(r.Lines(), line) {
					t.Errorf("no line %q in\n%s", line, strings.Join(r.Lines(), "\n"))
				}
			}
			if r.Active != active.Digest() || r.Candidate != c.candidate.Digest() || r.Same+r.Denied.Count+r.Undecided.Count+r.Admitted.Count+r.Moved.Count+r.Unjudgeable.Count != r.Records {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What was not replayed is counted when the records are through, and told.
func TestPlanTellsWhatWasLeftOut(t *testing.T) {
	set, read := load(t, snpWith()), 0
	records := func(yield func(policies.Record) bool) {
		for range 3 {
			if read++; !yield(recorded("a", true, set, goodSNP())) {
				return
			}
		}
	}
	r := policies.Plan(set, set, records, policies.PlanOptions{Now: now, LeftOut: func() int { return 10 - read }})
	if r.Records != 3 || r.LeftOut != 7 || !slices.Contains(r.Lines(), "7 more were left out: the plan does not say what becomes of them") {
		t.Errorf("%+v\n%v", r, r.Lines())
	}
	if whole := plan(set, set, recorded("a", true, set, goodSNP())); whole.LeftOut != 0 || len(whole.Lines()) != 1 {
		t.Errorf("%+v", whole)
	}
}

// The reason of a denial is of the workload that the machine had, not of one that
// is nearer now; and a check that stands alone is told from one of several.
func TestPlanReasonsAreOfTheWorkload(t *testing.T) {
	active := load(t, snpWith())
	worse := replace(snpWith("host_data: [\""+hexOf(9, 32)+"\"]", "vmpl: 1"), m11, m22)
	r := plan(active, load(t, worse, named("nearer", snpWith("vmpl: 2"))), recorded("a", true, active, goodSNP()))
	var codes []string
	for _, reason := range r.Denied.Reasons {
		codes = append(codes, reason.Code.String())
		if reason.Workload != "web" || reason.Count != 1 || reason.Live != 1 || reason.Alone != 0 || len(reason.Got) != 1 {
			t.Errorf("reason %+v", reason)
		}
	}
	if want := []string{"policy.sev-snp.host-data", "policy.sev-snp.measurement", "policy.sev-snp.vmpl"}; !slices.Equal(codes, want) {
		t.Errorf("reasons %v, want %v", codes, want)
	}
	c := r.Denied.Changes
	if len(c) != 1 || c[0].ID != "a" || c[0].Workload != "web" || c[0].SPIFFEID != "spiffe://example.org/web" || c[0].To != "" || c[0].Reason == nil {
		t.Errorf("changes %+v", c)
	}
}

// What is decided otherwise by the active set already is told from what the candidate changes.
func TestPlanDrift(t *testing.T) {
	text := replace(snpWith(), `["`+m11+`"]`, "{reference: all}")
	then := load(t, reference("all", "2026-12-21T00:00:00Z"), text)
	active := load(t, reference("all", "2026-11-21T00:00:00Z"), text)
	renewed := load(t, reference("all", "2026-11-25T00:00:00Z"), text)
	record := recorded("a", true, then, goodSNP())
	r := plan(active, active, record)
	if got := tallied(r); got != "records 1 live 1 same 1 denied 0 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 1" {
		t.Error(got)
	}
	if reason := r.Drifted.Reasons[0]; reason.Code != evidence.CodePolicyReferenceExpired || len(r.Expiring) != 1 || !r.Expiring[0].Expired {
		t.Errorf("reason %+v, expiring %+v", reason, r.Expiring)
	}
	r = plan(active, renewed, record)
	if got := tallied(r); got != "records 1 live 1 same 0 denied 0 undecided 0 admitted 1 moved 0 unjudgeable 0 drifted 1" {
		t.Error(got)
	}
	if r.Ending != 1 || len(r.Expiring) != 1 || r.Expiring[0].Expired || r.Expiring[0].Name != "all" {
		t.Errorf("ending %d, expiring %+v", r.Ending, r.Expiring)
	}
	moved := record
	moved.Workload, moved.SPIFFEID = "web-1", "spiffe://example.org/web-1"
	if r := plan(then, then, moved, recorded("unknown", false, nil, goodSNP())); r.Drifted.Count != 1 || r.Expiring != nil {
		t.Errorf("%s, expiring %v", tallied(r), r.Expiring)
	} else if m := r.Drifted.Moves[0]; m.From != "web-1" || m.To != "web" {
		t.Errorf("moved %+v", m)
	}
	refused := record // the nearest workload stands in records of refusals, too
	refused.Verdict, refused.SPIFFEID = policies.Rejected, ""
	if r := plan(then, then, refused); r.Drifted.Count != 1 || r.Drifted.Moves[0].From != "" || r.Drifted.Moves[0].To != "web" {
		t.Errorf("%s, moves %+v", tallied(r), r.Drifted.Moves)
	}
}

// Records leave out the files that a kernel measured: what depends on them is
// neither denied nor accepted by a plan, and what does not is.
func TestPlanOfWhatWasNotRecorded(t *testing.T) {
	asks, asksNot := load(t, imaWith(imaListed)), load(t, imaRules("tpm.ima.violations == 0"))
	reads := load(t, imaRules(`tpm.ima.files.all(f, f.path != "/evil")`))
	full := measuredTPM()
	record := recorded("a", true, asks, full)
	if record.Verdict != policies.Accepted {
		t.Fatal(record.Verdict)
	}
	record.Claims = []evidence.Claims{full.Recorded()}
	for name, c := range map[string]struct {
		active, candidate *policies.Set
		want              string
	}{
		"both ask":            {asks, asks, "unjudgeable 1 drifted 0"},
		"the candidate asks":  {asksNot, asks, "unjudgeable 1 drifted 0"},
		"a rule reads":        {asksNot, reads, "unjudgeable 1 drifted 0"},
		"the active one asks": {asks, asksNot, "unjudgeable 1 drifted 0"},
		"nobody asks":         {asksNot, asksNot, "moved 0 unjudgeable 0 drifted 0"},
		"denied all the same": {asksNot, load(t, replace(imaWith(imaListed), p54, p50)), "same 0 denied 1 undecided 0 admitted 0 moved 0 unjudgeable 0 drifted 0"},
	} {
		r := plan(c.active, c.candidate, record)
		if got := tallied(r); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\n%s", name, got, strings.Join(r.Lines(), "\n"))
		}
		if r.Unjudgeable.Count == 1 && r.Unjudgeable.Reasons[0].Got[0] != "not recorded" {
			t.Errorf("%s: %+v", name, r.Unjudgeable)
		}
	}
	e := asks.Explain(policies.Input{Claims: record.Claims, Now: now})
	if e.Decision.Verdict != policies.Undecided || len(e.Remedies) != 1 || e.Remedies[0].Text != "provide what the check needs: the evidence itself, for the record leaves it out" {
		t.Errorf("%s: %v", e.Decision.Verdict, e.Remedies)
	}
}

// imaRules is a workload that accepts machines with a measurement list by a rule alone.
func imaRules(rule string) string {
	return withRules(pcrsOf(`8: ["`+hexOf(0x58, 32)+`"]`, `9: ["`+hexOf(0x59, 32)+`"]`), rule)
}

// many yields n records of a few machines, without holding them.
func many(n int, machines ...evidence.Claims) iter.Seq[policies.Record] {
	return func(yield func(policies.Record) bool) {
		for i := range n {
			c := machines[i%len(machines)]
			if c.SEVSNP != nil && i%3 == 0 { // each with a measurement of its own
				copied := *c.SEVSNP
				copied.Measurement = fill(byte(i), 48)
				copied.Measurement[0], copied.Measurement[1] = byte(i>>8), byte(i>>16)
				c.SEVSNP = &copied
			}
			if !yield(policies.Record{ID: fmt.Sprint(i), Claims: []evidence.Claims{c}, Live: i%2 == 0, At: now}) {
				return
			}
		}
	}
}

// A plan of 100,000 records holds no more than one of a thousand.
func TestPlanMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("evaluates 200,000 times")
	}
	active, candidate := load(t, snpWith()), load(t, snpWith("vmpl: 1"))
	held := func(n int) int {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := policies.Plan(active, candidate, many(n, goodSNP(), goodTDX()), policies.PlanOptions{Now: now})
		runtime.GC()
		runtime.ReadMemStats(&after)
		if r.Records != n || r.Denied.Count+r.Same != n || len(r.Denied.Changes) != policies.DefaultPlanDetails {
			t.Fatal(tallied(r))
		}
		return int(after.HeapAlloc) - int(before.HeapAlloc)
	}
	if small, large := held(1000), held(100_000); large > small+1<<20 {
		t.Errorf("%d bytes held for 1000 records, %d for 100,000", small, large)
	}
}

func TestPlanDetailsAndJSON(t *testing.T) {
	active := load(t, snpWith())
	for details, want := range map[int]int{0: 100, 3: 3, 1 << 20: 200} {
		r := policies.Plan(active, nil, many(300, goodSNP()), policies.PlanOptions{Now: now, Details: details})
		if r.Denied.Count != 200 || len(r.Denied.Changes) != want {
			t.Errorf("%d details: %d denied, %d told", details, r.Denied.Count, len(r.Denied.Changes))
		}
	}
	r := plan(active, load(t, snpWith("vmpl: 1")), recorded("a", true, active, goodSNP()))
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `"denied":{"count":1,"live":1,"reasons":[{"code":"policy.sev-snp.vmpl","kind":"sev-snp","workload":"web","want":"VMPL 1","got":["VMPL 0"],"count":1,"live":1,"alone":1}],` +
		`"changes":[{"id":"a","live":true,"at":"2026-11-22T07:00:00Z","workload":"web","spiffe_id":"spiffe://example.org/web","reason":{"code":"policy.sev-snp.vmpl","kind":"sev-snp","status":"fail","want":"VMPL 1","got":"VMPL 0"}}]}`
	if !strings.Contains(string(text), want) {
		t.Errorf("%s\nwant in it %s", text, want)
	}
}

// A plan ends where its records do, and asks for no more once it is told to end.
func TestPlanEndsWithItsRecords(t *testing.T) {
	asked := 0
	records := func(yield func(policies.Record) bool) {
		for asked < 3 {
			asked++
			if !yield(policies.Record{}) {
				return
			}
		}
	}
	r := policies.Plan(nil, nil, records, policies.PlanOptions{})
	if r.Records != 3 || r.Same != 3 || asked != 3 {
		t.Errorf("%s, asked %d times", tallied(r), asked)
	}
}

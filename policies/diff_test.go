package policies_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/policies"
)

func filesOf(texts ...string) []policies.File {
	var files []policies.File
	for i, text := range texts {
		files = append(files, policies.File{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	return files
}

func diff(t testing.TB, before, after []policies.File) policies.Changes {
	t.Helper()
	c, err := policies.Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keys writes the changes of a document's keys, each on a line.
func keys(d policies.DocumentChange) []string {
	var lines []string
	for _, k := range d.Keys {
		line := k.Change + " " + k.Key
		if k.Before+k.After != "" {
			line += ": " + k.Before + " -> " + k.After
		}
		for _, text := range k.Added {
			line += " +" + text
		}
		for _, text := range k.Removed {
			line += " -" + text
		}
		lines = append(lines, line)
	}
	return lines
}

func TestDiffKeys(t *testing.T) {
	m33, m44 := hexOf(0x33, 48), hexOf(0x44, 48)
	two := head + snpAlternative + "    name: milan\n" + tdxAlternative
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"ttl":           {snpWith(), replace(snpWith(), "30m", "2h"), []string{"changed identity.ttl: 30m -> 2h"}},
		"dns":           {snpWith(), replace(snpWith(), "[web.example.org]", "[www.example.org, web.example.org]"), []string{"changed identity.dns_names +www.example.org"}},
		"measurements":  {snpWith(), replace(snpWith(), `"`+m11+`"`, `"`+m33+`", "`+m44+`"`), []string{"changed any_of[1].sev_snp.measurements +" + m33 + " +" + m44 + " -" + m11}},
		"order":         {replace(snpWith(), `"`+m11+`"`, `"`+m33+`", "`+m44+`"`), replace(snpWith(), `"`+m11+`"`, `"`+m44+`", "`+m33+`"`), nil},
		"tcb":           {snpWith(), replace(snpWith(), "snp: 24", "snp: 25"), []string{"changed any_of[1].sev_snp.minimum_tcb.snp: 24 -> 25"}},
		"key added":     {snpWith(), snpWith("allow: [debug]", "vmpl: 1"), []string{"added any_of[1].sev_snp.allow:  -> [debug]", "added any_of[1].sev_snp.vmpl:  -> 1"}},
		"key removed":   {snpWith("platform: {smt: forbidden}"), snpWith(), []string{"removed any_of[1].sev_snp.platform: {smt: forbidden} -> "}},
		"any":           {tdxWith(), replace(tdxWith(), "rtmr3: any", `rtmr3: ["`+m33+`"]`), []string{"changed any_of[1].tdx.rtmr3: any -> [" + m33 + "]"}},
		"named":         {two, replace(two, "snp: 24", "snp: 23"), []string{"changed any_of[milan].sev_snp.minimum_tcb.snp: 24 -> 23"}},
		"gone":          {two, head + tdxAlternative, nil}, // told below: the place of an entry without a name is its name
		"a rule":        {withRules(snpWith(), "sev_snp.vmpl == 0"), withRules(snpWith(), "sev_snp.vmpl == 1"), []string{"changed any_of[1].require[rule-0].rule: sev_snp.vmpl == 0 -> sev_snp.vmpl == 1"}},
		"comments":      {snpWith(), "# new\n" + snpWith(), nil},
		"case of texts": {withRules(snpWith(), `sev_snp.csp_id == "a"`), withRules(snpWith(), `sev_snp.csp_id == "A"`), []string{`changed any_of[1].require[rule-0].rule: sev_snp.csp_id == "a" -> sev_snp.csp_id == "A"`}},
	} {
		t.Run(name, func(t *testing.T) {
			changes := diff(t, filesOf(c.before), filesOf(c.after))
			if name == "gone" {
				lines := keys(changes.Documents[0])
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "removed any_of[milan]: {sev_snp: {") }) {
					t.Errorf("keys %q", lines)
				}
				return
			}
			var got []string
			for _, d := range changes.Documents {
				got = append(got, keys(d)...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("keys\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if (changes.Before == changes.After) != (len(c.want) == 0) && name != "order" {
				t.Errorf("digests %s and %s", changes.Before, changes.After)
			}
		})
	}
}

func TestDiffDocuments(t *testing.T) {
	more := replace(reference("all", "2026-12-21T00:00:00Z"), `"`+m22+`"`, `"`+m22+`", "`+hexOf(0x33, 48)+`", "`+hexOf(0x34, 48)+`", "`+hexOf(0x35, 48)+`", "`+hexOf(0x36, 48)+`"`)
	before := filesOf(reference("all", "2026-12-20T00:00:00Z"), snpWith("allow: [debug]"), named("gone", snpWith("revocation: off")), reference("old", "2027-01-01T00:00:00Z"), advisories())
	after := filesOf(advisories(), more, snpWith("advisories: deny"), named("new", tdxWith()))
	c := diff(t, before, after)
	var lines []string
	for _, d := range c.Documents {
		lines = append(lines, d.Change+" "+d.Kind+" "+d.Name+" of "+d.File)
	}
	if want := []string{
		"removed Workload gone of c.yaml", "added Workload new of d.yaml", "changed Workload web of c.yaml",
		"changed ReferenceValues all of b.yaml", "removed ReferenceValues old of d.yaml",
	}; !slices.Equal(lines, want) {
		t.Fatalf("documents\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	all, old := c.Documents[3], c.Documents[4]
	if all.ValuesAdded != 4 || all.ValuesRemoved != 0 || old.ValuesRemoved != 2 || len(all.Keys) != 2 || all.Keys[1].AddedCount != 4 || len(all.Keys[1].Added) != 3 {
		t.Errorf("reference values %+v, %+v", all, old)
	}
	if want := []string{"new: tdx.rtmr3.any", "web: sev-snp.advisory-replaced.AMD-SB-3019"}; !slices.Equal(c.RelaxationsGained, want) && !slices.Equal(c.RelaxationsGained, want[:1]) {
		t.Errorf("gained %q", c.RelaxationsGained)
	}
	if want := []string{"gone: sev-snp.revocation", "web: sev-snp.debug"}; !slices.Equal(c.RelaxationsLost, want) {
		t.Errorf("lost %q", c.RelaxationsLost)
	}
	text, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(text), `{"kind":"ReferenceValues","name":"old","change":"removed","file":"d.yaml","values_removed":2}`) {
		t.Errorf("%s, %v", text, err)
	}
}

// Advisories have no names; those on both sides are no change, wherever they stand.
func TestDiffAdvisories(t *testing.T) {
	newer := advisories("snp: 28", "snp: 29")
	if c := diff(t, filesOf(advisories()), filesOf(newer)); len(c.Documents) != 1 || !slices.Equal(keys(c.Documents[0]), []string{"changed advisories[AMD-SB-3019].requires[1].tcb.snp: 28 -> 29"}) {
		t.Errorf("%+v", c)
	}
	if c := diff(t, filesOf(snpWith()), filesOf(snpWith(), advisories())); len(c.Documents) != 1 || c.Documents[0].Change != policies.ChangeAdded || c.Documents[0].Name != "1" {
		t.Errorf("%+v", c)
	}
}

func TestDiffNeedsSetsThatLoad(t *testing.T) {
	broken := filesOf(snpWith("mimimum_tcb: any"))
	for _, sides := range [][2][]policies.File{{broken, filesOf(snpWith())}, {filesOf(snpWith()), broken}} {
		var problems policies.Problems
		if _, err := policies.Diff(sides[0], sides[1]); !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("error %v", err)
		}
	}
	if c := diff(t, nil, nil); len(c.Documents) != 0 || c.Before != c.After {
		t.Errorf("%+v", c)
	}
}

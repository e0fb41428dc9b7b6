package policies_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// table is the built-in advisories, as a reader of the file sees them.
type table struct {
	AsOf       string `yaml:"as_of"`
	Advisories []struct {
		ID, Title, Published string
		CVEs                 []string
		Requires             []row
	}
}

type row struct {
	Product, Source string
	VerifiedBy      string           `yaml:"verified_by"`
	TCB             map[string]uint8 `yaml:"tcb"`
	Firmware        string
	Platform        map[string]string
	Microcode       []struct {
		Family, Model, Stepping uint32
		Least                   uint8
	}
}

func readTable(t *testing.T) table {
	t.Helper()
	data, err := os.ReadFile("amd_advisories.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out table
	if err := yaml.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every row says where its numbers stand, who was read to state them, and when.
func TestAdvisoriesNameSourceAndDate(t *testing.T) {
	all := readTable(t)
	asOf, err := time.Parse(time.DateOnly, all.AsOf)
	if err != nil || len(all.Advisories) < 7 {
		t.Fatalf("%d advisories as of %q", len(all.Advisories), all.AsOf)
	}
	for _, a := range all.Advisories {
		published, err := time.Parse(time.DateOnly, a.Published)
		if err != nil || published.After(asOf) || published.Before(time.Date(2021, 3, 15, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: published %q", a.ID, a.Published)
		}
		if !strings.HasPrefix(a.ID, "AMD-SB-") || a.Title == "" || len(a.CVEs) == 0 || len(a.Requires) == 0 {
			t.Errorf("%+v", a)
		}
		for _, r := range a.Requires {
			if !strings.HasPrefix(r.Source, "https://") || !slices.Contains([]string{"amd", "several", "one"}, r.VerifiedBy) {
				t.Errorf("%s on %s: %q, verified by %q", a.ID, r.Product, r.Source, r.VerifiedBy)
			}
		}
	}
}

// fixed is a machine of a product line that lacks nothing.
func fixed(product string) evidence.Claims {
	c := goodSNP()
	tcb := evidence.SNPTCB{Bootloader: 255, TEE: 255, SNP: 255, Microcode: 255}
	s := c.SEVSNP
	s.Product = product
	switch product {
	case "Genoa":
		s.CPUModel = ptr(uint32(17))
	case "Turin":
		s.CPUFamily, s.CPUModel, tcb.FMC = ptr(uint32(26)), ptr(uint32(2)), ptr(uint8(255))
	}
	setLevels(&c, tcb, "1.58.255")
	return c
}

// findings returns what is found, as "ID component have need".
func findings(c evidence.Claims) []string {
	var out []string
	for _, a := range evaluate(nil, c).Advisories {
		out = append(out, a.ID+" "+a.Component+" "+a.Have+" "+a.Need)
	}
	return out
}

func TestAttack_S30_FixedMachines(t *testing.T) {
	for _, product := range []string{"Milan", "Genoa", "Turin"} {
		if found := findings(fixed(product)); len(found) > 0 {
			t.Errorf("%s: %v", product, found)
		}
	}
	if found := findings(currentSNP()); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

// S30: every row, one below what it asks, at it and above it, in the reported and
// in the committed TCB.
func TestAttack_S30_EveryRowAtItsBoundary(t *testing.T) {
	for _, a := range readTable(t).Advisories {
		for _, r := range a.Requires {
			t.Run(a.ID+" "+r.Product+" "+r.VerifiedBy, func(t *testing.T) {
				rows := 0
				for part, least := range r.TCB {
					checkLevel(t, a.ID, fixed(r.Product), part, least)
					rows++
				}
				for _, m := range r.Microcode {
					c := fixed(r.Product)
					c.SEVSNP.CPUFamily, c.SEVSNP.CPUModel, c.SEVSNP.CPUStepping = &m.Family, &m.Model, &m.Stepping
					checkLevel(t, a.ID, c, "microcode", m.Least)
					rows++
				}
				if r.Firmware != "" {
					checkFirmware(t, a.ID, r.Product, r.Firmware)
					rows++
				}
				for name, word := range r.Platform {
					if name != "alias_check_complete" || word != "required" {
						t.Fatalf("no test for %s: %s", name, word)
					}
					c := fixed(r.Product)
					setBit(c.SEVSNP.PlatformInfo.Raw, 5, false)
					wantFinding(t, c, a.ID+" platform_info.alias_check_complete clear set", true)
					c.SEVSNP.PlatformInfo.Raw = nil
					wantFinding(t, c, a.ID+" platform_info.alias_check_complete absent: the evidence does not say set", true)
					rows++
				}
				if rows == 0 {
					t.Error("a row that asks for nothing that is tested")
				}
			})
		}
	}
}

func wantFinding(t *testing.T, c evidence.Claims, finding string, want bool) {
	t.Helper()
	if found := findings(c); slices.Contains(found, finding) != want {
		t.Errorf("%q among the findings: %t\n%s", finding, !want, strings.Join(found, "\n"))
	}
}

func checkLevel(t *testing.T, id string, c evidence.Claims, part string, least uint8) {
	t.Helper()
	for name, tcb := range map[string]*evidence.SNPTCB{"reported_tcb": &c.SEVSNP.ReportedTCB, "committed_tcb": &c.SEVSNP.CommittedTCB} {
		level := map[string]*uint8{"fmc": tcb.FMC, "bootloader": &tcb.Bootloader, "tee": &tcb.TEE, "snp": &tcb.SNP, "microcode": &tcb.Microcode}[part]
		before := *level
		for _, step := range []int{-1, 0, 1} {
			*level = uint8(int(least) + step)
			behind := false
			for _, f := range evaluate(nil, c).Advisories {
				behind = behind || f.ID == id && f.Component == name+"."+part
			}
			if behind != (step < 0) {
				t.Errorf("%s.%s %d, needs %d: behind %t", name, part, *level, least, behind)
			}
		}
		*level = before
	}
}

func checkFirmware(t *testing.T, id, product, least string) {
	t.Helper()
	text, ok := strings.CutPrefix(least, "1.55.")
	build, err := strconv.Atoi(text)
	if !ok || err != nil {
		t.Fatalf("no test for %s", least)
	}
	step := func(by int) string { return "1.55." + strconv.Itoa(build+by) }
	for have, behind := range map[string]bool{step(-1): true, step(0): false, step(1): false, "1.56.0": false, "2.0.0": false, "1.54.99": true, "": true, "1.55": true, least + ".1": true, "1.55.099": true} {
		for _, component := range []string{"current_version", "committed_version"} {
			c := fixed(product)
			if component == "current_version" {
				c.SEVSNP.CurrentVersion = have
			} else {
				c.SEVSNP.CommittedVersion = have
			}
			shown := have
			if shown == "" {
				shown = "absent: the evidence does not say"
			}
			wantFinding(t, c, id+" "+component+" "+shown+" "+least, behind)
		}
	}
}

// What nothing is known of is a finding, never silence.
func TestAttack_S30_UnknownPlatform(t *testing.T) {
	c := fixed("Milan")
	for _, product := range []string{"Venice", "", "milan"} {
		c.SEVSNP.Product = product
		found := evaluate(nil, c).Advisories
		if len(found) != 1 || found[0].ID != policies.UnknownPlatform || found[0].Need != "Milan, Genoa or Turin" {
			t.Errorf("%q: %+v", product, found)
		}
		d := evaluate(load(t, snpWith("advisories: deny")), c)
		wantVerdict(t, d, policies.Rejected, evidence.CodePolicySNPAdvisories)
	}
	for name, change := range map[string]func(*evidence.SNPClaims){
		"a stepping that nobody knows": func(s *evidence.SNPClaims) { s.CPUStepping = ptr(uint32(0)) },
		"a report without a stepping":  func(s *evidence.SNPClaims) { s.CPUFamily, s.CPUModel, s.CPUStepping = nil, nil, nil },
		"a stepping of another line":   func(s *evidence.SNPClaims) { s.CPUModel = ptr(uint32(17)) },
	} {
		c := fixed("Milan")
		change(c.SEVSNP)
		found := evaluate(nil, c).Advisories
		if !slices.ContainsFunc(found, func(a policies.Advisory) bool { return a.ID == "AMD-SB-3019" && a.Component == "cpu_stepping" }) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// The three modes, at what only one source states and at what AMD does.
func TestAdvisoryModes(t *testing.T) {
	behind := currentSNP() // AMD states that the SNP firmware is behind
	behind.SEVSNP.CommittedTCB.SNP, behind.SEVSNP.CurrentTCB.SNP = 26, 26
	rumour := currentSNP() // one source states that the microcode is
	setLevels(&rumour, evidence.SNPTCB{Bootloader: 4, SNP: 27, Microcode: 221}, "1.55.35")
	for _, c := range []struct {
		name, mode string
		claims     evidence.Claims
		verdict    policies.Verdict
		status     evidence.Status
		relaxed    []string
	}{
		{"default, nothing found", "", currentSNP(), policies.Accepted, evidence.Pass, nil},
		{"deny, nothing found", "advisories: deny", currentSNP(), policies.Accepted, evidence.Pass, nil},
		{"default", "", behind, policies.Accepted, evidence.Warn, nil},
		{"warn", "advisories: warn", behind, policies.Accepted, evidence.Warn, nil},
		{"deny", "advisories: deny", behind, policies.Rejected, evidence.Fail, nil},
		{"deny, one source", "advisories: deny", rumour, policies.Accepted, evidence.Warn, nil},
		{"all excepted", "advisories: {deny_except: [AMD-SB-3023]}", behind, policies.Accepted, evidence.Warn, []string{"sev-snp.advisory.AMD-SB-3023"}},
		{"another excepted", "advisories: {deny_except: [AMD-SB-3019]}", behind, policies.Rejected, evidence.Fail, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := snpWith()
			if c.mode != "" {
				document = snpWith(c.mode)
			}
			d := evaluate(load(t, document), c.claims)
			wantVerdict(t, d, c.verdict, evidence.Code{})
			check, _ := d.Checks.Get(evidence.CodePolicySNPAdvisories)
			if check.Status != c.status || !slices.Equal(d.Relaxed, c.relaxed) {
				t.Errorf("%s, relaxed %v", check, d.Relaxed)
			}
			if check.Want != "none of 7 advisories as of 2026-11-22" {
				t.Error(check.Want)
			}
		})
	}
	d := evaluate(load(t, snpWith()), behind)
	check, _ := d.Checks.Get(evidence.CodePolicySNPAdvisories)
	if want := "AMD-SB-3016, AMD-SB-3020, AMD-SB-3023 (committed_tcb.snp 26, needs 27)"; check.Got != want {
		t.Errorf("got %s", check.Got)
	}
	if a := d.Advisories[len(d.Advisories)-1]; a.ID != "AMD-SB-3023" || a.Have != "26" || a.Need != "27" || a.VerifiedBy != "amd" || a.Title == "" {
		t.Errorf("%+v", a)
	}
	d = evaluate(load(t, snpWith()), goodSNP())
	check, _ = d.Checks.Get(evidence.CodePolicySNPAdvisories)
	if want := "AMD-SB-3016, AMD-SB-3020, AMD-SB-3023 (current_version 1.55.29, needs 1.55.35; committed_version 1.55.29, needs 1.55.35; reported_tcb.snp 24, needs 27; and 3 more)"; check.Got != want {
		t.Errorf("got %s", check.Got)
	}
	for _, mode := range []string{"off", "any", "[AMD-SB-3019]", "{}", "{deny_except: []}", "{deny_except: [AMD-SB-1]}", "{deny_except: [AMD-SB-3019, AMD-SB-3019]}", "{deny_except: [" + policies.UnknownPlatform + "]}"} {
		loadErr(t, snpWith("advisories: "+mode))
	}
}

// advisories is a document of kind Advisories, with old replaced.
func advisories(replacements ...string) string {
	text := `apiVersion: quotary.dev/v1
kind: Advisories
technology: sev-snp
as_of: 2026-12-01
advisories:
  - id: AMD-SB-3019
    title: ours
    cves: [CVE-2024-56161]
    published: 2025-02-03
    requires:
      - {product: Milan, source: "https://example.org/3019", verified_by: amd, tcb: {snp: 28}}
      - {product: Milan, source: "https://example.org/3019", verified_by: amd, platform: {tsme: required, smt: forbidden}}
  - id: EXAMPLE-1
    title: the launch counts
    published: 2026-11-30
    requires:
      - {product: Milan, source: "https://example.org/1", verified_by: one, launch_tcb: {bootloader: 5}, guest_policy: {smt: forbidden}, mitigation: {launch: "0000000000000010", current: "0000000000000001"}}
`
	return strings.NewReplacer(replacements...).Replace(text)
}

func TestAdvisoryDocuments(t *testing.T) {
	set := load(t, advisories(), snpWith("advisories: deny"))
	d := evaluate(set, currentSNP())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicySNPAdvisories)
	var got []string
	for _, a := range d.Advisories {
		got = append(got, a.ID+" "+a.Component+" "+a.Have+" "+a.Need+" "+a.VerifiedBy)
	}
	want := []string{
		"AMD-SB-3019 reported_tcb.snp 27 28 amd", "AMD-SB-3019 committed_tcb.snp 27 28 amd",
		"AMD-SB-3019 platform_info.smt set clear amd", "AMD-SB-3019 platform_info.tsme clear set amd",
		"EXAMPLE-1 launch_tcb.bootloader 4 5 one", "EXAMPLE-1 policy.smt set clear one",
		"EXAMPLE-1 launch_mit_vector 0f0f0f0f0f0f0f0f every bit of 0x10 one",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	check, _ := d.Checks.Get(evidence.CodePolicySNPAdvisories)
	if check.Want != "none of 8 advisories as of 2026-12-01" {
		t.Error(check.Want)
	}
	if load(t, snpWith("advisories: deny")).Digest() == set.Digest() || load(t, advisories("28", "29"), snpWith("advisories: deny")).Digest() == set.Digest() {
		t.Error("the digest does not depend on the advisories")
	}
	// To deny by a weaker table is named.
	weaker := load(t, advisories("snp: 28", "snp: 1", "tsme: required, smt: forbidden", "alias_check_complete: required"), snpWith("advisories: {deny_except: [EXAMPLE-1]}"))
	c := currentSNP()
	d = evaluate(weaker, c)
	wantVerdict(t, d, policies.Accepted, evidence.Code{})
	if !slices.Equal(d.Relaxed, []string{"sev-snp.advisory-replaced.AMD-SB-3019", "sev-snp.advisory.EXAMPLE-1"}) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	// Other sets are as they were.
	if found := findings(currentSNP()); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

// What all machines are held against is bounded.
func TestAdvisoriesAreBounded(t *testing.T) {
	var processors []string
	for i := range 1200 {
		processors = append(processors, fmt.Sprintf("{family: 25, model: %d, stepping: 1, least: 1}", i%256))
	}
	text := loadErr(t, advisories("tcb: {snp: 28}", "microcode: ["+strings.Join(processors, ", ")+"]"), snpWith())
	if !strings.Contains(text, "policy.too-large") {
		t.Error(text)
	}
}

func TestAdvisoryDocumentErrors(t *testing.T) {
	for name, replacements := range map[string][]string{
		"no date": {"as_of: 2026-12-01\n", ""}, "no day": {"as_of: 2026-12-01", "as_of: 2026-12-01T00:00:00Z"}, "of the future": {"2026-11-30", "2026-12-02"},
		"another technology": {"sev-snp", "tdx"}, "twice": {"EXAMPLE-1", "AMD-SB-3019"}, "no name": {"EXAMPLE-1", "example"}, "the unknown platform": {"EXAMPLE-1", policies.UnknownPlatform},
		"no CVE": {"CVE-2024-56161", "2024-56161"}, "no source": {`source: "https://example.org/1", `, ""}, "no https": {"https://example.org/1", "http://example.org/1"},
		"not verified": {"verified_by: one, ", ""}, "verified by nobody": {"verified_by: one", "verified_by: nobody"}, "nothing asked": {", tcb: {snp: 28}", ""}, "no product": {"product: Milan, source: \"https://example.org/1\", ", `source: "https://example.org/1", `},
		"unknown product": {"product: Milan", "product: Naples"}, "microcode in a TCB": {"snp: 28", "microcode: 28"}, "FMC of Milan": {"snp: 28", "fmc: 1"}, "an empty TCB": {"{snp: 28}", "{}"},
		"a version": {"tcb: {snp: 28}", "firmware: 1.55"}, "a version in hex": {"tcb: {snp: 28}", "firmware: 1.37.1f"}, "a processor": {"tcb: {snp: 28}", "microcode: [{family: 25, model: 1, least: 1}]"},
		"no processor": {"tcb: {snp: 28}", "microcode: []"}, "a bit": {"tsme: required", "tsme: set"}, "no advisory": {"advisories:\n", "advisories: []\nx:\n"}, "a level": {"snp: 28", "snp: 256"},
	} {
		t.Run(name, func(t *testing.T) { loadErr(t, advisories(replacements...), snpWith()) })
	}
}

package policies_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// withRules appends rules to the last alternative.
func withRules(policy string, rules ...string) string {
	var b strings.Builder
	b.WriteString(policy + "    require:\n")
	for i, rule := range rules {
		b.WriteString("      - name: rule-" + strconv.Itoa(i) + "\n        message: rule " + strconv.Itoa(i) + " holds\n        rule: |\n          " + rule + "\n")
	}
	return b.String()
}

func TestRules(t *testing.T) {
	hardening := goodTDX()
	hardening.TDX.TCB.Advisories = nil
	behind := goodTDX()
	behind.TDX.TCB.Behind = []evidence.TDXShortfall{{Component: "PCESVN", Have: 5, Need: 6}}
	for rule, c := range map[string]struct {
		policy string
		claims evidence.Claims
		holds  bool
	}{
		`sev_snp.measurement == "` + m11 + `"`:                         {snpWith(), goodSNP(), true},
		`sev_snp.measurement in ["` + m22 + `"]`:                       {snpWith(), goodSNP(), false},
		`sev_snp.guest_svn >= 7 && sev_snp.guest_svn < 8`:              {snpWith(), goodSNP(), true},
		`sev_snp.reported_tcb.snp > 24`:                                {snpWith(), goodSNP(), false},
		`sev_snp.reported_tcb == sev_snp.committed_tcb`:                {snpWith(), goodSNP(), true},
		`sev_snp.reported_tcb.fmc >= 0`:                                {snpWith(), goodSNP(), false}, // absent
		`sev_snp.reported_tcb.fmc == 2`:                                {turinPolicy, goodTurin(), true},
		`!has(sev_snp.csp_id) && has(sev_snp.chip_id)`:                 {snpWith(), goodSNP(), true},
		`sev_snp.csp_id != "evil"`:                                     {snpWith(), goodSNP(), false}, // absent is not unequal
		`!(sev_snp.csp_id == "evil")`:                                  {snpWith(), goodSNP(), false},
		`sev_snp.policy.raw.endsWith("30000")`:                         {snpWith(), goodSNP(), true},
		`!sev_snp.policy.debug && sev_snp.platform_info.ecc`:           {snpWith(), goodSNP(), true},
		`sev_snp.cpu_family == 25`:                                     {snpWith(), goodSNP(), true},
		`kinds == ["sev-snp"] && !simulated`:                           {snpWith(), goodSNP(), true},
		`now == timestamp("2026-11-22T08:00:00Z")`:                     {snpWith(), goodSNP(), true},
		`tdx.tcb.status == "UpToDate" && size(tdx.tcb.advisories) < 1`: {tdxWith(), hardening, true},
		`tdx.tcb.tcb_date > now - duration("8760h")`:                   {tdxWith(), goodTDX(), true},
		`tdx.tcb.behind.all(b, b.component == "PCESVN" && b.need - b.have < 2) && size(tdx.tcb.behind) == 1`: {tdxWith(), behind, true},
		`tdx.tcb.behind.all(b, b.part != "")`:    {tdxWith(), behind, false}, // absent
		`tdx.tcb.behind == []`:                   {tdxWith(), goodTDX(), true},
		`tdx.td_attributes.sept_ve_disable`:      {tdxWith(), goodTDX(), true},
		`tdx.mrservicetd == ""`:                  {tdxWith(), goodTDX(), false}, // absent is not empty
		`tdx.fmspc.startsWith("00806f")`:         {tdxWith(), goodTDX(), true},
		`tpm.pcrs[7] == "` + p57 + `"`:           {tpmWith(), goodTPM(), true},
		`tpm.pcrs[8] == ""`:                      {tpmWith(), goodTPM(), false}, // not quoted
		`7 in tpm.pcrs && !(8 in tpm.pcrs)`:      {tpmWith(), goodTPM(), true},
		`tpm.pcrs.all(i, i < 8)`:                 {tpmWith(), goodTPM(), true},
		`tpm.ak_restricted && tpm.clock == 1000`: {tpmWith(), goodTPM(), true},
		`tpm.clock / (tpm.reset_count - 3) == 1`: {tpmWith(), goodTPM(), false}, // division by zero
		`"abc"[0] == ""`:                         {tpmWith(), goodTPM(), false},
	} {
		t.Run(rule, func(t *testing.T) {
			set, err := policies.Load(policies.File{Data: []byte(withRules(c.policy, rule))})
			if err != nil {
				if strings.HasPrefix(rule, `"abc"`) {
					return // refused at load, which is as good
				}
				t.Fatal(err)
			}
			verdict := policies.Rejected
			if c.holds {
				verdict = policies.Accepted
			}
			wantVerdict(t, evaluate(set, c.claims), verdict, evidence.CodePolicyRule)
		})
	}
}

// What a denial says of a rule.
func TestRuleChecks(t *testing.T) {
	set := load(t, withRules(tdxWith(), `tdx.xfam == "00"`, `tdx.mrservicetd == "00"`, `tdx.quote_version == 4`))
	d := evaluate(set, goodTDX())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyRule)
	var got []string
	for _, check := range d.Checks {
		if check.Code == evidence.CodePolicyRule {
			got = append(got, check.String())
		}
	}
	want := []string{
		"fail policy.rule: want rule-0: rule 0 holds, got false",
		"fail policy.rule: want rule-1: rule 1 holds, got error: the evidence does not say mrservicetd",
		"pass policy.rule: want rule-2: rule 2 holds, got rule-2 is true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("checks:\n%s", strings.Join(got, "\n"))
	}
}

// A workload's rules hold for all of its alternatives and may tell them apart.
func TestRulesOfWorkload(t *testing.T) {
	shared := `require:
  - name: by-kind
    rule: ("tdx" in kinds && tdx.quote_version == 4) || ("sev-snp" in kinds && sev_snp.version == 3)
    message: quote version 4 or report version 3
`
	set := load(t, shared+head+snpAlternative+tdxAlternative)
	wantVerdict(t, evaluate(set, goodSNP()), policies.Accepted, evidence.CodePolicyRule)
	wantVerdict(t, evaluate(set, goodTDX()), policies.Accepted, evidence.CodePolicyRule)
	older := goodSNP()
	older.SEVSNP.Version = 2
	wantVerdict(t, evaluate(set, older), policies.Rejected, evidence.CodePolicyRule)
}

// Rules may use the kinds that their alternative mentions, tolerated ones too.
func TestRulesOfToleratedKinds(t *testing.T) {
	for kind, use := range map[string]string{"tpm": `"tpm" in kinds || !simulated`, "tdx": `!("tdx" in kinds) || tdx.xfam != "00"`} {
		load(t, withRules(head+snpAlternative+"    "+kind+": any\n", use))
	}
	load(t, withRules(tpmWith()+"    sev_snp: any\n", `!("sev-snp" in kinds) || sev_snp.vmpl == 0`))
	load(t, withRules(tpmWith()+"    tdx: any\n", `!("tdx" in kinds) || tdx.quote_version == 4`))
	load(t, withRules(tdxWith()+"    tpm: any\n", `!("tpm" in kinds) || tpm.safe`))
	for _, rule := range []string{`sev_snp.vmpl == 0`, `tdx.quote_version == 4`} {
		if text := loadErr(t, withRules(tpmWith(), rule)); !strings.Contains(text, "does not mention this kind") {
			t.Error(text)
		}
	}
	tolerant := withRules(tpmWith()+"    sev_snp: any\n", `tpm.safe`, `sev_snp.vmpl == 0`)
	wantVerdict(t, evaluate(load(t, tolerant), goodSNP(), goodTPM()), policies.Accepted, evidence.CodePolicyRule)
	wantVerdict(t, evaluate(load(t, tolerant), goodTPM()), policies.Rejected, evidence.CodePolicyRule)
}

// Rules reach nothing but claims, and cost little however they are written.
func TestAttack_Y08_RuleEscapes(t *testing.T) {
	for _, rule := range []string{
		`http.send({"url": "https://example.org"}) != null`, `env("HOME") == ""`, `file.read("/etc/passwd") == ""`, `time.now() > now`,
		`tpm.bank.matches("(a+)+$")`, `dyn(tpm).anything == 1`, `type(tpm) == type(tpm)`,
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300),
		strings.Repeat("tpm.safe && ", 1000) + "true",
		`[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a + b + c + d > 0))))`,
		`tpm.pcrs.all(a, tpm.pcrs.all(b, tpm.pcrs.all(c, tpm.pcrs[a] != tpm.pcrs[c])))`,
		`quotary.TPMClaims{safe: true}.safe && "` + strings.Repeat("a", 5000) + `" == ""`,
	} {
		if text := loadErr(t, withRules(tpmWith(), rule)); !strings.Contains(text, "policy.rule-invalid") {
			t.Errorf("%s: %s", clip(rule), text)
		}
	}
	// The worst that load lets through ends in time.
	set := load(t, withRules(tpmWith(), `tpm.pcrs.all(a, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].all(b, tpm.pcrs[a] != ""))`))
	wantVerdict(t, evaluate(set, goodTPM()), policies.Accepted, evidence.CodePolicyRule)
	made := load(t, withRules(tpmWith(), `tpm.safe && quotary.TPMClaims{safe: true}.safe`))
	wantVerdict(t, evaluate(made, goodTPM()), policies.Rejected, evidence.CodePolicyRule)
}

func clip(s string) string { return s[:min(len(s), 60)] }

// The estimate at load assumes claims of usual size; larger ones meet the limit
// at run time, which denies.
func TestAttack_Y08_CostAtRunTime(t *testing.T) {
	set := load(t, withRules(tdxWith(), `tdx.tcb.advisories.all(a, a in tdx.tcb.advisories)`))
	c := goodTDX()
	for i := range 2000 {
		c.TDX.TCB.Advisories = append(c.TDX.TCB.Advisories, "INTEL-SA-"+strconv.Itoa(i))
	}
	d := evaluate(set, c)
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyRule)
	if check, _ := d.Checks.Get(evidence.CodePolicyRule); !strings.Contains(check.Got, "cost limit") {
		t.Errorf("check %s", check)
	}
}

// Claims are typed: what looks like a truth value in text is none.
func TestAttack_Y09_TypeConfusion(t *testing.T) {
	for _, rule := range []string{
		`tpm.safe == "true"`, `tpm.safe == 1`, `tpm.pcrs == "x"`, `tpm.pcrs["7"] == ""`, `tpm.bank`, `tpm.bank in "sha256"`, `tpm.clock == 1.0`,
		`[1, "a"].size() == 2`, `tpm.ak_sha256 == b"\x41"`,
	} {
		if text := loadErr(t, withRules(tpmWith(), rule)); !strings.Contains(text, "policy.rule-invalid") {
			t.Errorf("%s: %s", rule, text)
		}
	}
	d := evaluate(load(t, withRules(tpmWith(), `tpm.bank == "true"`)), goodTPM())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyRule)
}

func TestAttack_Y02_EmptyMatchesAll(t *testing.T) {
	for _, text := range []string{
		"", "---\n", "{}", "[]", head, head + "  []\n", head + "  - {}\n", head + "  - sev_snp: {}\n", head + "  - tdx: {}\n", head + "  - tpm: {}\n",
		head + "  - sev_snp: any\n", head + "  - {sev_snp: any, tdx: any, tpm: any}\n", head + "  - sev_snp:\n",
		replace(snpWith(), `["`+m11+`"]`, "[]"), replace(snpWith(), `["`+m11+`"]`, "{}"), replace(snpWith(), `["`+m11+`"]`, "[{}]"),
		replace(snpWith(), `["`+m11+`"]`, "any"), replace(tpmWith(), `["`+p57+`"]`, "[]"), head + "  - tpm: {pcrs: {sha256: {}}}\n",
		snpWith("host_data: []"), snpWith("products: []"), snpWith("chip_ids: {}"), snpWith("chip_ids: {allow: []}"), snpWith("allow: []"),
		snpWith() + "    require: []\n", tdxWith("tcb_statuses: []"), tdxWith("advisories: []"), tpmWith("ak: {sources: []}"),
	} {
		loadErr(t, text)
	}
}

func TestAttack_Y03_MisspeltKey(t *testing.T) {
	for _, key := range []string{
		"mimimum_tcb: {bootloader: 1, tee: 0, snp: 1, microcode: 1}", "VMPL: 0", "Vmpl: 0", "vmpl : 0\n      vmpI: 0", "debug: false", "allowed: [debug]",
	} {
		if text := loadErr(t, snpWith(key)); !strings.Contains(text, "policy.unknown-key") {
			t.Errorf("%s: %s", key, text)
		}
	}
}

func TestAttack_Y04_YAMLTraps(t *testing.T) {
	for _, key := range []string{
		"vmpl: 00", "vmpl: 0x0", "vmpl: 0o1", "vmpl: 1_0", "vmpl: 0.0", "vmpl: +1", "vmpl: '0'", "vmpl: no", "vmpl: ~", "vmpl: null", "vmpl: !!int 1",
		"vmpl: &a 1", "vmpl: 1\n      vmpl: 0", "vmpl: 1\n      'vmpl': 0", "<<: {vmpl: 1}", "? [vmpl]\n      : 1", "host_data: *m",
		"revocation: off\n      \"revocation\": require", "allow: debug", "allow: [debug, debug]", "products: {Milan: true}",
	} {
		loadErr(t, snpWith(key))
	}
	for _, value := range []string{"yes", "on", "True", "TRUE", "'true'", "1", "~"} {
		loadErr(t, "allow_simulated: "+value+"\n"+snpWith())
	}
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i < 40; i++ {
		n, before := strconv.Itoa(i), strconv.Itoa(i-1)
		laughs.WriteString("a" + n + ": &a" + n + " [*a" + before + ", *a" + before + "]\n")
	}
	loadErr(t, laughs.String())                                       // which would not return within any patience if it followed the aliases
	digits := strings.Repeat("1", 20) + "e" + strings.Repeat("0", 75) // a number to YAML, a digest to us
	c := goodSNP()
	if err := (&c.SEVSNP.Measurement).UnmarshalText([]byte(digits)); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, evaluate(load(t, replace(snpWith(), `"`+m11+`"`, digits)), c), policies.Accepted, evidence.CodePolicySNPMeasurement)
}

func TestAttack_Y05_ReferenceValueForms(t *testing.T) {
	upper := strings.ToUpper(strings.Repeat("ab", 48))
	c := goodSNP()
	c.SEVSNP.Measurement = fill(0xab, 48)
	wantVerdict(t, evaluate(load(t, replace(snpWith(), m11, upper)), c), policies.Accepted, evidence.CodePolicySNPMeasurement)
	for _, value := range []string{"0x" + m11[2:], m11[:95], m11[:64], "ERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERER", "sha384:" + m11, strings.Repeat("11:", 47) + "11"} {
		loadErr(t, replace(snpWith(), m11, value))
	}
	loadErr(t, replace(snpWith(), `["`+m11+`"]`, `["`+strings.Repeat("ab", 48)+`", "`+upper+`"]`)) // one value in two cases
}

func TestAttack_Y06_Wildcards(t *testing.T) {
	for _, name := range []string{"'*'", "'*.example.org'", "web.*.org", ".example.org", "web..example.org", "web.example.org.", "-web.org", "WEB.example.org", "wéb.org", "127.0.0.1", "'::1'", "a_b.org", "''", strings.Repeat("a", 64)} {
		loadErr(t, replace(snpWith(), "[web.example.org]", "["+name+"]"))
	}
	for _, id := range []string{
		"spiffe://example.org", "spiffe://example.org/", "spiffe://example.org/*/../x", "spiffe://EXAMPLE.org/web", "https://example.org/web",
		"spiffe://example.org/web?x=1", "spiffe://example.org/web#x", "spiffe://u@example.org/web", "spiffe://example.org:80/web", "spiffe:///web", "spiffe://example.org/we%62",
		"spiffe://example.org/quotary", "spiffe://example.org/quotary/web", // the service's own
	} {
		loadErr(t, replace(snpWith(), "spiffe://example.org/web", id))
	}
}

// Y07: which of two workloads is meant never depends on their order.
func TestAttack_Y07_OverlappingWorkloads(t *testing.T) {
	wide := other(snpWith("allow: [debug]"))
	for _, set := range []*policies.Set{load(t, snpWith(), wide), load(t, wide, snpWith())} {
		wantVerdict(t, evaluate(set, goodSNP()), policies.Rejected, evidence.CodePolicyAmbiguous)
		debug := goodSNP()
		debug.SEVSNP.Policy.Debug = true
		if d := evaluate(set, debug); d.Workload != "other" || d.Verdict != policies.Accepted {
			t.Errorf("workload %q, verdict %s", d.Workload, d.Verdict)
		}
	}
	if text := loadErr(t, snpWith()+"---\n"+snpWith("vmpl: 1")); !strings.Contains(text, "policy.duplicate-name") {
		t.Error(text)
	}
}

// Whatever a rule says, it compiles or is refused, and it ends.
func FuzzRule(f *testing.F) {
	for _, rule := range []string{
		`tpm.safe && tpm.clock > 5`, `tpm.pcrs.all(i, tpm.pcrs[i] != "")`, `has(tpm.ak_restricted) ? tpm.ak_restricted : false`, `quotary.TPMClaims{safe: true}.safe`,
		`now > timestamp("2026-01-01T00:00:00Z") - duration("1h")`, `kinds.exists(k, k == "tpm")`, `{"a": tpm}.a.safe`, `[tpm].map(t, t.clock)[0] == 1`, `tpm == tpm`,
		`string(tpm.clock) + "x" == bytes(tpm.bank)`, `tpm.safe &&`,
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		quoted, err := json.Marshal(rule) // a JSON text is a YAML text
		if err != nil {
			t.Fatal(err)
		}
		text := tpmWith() + "    require: [{name: r, message: m, rule: " + string(quoted) + "}]\n"
		set, err := policies.Load(policies.File{Name: "f", Data: []byte(text)})
		if err != nil {
			return
		}
		first, second := evaluate(set, goodTPM()), evaluate(set, goodTPM())
		if first.Verdict != second.Verdict {
			t.Fatalf("verdicts %s and %s", first.Verdict, second.Verdict)
		}
	})
}

// Claims that a rule cannot read are errors, not values.
func TestRulesUnreadableClaims(t *testing.T) {
	late, undecoded := goodTPM(), goodSNP()
	late.TPM.Clock = 1 << 63
	undecoded.SEVSNP.PlatformInfo.Raw = nil
	undecodedRule := withRules(snpWith(), `!sev_snp.platform_info.tsme`)
	for _, rule := range []string{`tpm.clock != 5`, `!(tpm.clock == 5)`, `tpm.clock > 5`} {
		wantVerdict(t, evaluate(load(t, withRules(tpmWith(), rule)), late), policies.Rejected, evidence.CodePolicyRule)
	}
	wantVerdict(t, evaluate(load(t, undecodedRule), goodSNP()), policies.Accepted, evidence.CodePolicyRule)
	wantVerdict(t, evaluate(load(t, undecodedRule), undecoded), policies.Rejected, evidence.CodePolicyRule)
	undated := goodTDX()
	undated.TDX.TCB.TCBDate = time.Time{}
	wantVerdict(t, evaluate(load(t, withRules(tdxWith(), `tdx.tcb.tcb_date < now`)), undated), policies.Rejected, evidence.CodePolicyRule)
}

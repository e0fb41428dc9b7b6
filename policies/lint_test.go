package policies_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// lint returns what is found in texts, each in a file of its own.
func lint(texts ...string) (found, warnings string) {
	problems, warned := policies.Lint(now, filesOf(texts...)...)
	return textOf(problems), textOf(warned)
}

func textOf(p policies.Problems) string {
	if p == nil {
		return ""
	}
	return p.Error()
}

func TestLintRulesWithOneOutcome(t *testing.T) {
	for rule, want := range map[string]string{
		`sev_snp.vmpl == 0 && false`:                                                                "never",
		`sev_snp.vmpl == 0 && 1 > 2`:                                                                "never",
		`sev_snp.vmpl == 0 && sev_snp.vmpl == 1`:                                                    "never",
		`sev_snp.vmpl == 0 && (sev_snp.guest_svn > 1 && 1 == sev_snp.vmpl)`:                         "never",
		`sev_snp.vmpl == 0 && sev_snp.vmpl != 0`:                                                    "never",
		`sev_snp.policy.debug && !sev_snp.policy.debug`:                                             "never",
		`sev_snp.policy.debug && sev_snp.policy.debug == false`:                                     "never",
		`sev_snp.guest_svn > 5 && sev_snp.guest_svn < 6`:                                            "never",
		`sev_snp.guest_svn >= 5 && !(sev_snp.guest_svn > 4)`:                                        "never",
		`5 < sev_snp.guest_svn && sev_snp.guest_svn == 5`:                                           "never",
		`sev_snp.product in ["Milan", "Genoa"] && sev_snp.product == "Turin"`:                       "never",
		`sev_snp.product in ["Milan"] && !(sev_snp.product in ["Milan"])`:                           "never",
		`sev_snp.product in []`:                                                                     "never",
		`(sev_snp.vmpl == 0 && sev_snp.vmpl == 1) || (!simulated && simulated)`:                     "never",
		`!(simulated || true)`:                                                                      "never",
		`simulated ? false : 1 == 2`:                                                                "never",
		`tpm.pcrs[7] == "00" && tpm.pcrs[7] == "11"`:                                                "never",
		`tpm.pcrs[7] == "00" && tpm.pcrs[4] == "11"`:                                                "",
		`sev_snp.vmpl == 0 || true`:                                                                 "always",
		`simulated || 1 < 2`:                                                                        "always",
		`!(simulated && false)`:                                                                     "always",
		`sev_snp.vmpl == 0 || sev_snp.vmpl == 1`:                                                    "",
		`sev_snp.vmpl == 0 && (sev_snp.guest_svn == 1 || sev_snp.guest_svn == 2)`:                   "",
		`sev_snp.guest_svn >= 5 && sev_snp.guest_svn <= 5`:                                          "",
		`sev_snp.product in ["Milan", "Genoa"] && sev_snp.product != "Milan"`:                       "",
		`has(sev_snp.product) && sev_snp.product == "Milan"`:                                        "",
		`!has(sev_snp.csp_id) && !simulated`:                                                        "",
		`sev_snp.vmpl == 0 || sev_snp.vmpl != 0`:                                                    "", // asks that it is there
		`now > timestamp("2026-01-01T00:00:00Z") && "sev-snp" in kinds`:                             "",
		`now > timestamp("2026-01-01T00:00:00Z") && timestamp("2025-12-31T23:59:59Z") >= now`:       "never",
		`now >= timestamp("2026-01-01T00:00:00Z") && now <= timestamp("2026-01-01T01:00:00+01:00")`: "",
		`now > timestamp("0001-01-01T00:00:00Z") && now < timestamp("9999-01-01T00:00:00Z")`:        "",
		`kinds.exists(k, k == "tpm" && k == "tdx") || sev_snp.vmpl == 0`:                            "",
		`sev_snp.measurement == "00" && sev_snp.measurement.startsWith("ab")`:                       "",
		`sev_snp.guest_svn > 9223372036854775806 && sev_snp.guest_svn != 7`:                         "",
		`sev_snp.guest_svn > 9223372036854775807`:                                                   "",
		`sev_snp.reported_tcb.snp > 3 && sev_snp.committed_tcb.snp < 3`:                             "",
		`(simulated ? sev_snp.vmpl : sev_snp.guest_svn) == 0 && sev_snp.vmpl == 1`:                  "",
	} {
		policy := snpWith()
		if strings.Contains(rule, "tpm.") {
			policy = tpmWith()
		}
		got := ""
		if _, err := policies.Load(filesOf(withRules(policy, rule))...); err != nil {
			got = err.Error()
		}
		switch {
		case want == "" && got != "":
			t.Errorf("%s: %s", rule, got)
		case want != "" && (!strings.Contains(got, want+" be true") && !strings.Contains(got, want+" true") || !strings.Contains(got, "policy.rule-invalid")):
			t.Errorf("%s: %q, want %s", rule, got, want)
		}
	}
}

// Rules that apply together must not contradict each other, a workload's and its
// alternatives'.
func TestLintRulesTogether(t *testing.T) {
	shared := "require: [{name: all, rule: sev_snp.guest_svn >= 5, message: m}]\n"
	for rule, wrong := range map[string]bool{"sev_snp.guest_svn < 5": true, "sev_snp.guest_svn < 6": false, "sev_snp.vmpl == 0": false} {
		if found, _ := lint(shared + withRules(snpWith(), rule)); strings.Contains(found, "contradict each other, so that nothing passes (policy.contradiction)") != wrong || (found != "") != wrong {
			t.Errorf("%s: %q", rule, found)
		}
	}
	if found, _ := lint(withRules(snpWith(), "sev_snp.vmpl == 0", "sev_snp.vmpl == 1")); !strings.Contains(found, "policy.contradiction") {
		t.Errorf("%q", found)
	}
}

func TestLintAllowAndDeny(t *testing.T) {
	seven, eight := hexOf(7, 64), hexOf(8, 64)
	for line, want := range map[string]string{
		`chip_ids: {allow: ["` + seven + `"], deny: ["` + seven + `"]}`:                  "problem",
		`chip_ids: {allow: ["` + seven + `", "` + eight + `"], deny: ["` + seven + `"]}`: "warning",
		`chip_ids: {allow: ["` + seven + `"], deny: ["` + eight + `"]}`:                  "",
		`csp_ids: {allow: [a], deny: [a, b]}`:                                            "problem",
		`csp_ids: {allow: [a, b], deny: [b]}`:                                            "warning",
		`csp_ids: [a, b]`:                                                                "",
		`products: {allow: [Milan], deny: [Milan]}`:                                      "problem",
		`products: {deny: [Milan, Genoa, Turin]}`:                                        "value",
	} {
		found, warned := lint(snpWith(line))
		switch want {
		case "":
			if found+warned != "" {
				t.Errorf("%s: %s %s", line, found, warned)
			}
		case "warning":
			if found != "" || !strings.Contains(warned, "a.yaml:9:") || !strings.Contains(warned, "denies 1 of the 2 values that it allows (policy.contradiction)") {
				t.Errorf("%s: %q, warnings %q", line, found, warned)
			}
		case "problem":
			if !strings.Contains(found, "denies everything that it allows, so that nothing passes (policy.contradiction)") || strings.Contains(found, "\n") {
				t.Errorf("%s: %q", line, found)
			}
		case "value":
			if !strings.Contains(found, "denies every product line (policy.value)") {
				t.Errorf("%s: %q", line, found)
			}
		}
	}
}

func TestLintReferenceValues(t *testing.T) {
	use := replace(snpWith(), `["`+m11+`"]`, "[{reference: all}]")
	for name, c := range map[string]struct {
		notAfter, text, want string
	}{
		"in force": {"2026-12-21T00:00:00Z", use, ""},
		"expired":  {"2026-11-21T00:00:00Z", use, "a.yaml:6:12: reference values all expired at 2026-11-21T00:00:00Z; they match nothing (policy.reference-expired)"},
		"unused":   {"2026-12-21T00:00:00Z", snpWith(), "a.yaml:6:12: no workload refers to reference values all (policy.unused)"},
	} {
		found, warned := lint(reference("all", c.notAfter), c.text)
		if found != "" || warned != c.want {
			t.Errorf("%s: %q, warnings %q", name, found, warned)
		}
		set := load(t, reference("all", c.notAfter), c.text)
		if warned := set.Warnings(time.Time{}); (len(warned) > 0) != (name == "unused") {
			t.Errorf("%s at no time: %v", name, warned)
		}
	}
	bad := replace(reference("bad", "2026-12-21T00:00:00Z"), "values:", "known_bad: [CVE-2026-1]\nvalues:")
	if found, warned := lint(bad, replace(snpWith(), m11, hexOf(0x33, 48))); found+warned != "" {
		t.Errorf("known bad values: %q, %q", found, warned)
	}
	if (*policies.Set)(nil).Warnings(now) != nil {
		t.Error("warnings of no set")
	}
}

// Workloads that match the same evidence are told before any machine comes.
func TestAttack_Y07_OverlapsAreToldBefore(t *testing.T) {
	m33, p58 := hexOf(0x33, 48), hexOf(0x58, 32)
	wide := replace(snpWith(), `"`+m11+`"`, `"`+m33+`", "`+m11+`"`)
	referring := func(text string) string { return replace(text, `["`+m11+`"]`, "{reference: all}") }
	all := reference("all", "2026-12-21T00:00:00Z") + "---\n"
	for name, c := range map[string]struct {
		one, two string
		want     string // problem, warning, or neither
	}{
		"the same":             {snpWith(), snpWith(), "problem"},
		"in another order":     {wide, replace(snpWith(), `"`+m11+`"`, `"`+m11+`", "`+m33+`"`), "problem"},
		"with comments":        {snpWith(), "# comment\n" + snpWith(), "problem"},
		"other images":         {snpWith(), replace(snpWith(), m11, m33), ""},
		"more images":          {snpWith(), wide, "problem"},
		"a lower minimum":      {snpWith(), replace(snpWith(), "snp: 24", "snp: 23"), "problem"},
		"two minima":           {snpWith(), replace(replace(snpWith(), "snp: 24", "snp: 23"), "bootloader: 4", "bootloader: 5"), "warning"},
		"a relaxation":         {snpWith(), snpWith("allow: [provisional-firmware]"), "problem"},
		"one more demand":      {snpWith(), snpWith(`host_data: ["` + hexOf(1, 32) + `"]`), "problem"},
		"other demands":        {snpWith(`host_data: ["` + hexOf(2, 32) + `"]`), snpWith(`host_data: ["` + hexOf(1, 32) + `"]`), ""},
		"any minimum":          {snpWith("minimum_launch_tcb: any"), replace(snpWith("minimum_launch_tcb: any"), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}", "any"), "problem"},
		"another level":        {snpWith("vmpl: 1"), snpWith(), ""},
		"one more rule":        {withRules(snpWith(), "sev_snp.guest_svn > 3"), snpWith(), "problem"},
		"other rules":          {withRules(snpWith(), "sev_snp.guest_svn > 3"), withRules(snpWith(), "sev_snp.guest_svn > 4"), ""},
		"reference values":     {all + referring(snpWith()), referring(snpWith()), "problem"},
		"TDs":                  {tdxWith(), replace(tdxWith(), `rtmr2: ["`+m32+`"]`, "rtmr2: any"), "problem"},
		"PCRs":                 {tpmWith(), replace(tpmWith(), `7: ["`+p57+`"]`, `7: ["`+p57+`", "`+p58+`"]`), "problem"},
		"fewer PCRs":           {tpmWith(), replace(tpmWith(), `, 7: ["`+p57+`"]`, ""), "problem"},
		"other PCRs":           {tpmWith(), replace(tpmWith(), `7: ["`+p57+`"]`, `4: ["`+p57+`"]`), "warning"},
		"keys":                 {tpmWith("ak: {sources: [enrolled]}"), tpmWith("ak: {sources: [enrolled, tee]}"), "problem"},
		"tolerated":            {snpWith() + "    tpm: any\n", snpWith(), "problem"},
		"another kind":         {snpWith(), tdxWith(), ""},
		"one image in common":  {wide, replace(snpWith(), `"`+m11+`"`, `"`+m11+`", "`+m22+`"`), "warning"},
		"values by reference":  {all + referring(snpWith()), replace(snpWith(), `"`+m11+`"`, `"`+m22+`", "`+m11+`"`), "problem"},
		"one of a reference":   {all + referring(snpWith()), snpWith(), "problem"},
		"some of a reference":  {all + referring(snpWith()), wide, "warning"},
		"upper-case values":    {replace(snpWith(), m11, strings.ToUpper(hexOf(0xab, 48))), replace(snpWith(), m11, hexOf(0xab, 48)), "problem"},
		"none of a reference":  {all + referring(snpWith()), replace(snpWith(), m11, m33), ""},
		"PCRs in common":       {replace(tpmWith(), `7: ["`+p57+`"]`, `7: ["`+p57+`", "`+p54+`"]`), replace(tpmWith(), `7: ["`+p57+`"]`, `7: ["`+p57+`", "`+p58+`"]`), "warning"},
		"no PCR in common":     {replace(tpmWith(), `7: ["`+p57+`"]`, `7: ["`+p54+`"]`), replace(tpmWith(), `7: ["`+p57+`"]`, `7: ["`+p58+`"]`), ""},
		"other rules and PCRs": {withRules(tpmWith(), "tpm.safe"), withRules(replace(tpmWith(), `7: ["`+p57+`"]`, `4: ["`+p57+`"]`), "tpm.clock > 0"), ""},
		"another trust domain": {snpWith(), replace(snpWith(), "example.org/web\"", "example.net/web\""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			two := replace(c.two, "name: web\n", "name: two\n")
			for _, order := range [][]string{{c.one, two}, {two, c.one}} {
				found, warned := lint(order...)
				if got := (found != ""); got != (c.want == "problem") || (warned != "") != (c.want == "warning") {
					t.Errorf("problems %q, warnings %q", found, warned)
				}
				if text := found + warned; c.want != "" && (!strings.Contains(text, "policy.overlap") || !strings.Contains(text, "web") || !strings.Contains(text, "two")) {
					t.Error(text)
				}
			}
		})
	}
	set := load(t, snpWith(), other(snpWith())) // loads all the same, and accepts nothing of the kind
	wantVerdict(t, evaluate(set, goodSNP()), policies.Rejected, evidence.CodePolicyAmbiguous)
}

// What lint takes to be within another alternative is so: no claims are accepted
// by the one and not by the other.
func TestLintOverlapsAreReal(t *testing.T) {
	variants := []string{
		snpWith(), snpWith("allow: [debug]"), snpWith("revocation: off"), replace(snpWith(), "snp: 24", "snp: 20"), replace(snpWith(), `"`+m11+`"`, `"`+m11+`", "`+m22+`"`),
		snpWith("signing_keys: [vcek]"), snpWith("products: [Milan]"), snpWith("minimum_launch_tcb: any"), snpWith("platform: {ecc: required}"), snpWith("minimum_guest_svn: 3", `id_key_digests: ["`+hexOf(4, 48)+`"]`),
		withRules(snpWith(), "sev_snp.guest_svn > 3"), snpWith() + "    tpm: any\n", snpWith("advisories: deny"),
		snpWith("vmpl: 1"), snpWith("guest_policy: {cxl: required}"), snpWith("products: [Genoa]"), snpWith("products: [Milan, Genoa]"), snpWith(`host_data: ["` + hexOf(3, 32) + `", "` + hexOf(1, 32) + `"]`),
		snpWith(`host_data: ["` + hexOf(3, 32) + `", "` + hexOf(2, 32) + `"]`), snpWith("signing_keys: [vlek]"), snpWith(`csp_ids: [cloud]`), turinPolicy, replace(snpWith(), m11, m22),
		snpWith(`chip_ids: {deny: ["` + hexOf(7, 64) + `"]}`), snpWith(`chip_ids: {allow: ["` + hexOf(7, 64) + `"]}`), snpIDKey(`measurements: {warn_only: ["` + m22 + `"]}`),
	}
	for i, one := range variants {
		for j, two := range variants {
			if i == j {
				continue
			}
			refused, warned := policies.Lint(now, filesOf(one, other(two))...)
			for _, w := range append(refused, warned...) {
				switch {
				case strings.Contains(w.Detail, "whatever matches web matches other"):
					acceptedWithin(t, w.Detail, load(t, one), load(t, two))
				case strings.Contains(w.Detail, "whatever matches other matches web"):
					acceptedWithin(t, w.Detail, load(t, two), load(t, one))
				case strings.Contains(w.Detail, "there is evidence that matches"):
					acceptedByBoth(t, w.Detail+"\n"+one+two, load(t, one), load(t, two))
				}
			}
		}
	}
}

func acceptedWithin(t *testing.T, detail string, narrow, around *policies.Set) {
	t.Helper()
	for _, c := range machines() {
		if evaluate(narrow, c).Verdict == policies.Accepted && evaluate(around, c).Verdict != policies.Accepted {
			t.Error(detail)
		}
	}
}

func acceptedByBoth(t *testing.T, detail string, one, two *policies.Set) {
	t.Helper()
	for _, c := range newest() {
		if evaluate(one, c).Verdict == policies.Accepted && evaluate(two, c).Verdict == policies.Accepted {
			return
		}
	}
	t.Error(detail)
}

// newest are machines that have all updates, of several images, product lines and owners.
func newest() (all []evidence.Claims) {
	for bits := range 1 << 4 {
		c := goodSNP()
		setLevels(&c, evidence.SNPTCB{Bootloader: 255, TEE: 255, SNP: 255, Microcode: 255}, "9.99.99")
		s := c.SEVSNP
		if bits&1 != 0 {
			s.Product, s.CPUModel = "Genoa", ptr(uint32(17))
		}
		if bits&2 != 0 {
			s.SigningKey, s.CSPID = "vlek", "cloud"
		}
		if bits&4 != 0 {
			s.Measurement = fill(0x22, 48)
		}
		if bits&8 != 0 {
			s.ChipID = fill(9, 64)
		}
		all = append(all, c)
	}
	return all
}

// machines are good ones and such as are off in one thing.
func machines() []evidence.Claims {
	all := []evidence.Claims{goodSNP(), currentSNP(), goodTurin()}
	for _, change := range []func(*evidence.SNPClaims){
		func(s *evidence.SNPClaims) { s.Policy.Debug = true }, func(s *evidence.SNPClaims) { s.RevocationChecked = false },
		func(s *evidence.SNPClaims) { s.Measurement = fill(0x22, 48) }, func(s *evidence.SNPClaims) { s.SigningKey = "vlek" },
		func(s *evidence.SNPClaims) { s.ProductSource = "certificate" }, func(s *evidence.SNPClaims) { s.LaunchTCB.SNP = 1 },
		func(s *evidence.SNPClaims) { s.PlatformInfo.Raw[7] = 0x21 }, func(s *evidence.SNPClaims) { s.GuestSVN = 2 },
		func(s *evidence.SNPClaims) {
			s.ReportedTCB.SNP, s.CommittedTCB.SNP, s.CurrentTCB.SNP, s.LaunchTCB.SNP = 21, 21, 21, 21
		},
	} {
		c := goodSNP()
		change(c.SEVSNP)
		all = append(all, c)
	}
	return all
}

// Alternatives of one workload that add nothing are told, and are no mistake
// that keeps the set from being used.
func TestLintWithinOneWorkload(t *testing.T) {
	found, warned := lint(head + snpAlternative + snpAlternative)
	if found != "" || !strings.Contains(warned, "web (alternative 2) accepts nothing that web does not accept") || !strings.Contains(warned, "policy.unused") {
		t.Errorf("%q, warnings %q", found, warned)
	}
}

// The problems of documents that do not load are those of Load.
func TestLintOfWhatDoesNotLoad(t *testing.T) {
	text := snpWith("mimimum_tcb: any")
	_, err := policies.Load(filesOf(text)...)
	if found, warned := lint(text); found != err.Error() || warned != "" {
		t.Errorf("%q, warnings %q", found, warned)
	}
	if found, warned := policies.Lint(now); found != nil || warned != nil {
		t.Errorf("nothing: %v, %v", found, warned)
	}
}

// What the project shows as examples has nothing to warn of.
func TestLintExamples(t *testing.T) {
	files, err := policies.ReadFiles("testdata/examples")
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string][]policies.File{"examples": files, "page": examples(t, docsPage)} {
		found, warned := policies.Lint(now, files...)
		if len(found) > 0 || slices.ContainsFunc(warned, func(w *evidence.Error) bool { return w.Code != evidence.CodePolicyUnused }) {
			t.Errorf("%s: %v\n%v", name, found, warned)
		}
	}
}

// Debuggable machines are accepted by no set that is put in force by administrators.
func TestLintRefusesDebug(t *testing.T) {
	for text, want := range map[string]bool{
		snpWith("allow: [debug]"): true, snpWith("allow: [provisional-firmware]"): false, tdxWith("allow: [migratable, debug]"): true, tdxWith(): false,
	} {
		load(t, text)
		if found, _ := lint(text); (found != "") != want || want && !strings.Contains(found, "policy.unsafe") {
			t.Errorf("%s: %q", text, found)
		}
	}
}

// A set that loads and that no service would take is told before it is sent.
func TestLintSize(t *testing.T) {
	files := filesOf(snpWith(), other(tdxWith()))
	comment := "# " + strings.Repeat("x", 1000) + "\n"
	pad := func(size int) {
		files[1].Data = append([]byte(other(tdxWith())), strings.Repeat(comment, size/len(comment))...)
	}
	pad(policies.MaxAppliedSize / 2)
	if found, _ := policies.Lint(now, files...); found != nil {
		t.Error(found)
	}
	pad(policies.MaxAppliedSize)
	found, _ := policies.Lint(now, files...)
	if len(found) != 1 || found[0].Code != evidence.CodePolicyTooLarge || found[0].Field != "b.yaml:1:1" {
		t.Error(found)
	}
}

// A workload of another trust domain than the service's is never accepted by it.
func TestLintTrustDomain(t *testing.T) {
	foreign := replace(named("foreign", tdxWith()), "spiffe://example.org/", "spiffe://example.net/")
	for name, c := range map[string]struct {
		domain          string
		texts           []string
		found, warnings int
	}{
		"unknown":     {"", []string{snpWith(), foreign}, 0, 0},
		"one of them": {"example.org", []string{snpWith(), foreign}, 0, 1},
		"the other":   {"example.net", []string{snpWith(), foreign}, 0, 1},
		"none":        {"example.com", []string{snpWith(), foreign}, 2, 0},
		"all":         {"example.org", []string{snpWith()}, 0, 0},
		"no set":      {"example.org", nil, 0, 0},
	} {
		found, warned := policies.Options{TrustDomain: c.domain}.Lint(now, filesOf(c.texts...)...)
		if len(found) != c.found || len(warned) != c.warnings {
			t.Errorf("%s: found %v, warnings %v", name, found, warned)
		}
		for _, p := range append(found, warned...) {
			if p.Code != evidence.CodePolicyTrustDomain {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}

// A rule that cannot hold beside what its alternative asks for anyway denies everything.
func TestLintRulesAgainstRequirements(t *testing.T) {
	m33 := hexOf(0x33, 48)
	all := reference("all", "2026-12-21T00:00:00Z") + "---\n"
	idKey := `id_key_digests: ["` + hexOf(4, 48) + `"]`
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"level":               {withRules(snpWith(), "sev_snp.vmpl == 1"), true},
		"the level":           {withRules(snpWith("vmpl: 1"), "sev_snp.vmpl == 1"), false},
		"debugging":           {withRules(snpWith(), "sev_snp.policy.debug"), true},
		"no debugging":        {withRules(snpWith(), "!sev_snp.policy.debug"), false},
		"an older level":      {withRules(snpWith(), "sev_snp.reported_tcb.snp < 24"), true},
		"a newer level":       {withRules(snpWith(), "sev_snp.reported_tcb.snp > 24"), false},
		"another measurement": {withRules(snpWith(), `sev_snp.measurement == "`+m33+`"`), true},
		"by reference":        {all + withRules(replace(snpWith(), `["`+m11+`"]`, "{reference: all}"), `sev_snp.measurement in ["`+m33+`"]`), true},
		"of the reference":    {all + withRules(replace(snpWith(), `["`+m11+`"]`, "{reference: all}"), `sev_snp.measurement in ["`+m33+`", "`+m22+`"]`), false},
		"only warned of":      {withRules(snpIDKey(`measurements: {warn_only: ["`+m11+`"]}`), `sev_snp.measurement == "`+m33+`"`), false},
		"any measurement":     {withRules(snpIDKey("measurements: any"), `sev_snp.measurement == "`+m33+`"`), false},
		"product":             {withRules(snpWith("products: {deny: [Milan]}"), `sev_snp.product == "Milan"`), true},
		"guest SVN":           {withRules(snpWith("minimum_guest_svn: 5", idKey), `sev_snp.guest_svn == 4`), true},
		"simulated":           {withRules(snpWith(), "simulated"), true},
		"allowed":             {withRules(replace(snpWith(), "any_of:", "allow_simulated: true\nany_of:"), "simulated"), false},
		"status":              {withRules(tdxWith(), `tdx.tcb.status == "OutOfDate"`), true},
		"migratable":          {withRules(tdxWith(), `tdx.td_attributes.migratable`), true},
		"register":            {withRules(tdxWith(), `tdx.rtmr1 == "`+m33+`"`), true},
		"open register":       {withRules(tdxWith(), `tdx.rtmr3 == "`+m33+`"`), false},
		"PCR":                 {withRules(tpmWith(), `tpm.pcrs[7] == "`+p50+`"`), true},
		"the PCR":             {withRules(tpmWith(), `tpm.pcrs[7] == "`+p57+`"`), false},
		"other PCR":           {withRules(tpmWith(), `tpm.pcrs[4] == "`+p50+`"`), false},
		"bank":                {withRules(tpmWith(), `tpm.bank == "sha384"`), true},
		"clock":               {withRules(tpmWith(), `!tpm.safe`), true},
		"one of two":          {withRules(snpWith(), "sev_snp.vmpl == 1 || sev_snp.guest_svn > 3"), false},
	} {
		load(t, c.text)
		found, _ := lint(c.text)
		if got := strings.Contains(found, "rule rule-0 contradicts what web asks for besides"); got != c.want || found != "" && !c.want {
			t.Errorf("%s: %q", name, found)
		}
	}
}

// A rule whose time is over is one that can never be true any more.
func TestLintRulesThatAreOver(t *testing.T) {
	for rule, over := range map[string]bool{
		`now < timestamp("2020-01-01T00:00:00Z")`:                           true,
		`sev_snp.vmpl == 0 && timestamp("2020-01-01T00:00:00Z") > now`:      true,
		`now == timestamp("2020-01-01T00:00:00Z")`:                          true,
		`now > timestamp("2020-01-01T00:00:00Z")`:                           false,
		`now < timestamp("2090-01-01T00:00:00Z")`:                           false,
		`now < timestamp("2020-01-01T00:00:00Z") || sev_snp.guest_svn == 2`: false,
	} {
		text := snpWith() + "\n    require:\n      - {name: timely, rule: '" + rule + "', message: it is time}\n"
		problems, warnings := lint(text)
		if problems != "" || strings.Contains(warnings, evidence.CodePolicyContradiction.String()) != over {
			t.Errorf("%s: %s; %s", rule, problems, warnings)
		}
	}
	text := snpWith() + "\n    require:\n      - {name: timely, rule: 'now < timestamp(\"2020-01-01T00:00:00Z\")', message: it is time}\n"
	if _, warned := policies.Lint(time.Time{}, filesOf(text)...); warned != nil {
		t.Error(warned)
	}
}

package policies_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/quotary/quotary/policies"
)

const docsPage = "../docs/policy.md"

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every example loads, all of a page as one set.
func TestDocsExamplesLoad(t *testing.T) {
	for page, workloads := range map[string]string{
		docsPage:       "archive billing branch builder edge fleet gateway kiosk ledger reports tenant trial vault",
		"../README.md": "payments",
	} {
		set, err := policies.Load(examples(t, page)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(set.Workloads(), " "); got != workloads {
			t.Errorf("%s: workloads %s, want %s", page, got, workloads)
		}
	}
}

// examples returns the YAML blocks of a page.
func examples(t *testing.T, name string) []policies.File {
	t.Helper()
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var files []policies.File
	for _, block := range yamlBlock.FindAllSubmatchIndex(page, -1) {
		// Blank lines before the block keep the page's line numbers in problems.
		blank := strings.Repeat("\n", strings.Count(string(page[:block[2]]), "\n"))
		files = append(files, policies.File{Name: name, Data: append([]byte(blank), page[block[2]:block[3]]...)})
	}
	return files
}

var knownWords = regexp.MustCompile(`(?:; known are|; use) (.*?) \(policy`)

// The page mentions every key and every word that documents may use: asking for
// unknown ones makes the loader list the known ones.
func TestDocsMentionEveryKey(t *testing.T) {
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	const odd = "completely-unknown-key"
	requirement := func(lines ...string) []string { return append(lines, odd+": 1", "allow: ["+odd+"]") }
	texts := []string{
		odd + ": 1\n" + replace(snpWith(requirement("platform: {"+odd+": 1, smt: "+odd+"}", "guest_policy: {"+odd+": 1}", "products: {"+odd+": 1, deny: ["+odd+"]}", "advisories: "+odd,
			"csp_ids: {"+odd+": 1}",
			"signing_keys: ["+odd+"]", "revocation: "+odd, "chip_ids: {"+odd+": 1}", "minimum_launch_tcb: {"+odd+": 1}", "minimum_mitigation: {"+odd+": 1}")...),
			"ttl: 30m", odd+": 1"),
		tdxWith(requirement("tcb_statuses: ["+odd+"]")...) + "    " + odd + ": 1\n",
		tpmWith(requirement("ak: {sources: ["+odd+"], providers: ["+odd+"], hierarchy: "+odd+", "+odd+": 1}", "key: "+odd, "boot: {"+odd+": 1, mok: {"+odd+": 1}}",
			"ima: {"+odd+": 1, violations: "+odd+", boot_aggregate: "+odd+"}")...) + "    require: [{" + odd + ": 1}]\n    paravisor: {" + odd + ": 1}\n",
		bootWith(odd+": 1", "phases: ["+odd+"]", "secure_boot: {"+odd+": 1, dbx: {"+odd+": 1}}", "uki: {"+odd+": 1}", "events: [{"+odd+": 1}]", "exited_boot_services: "+odd),
		bootWith("secure_boot: " + odd), tdxWith("tcb_statuses: [{" + odd + ": 1, advisories: [{" + odd + ": 1}]}]"),
		odd + ": 1\n" + replace(reference("a", "2027-01-01T00:00:00Z"), "values: {", "shape: {"+odd+": 1}\nvalues: {"+odd+": 1, "),
		replace(snpWith("revocation: {"+odd+": 1}", "advisories: {"+odd+": 1}"), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}", "{Turin: {"+odd+": 1}, "+odd+": 1}"),
		advisories("kind: Advisories", odd+": 1\nkind: Advisories"), advisories("{product:", "{"+odd+": 1, product:"), advisories("id:", odd+": 1, id:"),
		advisories("tcb: {snp: 28}", "tcb: {"+odd+": 1}, launch_tcb: {"+odd+": 1}, microcode: [{"+odd+": 1}], mitigation: {"+odd+": 1}, platform: {"+odd+": 1}, guest_policy: {"+odd+": 1}"),
		advisories("verified_by: amd", "verified_by: "+odd),
		replace(replace(reference("a", "2027-01-01T00:00:00Z"), "sev-snp", odd), "source: an image", odd+": 1"),
	}
	words := 0
	for _, text := range texts {
		for _, m := range knownWords.FindAllStringSubmatch(loadErr(t, text), -1) {
			for _, word := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				words++
				if word != "or" && !strings.Contains(string(page), word) {
					t.Errorf("the page does not mention %s", word)
				}
			}
		}
	}
	if words < 100 {
		t.Errorf("only %d words found", words)
	}
}

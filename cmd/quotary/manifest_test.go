package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/verifier"
)

// trial is one run of quotary verify over the collection of real evidence, with
// the exit code that it must end in.
type trial struct {
	name string
	args []string
	want exit
	also func(t *testing.T, r report)
}

// TestManifest gives every item of the collection that this build covers to the
// command line, as of its time and with its endorsements, and expects exactly
// the collection's verdict. It prints how many items it covers and why not the rest.
func TestManifest(t *testing.T) {
	covered, total := 0, 0
	uncovered := map[string][]string{}
	for _, item := range evidencetest.Items(t) {
		total++
		trials, reason := trialsOf(t, item)
		if len(trials) == 0 {
			uncovered[reason] = append(uncovered[reason], item.Folder)
			continue
		}
		covered++
		for _, trial := range trials {
			t.Run(item.Folder+"/"+trial.name, func(t *testing.T) { trial.run(t) })
		}
	}
	t.Logf("covered %d / total %d items of the collection", covered, total)
	for _, reason := range sortedKeys(uncovered) {
		t.Logf("not covered: %s: %s", reason, strings.Join(uncovered[reason], " "))
	}
}

func (c trial) run(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := append([]string{"verify", "-o", "json"}, c.args...)
	if got := run(args, nil, &stdout, &stderr); got != c.want {
		t.Fatalf("exit %d, want %d\n%s%s", got, c.want, stderr.String(), stdout.String())
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if exitOf(r.Verdict) != c.want {
		t.Errorf("verdict %s with exit code %d", r.Verdict, c.want)
	}
	if c.also != nil {
		c.also(t, r)
	}
}

// trialsOf returns the trials of an item, or the reason why there are none.
func trialsOf(t *testing.T, item evidencetest.Item) ([]trial, string) {
	switch item.Kind {
	case "snp":
		return casesOf(t, item, item.Path("report.bin")), "no case"
	case "tdx":
		if item.Name == "v4-intel-qvl-sample-testpki" {
			return testPKI(item), ""
		}
		if text := trailingText(t, item); text > 0 {
			return trailing(t, item, text), ""
		}
		return casesOf(t, item, item.Path("quote.bin")), "no case"
	case "sgx":
		return foreign(item, "quote.bin"), ""
	case "nvidia":
		return foreign(item, "report.bin"), ""
	case "nitro":
		return foreign(item, "attestation.cose"), ""
	case "tpm":
		return quotesOf(item)
	case "azure-hcl":
		return hclOf(t, item)
	}
	return nil, item.Kind + " is not evidence by itself"
}

// casesOf turns the manifest's cases into trials.
func casesOf(t *testing.T, item evidencetest.Item, file string) []trial {
	var trials []trial
	for _, c := range item.Cases {
		trials = append(trials, trial{
			name: "at " + c.At.Format(time.DateOnly),
			args: caseArgs(t, item, c, file),
			want: wantOf(c),
			also: func(t *testing.T, r report) { checkTCB(t, r, c) },
		})
	}
	return trials
}

func caseArgs(t *testing.T, item evidencetest.Item, c evidencetest.Case, file string) []string {
	args := []string{file}
	if !c.At.IsZero() {
		args = append(args, "--at", c.At.Format(time.RFC3339))
	}
	for _, path := range item.EndorsementFiles(t, c) {
		args = append(args, "--endorsements", path)
	}
	return args
}

// trailingText returns the length of the text behind an item's quote. One
// published sample has such text; quotes end, at most, in zeros.
func trailingText(t *testing.T, item evidencetest.Item) int {
	quote := item.Read(t, "quote.bin")
	const text = "\nextra bytes(only for testing purpose)\n"
	if bytes.HasSuffix(quote, []byte(text)) {
		return len(text)
	}
	return 0
}

// trailing judges a quote with text behind it: refused as it is, for bytes that
// nobody signed are not waved through; genuine without the text.
func trailing(t *testing.T, item evidencetest.Item, text int) []trial {
	whole := item.Read(t, "quote.bin")
	cut := filepath.Join(t.TempDir(), "quote.bin")
	if err := os.WriteFile(cut, whole[:len(whole)-text], 0o600); err != nil {
		t.Fatal(err)
	}
	refused := trial{name: "with trailing text", args: []string{item.Path("quote.bin")}, want: exitRejected}
	refused.also = func(t *testing.T, r report) {
		if failed := r.Checks.Failed(); len(failed) != 1 || failed[0].Code != evidence.CodeTDXPadding {
			t.Errorf("refused for %v", failed)
		}
	}
	return append(casesOf(t, item, cut), refused)
}

// wantOf translates the manifest's verdict.
func wantOf(c evidencetest.Case) exit {
	switch {
	case c.Genuine == nil:
		return exitUndecided
	case *c.Genuine:
		return exitGenuine
	}
	return exitRejected
}

// checkTCB compares the TCB evaluation of a TDX case.
func checkTCB(t *testing.T, r report, c evidencetest.Case) {
	t.Helper()
	if c.TCBStatus == "" {
		return
	}
	if r.Claims == nil || r.Claims.TDX == nil || r.Claims.TDX.TCB == nil {
		t.Fatal("there is no TCB evaluation among the claims")
	}
	tcb := r.Claims.TDX.TCB
	if tcb.Status != c.TCBStatus {
		t.Errorf("TCB status %s, want %s", tcb.Status, c.TCBStatus)
	}
	if c.PlatformStatus != "" && c.PlatformStatus != "no matching level" && tcb.PlatformStatus != c.PlatformStatus {
		t.Errorf("platform status %s, want %s", tcb.PlatformStatus, c.PlatformStatus)
	}
	if c.ModuleStatus != "" && tcb.ModuleStatus != c.ModuleStatus {
		t.Errorf("module status %s, want %s", tcb.ModuleStatus, c.ModuleStatus)
	}
	if c.QEStatus != "" && tcb.QEStatus != c.QEStatus {
		t.Errorf("QE status %s, want %s", tcb.QEStatus, c.QEStatus)
	}
	if c.Advisories != nil && !slices.Equal(tcb.Advisories, c.Advisories) {
		t.Errorf("advisories %v, want %v", tcb.Advisories, c.Advisories)
	}
	if c.EvaluationDataNumber != nil && tcb.EvaluationDataNumber != *c.EvaluationDataNumber {
		t.Errorf("evaluation data number %d, want %d", tcb.EvaluationDataNumber, *c.EvaluationDataNumber)
	}
}

// foreign is evidence of a kind that this build must refuse.
func foreign(item evidencetest.Item, file string) []trial {
	return []trial{{
		name: "refused", args: []string{item.Path(file)}, want: exitRejected,
		also: func(t *testing.T, r report) {
			if r.Error == nil || r.Error.Code != evidence.CodeKindUnsupported {
				t.Errorf("refused with %+v", r.Error)
			}
		},
	}}
}

// testPKI is evidence under a test root with the names of Intel's: refused
// against the pinned root. Its quote carries no chain, so the test root does not
// help it either.
func testPKI(item evidencetest.Item) []trial {
	args := []string{item.Path("quote.bin"), "--endorsements", item.Path("sampleData"), "--at", "2022-01-01T00:00:00Z"}
	return []trial{
		{name: "pinned root", args: args, want: exitRejected},
		{name: "test root", args: append(slices.Clone(args), "--trust", item.Path("sampleData/trustedRootCaCert.pem")), want: exitRejected},
	}
}

// quote is a TPM quote of the collection.
type quote struct {
	message string // without its extension; the signature has the same stem
	pcrs    string
	bank    string
	ak      string
	want    exit
}

// quotes are the TPM quotes of the collection by item: the manifest has its
// verdicts on them in words.
var quotes = map[string][]quote{
	"gce-cos85-nonce9009": {
		{"quote_sha1", "pcrs_sha1.json", "sha1", "ak_pub.tpmt", exitGenuine},
		{"quote_sha256", "pcrs_sha256.json", "sha256", "ak_pub.tpmt", exitGenuine},
		{"quote_sha384", "pcrs_sha384.json", "sha384", "ak_pub.pem", exitGenuine},
		{"quote_sha256", "pcrs_sha256.json", "sha256", "", exitRejected}, // nothing vouches for the key
		{"quote_sha256", "pcrs_sha384.json", "sha384", "ak_pub.pem", exitRejected},
	},
	"trustee-tpm-evidence":      {{"quote", "pcrs_sha256.json", "sha256", "ak_pub.der", exitGenuine}},
	"windows-gcp-shielded-sha1": {{"quote", "pcrs_sha1.json", "sha1", "ak_pub.tpmt", exitRejected}}, // signed over SHA-1
	"swtpm-rsa-public": {
		{"quote_sha1_0_1_2_3", "", "", "ak_pub.tpm2b", exitGenuine},
		{"quote_sha256_0_1_2_4_7_8_14", "", "", "ak_pub.pem", exitGenuine},
		{"quote_sha384_0_7", "", "", "ak_pub.tpm2b", exitGenuine},
		{"forged_quote", "pcrs.yaml", "", "ak_pub.tpm2b", exitRejected},
		{"forged_quote", "pcrs.yaml", "", "unrestricted_pub.tpm2b", exitRejected},
	},
	"swtpm-ecc-public": {
		{"quote_sha256_0_1_2_3_4_5_6_7", "", "", "ak_pub.tpm2b", exitGenuine},
		{"quote_sha512_0_7", "", "", "ak_pub.pem", exitGenuine},
		{"forged_quote", "pcrs.yaml", "", "ak_pub.tpm2b", exitRejected},
		{"forged_quote", "pcrs.yaml", "", "unrestricted_pub.tpm2b", exitRejected},
	},
}

func quotesOf(item evidencetest.Item) ([]trial, string) {
	if item.Name == "keylime-emulator-quote-sha1pcr" { // other file names
		return []trial{{name: "quote", want: exitGenuine, args: []string{
			item.Path("quote.out"), "--signature", item.Path("quotesig.out"), "--pcrs", item.Path("quotepcr.out"), "--ak", item.Path("ak.pub"),
		}}}, ""
	}
	var trials []trial
	for _, q := range quotes[item.Name] {
		args := []string{item.Path(q.message + ".msg")}
		if q.pcrs != "" {
			args = append(args, "--pcrs", item.Path(q.pcrs))
		}
		if q.bank != "" {
			args = append(args, "--bank", q.bank)
		}
		if q.ak != "" {
			args = append(args, "--ak", item.Path(q.ak))
		}
		trials = append(trials, trial{name: q.message + " by " + q.ak, args: args, want: q.want})
	}
	return trials, "certificates without a quote"
}

// hclOf judges the hardware's part of an Azure item; the vTPM's part, bound to
// it by runtime data, needs the two read together.
func hclOf(t *testing.T, item evidencetest.Item) ([]trial, string) {
	if item.Has("snp_report.bin") {
		want := exitGenuine
		if item.Name == "snp-milan-v2-kinvolk" { // its certificates are another chip's
			want = exitRejected
		}
		return []trial{
			{name: "report", want: want, args: []string{
				item.Path("snp_report.bin"), "--at", "2026-01-01T00:00:00Z",
				"--endorsements", item.Path("vcek.der"), "--endorsements", item.Path("cert_chain.pem"),
			}},
			foreign(item, "hcl_report.bin")[0],
		}, ""
	}
	if !item.Has("td_quote.bin") {
		return nil, "certificates without a quote"
	}
	trials := casesOf(t, item, item.Path("td_quote.bin"))
	for i := range trials {
		trials[i].want = exitGenuine // of the quote alone; the manifest leaves the whole open
	}
	return append(trials, foreign(item, "hcl_report.bin")[0]), ""
}

// genuineCases returns every case of SNP reports and TDX quotes that is genuine
// with its endorsements, without these.
func genuineCases(t *testing.T) []trial {
	var all []trial
	for _, item := range evidencetest.Items(t, "snp", "tdx") {
		trials, _ := trialsOf(t, item)
		for _, c := range trials {
			if c.want == exitGenuine {
				c.args = slices.Clone(c.args[:3]) // the evidence and --at
				c.name = item.Folder + "/" + c.name
				all = append(all, c)
			}
		}
	}
	return all
}

// TestManifestWithoutEndorsements must never end in a verdict on what needs them.
func TestManifestWithoutEndorsements(t *testing.T) {
	for _, c := range genuineCases(t) {
		c.want, c.also = exitUndecided, nil
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

// TestEndorsementsAtOnce judges every item with everything that the collection
// has: what belongs to others, or to another time, must not disturb.
func TestEndorsementsAtOnce(t *testing.T) {
	dir := evidencetest.Dir(t)
	for _, c := range genuineCases(t) {
		c.args = append(c.args, "--endorsements", filepath.Join(dir, "snp"), "--endorsements", filepath.Join(dir, "tdx"))
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// TestBoots judges the quotes of recorded boots by the key that came with them.
func TestBoots(t *testing.T) {
	dir := filepath.Join(evidencetest.Dir(t), "boot")
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(names) == 0 {
		t.Skip("the collection has no recorded boots")
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var boot struct {
			PCRs  json.RawMessage `json:"pcrs"`
			AK    []byte          `json:"akpub"`
			Quote []byte          `json:"quote"`
			Sig   []byte          `json:"sig"`
		}
		if err := json.Unmarshal(data, &boot); err != nil {
			t.Fatal(err)
		}
		parts := t.TempDir()
		for file, content := range map[string][]byte{"quote.msg": boot.Quote, "quote.sig": boot.Sig, "quote.pcrs": boot.PCRs, "ak.pub": boot.AK} {
			if err := os.WriteFile(filepath.Join(parts, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			trial{want: exitGenuine, args: []string{parts, "--bank", "sha256", "--ak", filepath.Join(parts, "ak.pub")}, also: func(t *testing.T, r report) {
				if r.Verdict != verifier.Genuine || len(r.Claims.TPM.PCRs) == 0 {
					t.Errorf("got %+v", r)
				}
			}}.run(t)
		})
	}
}

package policies_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func BenchmarkEvaluate(b *testing.B) {
	rules := make([]string, 10)
	for i := range rules {
		rules[i] = fmt.Sprintf(`sev_snp.guest_svn >= %d && sev_snp.measurement != "00"`, i%8)
	}
	many := []string{snpWith()}
	for i := range 1000 {
		many = append(many, replace(replace(other(snpWith()), "name: other", fmt.Sprintf("name: other-%d", i)), m11, m22))
	}
	for _, c := range []struct {
		name   string
		set    *policies.Set
		claims evidence.Claims
	}{
		{"sev-snp", load(b, snpWith()), currentSNP()},
		{"sev-snp behind", load(b, snpWith()), goodSNP()},
		{"tdx", load(b, tdxWith()), goodTDX()},
		{"tdx boot", load(b, leftWith(ukiLists...)), booted(ukiBoot)()},
		{"tpm", load(b, tpmWith()), goodTPM()},
		{"tpm boot", load(b, tpmLeft(tpmUKILists...)), bootedTPM(tpmUKI)()},
		{"10 rules", load(b, withRules(snpWith(), rules...)), goodSNP()},
		{"10 rules, current", load(b, withRules(snpWith(), rules...)), currentSNP()},
		{"1000 workloads", load(b, many...), goodSNP()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			in := policies.Input{Claims: []evidence.Claims{c.claims}, Now: now}
			for b.Loop() {
				if d := c.set.Evaluate(in); d.Verdict != policies.Accepted {
					b.Fatal(d.Verdict)
				}
			}
		})
	}
}

// manyReferences is a document of n reference values, the last of which is goodSNP's.
func manyReferences(n int) string {
	var list strings.Builder
	for i := range n - 1 {
		value := fill(0xcc, 48)
		binary.BigEndian.PutUint64(value, uint64(i))
		list.WriteString("\n    - " + value.String())
	}
	return replace(reference("release", "2027-01-01T00:00:00Z"), `values: {measurements: ["`+m11+`", "`+m22+`"]}`,
		"values:\n  measurements:"+list.String()+"\n    - "+m11)
}

// Looking a value up takes the same time among 10 and among 100,000.
func BenchmarkEvaluateReferences(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set := load(b, manyReferences(n), replace(snpWith(), `["`+m11+`"]`, "{reference: release}"))
			in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now}
			b.ReportAllocs()
			for b.Loop() {
				if d := set.Evaluate(in); d.Verdict != policies.Accepted {
					b.Fatal(d.Verdict)
				}
			}
		})
	}
}

// 5000 files among 100,000 allowed digests, in one workload and in a hundred.
func BenchmarkEvaluateIMA(b *testing.B) {
	const count = 5000
	c := measuredTPM()
	c.TPM.IMA.Entries, c.TPM.IMA.Files = count+1, nil
	var digests strings.Builder
	for i := range 100_000 {
		value := fill(0xcc, 32)
		binary.BigEndian.PutUint64(value, uint64(i))
		digests.WriteString("\n      - " + value.String())
		if i < count {
			c.TPM.IMA.Files = append(c.TPM.IMA.Files, evidence.IMAFile{Path: fmt.Sprintf("/usr/bin/%d", i), Algorithm: "sha256", Digest: value})
		}
	}
	files := replace(replace(reference("files", "2027-01-01T00:00:00Z"), "sev-snp", "tpm"), `values: {measurements: ["`+m11+`", "`+m22+`"]}`, "values:\n  ima:\n    files:"+digests.String())
	policy := imaWith("files: {reference: files}")
	for _, workloads := range []int{1, 100} {
		b.Run(fmt.Sprint(workloads), func(b *testing.B) {
			texts := []string{files, policy}
			for i := range workloads - 1 {
				texts = append(texts, replace(replace(other(policy), "name: other", fmt.Sprintf("name: other-%d", i)), p54, p50))
			}
			set := load(b, texts...)
			in := policies.Input{Claims: []evidence.Claims{c}, Now: now}
			b.ReportAllocs()
			for b.Loop() {
				if d := set.Evaluate(in); d.Verdict != policies.Accepted {
					b.Fatal(list(d.Checks))
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, text := range map[string]string{
		"workload": snpWith(), "10 rules": withRules(snpWith(), strings.Split(strings.Repeat("sev_snp.vmpl == 0,", 9)+"sev_snp.vmpl == 0", ",")...),
		"100000 values": manyReferences(100_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				load(b, text)
			}
		})
	}
}

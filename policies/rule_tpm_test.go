package policies_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Rules see all that a TPM's claims have; what is absent is an error.
func TestTPMRules(t *testing.T) {
	c := measuredTPM()
	c.TPM.Boot, c.TPM.EKSHA256 = tpmGRUB(), fill(0xe0, 32)
	c.TPM.CertifiedKey = &evidence.TPMKeyClaims{SHA256: fill(0xc0, 32), Name: fill(0xc1, 34)}
	bare := goodTPM()
	for _, rule := range []string{
		`tpm.boot.mok.list == "` + hexOf(0x91, 32) + `"`, `tpm.boot.command_lines.all(l, l.text.startsWith("/vmlinuz "))`, `tpm.boot.registers[9].status == "reproduced"`,
		`tpm.ima.files.all(f, f.path.startsWith("/usr/") || f.path.startsWith("/var/"))`, `tpm.ima.files.exists(f, f.digest == "` + hexOf(0xa1, 32) + `")`,
		`tpm.ima.entries > tpm.ima.offset && tpm.ima.violations == 0 && tpm.ima.boot_aggregate`, `tpm.certified_key.sha256 != tpm.ak_sha256`,
		`tpm.ek_sha256 in ["` + hexOf(0xe0, 32) + `"]`,
	} {
		set := load(t, withRules(tpmWith(), rule))
		wantVerdict(t, evaluate(set, c), policies.Accepted, evidence.CodePolicyRule)
		wantVerdict(t, evaluate(set, bare), policies.Rejected, evidence.CodePolicyRule)
	}
	if text := loadErr(t, withRules(tpmWith(), `tpm.ima.files.all(f, f.sha256 != "00")`)); !strings.Contains(text, "undefined field") {
		t.Error(text)
	}
	if text := loadErr(t, withRules(tpmWith(), `tpm.ima.files.all(f, f.digest != "0xAB")`)); !strings.Contains(text, "never equals") {
		t.Error(text)
	}
}

// A rule over very many files ends, and its end denies.
func TestRuleOverManyFiles(t *testing.T) {
	set := load(t, withRules(tpmWith(), `tpm.ima.files.all(f, f.digest != "00")`))
	for files, want := range map[int]policies.Verdict{300: policies.Accepted, 5000: policies.Rejected} {
		c := measuredTPM()
		c.TPM.IMA.Entries, c.TPM.IMA.Files = uint64(files+1), nil
		for i := range files {
			c.TPM.IMA.Files = append(c.TPM.IMA.Files, imaFile(fmt.Sprint("/", i), byte(i)))
		}
		wantVerdict(t, evaluate(set, c), want, evidence.CodePolicyRule)
	}
	buffers := renewedTPM()
	buffers.TPM.IMA.Entries, buffers.TPM.IMA.Others, buffers.TPM.IMA.Files = buffers.TPM.IMA.Offset+2, 2, nil
	wantVerdict(t, evaluate(load(t, imaWith(imaListed)), buffers), policies.Accepted, evidence.CodePolicyIMAFiles)
	buffers.TPM.IMA.Others = 1
	wantVerdict(t, evaluate(load(t, imaWith(imaListed)), buffers), policies.Rejected, evidence.CodePolicyIMAFiles)
	none := renewedTPM()
	none.TPM.IMA.Entries, none.TPM.IMA.Files = none.TPM.IMA.Offset, nil
	wantVerdict(t, evaluate(set, none), policies.Rejected, evidence.CodePolicyRule)
	wantVerdict(t, evaluate(load(t, imaWith(imaListed)), none), policies.Accepted, evidence.CodePolicyIMAFiles)
}

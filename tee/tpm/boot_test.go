package tpm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
)

// TestRealBoots verifies the quotes of machines that really booted, with a key
// made by go-tpm in the owner hierarchy.
func TestRealBoots(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(t), "boot", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the collection has no boots")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var boot struct {
				PCRs              map[int]evidence.Hex
				AKPub, Quote, Sig []byte
			}
			if err := json.Unmarshal(data, &boot); err != nil {
				t.Fatal(err)
			}
			if boot.Quote == nil {
				t.Skip("no quote in it")
			}
			attest, err := evidence.UnwrapTPMAttest(boot.Quote)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ParseTrustedKey(boot.AKPub)
			if err != nil {
				t.Fatal(err)
			}
			item := &evidence.TPM{Attest: attest, Signature: boot.Sig, PCRs: evidence.PCRs{"sha256": boot.PCRs}, AKPublic: key.Area}
			differ(t, item)
			out := accepted(t, Options{Keys: []TrustedKey{key}}, item)
			if len(out.Claims.TPM.PCRs) == 0 || string(out.ReportData) != "nonce" {
				t.Errorf("claims %+v", out.Claims.TPM)
			}
			if check, _ := out.Checks.Get(evidence.CodeTPMQualifiedSigner); check.Status != evidence.Pass {
				t.Errorf("%v", check)
			}
		})
	}
}

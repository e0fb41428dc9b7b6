package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// TestVerifyBySignedReferences: with a key, verify goes by what the key signed, and by
// nothing else.
func TestVerifyBySignedReferences(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	references := `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: release
technology: sev-snp
provenance: {source: an image, created_by: a build, created_at: 2020-01-01T00:00:00Z}
not_after: 2090-01-01T00:00:00Z
values: {measurements: ["` + strings.Repeat("11", 48) + `"]}
`
	signed, err := policies.SignReferences([]byte(references), key, "", policies.DSSE)
	if err != nil {
		t.Fatal(err)
	}
	workload := `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://example.org/web"}
any_of:
  - sev_snp: {measurements: {reference: release}, minimum_tcb: any}
`
	dir := t.TempDir()
	for name, text := range map[string]string{
		"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "junk": "no evidence",
		"unsigned/web.yaml": workload, "unsigned/release.yaml": references,
		"signed/web.yaml": workload, "signed/release.dsse.json": string(signed),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(policy string, more ...string) (exit, string) {
		code, _, notes := quotary(append([]string{"verify", "--policy", filepath.Join(dir, policy), filepath.Join(dir, "junk")}, more...)...)
		return code, notes
	}
	by := []string{"--reference-key", filepath.Join(dir, "key.pem")}
	if code, notes := verify("unsigned", by...); code != exitFailed || !strings.Contains(notes, evidence.CodePolicyReferenceUnsigned.String()) {
		t.Errorf("unsigned, with a key: exit %d, %s", code, notes)
	}
	if code, notes := verify("signed"); code != exitFailed || !strings.Contains(notes, evidence.CodePolicyReferenceSignature.String()) {
		t.Errorf("signed, without a key: exit %d, %s", code, notes)
	}
	if code, notes := verify("signed", by...); code != exitRejected || notes != "" { // the junk is
		t.Errorf("signed, with its key: exit %d, %s", code, notes)
	}
}

package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
)

const referenceText = `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: release
technology: sev-snp
provenance: {source: an image, created_by: a build, created_at: 2020-01-01T00:00:00Z}
not_after: 2090-01-01T00:00:00Z
values: {measurements: ["111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"]}
`

// Y10: a service that has keys for reference values starts with signed ones alone.
func TestAttack_Y10_U07_ServiceWithReferenceKeys(t *testing.T) {
	dir := t.TempDir()
	var keys []string
	var signed [][]byte
	for _, name := range []string{"release", "other"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".pem")
		write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		data, err := policies.SignReferences([]byte(referenceText), key, "", policies.COSESign1)
		if err != nil {
			t.Fatal(err)
		}
		keys, signed = append(keys, path), append(signed, data)
	}
	plain, good, foreign, twice := filepath.Join(dir, "plain.yaml"), filepath.Join(dir, "good.cose"), filepath.Join(dir, "foreign.cose"), filepath.Join(dir, "again.pem")
	write(t, plain, referenceText)
	write(t, good, string(signed[0]))
	write(t, foreign, string(signed[1]))
	text, err := os.ReadFile(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, twice, string(text))
	for name, c := range map[string]struct {
		policy string
		keys   []string
		code   evidence.Code
	}{
		"not signed":        {plain, keys[:1], evidence.CodePolicyReferenceUnsigned},
		"signed by another": {foreign, keys[:1], evidence.CodePolicyReferenceSignature},
		"signed, no keys":   {good, nil, evidence.CodePolicyReferenceSignature},
		"a key twice":       {good, []string{keys[0], twice}, evidence.CodePolicyReferenceKey},
		"no key":            {good, []string{plain}, evidence.CodePolicyReferenceKey},
	} {
		d, err := open(t, filepath.Join(t.TempDir(), "data"), daemon.Config{Policies: []string{c.policy}, ReferenceKeys: c.keys})
		if evidence.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			d.Close()
		}
	}
	start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{Policies: []string{good}, ReferenceKeys: keys})
}

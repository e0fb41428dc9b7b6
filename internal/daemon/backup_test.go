package daemon_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	snpsample "github.com/google/go-sev-guest/verify/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

// privateKeys reads the keys in a data directory, by file.
func privateKeys(t *testing.T, data string) map[string][]byte {
	t.Helper()
	keys := map[string][]byte{}
	for path, content := range filesOf(t, data) {
		if filepath.Ext(path) != ".key" {
			continue
		}
		block, _ := pem.Decode(content)
		if block == nil {
			t.Fatalf("%s is no PEM", path)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		private, err := parsed.(*ecdsa.PrivateKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		keys[path] = private
	}
	return keys
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Who gets hold of a copy of the ledger, or of anything but the files of keys, can
// be nobody with it: no key and no credential is anywhere else.
func TestAttack_H07_CopiesOfTheLedger(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{})
	if bundle, err := evidence.Parse(snpsample.AttestationBytes); err != nil {
		t.Fatal(err)
	} else if _, err := r.attest(t, recorded(bundle)); err == nil {
		t.Error("accepted")
	}
	credential := r.AdminCredential
	if status, _ := r.get(t, "/v1/admin/status", credential); status != 200 {
		t.Errorf("status %d", status)
	}
	r.stop()
	keys := privateKeys(t, data)
	if len(keys) < 3 || credential == "" {
		t.Fatalf("%d keys, credential %q", len(keys), credential)
	}
	for path, content := range filesOf(t, data) {
		if _, isKey := keys[path]; !isKey && bytes.Contains(content, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a private key", path)
		}
		if bytes.Contains(content, []byte(credential)) {
			t.Errorf("%s holds the administrator's credential", path)
		}
		for of, private := range keys {
			if path != of && bytes.Contains(content, private) {
				t.Errorf("%s holds the key of %s", path, of)
			}
		}
	}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// serveEnrolments starts a service that enrols the TPMs of a maker, and returns its
// URL and the file of its root.
func serveEnrolments(t *testing.T, makers []*x509.Certificate) (url, root string) {
	t.Helper()
	var roots bytes.Buffer
	for _, cert := range makers {
		pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	trusted := filepath.Join(t.TempDir(), "makers.pem")
	if err := os.WriteFile(trusted, roots.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return serveEnrolmentsOf(t, daemon.Enrolment{Roots: []string{trusted}})
}

// serveEnrolmentsOf starts a service that enrols what a configuration says.
func serveEnrolmentsOf(t *testing.T, trusted daemon.Enrolment) (url, root string) {
	t.Helper()
	_, url, root = serveDaemon(t, t.TempDir(), daemon.Config{TPM: daemon.TPM{Enrolment: trusted}})
	return url, root
}

// quotary runs one command line.
func quotary(args ...string) (code exit, out, notes string) {
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestEnrolCommand(t *testing.T) {
	tpm := tpmtest.Start(t)
	url, root := serveEnrolments(t, append(tpm.Roots, tpm.Intermediates...))
	file := filepath.Join(t.TempDir(), "ak.pem")
	code, out, notes := quotary("tpm", "enrol", "--url", url, "--root", root, "--tpm", tpm.Address, "--out", file)
	if code != exitAccepted || !strings.HasPrefix(out, "ENROLLED") || !strings.Contains(out, "--ak-certificate "+file) {
		t.Fatalf("exit %d: %s%s", code, out, notes)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(data); block == nil || block.Type != "CERTIFICATE" {
		t.Errorf("%s holds %q", file, data)
	}
	// The service may be known by its root's digest, and the certificate go anywhere.
	block, _ := pem.Decode(must(os.ReadFile(root)))
	digest := sha256.Sum256(block.Bytes)
	code, out, notes = quotary("tpm", "enrol", "--url", url, "--root-sha256", hex.EncodeToString(digest[:]), "--tpm", tpm.Address, "--out", "-")
	if code != exitAccepted || !strings.HasPrefix(out, "-----BEGIN CERTIFICATE") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
	for name, c := range map[string]struct {
		args []string
		code exit
		note string
	}{
		"no service":            {[]string{"--out", "x"}, exitFailed, "--url"},
		"nothing to know it by": {[]string{"--url", url, "--out", "x"}, exitFailed, "--root-sha256"},
		"another root":          {[]string{"--url", url, "--root-sha256", strings.Repeat("00", 32), "--out", "x"}, exitFailed, "hint"},
		"no file":               {[]string{"--url", url, "--root", root}, exitFailed, "--out"},
		"a file that is there":  {[]string{"--url", url, "--root", root, "--tpm", tpm.Address, "--out", file}, exitFailed, "remove the old one"},
		"no TPM":                {[]string{"--url", url, "--root", root, "--tpm", "unix:/nowhere", "--out", "x"}, exitFailed, "--tpm"},
	} {
		if code, out, notes := quotary(append([]string{"tpm", "enrol"}, c.args...)...); code != c.code || out != "" || !strings.Contains(notes, c.note) {
			t.Errorf("%s: exit %d: %s%s", name, code, out, notes)
		}
	}
}

func TestEnrolCommandIsRefused(t *testing.T) {
	tpm, other := tpmtest.Start(t), tpmtest.Start(t)
	url, root := serveEnrolments(t, append(other.Roots, other.Intermediates...))
	code, out, notes := quotary("tpm", "enrol", "--url", url, "--root", root, "--tpm", tpm.Address, "--out", filepath.Join(t.TempDir(), "ak.pem"))
	if code == exitAccepted || code == exitFailed || out != "" || !strings.Contains(notes, "hint") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
}

// An operator may list any of a TPM's endorsement keys, not just the one that comes first.
func TestEnrolCommandTriesEveryEndorsementKey(t *testing.T) {
	tpm := tpmtest.Start(t)
	out, _ := runWith(t, exitAccepted, "tpm", "ek", "--tpm", tpm.Address, "-o", "json")
	var keys []shownEK
	if err := json.Unmarshal([]byte(out), &keys); err != nil || len(keys) < 2 {
		t.Fatalf("%v: %s", err, out)
	}
	last := keys[len(keys)-1].SHA256.String()
	listed := filepath.Join(t.TempDir(), "eks.txt")
	if err := os.WriteFile(listed, []byte(last+"  machine-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, root := serveEnrolmentsOf(t, daemon.Enrolment{EndorsementKeys: []string{listed}})
	enrol := []string{"tpm", "enrol", "--url", url, "--root", root, "--tpm", tpm.Address, "--out", filepath.Join(t.TempDir(), "ak.pem")}
	if out, _ := runWith(t, exitAccepted, enrol...); !strings.Contains(out, last) || !strings.Contains(out, "--tpm "+tpm.Address) {
		t.Error(out)
	}
}

// A service without endorsement keys that it trusts says what to configure.
func TestEnrolCommandWhereNothingIsTrusted(t *testing.T) {
	url, root := serveEnrolmentsOf(t, daemon.Enrolment{})
	_, notes := runWith(t, exitFailed, "tpm", "enrol", "--url", url, "--root", root, "--tpm", tpmtest.StartBlank(t).Address, "--out", "-")
	if !strings.Contains(notes, "tpm.enrolment-off") || !strings.Contains(notes, "self-signed") {
		t.Error(notes)
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

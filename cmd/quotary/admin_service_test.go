package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/daemon"
)

// TestAdministratorOfAService is the way of a first administrator at a real service.
func TestAdministratorOfAService(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	d, url, root := serveDaemon(t, dir, daemon.Config{})
	var out, notes bytes.Buffer
	login := []string{"login", "--url", url, "--root", root, "--credential-stdin"}
	if code := run(login, strings.NewReader(d.AdminCredential), &out, &notes); code != exitAccepted || strings.Contains(out.String()+notes.String(), d.AdminCredential) {
		t.Fatalf("exit %d: %s%s", code, out.String(), notes.String())
	}
	for _, step := range []struct {
		code exit
		args string
		want string
	}{
		{exitAccepted, "whoami", "owner"},
		{exitUndecided, "status", "none was applied yet"},
		{exitAccepted, "attestations list --live --kind tdx --simulated false", "none"},
		{exitAccepted, "certs list -o json", `"certificates": []`},
		{exitFailed, "attestations show absent", "hint: see quotary attestations list"},
		{exitFailed, "certs show 0a", "no certificate of serial number 0a"},
		{exitAccepted, "audit tail", "admin.whoami"},
		{exitAccepted, "audit tail --after 0 --action admin.whoami --outcome done -o yaml", "action: admin.whoami"},
		{exitAccepted, "audit verify", "WHOLE"},
		{exitFailed, "tpm enrol --tpm unix:/nowhere --out x", "--tpm"}, // the service is known
		{exitRejected, "audit verify --contains 1:" + strings.Repeat("00", 32), "ledger.tampered"},
		{exitFailed, "audit verify --contains 1:00", "not EVENTS:HASH"},
	} {
		code, out, notes := quotary(strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(out+notes, step.want) {
			t.Errorf("%s: exit %d: %s%s", step.args, code, out, notes)
		}
	}
	// A head that was kept is in the chain later.
	var status struct {
		Ledger struct {
			Events int64
			Hash   string
		}
	}
	_, text, _ := quotary("status", "-o", "json")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("%d:%s", status.Ledger.Events, status.Ledger.Hash)
	if code, out, notes := quotary("audit", "verify", "--contains", head); code != exitAccepted || !strings.Contains(out, "1, seen in the trail") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
	certified(t, filepath.Join(dir, "data", "admin-ca"), filepath.Join(dir, "vera.pem"))
}

// certified goes on with a certificate of the administrators' CA, which gives a role.
func certified(t *testing.T, ca, file string) {
	t.Helper()
	authority, err := admin.OpenAuthority(ca, "quotary.internal", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.NewKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	_, certificate, err := authority.Issue(admin.Request{Name: "vera", Role: admin.Viewer, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, notes := quotary("login", "--profile", "vera", "--cert", file); code != exitFailed {
		t.Errorf("a new profile knows a service: exit %d: %s%s", code, out, notes)
	}
	if code, out, notes := quotary("login", "--cert", file); code != exitAccepted || !strings.Contains(out, "certificate") || !strings.Contains(out, "viewer") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
	if code, out, notes := quotary("audit", "tail", "--actor", "admin:certificate:vera"); code != exitAccepted || !strings.Contains(out, "admin.whoami") {
		t.Errorf("exit %d: %s%s", code, out, notes)
	}
}

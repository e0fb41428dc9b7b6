package daemon_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/keyfile"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// keysIn lists the files of private keys in a data directory, by what they have.
func keysIn(t *testing.T, data string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".key" {
			return err
		}
		label, err := keyfile.Label(path)
		name, _ := filepath.Rel(data, path)
		out[label] = append(out[label], name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A service whose keys are in its host's TPM has nothing to sign with without it, says so, and
// goes on as soon as the TPM is back. No other TPM will do.
func TestAttack_A16_KeysInTheHostsTPM(t *testing.T) {
	host, machine := tpmtest.StartBlank(t), tpmtest.Start(t)
	way := filepath.Join(t.TempDir(), "tpm")
	leadTo := func(socket string) {
		t.Helper()
		if err := os.Remove(way); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(socket, way); err != nil {
			t.Fatal(err)
		}
	}
	leadTo(host.Socket)
	data := filepath.Join(t.TempDir(), "data")
	config := enrolmentOf(t, machine, software(t, machine, make([]byte, sha256.Size), "the right kernel"))
	config.Authority.Keys = daemon.Keys{Source: "tpm", TPM: &daemon.HostTPM{Address: "unix:" + way}}
	service := start(t, data, config)
	c := service.dial(t)
	tpm, err := guest.Open(t.Context(), machine.Address, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	enrolled, err := c.Enrol(t.Context(), tpm, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := tpm.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	attester, err := tpm.Attester(guest.Quoting{AKCertificates: enrolled.Certificates, Key: key, Logs: os.DirFS(t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	attest := func() error {
		_, err := c.Attest(t.Context(), attester, key, client.AttestOptions{Tokens: []client.Format{client.JWT}})
		return err
	}
	if err := attest(); err != nil {
		t.Fatal(err)
	}
	if got := keysIn(t, data); len(got[keyfile.InFile]) != 1 || got[keyfile.InFile][0] != "admin-ca/admin.key" || len(got["TSS2 PRIVATE KEY"]) != 5 {
		t.Errorf("keys are in %v", got)
	}

	leadTo("/nowhere")
	var problem *client.Problem
	if err := attest(); !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || problem.Reason.Code != evidence.CodeAuthorityKeyUnavailable || strings.Contains(err.Error(), way) {
		t.Errorf("without the TPM: %+v", err)
	}
	status, body := service.get(t, "/readyz", "")
	var ready struct{ Field, Detail string }
	if err := json.Unmarshal([]byte(body), &ready); err != nil || status != http.StatusServiceUnavailable || ready.Field != "authority" {
		t.Errorf("readiness: %d %s", status, body)
	}
	leadTo(host.Socket)
	if err := attest(); err != nil {
		t.Errorf("with the TPM again: %v", err)
	}

	service.stop()
	config.Authority.Keys.Source = "files"
	again := start(t, data, config) // with the keys that there are
	if string(again.RootPEM()) != string(service.RootPEM()) {
		t.Error("a restart has another root")
	}
	again.stop()
	leadTo(tpmtest.StartBlank(t).Socket)
	if _, err := open(t, data, config); evidence.CodeOf(err) != evidence.CodeAuthorityKeyUnavailable || !strings.Contains(err.Error(), "cleared") {
		t.Errorf("by another TPM: %v", err)
	}
	config.Authority.Keys.Source = "tpm"
	recoverKeys(t, data, config)
	if anew := start(t, data, config); string(anew.RootPEM()) == string(service.RootPEM()) {
		t.Error("the root whose key is lost is in use")
	}
}

// recoverKeys does what docs/operations.md says where keys are lost.
func recoverKeys(t *testing.T, data string, c daemon.Config) {
	t.Helper()
	slots, err := daemon.OpenSlots(data, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slots.Emergency(); err != nil {
		t.Fatal(err)
	}
	if _, err := slots.Revoke(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(data, "token.key")), os.RemoveAll(filepath.Join(data, "attestation-ca"))); err != nil {
		t.Fatal(err)
	}
}

// What does not fit together is found before anything is made.
func TestKeysConfiguration(t *testing.T) {
	for field, k := range map[string]daemon.Keys{
		"authority.keys.source":        {Source: "hsm"},
		"authority.keys.pkcs11":        {Source: "pkcs11"},
		"authority.keys.pkcs11.module": {PKCS11: &daemon.Token{Module: "module.so", TokenLabel: "t", PINFile: "pin"}},
		"authority.keys.tpm.address":   {TPM: &daemon.HostTPM{Address: "tpm0"}},
	} {
		data := filepath.Join(t.TempDir(), "data")
		_, err := open(t, data, daemon.Config{Authority: daemon.Authority{Keys: k}})
		var refused *evidence.Error
		if !errors.As(err, &refused) || refused.Code != evidence.CodeConfigMalformed || refused.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if files := keysIn(t, filepath.Dir(data)); len(files) > 0 {
			t.Errorf("%s: keys were made: %v", field, files)
		}
	}
}

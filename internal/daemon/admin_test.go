package daemon_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/daemon"
)

// owner returns a client with a certificate that was issued in the data directory.
func owner(t testing.TB, r *running, data, name string) *sdk.Client {
	t.Helper()
	authority, err := admin.OpenAuthority(filepath.Join(data, admin.DirName), "", time.Now)
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
	_, text, err := authority.Issue(admin.Request{Name: name, Role: admin.Owner, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.RootPEM())
	c, err := sdk.New(sdk.Config{
		URL: r.url, TrustDomain: "quotary.internal", Roots: roots,
		Credential: sdk.Certificate(tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: private}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// documentOf is a policy set of one workload.
func documentOf(name string) []sdk.Document {
	return []sdk.Document{{Name: name + ".yaml", Content: strings.ReplaceAll(workload, "%NAME%", name)}}
}

// Once a set was applied it stays in force over restarts and reloads, whatever is
// in the folder; files that the configuration names come before it.
func TestAppliedPolicyStays(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{})
	c := owner(t, r, data, "alice")
	set, err := c.Policy(t.Context())
	if err != nil || set.Mode != "service" || set.Seq != 0 {
		t.Fatalf("got %+v, %v", set, err)
	}
	if _, err := c.Apply(t.Context(), sdk.Application{Documents: documentOf("web"), Base: set.Digest}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "policies", "db.yaml")
	write(t, file, documentOf("db")[0].Content)
	if err := r.Reload(t.Context()); err != nil || strings.Join(r.Workloads(), " ") != "web" {
		t.Errorf("workloads %v, %v", r.Workloads(), err)
	}
	r.stop()

	r = start(t, data, daemon.Config{})
	if strings.Join(r.Workloads(), " ") != "web" {
		t.Errorf("workloads %v", r.Workloads())
	}
	r.stop()

	r = start(t, data, daemon.Config{Policies: []string{file}})
	if strings.Join(r.Workloads(), " ") != "db" {
		t.Errorf("workloads %v", r.Workloads())
	}
	c = owner(t, r, data, "alice")
	if set, err = c.Policy(t.Context()); err != nil || set.Mode != "files" || set.Documents[0].Name != "db.yaml" {
		t.Errorf("got %+v, %v", set, err)
	}
	_, err = c.Apply(t.Context(), sdk.Application{Documents: documentOf("web"), Base: set.Digest})
	if evidence.CodeOf(err) != evidence.CodePolicyManagedByFiles {
		t.Errorf("got %v", err)
	}
}

func TestIgnoredFilesAreToldOf(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{})
	set, err := owner(t, r, data, "alice").Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner(t, r, data, "alice").Apply(t.Context(), sdk.Application{Documents: documentOf("web"), Base: set.Digest}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	write(t, filepath.Join(data, "policies", "db.yaml"), documentOf("db")[0].Content)
	var log bytes.Buffer
	d, err := daemon.Open(t.Context(), daemon.Options{
		Data: data, Config: daemon.Config{Vendors: daemon.Vendors{Offline: true}}, Version: "test", Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !strings.Contains(log.String(), "the files in the policy folder are not used") {
		t.Errorf("log %s", log.String())
	}
}

// What the configuration says of administrators holds, and is checked before
// anything is made.
func TestConfigurationOfAdministrators(t *testing.T) {
	no, two, none := false, 2, 0
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{Admin: admin.Config{Bootstrap: &no, Approvals: &two}})
	if status, _ := r.get(t, "/v1/admin/whoami", r.AdminCredential); status != 401 {
		t.Errorf("the bootstrap credential: status %d", status)
	}
	c := owner(t, r, data, "alice")
	set, err := c.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change, err := c.Apply(t.Context(), sdk.Application{Documents: documentOf("web"), Base: set.Digest})
	if err != nil || change.Applied || change.Proposal.Needed != 2 {
		t.Fatalf("got %+v, %v", change, err)
	}
	if _, err := owner(t, r, data, "bob").Approve(t.Context(), change.Proposal.ID, change.Digest); err != nil || len(r.Workloads()) != 1 {
		t.Errorf("workloads %v, %v", r.Workloads(), err)
	}
	empty := filepath.Join(t.TempDir(), "data")
	if _, err := open(t, empty, daemon.Config{Admin: admin.Config{Approvals: &none}}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
		t.Errorf("got %v", err)
	}
}

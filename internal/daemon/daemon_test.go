package daemon_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a service that serves.
type running struct {
	*daemon.Daemon
	url    string
	client *http.Client
	stop   func()
}

// open opens a service that asks no vendor on the internet.
func open(t testing.TB, data string, c daemon.Config) (*daemon.Daemon, error) {
	t.Helper()
	const nobody = "http://127.0.0.1:1"
	v := &c.Vendors
	v.Offline = v.AMDKDS == "" && v.IntelPCS == "" && v.IntelPCCS == ""
	if v.AMDKDS == "" {
		v.AMDKDS = nobody
	}
	if v.IntelPCS == "" && v.IntelPCCS == "" {
		v.IntelPCCS = nobody
	}
	return daemon.Open(t.Context(), daemon.Options{Data: data, Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler)})
}

func start(t testing.TB, data string, c daemon.Config) *running {
	t.Helper()
	d, err := open(t, data, c)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.RootPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	r := &running{Daemon: d, url: "https://" + listener.Addr().String(), client: &http.Client{Transport: transport}}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) get(t *testing.T, path, credential string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", "Bearer "+credential)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestRestartKeepsKeysAndCredential(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, daemon.Config{})
	if !first.FirstStart || len(first.AdminCredential) < 26 {
		t.Errorf("first start %v, credential %q", first.FirstStart, first.AdminCredential)
	}
	credential := first.AdminCredential
	_, bundle := first.get(t, "/v1/bundle", "")
	_, jwks := first.get(t, "/.well-known/jwks.json", "")
	if status, body := first.get(t, "/v1/admin/status", credential); status != http.StatusOK || !strings.Contains(body, `"quotary.internal"`) {
		t.Errorf("status %d: %s", status, body)
	}
	if status, body := first.get(t, "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, `"field":"policy"`) {
		t.Errorf("status %d: %s", status, body)
	}
	first.stop()
	second := start(t, data, daemon.Config{})
	if second.FirstStart || second.AdminCredential != "" {
		t.Error("the second start made a credential")
	}
	if _, again := second.get(t, "/v1/bundle", ""); again != bundle {
		t.Error("another bundle")
	}
	if _, again := second.get(t, "/.well-known/jwks.json", ""); again != jwks {
		t.Error("another token key")
	}
	if status, body := second.get(t, "/v1/admin/status", credential); status != http.StatusOK || !strings.Contains(body, `"events":4`) {
		t.Errorf("status %d: %s", status, body)
	}
	second.stop()
	if err := os.Remove(filepath.Join(data, "admin.sha256")); err != nil {
		t.Fatal(err)
	}
	third := start(t, data, daemon.Config{})
	if third.AdminCredential == "" || third.AdminCredential == credential {
		t.Error("no new credential after the digest was deleted")
	}
	if status, _ := third.get(t, "/v1/admin/status", credential); status != http.StatusUnauthorized {
		t.Error("the old credential still works")
	}
}

func TestAttack_A16_FilesThatOthersMayUse(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start(t, data, daemon.Config{}).stop()
	for _, name := range []string{"token.key", "ca/root.key", "ca/issuing.key", "quotary.db", "admin.sha256"} {
		path := filepath.Join(data, name)
		for _, mode := range []os.FileMode{0o640, 0o604} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if d, err := open(t, data, daemon.Config{}); err == nil {
				d.Close()
				t.Errorf("%s with mode %04o was taken", name, mode)
			} else if strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("%v", err)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{data, filepath.Join(data, "ca"), filepath.Join(data, "policies")} {
		for _, mode := range []os.FileMode{0o770, 0o702} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := open(t, data, daemon.Config{}); evidence.CodeOf(err) != evidence.CodeDataPermissions {
				t.Errorf("%s, which others may write to (mode %04o): %v", dir, mode, err)
			}
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAttack_H04_TwoServicesOnOneDirectory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, daemon.Config{})
	if _, err := open(t, data, daemon.Config{}); evidence.CodeOf(err) != evidence.CodeDataInUse {
		t.Errorf("a second service: %v", err)
	}
	first.stop()
	start(t, data, daemon.Config{}).stop()
}

// An authority that issued before has a past, and a ledger without one is not its.
func TestAttack_H02_EmptyLedgerIsNoticed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for n, warned := range []bool{false, false, true} {
		if warned {
			for _, name := range []string{"quotary.db", "quotary.db-wal", "quotary.db-shm"} {
				if err := os.Remove(filepath.Join(data, name)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		var log bytes.Buffer
		d, err := daemon.Open(t.Context(), daemon.Options{Data: data, Version: "test", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "the ledger is empty"); got != warned {
			t.Errorf("start %d: warned %v: %s", n+1, got, log.String())
		}
	}
}

// A start that is refused makes nothing that the next one, set right, would have
// to live with; above all no credential that nobody has seen.
func TestRefusedStartsMakeNothing(t *testing.T) {
	for name, c := range map[string]daemon.Config{
		"trust domain": {TrustDomain: "No Domain"},
		"TLS names":    {TLSNames: []string{"*.example.org"}},
		"TPM roots":    {TPM: daemon.TPM{Roots: []string{"/nonexistent/roots"}}},
		"TPM keys":     {TPM: daemon.TPM{Keys: []string{"/nonexistent/key"}}},
		"policies":     {Policies: []string{"/nonexistent/policies"}},
	} {
		data := filepath.Join(t.TempDir(), "data")
		if d, err := open(t, data, c); err == nil {
			d.Close()
			t.Errorf("%s: opened", name)
		}
		for _, file := range []string{"ca", "token.key", "quotary.db", "admin.sha256"} {
			if _, err := os.Stat(filepath.Join(data, file)); err == nil {
				t.Errorf("%s: %s was made", name, file)
			}
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(data, "quotary.db"), 0o700); err != nil { // no ledger can be there
		t.Fatal(err)
	}
	if _, err := open(t, data, daemon.Config{}); err == nil {
		t.Fatal("opened")
	}
	if err := os.Remove(filepath.Join(data, "quotary.db")); err != nil {
		t.Fatal(err)
	}
	if r := start(t, data, daemon.Config{}); r.AdminCredential == "" {
		t.Error("a start that was refused took the credential with it")
	}
}

func TestAnotherTrustDomainInTheSameDirectory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start(t, data, daemon.Config{TrustDomain: "one.example"}).stop()
	if d, err := open(t, data, daemon.Config{TrustDomain: "two.example"}); err == nil {
		d.Close()
		t.Error("opened")
	}
}

const workload = `apiVersion: quotary.dev/v1
kind: Workload
name: %NAME%
identity: {spiffe_id: "spiffe://quotary.internal/%NAME%"}
any_of:
  - tpm: {pcrs: {sha256: {0: ["5050505050505050505050505050505050505050505050505050505050505050"]}}}
`

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{})
	policy := filepath.Join(data, "policies", "web.yaml")
	write(t, policy, strings.ReplaceAll(workload, "%NAME%", "web"))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Workloads(); len(got) != 1 || got[0] != "web" {
		t.Errorf("workloads %v", got)
	}
	time.Sleep(1100 * time.Millisecond) // readiness is remembered for a second
	if status, body := r.get(t, "/readyz", ""); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	write(t, policy, "kind: Nonsense\n")
	if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "web.yaml:1:") {
		t.Errorf("reloaded nonsense: %v", err)
	}
	if got := r.Workloads(); len(got) != 1 || got[0] != "web" {
		t.Errorf("a bad policy changed what is in force: %v", got)
	}
	write(t, policy, strings.ReplaceAll(workload, "%NAME%", "db"))
	write(t, filepath.Join(data, "endorsements", "junk.bin"), "junk")
	if err := r.Reload(t.Context()); err == nil {
		t.Error("reloaded endorsements in which nothing was recognised")
	}
	if got := r.Workloads(); got[0] != "web" {
		t.Errorf("half a reload: %v", got)
	}
	if err := os.Remove(filepath.Join(data, "endorsements", "junk.bin")); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil || r.Workloads()[0] != "db" {
		t.Errorf("%v, %v", r.Workloads(), err)
	}
}

func TestAttack_Y18_ReloadThatCannotBeRecorded(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d, err := open(t, data, daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil { // the ledger is gone
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "policies", "web.yaml"), strings.ReplaceAll(workload, "%NAME%", "web"))
	if err := d.Reload(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	if len(d.Workloads()) != 0 {
		t.Error("a policy is in force that the ledger does not know")
	}
}

func TestServeDrainsAndEnds(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{})
	r.get(t, "/healthz", "")
	r.stop() // which does not return before the service has
}

func TestConfigErrorsHavePlaces(t *testing.T) {
	for text, want := range map[string]string{
		"trust_domain: a.example\nlsten: x\n":     "c.yaml:2:1",
		"tpm:\n  root: [a]\n":                     "c.yaml:2:3",
		"listen: 1\n":                             "c.yaml:1:9",
		"listen: [a]\n":                           "c.yaml:1:9",
		"listen:\n":                               "c.yaml:1:8",
		"listen: a:1\nlisten: b:2\n":              "c.yaml:2:1",
		"policies: a\n":                           "c.yaml:1:11",
		"policies: [1]\n":                         "c.yaml:1:12",
		"simulated: {accept: \"true\"}\n":         "c.yaml:1:21",
		"simulated: {accept: yes please}\n":       "c.yaml:1:21",
		"limits: {concurrent_appraisals: many}\n": "c.yaml:1:33",
		"vendors: {grace_days: soon}\n":           "c.yaml:1:23",
		"vendors: {grace_days: }\n":               "c.yaml:1:",
		"limits: 5\n":                             "c.yaml:1:9",
		"x: &a {}\n":                              "c.yaml:1:1",
		"policies: &a [x]\nendorsements: *a\n":    "c.yaml:2:15",
		"- a\n":                                   "c.yaml:1:1",
		"trust_domain: a\n---\ntrust_domain: b\n": "more than one",
		"trust_domain: [\n":                       "line",
		strings.Repeat("#", 70_000):               "65536",
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		write(t, path, text)
		_, err := daemon.ReadConfig(path)
		if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
	for _, c := range []daemon.Config{
		{Listen: "8443"}, {Simulated: daemon.Simulated{Roots: []string{"x"}}}, {Limits: daemon.Limits{ConcurrentAppraisals: -1}},
	} {
		if _, err := open(t, t.TempDir(), c); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A start and a reload say which files they could not use: not only how many, but
// no more than an operator reads.
func TestUnusableFilesAreNamed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var log bytes.Buffer
	d, err := daemon.Open(t.Context(), daemon.Options{
		Data: data, Version: "test", Config: daemon.Config{Vendors: daemon.Vendors{Offline: true}}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if strings.Contains(log.String(), "unrecognised=") {
		t.Errorf("none, and named: %s", &log)
	}
	root, err := os.ReadFile(filepath.Join(data, "ca", "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "endorsements", "root.pem"), string(root))
	for n := range 12 {
		write(t, filepath.Join(data, "endorsements", fmt.Sprintf("notes-%02d.txt", n)), "hello")
	}
	log.Reset()
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"unrecognised_files=12", "notes-00.txt", "notes-09.txt"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, &log)
		}
	}
	if strings.Contains(log.String(), "notes-10.txt") {
		t.Errorf("all are named: %s", &log)
	}
}

// No grace is refused, and not taken for the default.
func TestGraceDays(t *testing.T) {
	for days, good := range map[string]bool{"-1": false, "0": false, "1": true, "366": true, "367": false} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		write(t, path, "vendors: {offline: true, grace_days: "+days+"}\n")
		c, err := daemon.ReadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := open(t, filepath.Join(t.TempDir(), "data"), c)
		if good != (err == nil) || !good && (evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), "not between 1 and 366")) {
			t.Errorf("%s: %v", days, err)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	write(t, path, `# a full configuration
trust_domain: one.example
listen: 0.0.0.0:9443
tls_names: [attest.one.example]
policies: [policies]
endorsements: [/srv/endorsements]
tpm:
  roots: [tpm/roots]
  keys: [tpm/ak.pem]
simulated:
  accept: true
  roots: [sim]
limits:
  concurrent_appraisals: 4
`)
	c, err := daemon.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Policies[0] != filepath.Join(dir, "policies") || c.Endorsements[0] != "/srv/endorsements" || c.TPM.Keys[0] != filepath.Join(dir, "tpm/ak.pem") ||
		!c.Simulated.Accept || c.Limits.ConcurrentAppraisals != 4 || c.Loopback() {
		t.Errorf("got %+v", c)
	}
	write(t, path, "")
	if c, err := daemon.ReadConfig(path); err != nil || c.TrustDomain != "" {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("trust_domain: a.example\n"))
	f.Add([]byte("simulated: {accept: true, roots: [a]}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = daemon.ReadConfig(path)
	})
}

func TestRootPEM(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{})
	if block, rest := pem.Decode(r.RootPEM()); block == nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Error("no single certificate")
	}
}

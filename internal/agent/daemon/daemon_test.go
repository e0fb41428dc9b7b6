package daemon_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/client/local"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agentapi"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/fleettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d, err := daemon.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run runs an agent until the test ends.
func run(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// until waits for a view.
func until(t *testing.T, d *daemon.Daemon, is func(*agent.View) bool) *agent.View {
	t.Helper()
	for {
		view, changed := d.Current()
		if is(view) {
			return view
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("the agent is %+v", view.Status)
		}
	}
}

// logged tells on which address metrics are served, and keeps what is logged.
type logged struct {
	address chan string
	text    *agenttest.Notes
}

func (logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l logged) WithGroup(string) slog.Handler          { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	fmt.Fprintln(l.text, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintln(l.text, a.String())
		if a.Key == "address" {
			l.address <- a.Value.String()
		}
		return true
	})
	return nil
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// A machine boots while its service is away; has its identity as soon as that is there,
// over the Workload API and in files; keeps it while the service is away again; loses it
// when it is refused; and has another when it is not refused any more.
func TestAttack_D18_LifeOfAnAgent(t *testing.T) {
	service := fleettest.New(t, false)
	dir := agenttest.ShortDir(t)
	socket, directory, log := filepath.Join(dir, "api.sock"), filepath.Join(dir, "identity"), logged{make(chan string, 1), &agenttest.Notes{}}
	service.Stop()
	d := open(t, daemon.Options{Devices: service.Devices(), Logger: slog.New(log), Config: daemon.Config{
		Service:     daemon.Service{URL: service.URL, RootSHA256: service.RootSHA256, Keep: filepath.Join(dir, "trust.json")},
		Tokens:      daemon.Tokens{EAR: true, Audience: "somebody"},
		WorkloadAPI: daemon.WorkloadAPI{Socket: socket, AllowUsers: []string{strconv.Itoa(os.Getuid())}},
		Files:       []daemon.Files{{Directory: directory, Mode: "0640"}},
		Metrics:     daemon.Metrics{Listen: "127.0.0.1:0"},
	}})
	run(t, d)
	metrics := <-log.address
	until(t, d, func(v *agent.View) bool { return v.Status.State == agent.Starting && v.Status.Failures > 0 })
	if code, text := get(t, "http://"+metrics+"/healthz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(text, "starting: no identity") {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if got, err := agentapi.Fetch(t.Context(), socket); err != nil || got.State != agent.Starting || got.Reason == nil || got.Reason.Refused {
		t.Errorf("status %+v, %v", got, err)
	}
	service.Start()
	d.Hurry()
	<-d.Ready()

	source, err := workloadapi.NewX509Source(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	svid, err := source.GetX509SVID()
	if err != nil || svid.ID.String() != fleettest.GuestID {
		t.Fatalf("%v, %v", svid, err)
	}
	secrets := []string{"PRIVATE KEY", string(secretPart(t, filepath.Join(directory, "tls.key"))), string(secretPart(t, filepath.Join(directory, "ear.jwt")))}
	for name, mode := range map[string]fs.FileMode{"tls.crt": 0o644, "tls.key": 0o640, "ear.jwt": 0o640} {
		if info, err := os.Stat(filepath.Join(directory, name)); err != nil || info.Mode().Perm() != mode || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if code, text := get(t, "http://"+metrics+"/healthz"); code != http.StatusOK || !strings.Contains(text, "SIMULATED") {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if _, text := get(t, "http://"+metrics+"/metrics"); !strings.Contains(text, `quotary_agent_state{state="healthy"} 1`) {
		t.Errorf("/metrics: %s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "trust.json")); err != nil {
		t.Errorf("the trust bundle is not kept: %v", err)
	}

	jwtSource, err := workloadapi.NewJWTSource(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	defer jwtSource.Close()
	token, err := jwtSource.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "somebody"})
	if err != nil || token.ID.String() != fleettest.GuestID {
		t.Fatalf("%v, %v", token, err)
	}
	if valid, err := jwtsvid.ParseAndValidate(token.Marshal(), jwtSource, []string{"somebody"}); err != nil || valid.ID != token.ID {
		t.Errorf("%v, %v", valid, err)
	}
	if _, err := workloadapi.ValidateJWTSVID(t.Context(), token.Marshal(), "somebody", workloadapi.WithAddr("unix://"+socket)); err != nil {
		t.Error(err)
	}

	service.Stop()
	d.Hurry()
	held := until(t, d, func(v *agent.View) bool { return v.Status.State == agent.Degraded })
	if held.Identity == nil || held.Identity.ID.String() != fleettest.GuestID {
		t.Error("no answer took the identity away")
	}
	service.Start()
	updated := source.Updated()
	d.Hurry()
	<-updated
	if again, err := source.GetX509SVID(); err != nil || again.Certificates[0].Equal(svid.Certificates[0]) {
		t.Errorf("the renewed identity did not arrive: %v", err)
	}

	service.Refuse()
	d.Hurry()
	denied := until(t, d, func(v *agent.View) bool { return v.Status.State == agent.Denied })
	if denied.Identity != nil || !denied.Status.Reason.Refused || denied.Status.Reason.RequestID == "" {
		t.Errorf("%+v", denied.Status)
	}
	if _, err := workloadapi.FetchX509SVID(t.Context(), workloadapi.WithAddr("unix://"+socket)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("refused, the Workload API says %v", err)
	}
	for t.Context().Err() == nil { // the files go soon
		if _, err := os.Lstat(directory); errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	service.Accept()
	d.Hurry()
	back := until(t, d, func(v *agent.View) bool { return v.Status.State == agent.Healthy && len(v.Identity.Lists) > 0 })

	service.Revoke(back.Status.AttestationID)
	until(t, d, func(v *agent.View) bool {
		return v.Identity == nil || v.Identity.Certificate != back.Identity.Certificate
	})
	if _, text := get(t, "http://"+metrics+"/metrics"); !strings.Contains(text, "quotary_agent_revocations_total 1\n") {
		t.Errorf("/metrics: %s", text)
	}
	d.Hurry()
	until(t, d, func(v *agent.View) bool {
		return v.Status.State == agent.Healthy && v.Identity.Certificate != back.Identity.Certificate
	})

	_, exposed := get(t, "http://"+metrics+"/metrics")
	for _, secret := range append(secrets, token.Marshal()) {
		if strings.Contains(log.text.String(), secret) || strings.Contains(exposed, secret) {
			t.Errorf("logged or counted: %.20s…", secret)
		}
	}
}

// secretPart is a piece of a file, long enough to be nowhere else.
func secretPart(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || len(text) < 160 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	return text[95:125]
}

// Once attests once, and writes the files, or removes those of before if it is refused.
func TestAttack_B16_Once(t *testing.T) {
	service := fleettest.New(t, true)
	directory := filepath.Join(t.TempDir(), "identity")
	config := daemon.Config{
		Service: daemon.Service{URL: service.URL, Bundle: service.Root},
		Machine: daemon.Machine{TEE: "none", NoEventLog: true, TPM: &daemon.TPM{Address: service.TPM.Address, PCRs: []int{7, 14}}},
		Files:   []daemon.Files{{Directory: directory}},
	}
	identity, err := open(t, daemon.Options{Config: config}).Once(t.Context())
	if err != nil || identity.ID.String() != fleettest.BoxID || identity.Simulated {
		t.Fatalf("%+v, %v", identity, err)
	}
	if info, err := os.Stat(filepath.Join(directory, "tls.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	inTPM := config
	inTPM.Machine.Key, inTPM.Files = "tpm", []daemon.Files{{Directory: directory + "2"}}
	inTPM.WorkloadAPI.Socket = filepath.Join(agenttest.ShortDir(t), "api.sock")
	keyInTPM(t, inTPM, directory+"2")
	var binding evidence.Binding
	binding[0] = 0x5a
	if bundle, err := open(t, daemon.Options{Config: config}).Collect(t.Context(), binding); err != nil || len(bundle) != 1 || bundle[0].Kind() != evidence.KindTPM {
		t.Errorf("collected %v, %v", bundle, err)
	}
	service.Refuse()
	if _, err := open(t, daemon.Options{Config: config}).Once(t.Context()); !agent.Refused(err) {
		t.Errorf("refused: %v", err)
	}
	if _, err := os.Lstat(directory); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("refused, and the files of before are still there: %v", err)
	}
}

// keyInTPM has an agent whose key is in the TPM sign for workloads.
func keyInTPM(t *testing.T, c daemon.Config, directory string) {
	t.Helper()
	d := open(t, daemon.Options{Config: c})
	run(t, d)
	<-d.Ready()
	source, err := local.Dial(c.WorkloadAPI.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	identity, err := source.Identity(t.Context())
	if err != nil || identity.SPIFFEID != fleettest.BoxID {
		t.Fatalf("%+v, %v", identity, err)
	}
	digest := sha256.Sum256([]byte("a message"))
	signature, err := identity.Certificate.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(identity.Certificate.Leaf.PublicKey.(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("the TPM's signature: %v", err)
	}
	if _, err := workloadapi.FetchX509SVID(t.Context(), workloadapi.WithAddr("unix://"+c.WorkloadAPI.Socket)); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a key left the TPM: %v", err)
	}
	if _, err := os.Stat(filepath.Join(directory, "tls.crt")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(directory, "tls.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key in a file: %v", err)
	}
}

// What does not fit together is refused before anything is asked, and says where.
func TestConfigIsChecked(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root.crt")
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := daemon.Config{Service: daemon.Service{URL: "https://127.0.0.1:1", RootSHA256: strings.Repeat("5a", 32)}}
	for field, change := range map[string]func(*daemon.Config){
		"service.url":                 func(c *daemon.Config) { c.Service.URL = "" },
		"service":                     func(c *daemon.Config) { c.Service.RootSHA256 = "" },
		"service.root_sha256":         func(c *daemon.Config) { c.Service.RootSHA256 = "5a" },
		"service.bundle":              func(c *daemon.Config) { c.Service = daemon.Service{URL: good.Service.URL, Bundle: root} },
		"machine.tee":                 func(c *daemon.Config) { c.Machine.TEE = "sgx" },
		"machine.key":                 func(c *daemon.Config) { c.Machine = daemon.Machine{TEE: "tdx", Key: "tpm"} },
		"machine.vmpl":                func(c *daemon.Config) { c.Machine.VMPL = -1 },
		"machine.tpm.platform":        func(c *daemon.Config) { c.Machine.TPM = &daemon.TPM{Platform: "moon"} },
		"machine.tpm.ek_certificates": func(c *daemon.Config) { c.Machine.TPM = &daemon.TPM{EKCertificates: []string{dir + "/none"}} },
		"workload_api.mode":           func(c *daemon.Config) { c.WorkloadAPI.Mode = "0999" },
		"workload_api.owner":          func(c *daemon.Config) { c.WorkloadAPI.Owner = "nobody-of-this-name" },
		"workload_api.group":          func(c *daemon.Config) { c.WorkloadAPI.Group = "no-group-of-this-name" },
		"workload_api.allow_users":    func(c *daemon.Config) { c.WorkloadAPI.AllowUsers = []string{"*", "nobody-of-this-name"} },
		"files.directory":             func(c *daemon.Config) { c.Files = []daemon.Files{{Directory: dir + "/a"}, {Directory: dir + "/a"}} },
		"files.mode":                  func(c *daemon.Config) { c.Files = []daemon.Files{{Directory: dir + "/a", Mode: "0644"}} },
		"files.pkcs12_password_file":  func(c *daemon.Config) { c.Files = []daemon.Files{{Directory: dir + "/a", PKCS12PasswordFile: empty}} },
		"files.reload.command": func(c *daemon.Config) {
			c.Files = []daemon.Files{{Directory: dir + "/a", Reload: daemon.Reload{Command: []string{"true"}}}}
		},
		"files": func(c *daemon.Config) { c.Files = make([]daemon.Files, 65) },
	} {
		c := good
		change(&c)
		_, err := daemon.Open(daemon.Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
		var coded *evidence.Error
		if !errors.As(err, &coded) || coded.Code != evidence.CodeConfigMalformed || coded.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := daemon.Open(daemon.Options{Config: good, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Error(err)
	}
}

// Relative paths are relative to the configuration file.
func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.yaml")
	const text = `service: {url: "https://a", bundle: b, keep: /k}
machine: {tpm: {ek_certificates: [e]}}
workload_api: {socket: s}
files: [{directory: d, pkcs12_password_file: p, reload: {pid_file: f}}]
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := daemon.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []struct{ is, want string }{
		{c.Service.Bundle, dir + "/b"}, {c.Service.Keep, "/k"}, {c.Machine.TPM.EKCertificates[0], dir + "/e"}, {c.WorkloadAPI.Socket, dir + "/s"},
		{c.Files[0].Directory, dir + "/d"}, {c.Files[0].PKCS12PasswordFile, dir + "/p"}, {c.Files[0].Reload.PIDFile, dir + "/f"},
	} {
		if got.is != got.want {
			t.Errorf("%s, want %s", got.is, got.want)
		}
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("#"), 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.ReadConfig(path); err == nil {
		t.Error("a file without end is read")
	}
}

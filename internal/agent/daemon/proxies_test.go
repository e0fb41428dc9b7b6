package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/fleettest"
)

// letIn are rules that let a workload in.
var letIn = []authorize.Rule{{Allow: authorize.Allow{SPIFFEIDs: []string{fleettest.GuestID}, Simulated: true}}}

// A gateway answers as soon as it knows whom to trust, without attesting.
func TestGateway(t *testing.T) {
	service := fleettest.New(t, false)
	log := logged{make(chan string, 3), &agenttest.Notes{}}
	g, err := daemon.OpenGateway(daemon.Options{Logger: slog.New(log), Config: daemon.Config{
		Service:       daemon.Service{URL: service.URL, RootSHA256: service.RootSHA256},
		Authorization: daemon.Authorization{Listen: "127.0.0.1:0", Rules: letIn}, Metrics: daemon.Metrics{Listen: "127.0.0.1:0"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	<-log.address // of the warning that everybody can ask there
	asked, metrics := <-log.address, <-log.address
	for {
		if code, text := get(t, "http://"+metrics+"/healthz"); code == http.StatusOK {
			break
		} else if !strings.Contains(text, "denied") {
			t.Errorf("%d %s", code, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if code, _ := get(t, "http://"+asked+"/authorize"); code != http.StatusInternalServerError { // a client's header came along
		t.Errorf("status %d", code)
	}
	if _, text := get(t, "http://"+metrics+"/metrics"); !strings.Contains(text, "quotary_agent_authorization_seconds_count 0") {
		t.Error(text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An agent answers proxies beside everything else, at a socket that is removed with it.
func TestAgentAnswersProxies(t *testing.T) {
	service := fleettest.New(t, false)
	socket := filepath.Join(agenttest.ShortDir(t), "authz.sock")
	d := open(t, daemon.Options{Devices: service.Devices(), Config: daemon.Config{
		Service:       daemon.Service{URL: service.URL, Bundle: service.Root},
		Authorization: daemon.Authorization{Listen: "unix:" + socket, Rules: letIn, AllowUsers: []string{"*"}},
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket was left behind")
	}
}

// What is wrong about proxies is refused before anything is asked, and says where.
func TestAuthorizationIsChecked(t *testing.T) {
	for field, a := range map[string]daemon.Authorization{
		"authorization.rules":                     {Listen: "127.0.0.1:1"},
		"authorization.rules[0].allow.spiffe_ids": {Listen: "127.0.0.1:1", Rules: []authorize.Rule{{}}},
		"authorization.max_age":                   {Listen: "127.0.0.1:1", Rules: letIn, MaxAge: time.Second},
		"authorization.allow_users":               {Listen: "127.0.0.1:1", Rules: letIn, AllowUsers: []string{"root"}},
		"authorization.listen":                    {Rules: letIn},
	} {
		checkAuthorization(t, field, a)
	}
	for _, listen := range []string{"0.0.0.0:1", ":1", "192.0.2.1:1", "localhost:1", "127.0.0.1", "unix:", "/run/authz.sock", "tcp:127.0.0.1:1"} {
		checkAuthorization(t, "authorization.listen", daemon.Authorization{Listen: listen, Rules: letIn})
	}
	checkAuthorization(t, "authorization.allow_users", daemon.Authorization{Listen: "unix:/s", Rules: letIn, AllowUsers: []string{"nobody-of-this-name"}})
}

func checkAuthorization(t *testing.T, field string, a daemon.Authorization) {
	t.Helper()
	o := daemon.Options{Logger: slog.New(slog.DiscardHandler), Config: daemon.Config{
		Service: daemon.Service{URL: "https://127.0.0.1:1", RootSHA256: strings.Repeat("5a", 32)}, Authorization: a,
	}}
	_, asAgent := daemon.Open(o)
	_, asGateway := daemon.OpenGateway(o)
	for _, err := range []error{asAgent, asGateway} {
		var coded *evidence.Error
		if !errors.As(err, &coded) || coded.Code != evidence.CodeConfigMalformed || coded.Field != field {
			t.Errorf("%s, %+v: %v", field, a, err)
		}
	}
}

// The example of docs/authorization.md is a configuration.
func TestGatewayExample(t *testing.T) {
	_, text, _ := strings.Cut(document(t, "docs/authorization.md"), "\n```yaml\nservice:")
	text, _, _ = strings.Cut(text, "\n```")
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(path, []byte("service:"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := daemon.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Authorization; len(a.Rules) != 2 || a.Rules[0].Allow.MaxAttestedAge != 15*time.Minute || a.Rules[0].Allow.Status != authorize.Affirming {
		t.Errorf("%+v", a)
	}
	c.Service.Bundle, c.Service.RootSHA256 = "", strings.Repeat("5a", 32)
	c.Authorization.AllowUsers = []string{"0"} // not every machine has the user
	if _, err := daemon.OpenGateway(daemon.Options{Config: c, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("authorization: {listen: \"unix:a.sock\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := daemon.ReadConfig(path); err != nil || c.Authorization.Listen != "unix:"+filepath.Join(dir, "a.sock") {
		t.Errorf("%s, %v", c.Authorization.Listen, err)
	}
}

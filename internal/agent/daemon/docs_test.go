package daemon_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/fleettest"
	"github.com/quotary/quotary/internal/agent/machine"
)

// document reads a file of the repository.
func document(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// docs/agent.md has every key of the configuration, every state, file and metric.
func TestDocument(t *testing.T) {
	text := document(t, "docs/agent.md")
	has := func(name string) {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"{") {
			t.Errorf("docs/agent.md does not have %s", name)
		}
	}
	keys(reflect.TypeFor[daemon.Config](), "", has)
	for _, state := range agent.States() {
		has(string(state))
	}
	for _, tee := range []machine.TEE{machine.Detect, machine.SEVSNP, machine.TDX, machine.None} {
		has(string(tee))
	}
	for _, platform := range []machine.Platform{machine.Enrolled, machine.Google, machine.Azure} {
		has(string(platform))
	}
	service := fleettest.New(t, false)
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, daemon.Options{Devices: service.Devices(), Config: daemon.Config{
		Service: daemon.Service{URL: service.URL, Bundle: service.Root}, Tokens: daemon.Tokens{EAR: true},
		Files: []daemon.Files{{Directory: filepath.Join(dir, "identity"), PKCS12PasswordFile: password}},
	}})
	if _, err := d.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadDir(filepath.Join(dir, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range written {
		has(file.Name())
	}
	for _, name := range gather(t, d) {
		has(name)
	}
}

// keys calls f with each key, and the keys beneath the sections that the document has
// tables for, as it writes them.
func keys(t reflect.Type, section string, f func(string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for field := range t.Fields() {
		key := field.Tag.Get("yaml")
		if section == "tpm" || section == "reload" {
			f(section + "." + key)
		} else {
			f(key)
		}
		keys(field.Type, key, f)
	}
}

// The example of deploy/systemd is a configuration.
func TestExample(t *testing.T) {
	c, err := daemon.ReadConfig("../../../deploy/systemd/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	open(t, daemon.Options{Config: c})
	unit := document(t, "deploy/systemd/quotary-agent.service")
	for _, line := range []string{"Type=notify", "TimeoutStartSec=infinity", "NoNewPrivileges=yes", "LimitCORE=0", "MemorySwapMax=0", "WatchdogSec=60"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit does not say %s", line)
		}
	}
	gateway := document(t, "deploy/systemd/quotary-gateway.service")
	for _, line := range []string{"ExecStart=/usr/bin/quotary-agent authorize --config /etc/quotary-agent/gateway.yaml", "DynamicUser=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes"} {
		if !strings.Contains(gateway, "\n"+line+"\n") {
			t.Errorf("the gateway's unit does not say %s", line)
		}
	}
}

// gather returns the names of an agent's metrics.
func gather(t *testing.T, d *daemon.Daemon) (names []string) {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(d.Agent); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		names = append(names, family.GetName())
	}
	return names
}

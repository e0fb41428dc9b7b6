package clienttest_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/machine"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/simtest"
	"github.com/quotary/quotary/tee"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleet is a service, and machines that it knows by name.
type fleet struct {
	*simtest.Service
	machines map[string]*machines.Machine
}

// serve starts a service that grants a machine of each name its identity.
func serve(t *testing.T, names ...string) *fleet {
	t.Helper()
	world := simtest.New(t)
	f := &fleet{machines: map[string]*machines.Machine{}}
	var granted []*machines.Machine
	for _, name := range names {
		m := world.Machine(t, machines.Spec{Name: name, Technology: machines.TDX, CommandLine: "root=" + name})
		f.machines[name] = m
		granted = append(granted, m)
	}
	f.Service = world.Service(t, granted...)
	return f
}

// id is the SPIFFE ID of the machine of a name.
func (f *fleet) id(name string) string { return "spiffe://" + f.TrustDomain() + "/" + name }

// open makes the agent of the machine of a name.
func (f *fleet) open(t *testing.T, name string, c daemon.Config) *daemon.Daemon {
	t.Helper()
	c.Service = daemon.Service{URL: f.URL(), Bundle: f.Files().Root()}
	d, err := daemon.Open(daemon.Options{Config: c, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Devices: machine.Devices{
		SEVSNP: func(uint) (tee.Attester, error) {
			return nil, evidence.Errorf(evidence.CodeAttesterAbsent, "", "no SEV-SNP guest")
		},
		TDX: func(bool) (tee.Attester, error) { return f.machines[name], nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run runs the agent of a machine until the test ends, and waits for its identity.
func (f *fleet) run(t *testing.T, name string, c daemon.Config) *daemon.Daemon {
	t.Helper()
	d := f.open(t, name, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent of %s: %v", name, err)
		}
	})
	select {
	case <-d.Ready():
	case <-t.Context().Done():
		t.Fatalf("%s has no identity", name)
	}
	return d
}

// once has a machine attest once, and returns the directory with the files of its identity.
func (f *fleet) once(t *testing.T, name string) (directory string) {
	t.Helper()
	directory = filepath.Join(t.TempDir(), "identity")
	if _, err := f.open(t, name, daemon.Config{Files: []daemon.Files{{Directory: directory}}}).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	return directory
}

// revoke revokes a certificate by its serial number, in hex.
func (f *fleet) revoke(t *testing.T, serial string) {
	t.Helper()
	owner, err := f.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	done, err := owner.Revoke(t.Context(), admin.Revocation{Serials: []string{serial}, Reason: "tested"})
	if err != nil || done.Matched != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
}

func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

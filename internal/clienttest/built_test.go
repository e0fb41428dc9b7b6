//go:build clients

package clienttest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/daemon"
)

// built returns where scripts/test-client-tools keeps a program, named with its version. It
// skips the test where it does not, unless CLIENT_TEST says that it must be there.
func built(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "quotary-clients", name)
	if _, err := os.Stat(path); err != nil {
		missing := t.Skipf
		if os.Getenv("CLIENT_TEST") == "required" {
			missing = t.Fatalf
		}
		missing("%v; scripts/test-client-tools builds it", err)
	}
	return path
}

// socketed runs the agent of a machine, and returns where its socket is.
func (f *fleet) socketed(t *testing.T, name string) (d *daemon.Daemon, socket string) {
	t.Helper()
	socket = filepath.Join(agenttest.ShortDir(t), "api.sock")
	return f.run(t, name, daemon.Config{WorkloadAPI: daemon.WorkloadAPI{Socket: socket}}), socket
}

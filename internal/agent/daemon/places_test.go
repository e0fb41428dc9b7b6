package daemon_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/daemon"
)

// Who can exchange the socket or the files gives workloads another identity: the agent says where
// that is so.
func TestAttack_A16_PlacesThatOthersMayUse(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		mode os.FileMode
		uid  int
		want bool
	}{
		"own": {0o755, -1, false}, "a group's": {0o770, -1, true}, "everybody's": {0o777, -1, true},
		"sticky": {0o777 | os.ModeSticky, -1, false}, "another user's": {0o755, 65534, true},
	} {
		place := filepath.Join(dir, name)
		if err := os.Mkdir(place, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(place, test.mode); err != nil {
			t.Fatal(err)
		}
		if test.uid != -1 {
			if os.Geteuid() != 0 {
				continue
			}
			if err := os.Chown(place, test.uid, -1); err != nil {
				t.Fatal(err)
			}
		}
		service := daemon.Service{URL: "https://127.0.0.1:1", RootSHA256: strings.Repeat("5a", 32)}
		for what, c := range map[string]daemon.Config{
			"socket": {Service: service, WorkloadAPI: daemon.WorkloadAPI{Socket: filepath.Join(place, "api.sock")}},
			"files":  {Service: service, Files: []daemon.Files{{Directory: filepath.Join(place, "identity")}}},
		} {
			said := &agenttest.Notes{}
			if _, err := daemon.Open(daemon.Options{Config: c, Logger: slog.New(logged{text: said})}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(said.String(), place); got != test.want {
				t.Errorf("%s, %s: %q", name, what, said)
			}
		}
	}
}

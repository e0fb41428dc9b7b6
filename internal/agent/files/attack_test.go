package files_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/files"
)

// Who owns the files can put anything in their place: the agent that starts anew looks at what
// it left, and is neither held up by that nor reads it without end.
func TestAttack_D12_FilesThatDoNotEnd(t *testing.T) {
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	for name, plant := range map[string]func(path string) error{
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device":  func(path string) error { return os.Symlink("/dev/zero", path) },
		"endless": func(path string) error { return os.Truncate(path, 1<<40) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "identity")
			if err := open(t, files.Config{Directory: dir}).Write(t.Context(), identity); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, files.NameChain)
			if name != "endless" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(path); err != nil {
				t.Skip(err) // a file system without large files
			}
			w := open(t, files.Config{Directory: dir})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w.Run(ctx, agenttest.NewSource(agenttest.View(identity)))
			}()
			<-w.Written()
			cancel()
			<-ended
		})
	}
}

package daemon_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/daemon"
)

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// A list that the root signed elsewhere is published within one look, and its end is told ahead.
func TestInstalledListIsPublishedAndItsEndTold(t *testing.T) {
	data, elsewhere := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "root.key")
	r := start(t, data, daemon.Config{})
	r.stop()
	if err := os.Rename(filepath.Join(data, "ca", "root.key"), elsewhere); err != nil {
		t.Fatal(err)
	}
	var shift atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	var log logged
	d, err := daemon.Open(t.Context(), daemon.Options{Data: data, Version: "test", Config: daemon.Config{Vendors: daemon.Vendors{Offline: true}}, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	get := publishing(t, d)
	if got := strings.Count(get("/v1/crls"), "BEGIN X509 CRL"); got != 1 {
		t.Errorf("%d lists without the root's", got)
	}
	list, _, err := ca.SignRootList(ca.Keys{}, elsewhere, filepath.Join(data, "ca", "root.crt"), ca.RootList{Life: 20 * 24 * time.Hour}, now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slots(t, data).InstallRootList(list); err != nil {
		t.Fatal(err)
	}
	look := func(warnings int, about string) {
		t.Helper()
		for range 2 {
			if err := d.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := log.count("the revocation list of a root"); got != warnings || warnings > 0 && log.count(about) != 1 {
			t.Errorf("%d warnings", got)
		}
	}
	look(0, "")
	if got := get("/v1/crls"); !strings.Contains(got, string(list)) {
		t.Errorf("it is not published: %s", got)
	}
	shift.Store(int64(10 * 24 * time.Hour))
	look(1, "ends soon")
	shift.Store(int64(21 * 24 * time.Hour))
	look(2, "has ended")
	files, err := filepath.Glob(filepath.Join(data, "ca", "root-lists", "*.crl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("installed lists %q, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	look(3, "authority.root-list")
	if got := get("/v1/crls"); !strings.Contains(got, string(list)) {
		t.Errorf("the list that was good is gone: %s", got)
	}
}

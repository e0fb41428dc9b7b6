package main

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/daemon"
)

const workload = `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://quotary.internal/web"}
any_of:
  - tpm: {pcrs: {sha256: {0: ["5050505050505050505050505050505050505050505050505050505050505050"]}}}
`

func TestHangupReloads(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	logger := slog.New(slog.DiscardHandler)
	d, err := daemon.Open(t.Context(), daemon.Options{Data: data, Version: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	defer reloadOn(t.Context(), hangup, d, logger)()
	if err := os.WriteFile(filepath.Join(data, "policies", "web.yaml"), []byte(workload), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if names := d.Workloads(); len(names) == 1 && names[0] == "web" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("SIGHUP did not reload")
}

package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/internal/daemon"
)

// serveDaemon starts a service that keeps its data in a folder of dir and asks no vendor,
// and returns it with its URL and the file of its root. It ends with the test.
func serveDaemon(t *testing.T, dir string, c daemon.Config) (d *daemon.Daemon, url, root string) {
	t.Helper()
	c.Vendors.Offline = true
	d, err := daemon.Open(t.Context(), daemon.Options{
		Data: filepath.Join(dir, "data"), Version: "test", Logger: slog.New(slog.DiscardHandler), Config: c,
	})
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
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	root = filepath.Join(dir, "root.crt")
	if err := os.WriteFile(root, d.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return d, "https://" + listener.Addr().String(), root
}

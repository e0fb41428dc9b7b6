package attacks_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/attacks"
	"github.com/quotary/quotary/tee/endorsements"
)

const trustDomain = "attacks.test"

// service is the one that all tests attack. Its world takes seconds to make.
var service = sync.OnceValues(func() (*running, error) { return start(context.Background()) })

// running is a real service that trusts a simulated world.
type running struct {
	target attacks.Target
	stop   func() error
}

// TestMain stops the service, if there is one, after all tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if started {
		if s, err := service(); err == nil && s.stop() != nil {
			code = 1
		}
	}
	os.Exit(code)
}

var started bool

// target returns the service's.
func target(t *testing.T) attacks.Target {
	t.Helper()
	started = true
	s, err := service()
	if err != nil {
		t.Fatal(err)
	}
	return s.target
}

func start(ctx context.Context) (*running, error) {
	world, err := simulators.New("attacks", time.Now())
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "quotary-attacks-")
	if err != nil {
		return nil, err
	}
	config, err := configure(dir, world)
	if err != nil {
		return nil, err
	}
	d, err := daemon.Open(ctx, daemon.Options{Data: filepath.Join(dir, "data"), Version: "test", Logger: slog.New(slog.DiscardHandler), Config: config})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.RootPEM())
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	return &running{
		attacks.Target{URL: "https://" + listener.Addr().String(), Roots: roots, TrustDomain: trustDomain, World: world},
		func() error { cancel(); return errors.Join(<-ended, d.Close(), os.RemoveAll(dir)) },
	}, nil
}

// configure writes what an operator of such a service has in files.
func configure(dir string, world *simulators.World) (daemon.Config, error) {
	for i, anchor := range world.Anchors() {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.DER})
		if err := write(filepath.Join(dir, "roots"), fmt.Sprintf("%d.pem", i), block); err != nil {
			return daemon.Config{}, err
		}
	}
	documents, err := attacks.Documents(world, trustDomain)
	if err != nil {
		return daemon.Config{}, err
	}
	for _, file := range documents {
		if err := write(filepath.Join(dir, "policies"), file.Name, file.Data); err != nil {
			return daemon.Config{}, err
		}
	}
	published, err := world.Endorsements()
	if err != nil {
		return daemon.Config{}, err
	}
	return daemon.Config{
		TrustDomain: trustDomain, Listen: "127.0.0.1:0",
		Policies: []string{filepath.Join(dir, "policies")}, Endorsements: []string{filepath.Join(dir, "endorsements")},
		Vendors:   daemon.Vendors{Offline: true},
		Simulated: daemon.Simulated{Accept: true, Roots: []string{filepath.Join(dir, "roots")}},
	}, endorsements.Save(filepath.Join(dir, "endorsements"), published)
}

func write(dir, name string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o600)
}

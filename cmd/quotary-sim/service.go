package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/tee/endorsements"
)

// trustDomain is a name that nobody can own (RFC 2606).
const trustDomain = "demo.test"

// service is a real service that runs in this process and trusts the simulated
// vendors.
type service struct {
	*daemon.Daemon
	dir    string
	url    string
	cancel context.CancelFunc
	ended  chan error
}

// The folders below a service's directory.
func (s *service) roots() string        { return rootsDir(s.dir) }
func (s *service) endorsements() string { return endorsementsDir(s.dir) }
func (s *service) policies() string     { return policiesDir(s.dir) }

func rootsDir(dir string) string        { return filepath.Join(dir, "simulated", "roots") }
func endorsementsDir(dir string) string { return filepath.Join(dir, "simulated", "endorsements") }
func policiesDir(dir string) string     { return filepath.Join(dir, "policies") }
func dataDir(dir string) string         { return filepath.Join(dir, "data") }

// startService writes what the simulated vendors publish and the workloads'
// policies into dir, and starts a service on them.
func startService(ctx context.Context, dir, listen string, world *simulators.World, workloads []workload) (*service, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --listen", err)
	}
	d, err := openDaemon(ctx, dir, listen, world, workloads)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &service{Daemon: d, dir: dir, url: "https://" + listener.Addr().String(), ended: make(chan error, 1)}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() { s.ended <- d.Serve(ctx, listener) }()
	return s, nil
}

func openDaemon(ctx context.Context, dir, listen string, world *simulators.World, workloads []workload) (*daemon.Daemon, error) {
	if err := writeWorld(dir, world, workloads); err != nil {
		return nil, err
	}
	return daemon.Open(ctx, daemon.Options{
		Data: dataDir(dir), Version: "demo", Logger: slog.New(slog.DiscardHandler),
		Config: daemon.Config{
			TrustDomain: trustDomain, Listen: listen,
			Policies: []string{policiesDir(dir)}, Endorsements: []string{endorsementsDir(dir)},
			Vendors:   daemon.Vendors{Offline: true},
			Simulated: daemon.Simulated{Accept: true, Roots: []string{rootsDir(dir)}},
		},
	})
}

// stop ends the service, once it answered what it has begun.
func (s *service) stop() error {
	s.cancel()
	if err := <-s.ended; err != nil {
		return err
	}
	return s.Close()
}

// writeWorld writes roots, endorsements and policies as an operator has them: in files.
func writeWorld(dir string, world *simulators.World, workloads []workload) error {
	for _, d := range []string{rootsDir(dir), policiesDir(dir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	for i, anchor := range world.Anchors() {
		name := []string{"amd", "intel", "tpm"}[i] + "-root-SIMULATED.pem"
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.DER})
		if err := os.WriteFile(filepath.Join(rootsDir(dir), name), block, 0o644); err != nil {
			return err
		}
	}
	for _, w := range workloads {
		if err := os.WriteFile(filepath.Join(policiesDir(dir), w.name+".yaml"), []byte(w.document(trustDomain)), 0o644); err != nil {
			return err
		}
	}
	published, err := world.Endorsements()
	if err != nil {
		return err
	}
	return endorsements.Save(endorsementsDir(dir), published)
}

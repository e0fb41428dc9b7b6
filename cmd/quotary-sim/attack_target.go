package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/attacks"
	"github.com/quotary/quotary/simulators/lab"
)

// open returns the target, and what ends it.
func (o assault) open(ctx context.Context) (attacks.Target, func() error, error) {
	if o.target != "" {
		target, err := o.running()
		return target, func() error { return nil }, err
	}
	dir, err := os.MkdirTemp("", "quotary-attack-")
	if err != nil {
		return attacks.Target{}, nil, err
	}
	own := &ownTargets{ctx: ctx, dir: dir}
	target, err := own.open(o)
	if err != nil {
		return target, nil, errors.Join(err, own.close())
	}
	return target, own.close, nil
}

// running is a service that somebody else started.
func (o assault) running() (attacks.Target, error) {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(o.root)
	if err != nil {
		return attacks.Target{}, err
	}
	if !roots.AppendCertsFromPEM(pem) {
		return attacks.Target{}, fmt.Errorf("%s holds no certificate; it is ca/root.crt of the service's data directory", o.root)
	}
	world, err := simulators.New(o.seed, time.Now())
	return attacks.Target{URL: o.target, Roots: roots, TrustDomain: o.trustDomain, World: world}, err
}

// ownTargets are services in this process.
type ownTargets struct {
	ctx       context.Context
	dir       string
	world     *simulators.World
	documents []policies.File
	labs      []*lab.Lab
}

// open starts a service that has everything, and one that lacks endorsements: what
// comes with evidence counts there.
func (t *ownTargets) open(o assault) (target attacks.Target, err error) {
	seed := o.seed
	if seed == "" {
		seed = rand.Text()
	}
	if t.world, err = simulators.New(seed, time.Now()); err != nil {
		return target, err
	}
	if t.documents, err = attacks.Documents(t.world, o.trustDomain); err != nil {
		return target, err
	}
	bare, err := t.start("unendorsed", o.trustDomain, func(c *daemon.Config) { c.Endorsements = []string{} })
	if err != nil {
		return target, err
	}
	target, err = t.start("service", o.trustDomain, nil)
	target.Unendorsed = &bare
	return target, err
}

func (t *ownTargets) start(name, trustDomain string, configure func(*daemon.Config)) (attacks.Target, error) {
	l, err := lab.Open(t.ctx, lab.Options{
		World: t.world, Dir: filepath.Join(t.dir, name), TrustDomain: trustDomain, Documents: t.documents, Configure: configure,
	})
	if err != nil {
		return attacks.Target{}, err
	}
	t.labs = append(t.labs, l)
	roots, err := l.Roots()
	return attacks.Target{URL: l.URL(), Roots: roots, TrustDomain: l.TrustDomain(), World: t.world}, err
}

// close stops the services and removes what they wrote.
func (t *ownTargets) close() error {
	var err error
	for _, l := range t.labs {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/jwtsvid"
	"github.com/quotary/quotary/internal/agent/workloadapi"
	"github.com/quotary/quotary/simulators/control"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
)

// sockets are agents of machines, each with a SPIFFE Workload API of its own.
type sockets struct {
	ctx   context.Context
	dir   string
	host  control.Host
	clock *lab.Clock

	mu     sync.Mutex
	agents map[string]*attended // by the machine's name
}

// attended is an agent that runs.
type attended struct {
	agent  *agent.Agent
	cancel context.CancelFunc
	*errgroup.Group
}

func newSockets(ctx context.Context, dir string, w *served) (*sockets, error) {
	dir, err := filepath.Abs(dir) // the Workload API's address is absolute
	if err != nil {
		return nil, err
	}
	return &sockets{ctx: ctx, dir: dir, host: w.host, clock: w.clock, agents: map[string]*attended{}}, os.MkdirAll(dir, 0o755)
}

// path is where a machine's socket is.
func (s *sockets) path(m *fleet.Machine) string { return filepath.Join(s.dir, m.Name()+".sock") }

// add starts an agent for a machine.
func (s *sockets) add(m *fleet.Machine) error {
	e, err := endpoint.Listen(endpoint.Config{Path: s.path(m), Everybody: true})
	if err != nil {
		return err
	}
	a := agent.New(agent.Config{Wall: s.clock.Now, Obtain: func(ctx context.Context) (*agent.Identity, error) {
		granted, err := s.attest(ctx, m, client.AttestOptions{})
		if err != nil {
			return nil, err
		}
		return agent.NewIdentity(granted, s.clock.Now())
	}})
	tokens := jwtsvid.New(jwtsvid.Config{Now: s.clock.Now, Obtain: func(ctx context.Context, _ string, audience []string) (*client.JWTSVID, error) {
		granted, err := s.attest(ctx, m, client.AttestOptions{Purpose: evidence.PurposeToken, JWTSVID: audience})
		if err != nil {
			return nil, err
		}
		return granted.JWTSVID, nil
	}})
	workloadapi.Register(e.Services(), a, tokens)
	ctx, cancel := context.WithCancel(s.ctx)
	group := &errgroup.Group{}
	group.Go(func() error { return e.Serve(ctx) })
	group.Go(func() error { return a.Run(ctx) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[m.Name()] = &attended{a, cancel, group}
	return nil
}

func (s *sockets) attest(ctx context.Context, m *fleet.Machine, o client.AttestOptions) (*client.Identity, error) {
	c, err := s.host.Client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	key, err := control.NewKey()
	if err != nil {
		return nil, err
	}
	return c.Attest(ctx, m, key, o)
}

// hurry has all agents attest now: something was changed that their machines are judged by.
func (s *sockets) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.agent.Hurry()
	}
}

// remove ends a machine's agent.
func (s *sockets) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.agents[name]
	if a == nil {
		return nil
	}
	delete(s.agents, name)
	a.cancel()
	if err := a.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// close ends all agents.
func (s *sockets) close() error {
	var err error
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.agents))
	s.mu.Unlock()
	for _, name := range names {
		err = errors.Join(err, s.remove(name))
	}
	return err
}

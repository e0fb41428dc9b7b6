// Package simtest is for Go tests of whatever trusts Quotary: a simulated world, machines
// in it, and a real service that grants them identities, in three lines:
//
//	world := simtest.New(t)
//	machine := world.Machine(t, machines.Spec{Name: "web", Technology: machines.SEVSNP})
//	identity := world.Service(t, machine).Attest(t, machine)
//
// Everything is cleaned up with the test, fails the test where it goes wrong, and needs
// no hardware, network or privilege. What is granted is marked as simulated, and no
// service accepts the machines that was not told to.
//
// The same seed makes the same roots and keys in every run. Vendors, machines and
// service go by one clock, [World.Clock], that a test can move.
package simtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/tee"
)

// World is a simulated world with a clock of its own.
type World struct {
	*simulators.World
	// Clock is that of vendors, machines and services; it begins with the real time.
	Clock *lab.Clock
}

// New makes a world, the same in every test. The first one of a process takes about
// a second.
func New(t testing.TB) *World {
	t.Helper()
	return FromSeed(t, "simtest")
}

// FromSeed makes the world of a seed. Another seed makes other vendors, whose machines
// a service of this world's does not know.
func FromSeed(t testing.TB, seed string) *World {
	t.Helper()
	clock := &lab.Clock{}
	w, err := simulators.NewMoving(seed, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return &World{w, clock}
}

// Machine makes a machine of the world and closes it with the test.
func (w *World) Machine(t testing.TB, spec machines.Spec) *machines.Machine {
	t.Helper()
	m, err := machines.New(w.World, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Service is a running service that trusts the world.
type Service struct{ *lab.Lab }

// Service starts a service that grants each of these machines an identity, and stops
// it with the test. It listens on loopback.
func (w *World) Service(t testing.TB, granted ...*machines.Machine) *Service {
	t.Helper()
	return w.ServiceWith(t, lab.Options{}, granted...)
}

// ServiceWith is Service with options. World and Clock are the world's, and Dir is a
// directory of the test's unless it is given.
func (w *World) ServiceWith(t testing.TB, o lab.Options, granted ...*machines.Machine) *Service {
	t.Helper()
	o.World, o.Clock = w.World, w.Clock
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.TrustDomain == "" {
		o.TrustDomain = lab.DefaultTrustDomain
	}
	o.Documents = append(o.Documents[:len(o.Documents):len(o.Documents)], workloads(o.TrustDomain, granted)...)
	l, err := lab.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Service{l}
}

func workloads(trustDomain string, granted []*machines.Machine) []policies.File {
	var documents []policies.File
	for _, m := range granted {
		documents = append(documents, m.Workload(trustDomain))
	}
	return documents
}

// Admit has the service grant further machines an identity, and know what the vendors
// published since it started.
func (s *Service) Admit(t testing.TB, granted ...*machines.Machine) {
	t.Helper()
	if err := s.Grant(t.Context(), workloads(s.TrustDomain(), granted)...); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Dial returns a client of the service, and closes it with the test.
func (s *Service) Dial(t testing.TB) *client.Client {
	t.Helper()
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Attest has a machine attest for a new key, and returns its identity. The test fails
// if it is refused.
func (s *Service) Attest(t testing.TB, machine tee.Attester) *client.Identity {
	t.Helper()
	identity, err := s.Dial(t).Attest(t.Context(), machine, newKey(t), client.AttestOptions{Tokens: []client.Format{client.JWT}})
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// Refused has a machine attest for a new key, and returns why it is refused. The test
// fails if it is not.
func (s *Service) Refused(t testing.TB, machine tee.Attester) *client.Problem {
	t.Helper()
	identity, err := s.Dial(t).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
	var problem *client.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("the machine is not refused by the service: identity %v, error %v", identity, err)
	}
	return problem
}

// Enrol enrols the attestation key of a machine's TPM, and has the machine send the
// certificate that it got.
func (s *Service) Enrol(t testing.TB, machine *machines.Machine) {
	t.Helper()
	enrolled, err := s.Dial(t).Enrol(t.Context(), machine, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.UseCertificates(enrolled.Certificates); err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

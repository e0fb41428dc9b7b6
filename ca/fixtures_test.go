package ca

import (
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// open returns a new authority in a folder of its own, at the time of the
// results of verifiertest.
func open(tb testing.TB) *Authority {
	tb.Helper()
	return openAt(tb, tb.TempDir(), &clock{verifiertest.Now()})
}

func openAt(tb testing.TB, dir string, c *clock, reserved ...crypto.PublicKey) *Authority {
	tb.Helper()
	a, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Reserved: reserved, Now: c.now})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// issue returns the SVID for r and its parsed leaf.
func issue(tb testing.TB, a *Authority, r verifiertest.Request) (*SVID, *x509.Certificate) {
	tb.Helper()
	svid, err := a.Issue(verifiertest.Accepted(tb, r))
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(svid.Chain[0])
	if err != nil {
		tb.Fatal(err)
	}
	return svid, leaf
}

// refused fails the test unless err has this code.
func refused(tb testing.TB, err error, code evidence.Code) {
	tb.Helper()
	if got := evidence.CodeOf(err); got != code {
		tb.Errorf("got %v, want a refusal with %s", err, code)
	}
}

// active is the authority that issues.
func (a *Authority) active() *hierarchy { return a.force.Load().active }

// openSlots returns the slots of a folder, for an operator.
func openSlots(tb testing.TB, dir string, c *clock) *Slots {
	tb.Helper()
	s, err := OpenSlots(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now}, Operator)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

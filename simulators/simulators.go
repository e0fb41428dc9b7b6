// Package simulators puts a whole simulated world together: the three vendors
// of its sub-packages, made from one seed, with their roots and everything they
// publish. The machines come from the vendors (see [sevsnp.Vendor.NewMachine],
// [tdx.Vendor.NewMachine] and [tpm.Vendor.NewMachine]); package paravisor puts a
// virtual TPM into one of the first two.
//
// Evidence made here rests on roots that say SIMULATED, and a service accepts it
// only if its operator and the workload's policy both say so. No production
// binary links this package.
package simulators

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// World is one set of simulated vendors.
type World struct {
	SEVSNP *sevsnp.Vendor
	TDX    *tdx.Vendor
	TPM    *tpm.Vendor

	clock func() time.Time
}

// New makes a world. The same seed makes the same keys. Certificates are valid
// from an hour before now, lists and collateral are as of now.
func New(seed string, now time.Time) (*World, error) {
	return NewMoving(seed, func() time.Time { return now })
}

// NewMoving is New with a clock that goes on: lists and collateral are dated by it
// whenever they are handed out. Certificates do not depend on it from then on.
func NewMoving(seed string, clock func() time.Time) (*World, error) {
	amd, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: seed, NotBefore: clock().Add(-time.Hour)})
	if err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	intel := tdx.NewVendor(tdx.Options{Seed: seed, Clock: clock})
	maker, err := tpm.NewVendor(tpm.Options{Seed: seed, Clock: clock})
	if err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	return &World{SEVSNP: amd, TDX: intel, TPM: maker, clock: clock}, nil
}

// Now is the time by the world's clock.
func (w *World) Now() time.Time { return w.clock() }

// Anchors are the roots of all vendors that evidence rests on, marked as simulated.
// Enrolments rest on [tpm.Vendor.EKAnchor].
func (w *World) Anchors() []tee.Anchor {
	return []tee.Anchor{w.SEVSNP.Anchor(), w.TDX.Anchor(), w.TPM.Anchor()}
}

// Endorsements are everything that the vendors publish for the machines made so far.
func (w *World) Endorsements() (*tee.Endorsements, error) {
	e := &tee.Endorsements{}
	w.SEVSNP.Endorsements(e)
	w.TDX.Endorsements(e)
	if err := w.TPM.Endorsements(e); err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	return e, nil
}

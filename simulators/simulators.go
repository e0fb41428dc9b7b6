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
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// World is one set of simulated vendors. It is safe for concurrent use.
type World struct {
	SEVSNP *sevsnp.Vendor // of the product line Milan; [World.Line] has the others
	TDX    *tdx.Vendor
	TPM    *tpm.Vendor

	seed  string
	clock func() time.Time

	mu    sync.Mutex
	lines map[string]*sevsnp.Vendor // further product lines, by name
}

// authoritiesFrom is from when on AMD's authorities are valid: the same in every
// world, so that the same seed makes the same roots.
var authoritiesFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a world, which takes about a second: AMD's keys are large. The same
// seed makes the same roots and keys. Lists and collateral are as of now.
func New(seed string, now time.Time) (*World, error) {
	return NewMoving(seed, func() time.Time { return now })
}

// NewMoving is New with a clock that goes on: what is published is dated by it
// whenever it is handed out, and so are the certificates of machines that are made.
func NewMoving(seed string, clock func() time.Time) (*World, error) {
	w := &World{seed: seed, clock: clock, lines: map[string]*sevsnp.Vendor{}}
	var err error
	if w.SEVSNP, err = w.newLine(sevsnp.Milan); err != nil {
		return nil, err
	}
	w.TDX = tdx.NewVendor(tdx.Options{Seed: seed, Clock: clock})
	if w.TPM, err = tpm.NewVendor(tpm.Options{Seed: seed, Clock: clock}); err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	return w, nil
}

func (w *World) newLine(product string) (*sevsnp.Vendor, error) {
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: w.seed, Product: product, NotBefore: authoritiesFrom, Clock: w.clock})
	if err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	return v, nil
}

// Line returns AMD for a product line: sevsnp.Milan, Genoa or Turin. Each has a root
// of its own, which is made when it is asked for first; whoever trusted the world
// before does not trust that one yet.
func (w *World) Line(product string) (*sevsnp.Vendor, error) {
	if product == "" || product == sevsnp.Milan {
		return w.SEVSNP, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if v, made := w.lines[product]; made {
		return v, nil
	}
	v, err := w.newLine(product)
	if err == nil {
		w.lines[product] = v
	}
	return v, err
}

// Lines returns AMD for every product line that was made, Milan first.
func (w *World) Lines() []*sevsnp.Vendor {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []*sevsnp.Vendor{w.SEVSNP}
	for _, product := range slices.Sorted(maps.Keys(w.lines)) {
		all = append(all, w.lines[product])
	}
	return all
}

// Now is the time by the world's clock.
func (w *World) Now() time.Time { return w.clock() }

// Anchors are the roots of all vendors that evidence rests on, marked as simulated.
// AMD has one for each product line that was made, Milan's first. Enrolments rest on
// [tpm.Vendor.EKAnchor].
func (w *World) Anchors() []tee.Anchor {
	all := []tee.Anchor{w.SEVSNP.Anchor(), w.TDX.Anchor(), w.TPM.Anchor()}
	for _, line := range w.Lines()[1:] {
		all = append(all, line.Anchor())
	}
	return all
}

// Endorsements are everything that the vendors publish for the machines made so far.
func (w *World) Endorsements() (*tee.Endorsements, error) {
	e := &tee.Endorsements{}
	for _, line := range w.Lines() {
		line.Endorsements(e)
	}
	w.TDX.Endorsements(e)
	if err := w.TPM.Endorsements(e); err != nil {
		return nil, fmt.Errorf("simulators: %w", err)
	}
	return e, nil
}

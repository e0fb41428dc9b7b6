// Package fleet keeps simulated machines by name, for whoever steers them from outside:
// scenarios and the control interface of quotary-sim. What is wrong with them, or with
// their vendors, changes while they run.
//
// Start at [New].
package fleet

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/vendors"
)

// Fleet are machines of one world. It is safe for concurrent use.
type Fleet struct {
	world   *simulators.World
	vendors *vendors.Server

	mu       sync.Mutex
	machines []*Machine // sorted by name
}

// New returns a fleet without machines. The vendors may be set later, by [Fleet.Use].
func New(w *simulators.World) *Fleet { return &Fleet{world: w} }

// Use says which services the vendors' faults are injected into.
func (f *Fleet) Use(v *vendors.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vendors = v
}

// Add makes a machine. Errors are those of machines.New, and evidence.CodeConfigMalformed
// where there is one of that name or there are too many.
func (f *Fleet) Add(spec machines.Spec) (*Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, there := f.find(spec.Name)
	if there {
		return nil, wrong("name", "there is a machine %.80q already; a name is one machine's", spec.Name)
	}
	if len(f.machines) >= maxMachines {
		return nil, wrong("name", "there are %d machines already", maxMachines)
	}
	made, err := machines.New(f.world, spec)
	if err != nil {
		return nil, err
	}
	m := &Machine{world: f.world, machine: made}
	f.machines = slices.Insert(f.machines, at, m)
	return m, nil
}

// Remove ends a machine.
func (f *Fleet) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, there := f.find(name)
	if !there {
		return unknown(name)
	}
	m := f.machines[at]
	f.machines = slices.Delete(f.machines, at, at+1)
	return m.close()
}

// Find returns a machine. The error has evidence.CodeNotFound.
func (f *Fleet) Find(name string) (*Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, there := f.find(name)
	if !there {
		return nil, unknown(name)
	}
	return f.machines[at], nil
}

// All lists the machines by name.
func (f *Fleet) All() []*Machine {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.machines)
}

func (f *Fleet) find(name string) (int, bool) {
	return slices.BinarySearchFunc(f.machines, name, func(m *Machine, name string) int { return strings.Compare(m.Name(), name) })
}

// Inject puts a fault in force, by its name. One of machines befalls those of the names on,
// which are launched again; one of vendors takes such names where it is about machines.
func (f *Fleet) Inject(fault string, on ...string) error {
	if !OfMachines(fault) {
		for _, name := range on {
			if _, err := f.Find(name); err != nil {
				return err
			}
		}
		if err := f.vendorsOf().Inject(fault, on...); err != nil {
			return wrong("fault", "%w", err)
		}
		return nil
	}
	if len(on) == 0 {
		return wrong("on", "%s is a fault of machines: say of which", fault)
	}
	return f.each(on, func(m *Machine) error { return m.inject(fault) })
}

// Clear ends a fault. One of machines is cleared on those of the names on, or on all that
// have it; those are launched again.
func (f *Fleet) Clear(fault string, on ...string) error {
	if OfMachines(fault) {
		if len(on) == 0 {
			on = f.having(fault)
		}
		if len(on) == 0 {
			return wrong("fault", "no machine has the fault %s", fault)
		}
		return f.each(on, func(m *Machine) error { return m.clear(fault) })
	}
	if v := f.vendorsOf(); slices.Contains(v.Injected(), fault) {
		v.Clear(fault)
		return nil
	}
	return wrong("fault", "%.80q is not in force", fault)
}

// having lists the machines that have a fault.
func (f *Fleet) having(fault string) (names []string) {
	for _, m := range f.All() {
		if s := m.Spec(); slices.Contains(s.Faults, fault) {
			names = append(names, s.Name)
		}
	}
	return names
}

func (f *Fleet) vendorsOf() *vendors.Server {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.vendors
}

// each does something to machines by name, once all of them were found.
func (f *Fleet) each(names []string, do func(*Machine) error) error {
	var all []*Machine
	for _, name := range names {
		m, err := f.Find(name)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	for _, m := range all {
		if err := do(m); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all machines.
func (f *Fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for _, m := range f.machines {
		err = errors.Join(err, m.close())
	}
	f.machines = nil
	return err
}

// OfMachines reports whether a name is that of a fault of machines.
func OfMachines(fault string) bool {
	return slices.ContainsFunc(machines.Faults(), func(f machines.Fault) bool { return f.Name == fault })
}

func unknown(name string) error {
	return evidence.Errorf(evidence.CodeNotFound, "name", "there is no machine %.80q", name)
}

func wrong(key, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, key, format, args...)
}

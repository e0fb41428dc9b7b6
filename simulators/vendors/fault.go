package vendors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Fault is something that can be wrong with a vendor.
type Fault struct {
	Name  string `json:"name"` // "amd-kds/slow", "pck-revoked"
	Title string `json:"title"`
	// Service is the one that has the fault, or AMD's or Intel's main one where all of
	// the vendor's have it.
	Service string `json:"service"`
	// Machines says that [Server.Inject] takes the names of the machines concerned.
	Machines bool `json:"machines,omitempty"`
	// Code is what a service refuses with that needs what the fault spoils and has no
	// earlier issue of it: the refusal's own code, or that of a check in it.
	Code evidence.Code `json:"code"`
}

// Faults lists the faults of vendors, sorted by name.
func Faults() []Fault {
	var all []Fault
	for _, f := range transportFaults() {
		all = append(all, f.Fault)
	}
	for _, f := range publishedFaults() {
		all = append(all, f.Fault)
	}
	slices.SortFunc(all, func(a, b Fault) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// injected is a fault in force. Either transport or published is set.
type injected struct {
	transport *transportFault
	published *publishedFault
	machines  []string
	cleared   chan struct{}
}

// Inject puts a fault in force, until it is cleared. machines are the names of those
// concerned where the fault says that it takes them.
func (s *Server) Inject(name string, machines ...string) error {
	in := &injected{machines: machines, cleared: make(chan struct{})}
	var takes bool
	if all := transportFaults(); slices.ContainsFunc(all, func(f transportFault) bool { return f.Name == name }) {
		f := all[slices.IndexFunc(all, func(f transportFault) bool { return f.Name == name })]
		f.cleared = in.cleared
		in.transport = &f
	} else if all := publishedFaults(); slices.ContainsFunc(all, func(f publishedFault) bool { return f.Name == name }) {
		in.published = &all[slices.IndexFunc(all, func(f publishedFault) bool { return f.Name == name })]
		takes = in.published.Machines
	} else {
		return fmt.Errorf("vendors: %.60q is no fault of a vendor", name)
	}
	if takes != (len(machines) > 0) {
		return fmt.Errorf("vendors: %s takes the names of machines: %v, and %d were given", name, takes, len(machines))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.faults[name]; before != nil {
		close(before.cleared)
	}
	s.faults[name] = in
	return nil
}

// Clear ends faults, or all of them if none is named. The vendors are as they were;
// services do not forget what they have seen: a key that was revoked stays so, and
// an issue that is older than one seen is refused.
func (s *Server) Clear(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(s.faults))
	}
	for _, name := range names {
		if f := s.faults[name]; f != nil {
			close(f.cleared)
			delete(s.faults, name)
		}
	}
}

// Injected lists the names of the faults in force, sorted.
func (s *Server) Injected() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.faults))
}

// transportFault returns the transport fault in force for a service, the first by
// name if there are several.
func (s *Server) transportFault(service string) *transportFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		if f := s.faults[name].transport; f != nil && f.Service == service {
			return f
		}
	}
	return nil
}

// published returns the faults of what is published that are in force, by name.
func (s *Server) published() []*injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*injected
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		if f := s.faults[name]; f.published != nil {
			all = append(all, f)
		}
	}
	return all
}

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

// newInjected finds a fault by its name.
func newInjected(name string, machines []string) (*injected, error) {
	in := &injected{machines: machines, cleared: make(chan struct{})}
	takes := false
	for _, f := range transportFaults() {
		if f.Name == name {
			in.transport = &f
		}
	}
	for _, f := range publishedFaults() {
		if f.Name == name {
			in.published, takes = &f, f.Machines
		}
	}
	switch {
	case in.transport == nil && in.published == nil:
		return nil, fmt.Errorf("vendors: %.60q is no fault of a vendor", name)
	case takes && len(machines) == 0:
		return nil, fmt.Errorf("vendors: %s needs the names of the machines concerned", name)
	case !takes && len(machines) > 0:
		return nil, fmt.Errorf("vendors: %s is not one of single machines", name)
	}
	return in, nil
}

// Inject puts a fault in force, until it is cleared. machines are the names of those
// concerned where the fault says that it takes them.
func (s *Server) Inject(name string, machines ...string) error {
	in, err := newInjected(name, machines)
	if err != nil {
		return err
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

// broken returns the transport fault in force for a service, the first by name if
// there are several, or nil.
func (s *Server) broken(service string) *injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		if in := s.faults[name]; in.transport != nil && in.transport.Service == service {
			return in
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

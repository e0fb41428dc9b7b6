package machines_test

import (
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
)

// TestFaults: every fault, on each technology that it befalls, is refused with its code
// and no other; the same machine without the fault is accepted.
func TestFaults(t *testing.T) {
	for _, technology := range machines.Technologies() {
		t.Run(technology.String(), func(t *testing.T) {
			twins := []*twin{newTwin(t, specOf(technology)), newTwin(t, pinned(technology))}
			if technology == machines.TPM {
				twins = append(twins, newTwin(t, measuring()))
			}
			for _, f := range machines.Faults() {
				if !slices.Contains(f.Technologies, technology) {
					continue
				}
				t.Run(f.Name, func(t *testing.T) {
					w := twins[slices.IndexFunc(twins, func(w *twin) bool { return w.suits(f) })]
					s, spec := w.service, w.machine.Spec()
					s.forget()
					spec.Faults = []string{f.Name}
					m := newMachine(t, spec)
					for range f.After {
						if got := s.attest(t, m); got != nil {
							t.Fatalf("before the fault shows: %v", got)
						}
					}
					got := s.attest(t, m)
					if !slices.Contains(got, f.Code) {
						t.Errorf("refused with %v, want %s", got, f.Code)
					}
					for _, code := range got {
						if code != f.Code && !slices.Contains(also[f.Name], code) && !(len(m.Kinds()) > 1 && slices.Contains(follows, code)) {
							t.Errorf("refused with %s, too", code)
						}
					}
				})
			}
		})
	}
}

// also are further checks that a fault cannot but fail.
var also = map[string][]evidence.Code{
	"snp-cxl":  {evidence.CodePolicySNPGuestPolicy},
	"tpm-bank": {evidence.CodePolicyTPMPCR},
	// Both are asked of one PCR.
	"tpm-log-unlogged": {evidence.CodePolicyBootInitrd},
	// The quote is then judged by the key that the paravisor names.
	"azure-stitched": {evidence.CodeTPMSignature},
}

// follows are checks of a bundle's parts against each other: none holds if one part
// is refused.
var follows = []evidence.Code{evidence.CodeBinding, evidence.CodeCompositeLink, evidence.CodeTPMAKVouched, evidence.CodeTPMAKUntrusted}

// twin is a machine that nothing is wrong with, and a service that accepts it.
type twin struct {
	machine *machines.Machine
	service *service
}

func newTwin(t *testing.T, spec machines.Spec) *twin {
	t.Helper()
	w := &twin{machine: newMachine(t, spec)}
	w.service = newService(t, w.machine)
	if got := w.service.attest(t, w.machine); got != nil {
		t.Fatalf("the honest machine: %v", got)
	}
	return w
}

// suits reports whether the fault can show on such a machine.
func (w *twin) suits(f machines.Fault) bool {
	spec := w.machine.Spec()
	return f.Measuring == (spec.IMA != nil) && f.Pinned == spec.Pinned
}

// specOf describes a machine of a technology.
func specOf(technology machines.Technology) machines.Spec {
	return machines.Spec{Name: "machine", Technology: technology}
}

// pinned describes a machine that the requirement asks for alone.
func pinned(technology machines.Technology) machines.Spec {
	s := specOf(technology)
	s.Pinned = true
	return s
}

// measuring describes a machine whose kernel measures files.
func measuring() machines.Spec {
	s := specOf(machines.TPM)
	s.IMA = []machines.File{{Path: "/usr/bin/app"}, {Path: "/usr/lib/lib.so", Content: "library"}}
	return s
}

package machines_test

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
)

// TestHonest: a machine of each technology is accepted under its own workload, and
// again after a reboot; one that launches something else is refused by what measures it.
func TestHonest(t *testing.T) {
	other := map[string]struct {
		change func(*machines.Spec)
		codes  map[machines.Technology][]evidence.Code
	}{
		"command line": {func(s *machines.Spec) { s.CommandLine = "init=/bin/sh" }, map[machines.Technology][]evidence.Code{
			machines.SEVSNP: {evidence.CodePolicySNPMeasurement}, machines.TDX: {evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2},
			machines.TPM: {evidence.CodePolicyTPMPCR}, machines.SEVSNPTPM: {evidence.CodePolicySNPMeasurement, evidence.CodePolicyTPMPCR},
			machines.TDXTPM:   {evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2, evidence.CodePolicyTPMPCR},
			machines.AzureSNP: {evidence.CodePolicyTPMPCR}, machines.AzureTDX: {evidence.CodePolicyTPMPCR},
		}},
	}
	for _, technology := range machines.Technologies() {
		t.Run(technology.String(), func(t *testing.T) {
			spec := machines.Spec{Name: "honest", Technology: technology}
			honest := newMachine(t, spec)
			s := newService(t, honest)
			for range 2 {
				if got := s.attest(t, honest); got != nil {
					t.Fatalf("refused for %v", got)
				}
				if err := honest.Reboot(); err != nil {
					t.Fatal(err)
				}
			}
			for name, c := range other {
				changed := spec
				changed.Name, changed.Kernel.Name, changed.Initrd.Name = "other", "kernel of honest", "initrd of honest"
				c.change(&changed)
				if got, want := s.attest(t, newMachine(t, changed)), c.codes[technology]; !slices.Equal(got, want) {
					t.Errorf("another %s: %v, want %v", name, got, want)
				}
			}
		})
	}
}

// TestSoftwareTPM: a TPM that a program runs serves a machine as one in-process does.
func TestSoftwareTPM(t *testing.T) {
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not installed (Debian: swtpm)")
	}
	m := newMachine(t, machines.Spec{Name: "software", Technology: machines.TPM, TPM: machines.TPMSpec{Backend: machines.SWTPM}})
	s := newService(t, m)
	if got := s.attest(t, m); got != nil {
		t.Fatalf("refused for %v", got)
	}
	if err := m.Extend("pcr4", []byte("another loader")); err != nil {
		t.Fatal(err)
	}
	if got := s.attest(t, m); !slices.Contains(got, evidence.CodePolicyTPMPCR) {
		t.Errorf("with something else measured: %v", got)
	}
	if err := m.Reboot(); err != nil {
		t.Fatal(err)
	}
	if got := s.attest(t, m); got != nil {
		t.Errorf("rebooted: %v", got)
	}
}

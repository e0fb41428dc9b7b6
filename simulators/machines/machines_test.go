package machines_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
)

// inputs are changes of what a machine launches, and what notices them: the measurement
// of SEV-SNP, registers of TDX, and PCRs. Behind a paravisor the TPM alone measures what the
// guest boots.
var inputs = map[string]struct {
	change   func(*machines.Spec)
	snp      bool
	tdx      []evidence.Code
	tpm      bool
	firmware bool // which hardware measures behind a paravisor as well
}{
	"command line": {func(s *machines.Spec) { s.CommandLine = "init=/bin/sh" }, true, []evidence.Code{evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2}, true, false},
	"initrd":       {func(s *machines.Spec) { s.Initrd = machines.Artefact{Data: []byte("x")} }, true, []evidence.Code{evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2}, true, false},
	"kernel":       {func(s *machines.Spec) { s.Kernel.Name = "x" }, true, []evidence.Code{evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2}, true, false},
	"firmware":     {func(s *machines.Spec) { s.Firmware.Name = "x" }, true, []evidence.Code{evidence.CodePolicyTDXMRTD}, true, true},
	"processors":   {func(s *machines.Spec) { s.VCPUs = 2 }, true, nil, false, true},
}

// notices returns the codes that a changed input is refused with.
func notices(technology machines.Technology, input string) (codes []evidence.Code) {
	i, name := inputs[input], technology.String()
	hardware := !strings.HasPrefix(name, "azure-") || i.firmware
	if strings.Contains(name, "sev-snp") && hardware && i.snp {
		codes = append(codes, evidence.CodePolicySNPMeasurement)
	}
	if strings.Contains(name, "tdx") && hardware {
		codes = append(codes, i.tdx...)
	}
	if (strings.Contains(name, "tpm") || strings.HasPrefix(name, "azure-")) && i.tpm {
		codes = append(codes, evidence.CodePolicyTPMPCR)
	}
	return codes
}

// TestHonest: a machine of each technology is accepted under its own workload, and
// again after a reboot; one that launches something else is refused by what measures it.
func TestHonest(t *testing.T) {
	for _, technology := range machines.Technologies() {
		t.Run(technology.String(), func(t *testing.T) {
			spec := specOf(technology)
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
			for input, i := range inputs {
				other := honest.Spec()
				other.Name = "other"
				i.change(&other)
				s.forget()
				if got, want := s.attest(t, newMachine(t, other)), notices(technology, input); !slices.Equal(got, want) {
					t.Errorf("another %s: %v, want %v", input, got, want)
				}
			}
		})
	}
}

// TestRequirementFollowsInputs: what a machine must show does not depend on what is wrong
// with it, or on what it measured since.
func TestRequirementFollowsInputs(t *testing.T) {
	spec := specOf(machines.TDXTPM)
	honest := newMachine(t, spec)
	want := honest.Requirement()
	spec.Faults = []string{"tdx-firmware", "tpm-loader"}
	if got := newMachine(t, spec).Requirement(); got != want {
		t.Errorf("with faults: %s", got)
	}
	for _, register := range []string{"rtmr3", "pcr4"} {
		if err := honest.Extend(register, []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	if got := honest.Requirement(); got != want {
		t.Errorf("after measuring: %s", got)
	}
	if !strings.Contains(want, "\ntpm: ") || strings.Contains(newMachine(t, specOf(machines.TPM)).Requirement(), "\n") {
		t.Error("not one line for each kind of evidence")
	}
}

// TestProducts: each product line has processors of its own, and a provider's key may
// sign in place of the chip's.
func TestProducts(t *testing.T) {
	turin := machines.Spec{Name: "turin", Technology: machines.SEVSNP, Product: "Turin", VCPUs: 4}
	provider := machines.Spec{Name: "provider", Technology: machines.SEVSNP, VLEK: "example-cloud"}
	for _, spec := range []machines.Spec{turin, provider} {
		m := newMachine(t, spec)
		if got := newService(t, m).attest(t, m); got != nil {
			t.Errorf("%s: %v", spec.Name, got)
		}
	}
	m, chip := newMachine(t, provider), provider
	chip.VLEK = ""
	if got := newService(t, m).attest(t, newMachine(t, chip)); !slices.Equal(got, []evidence.Code{evidence.CodePolicySNPSigningKey, evidence.CodePolicySNPCSP}) {
		t.Errorf("signed by the chip's key: %v", got)
	}
}

// TestBanksAndKeys: TPMs of every type of key, and both banks.
func TestBanksAndKeys(t *testing.T) {
	for _, spec := range []machines.Spec{
		{TPM: machines.TPMSpec{Bank: "sha384"}}, {TPM: machines.TPMSpec{Key: "rsa", EK: "p-384"}, IMA: measuring().IMA},
	} {
		spec.Name, spec.Technology = "tpm", machines.TPM
		m := newMachine(t, spec)
		if got := newService(t, m).attest(t, m); got != nil {
			t.Errorf("%+v: %v", spec.TPM, got)
		}
	}
}

// TestNewRefuses what cannot be simulated, and says which key is at fault.
func TestNewRefuses(t *testing.T) {
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	good := func(technology machines.Technology, change func(*machines.Spec)) machines.Spec {
		s := specOf(technology)
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		spec machines.Spec
		code evidence.Code
		word string
	}{
		"no name":               {machines.Spec{Technology: machines.TPM}, evidence.CodeConfigMalformed, "name"},
		"a name of capitals":    {machines.Spec{Name: "A", Technology: machines.TPM}, evidence.CodeConfigMalformed, "name"},
		"no technology":         {machines.Spec{Name: "a"}, evidence.CodeConfigMalformed, "technology"},
		"a product of TDX":      {good(machines.TDX, func(s *machines.Spec) { s.Product = "Milan" }), evidence.CodeConfigMalformed, "product"},
		"an unknown product":    {good(machines.SEVSNP, func(s *machines.Spec) { s.Product = "Rome" }), evidence.CodeConfigMalformed, "product"},
		"a provider of lines":   {good(machines.SEVSNP, func(s *machines.Spec) { s.VLEK = "a\nb" }), evidence.CodeConfigMalformed, "vlek"},
		"too many processors":   {good(machines.SEVSNP, func(s *machines.Spec) { s.VCPUs = 4096 }), evidence.CodeConfigMalformed, "vcpus"},
		"an unknown processor":  {good(machines.SEVSNP, func(s *machines.Spec) { s.VCPUType = "EPYC-Naples" }), evidence.CodeLaunchOption, "vcpu-type"},
		"no firmware":           {good(machines.SEVSNP, func(s *machines.Spec) { s.Firmware.Data = make([]byte, 4096) }), evidence.CodeLaunchUnsupported, ""},
		"a file not read":       {good(machines.SEVSNP, func(s *machines.Spec) { s.Kernel.File = "vmlinuz" }), evidence.CodeConfigMalformed, "kernel"},
		"a TPM of TDX":          {good(machines.TDX, func(s *machines.Spec) { s.TPM.Bank = "sha256" }), evidence.CodeConfigMalformed, "tpm"},
		"an unknown backend":    {good(machines.TPM, func(s *machines.Spec) { s.TPM.Backend = "qemu" }), evidence.CodeConfigMalformed, "backend"},
		"swtpm on Azure":        {good(machines.AzureSNP, func(s *machines.Spec) { s.TPM.Backend = machines.SWTPM }), evidence.CodeConfigMalformed, "backend"},
		"ECC on Azure":          {good(machines.AzureTDX, func(s *machines.Spec) { s.TPM.Key = "ecc" }), evidence.CodeConfigMalformed, "key"},
		"enrolment on Azure":    {good(machines.AzureTDX, func(s *machines.Spec) { s.TPM.Enrolled = true }), evidence.CodeConfigMalformed, "enrolled"},
		"SHA-1":                 {good(machines.TPM, func(s *machines.Spec) { s.TPM.Bank = "sha1" }), evidence.CodeConfigMalformed, "bank"},
		"files and SHA-384":     {good(machines.TPM, func(s *machines.Spec) { s.TPM.Bank, s.IMA = "sha384", measuring().IMA }), evidence.CodeConfigMalformed, "bank"},
		"a relative path":       {good(machines.TPM, func(s *machines.Spec) { s.IMA = []machines.File{{Path: "bin"}} }), evidence.CodeConfigMalformed, "ima"},
		"an unknown fault":      {good(machines.TPM, func(s *machines.Spec) { s.Faults = []string{"tpm-none"} }), evidence.CodeConfigMalformed, "faults"},
		"another's fault":       {good(machines.TPM, func(s *machines.Spec) { s.Faults = []string{"snp-debug"} }), evidence.CodeConfigMalformed, "faults"},
		"a fault of files":      {good(machines.TPM, func(s *machines.Spec) { s.Faults = []string{"tpm-ima-file"} }), evidence.CodeConfigMalformed, "faults"},
		"a fault inside swtpm":  {good(machines.TPM, func(s *machines.Spec) { s.TPM.Backend, s.Faults = machines.SWTPM, []string{"tpm-magic"} }), evidence.CodeConfigMalformed, "faults"},
		"a long command line":   {good(machines.TDX, func(s *machines.Spec) { s.CommandLine = strings.Repeat("x", 4096) }), evidence.CodeConfigMalformed, "command_line"},
		"a NUL in command line": {good(machines.TDX, func(s *machines.Spec) { s.CommandLine = "a\x00b" }), evidence.CodeConfigMalformed, "command_line"},
	} {
		_, err := machines.New(w, c.spec)
		var e *evidence.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Field != c.word {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSoftwareTPM: a TPM that a program runs serves a machine as one in-process does.
func TestSoftwareTPM(t *testing.T) {
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not installed (Debian: swtpm)")
	}
	for _, spec := range []machines.Spec{
		{Technology: machines.TPM, TPM: machines.TPMSpec{Bank: "sha384"}}, {Technology: machines.TDXTPM, TPM: machines.TPMSpec{Key: "rsa"}},
	} {
		spec.Name, spec.TPM.Backend = "software", machines.SWTPM
		m := newMachine(t, spec)
		s := newService(t, m)
		if got := s.attest(t, m); got != nil {
			t.Fatalf("refused for %v", got)
		}
		if err := m.Extend("pcr4", []byte("another loader")); err != nil {
			t.Fatal(err)
		}
		if got := s.attest(t, m); !slices.Equal(got, []evidence.Code{evidence.CodePolicyTPMPCR}) {
			t.Errorf("with something else measured: %v", got)
		}
		if err := m.Reboot(); err != nil {
			t.Fatal(err)
		}
		if got := s.attest(t, m); got != nil {
			t.Errorf("rebooted: %v", got)
		}
		spec.Faults = []string{"stale-nonce"}
		if got := s.attest(t, newMachine(t, spec)); !slices.Contains(got, evidence.CodeBinding) {
			t.Errorf("with an old nonce: %v", got)
		}
	}
}

// TestWithoutSoftwareTPM says what to do where the program is not installed.
func TestWithoutSoftwareTPM(t *testing.T) {
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = machines.New(w, machines.Spec{Name: "software", Technology: machines.TPM, TPM: machines.TPMSpec{Backend: machines.SWTPM}})
	if evidence.CodeOf(err) != evidence.CodeAttesterAbsent || !strings.Contains(err.Error(), "install") {
		t.Errorf("got %v", err)
	}
}

package fleet_test

import (
	"crypto/sha512"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/vendors"
)

func newFleet(t *testing.T) (*fleet.Fleet, *vendors.Server) {
	t.Helper()
	w, err := simulators.New("shared", time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	f, v := fleet.New(w), vendors.New(w)
	f.Use(v)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, v
}

func add(t *testing.T, f *fleet.Fleet, spec machines.Spec) *fleet.Machine {
	t.Helper()
	m, err := f.Add(spec)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func attest(t *testing.T, m *fleet.Machine) evidence.Bundle {
	t.Helper()
	bundle, err := m.Attest(t.Context(), sha512.Sum512([]byte("binding")))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// A machine that is launched again is the same one: its keys, its requirement, and a TPM
// that counts on.
func TestFaults(t *testing.T) {
	f, v := newFleet(t)
	m := add(t, f, machines.Spec{Name: "builder", Technology: machines.TPM})
	before, requirement := attest(t, m)[0].(*evidence.TPM), m.Requirement()
	if err := m.Reboot(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		do   func(string, ...string) error
		want []string
	}{{f.Inject, []string{"tpm-firmware"}}, {f.Clear, nil}} {
		if err := step.do("tpm-firmware", "builder"); err != nil {
			t.Fatal(err)
		}
		if got := m.Spec().Faults; !slices.Equal(got, step.want) {
			t.Errorf("faults are %v, want %v", got, step.want)
		}
	}
	after := attest(t, m)[0].(*evidence.TPM)
	if !slices.Equal(before.AKPublic, after.AKPublic) || m.Requirement() != requirement {
		t.Error("it is another machine now")
	}
	if err := f.Inject("amd-kds/dead"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"amd-kds/dead"}, v.Injected()); diff != "" {
		t.Error(diff)
	}
	if err := f.Clear("amd-kds/dead"); err != nil || len(v.Injected()) != 0 {
		t.Error(err, v.Injected())
	}
}

// Overheard evidence is what the machine sent last.
func TestOverheard(t *testing.T) {
	f, _ := newFleet(t)
	m := add(t, f, machines.Spec{Name: "web", Technology: machines.SEVSNP})
	if _, err := m.Overheard().Attest(t.Context(), evidence.Binding{}); err == nil {
		t.Error("there is evidence before the machine sent any")
	}
	sent := attest(t, m)
	got, err := m.Overheard().Attest(t.Context(), evidence.Binding{})
	if err != nil || !cmp.Equal(sent, got) {
		t.Errorf("%v: other evidence than was sent", err)
	}
}

func TestRefused(t *testing.T) {
	f, _ := newFleet(t)
	add(t, f, machines.Spec{Name: "web", Technology: machines.SEVSNP})
	for name, test := range map[string]struct {
		err  error
		code evidence.Code
	}{
		"another of that name":        {second(f.Add(machines.Spec{Name: "web", Technology: machines.TDX})), evidence.CodeConfigMalformed},
		"no machine of that name":     {second(f.Find("gone")), evidence.CodeNotFound},
		"removing none":               {f.Remove("gone"), evidence.CodeNotFound},
		"a machine's fault on nobody": {f.Inject("snp-debug"), evidence.CodeConfigMalformed},
		"on an unknown machine":       {f.Inject("snp-debug", "gone"), evidence.CodeNotFound},
		"a vendor's, on nobody known": {f.Inject("pck-revoked", "gone"), evidence.CodeNotFound},
		"of another technology":       {f.Inject("tdx-debug", "web"), evidence.CodeConfigMalformed},
		"no fault":                    {f.Inject("nothing"), evidence.CodeConfigMalformed},
		"a vendor's fault on machine": {f.Inject("ask-revoked", "web"), evidence.CodeConfigMalformed},
		"clearing what nobody has":    {f.Clear("snp-debug"), evidence.CodeConfigMalformed},
		"clearing what it has not":    {f.Clear("snp-debug", "web"), evidence.CodeConfigMalformed},
		"clearing a vendor's":         {f.Clear("ask-revoked"), evidence.CodeConfigMalformed},
	} {
		if evidence.CodeOf(test.err) != test.code {
			t.Errorf("%s: %v, want %s", name, test.err, test.code)
		}
	}
	if err := f.Remove("web"); err != nil || len(f.All()) != 0 {
		t.Error(err, f.All())
	}
}

func second[T any](_ T, err error) error { return err }

// The names of faults say whose they are.
func TestNames(t *testing.T) {
	for _, fault := range vendors.Faults() {
		if fleet.OfMachines(fault.Name) {
			t.Errorf("%s is a fault of vendors and of machines", fault.Name)
		}
	}
}

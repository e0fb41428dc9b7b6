package tdx

import (
	"bytes"
	"testing"
	"time"
)

// TestDeterminism holds that a seed determines everything.
func TestDeterminism(t *testing.T) {
	clock := func() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }
	a, b := NewVendor(Options{Seed: "a", Clock: clock}), NewVendor(Options{Seed: "a", Clock: clock})
	other := NewVendor(Options{Seed: "b", Clock: clock})
	if !a.Root.Certificate.Equal(b.Root.Certificate) || a.Root.Certificate.Equal(other.Root.Certificate) {
		t.Error("the root does not follow from the seed")
	}
	quote := func(v *Vendor) []byte { return v.NewMachine(DefaultMachine()).Quote([64]byte{1}) }
	if !bytes.Equal(quote(a), quote(b)) || bytes.Equal(quote(a), quote(other)) {
		t.Error("quotes do not follow from the seed")
	}
	ca, cb := a.Collateral(), b.Collateral()
	for i := range ca.Documents {
		if !bytes.Equal(ca.Documents[i].Raw, cb.Documents[i].Raw) {
			t.Error("documents do not follow from the seed")
		}
	}
	for i := range ca.CRLs {
		if !bytes.Equal(ca.CRLs[i].Raw, cb.CRLs[i].Raw) {
			t.Error("CRLs do not follow from the seed")
		}
	}
}

// TestMachinesDiffer holds that machines have keys and certificates of their own.
func TestMachinesDiffer(t *testing.T) {
	v := NewVendor(Options{Seed: "a"})
	second := DefaultMachine()
	second.Name = "another"
	a, b := v.NewMachine(DefaultMachine()), v.NewMachine(second)
	if a.PCKKey().Equal(b.PCKKey()) || a.Certificate().SerialNumber.Cmp(b.Certificate().SerialNumber) == 0 {
		t.Error("two machines share a key or a serial number")
	}
}

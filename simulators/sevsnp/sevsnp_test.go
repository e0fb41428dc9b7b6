package sevsnp_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// vendor is made once: its keys take a second.
var vendor = sync.OnceValue(func() *sevsnp.Vendor {
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "test", NotBefore: start})
	if err != nil {
		panic(err)
	}
	return v
})

func machine(t *testing.T, options sevsnp.MachineOptions) *sevsnp.Machine {
	t.Helper()
	m, err := vendor().NewMachine(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEveryNameIsSimulated(t *testing.T) {
	m := machine(t, sevsnp.MachineOptions{Name: "names", CSPID: "CN=simulated.example"})
	asvk, err := vendor().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		vendor().ARK().Certificate.Subject.String(), vendor().ASK().Certificate.Subject.String(),
		asvk.Certificate.Subject.String(), m.Certificate.Subject.String(),
	} {
		if !strings.Contains(name, "SERIALNUMBER="+sevsnp.Mark) {
			t.Errorf("%q does not say that it is simulated", name)
		}
	}
	if vendor().Anchor().Origin != evidence.OriginSimulated {
		t.Error("the anchor is not marked as simulated")
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	again, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "test", NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Anchor().DER, vendor().Anchor().DER) {
		t.Error("another root from the same seed")
	}
	twin, err := again.NewMachine(sevsnp.MachineOptions{Name: "twin"})
	if err != nil {
		t.Fatal(err)
	}
	x, errX := machine(t, sevsnp.MachineOptions{Name: "twin"}).Item([64]byte{1})
	y, errY := twin.Item([64]byte{1})
	if errX != nil || errY != nil || !bytes.Equal(x.Report, y.Report) || !bytes.Equal(x.Certificates[0], y.Certificates[0]) {
		t.Errorf("another report or certificate from the same seed (%v, %v)", errX, errY)
	}
}

func TestAnotherNameIsAnotherChip(t *testing.T) {
	x, y := machine(t, sevsnp.MachineOptions{Name: "x"}), machine(t, sevsnp.MachineOptions{Name: "y"})
	if x.Template.ChipID == y.Template.ChipID || x.Public().Equal(y.Public()) {
		t.Error("two machines share a chip or a key")
	}
}

func TestMarshalLayout(t *testing.T) {
	r := vendor().Report("layout")
	r.Version = 5
	r.ReportData[0] = 0xaa
	r.LaunchMitVector, r.CurrentMitVector = 1, 2
	raw := r.Marshal()
	if len(raw) != sevsnp.ReportSize {
		t.Fatalf("%d bytes", len(raw))
	}
	for _, field := range []struct {
		name string
		off  int
		want []byte
	}{
		{"VERSION", 0, []byte{5, 0, 0, 0}},
		{"SIGNATURE_ALGO", 0x34, []byte{1, 0, 0, 0}},
		{"REPORT_DATA", 0x50, []byte{0xaa}},
		{"MEASUREMENT", 0x90, r.Measurement[:]},
		{"REPORT_ID_MA", 0x160, bytes.Repeat([]byte{0xff}, 32)},
		{"REPORTED_TCB", 0x180, []byte{4, 0, 0, 0, 0, 0, 24, 219}},
		{"CPUID", 0x188, []byte{0x19, 0x01, 1, 0}},
		{"CHIP_ID", 0x1a0, r.ChipID[:]},
		{"CURRENT", 0x1e8, []byte{29, 55, 1, 0}},
		{"LAUNCH_MIT_VECTOR", 0x1f8, []byte{1}},
		{"CURRENT_MIT_VECTOR", 0x200, []byte{2}},
	} {
		if got := raw[field.off : field.off+len(field.want)]; !bytes.Equal(got, field.want) {
			t.Errorf("%s at %#x is %x, want %x", field.name, field.off, got, field.want)
		}
	}
	r.Version = 2
	if raw := r.Marshal(); binary.LittleEndian.Uint32(raw[0x188:]) != 0 || raw[0x1f8] != 0 {
		t.Error("a version 2 report carries later fields")
	}
}

func TestEndorsementsGrowWithMachines(t *testing.T) {
	var before, after tee.Endorsements
	vendor().Endorsements(&before)
	machine(t, sevsnp.MachineOptions{Name: "one more"})
	vendor().Endorsements(&after)
	if after.Len() != before.Len()+1 {
		t.Errorf("%d endorsements, then %d", before.Len(), after.Len())
	}
}

func TestAttestCarriesTheBinding(t *testing.T) {
	m := machine(t, sevsnp.MachineOptions{Name: "attester"})
	var attester tee.Attester = m
	binding := evidence.Binding{1, 2, 3}
	bundle, err := attester.Attest(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	item := bundle[0].(*evidence.SNP)
	if !bytes.Equal(item.Report[0x50:0x90], binding[:]) {
		t.Error("REPORT_DATA is not the binding")
	}
}

func TestNewVendorRefuses(t *testing.T) {
	for name, options := range map[string]sevsnp.VendorOptions{
		"unknown product": {Product: "Rome", NotBefore: start},
		"no time":         {Seed: "x"},
	} {
		if _, err := sevsnp.NewVendor(options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

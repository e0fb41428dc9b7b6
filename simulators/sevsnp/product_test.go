package sevsnp_test

import (
	"bytes"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/quotary/quotary/simulators/sevsnp"
)

func newVendor(t *testing.T, product string) *sevsnp.Vendor {
	t.Helper()
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "test", Product: product, NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTurinLayout compares report and certificate with what AMD documents of
// family 1Ah: the FMC first, and chips with eight bytes.
func TestTurinLayout(t *testing.T) {
	v := newVendor(t, sevsnp.Turin)
	m, err := v.NewMachine(sevsnp.MachineOptions{Name: "layout", Processor: sevsnp.TurinDense})
	if err != nil {
		t.Fatal(err)
	}
	m.Template.ReportedTCB = sevsnp.TCB{FMC: 1, Bootloader: 2, TEE: 3, SNP: 4, Microcode: 5}
	raw := m.Template.Marshal()
	if want := []byte{1, 2, 3, 4, 0, 0, 0, 5, 0x1a, 0x11}; !bytes.Equal(raw[0x180:0x18a], want) {
		t.Errorf("REPORTED_TCB and processor are %x, want %x", raw[0x180:0x18a], want)
	}
	chip := m.Template.ChipID
	if bytes.Equal(chip[:8], make([]byte, 8)) || !bytes.Equal(chip[8:], make([]byte, 56)) {
		t.Errorf("CHIP_ID is %x", chip)
	}
	values := map[string][]byte{}
	for _, ext := range m.Certificate.Extensions {
		values[ext.Id.String()] = ext.Value
	}
	const arc = "1.3.6.1.4.1.3704.1"
	for oid, want := range map[string][]byte{
		arc + ".1": {2, 1, 1}, arc + ".2": append([]byte{asn1.TagIA5String, 5}, "Turin"...), arc + ".4": chip[:8],
		arc + ".3.9": {2, 1, 1}, arc + ".3.1": {2, 1, 2}, arc + ".3.2": {2, 1, 1}, arc + ".3.3": {2, 1, 4}, arc + ".3.8": {2, 1, 74},
		arc + ".3.5": {2, 1, 0}, arc + ".3.6": {2, 1, 0}, arc + ".3.7": {2, 1, 0}, arc + ".3.4": nil,
	} {
		if got := values[oid]; !bytes.Equal(got, want) {
			t.Errorf("extension %s is %x, want %x", oid, got, want)
		}
	}
	// As long as a report does not name the processor, there is one layout.
	m.Template.Version = 2
	if raw := m.Template.Marshal(); !bytes.Equal(raw[0x180:0x18a], []byte{2, 3, 0, 0, 0, 0, 4, 5, 0, 0}) {
		t.Errorf("in version 2 REPORTED_TCB is %x", raw[0x180:0x18a])
	}
}

func TestProcessors(t *testing.T) {
	genoa := newVendor(t, sevsnp.Genoa)
	for name, line := range map[string]string{
		sevsnp.Bergamo: sevsnp.Genoa, sevsnp.Siena: sevsnp.Genoa, sevsnp.Genoa: sevsnp.Genoa, sevsnp.Milan: sevsnp.Milan, "": sevsnp.Milan,
	} {
		v := vendor()
		if line == sevsnp.Genoa {
			v = genoa
		}
		m, err := v.NewMachine(sevsnp.MachineOptions{Name: "processor", Processor: name})
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Template; r.CPUFamily != 0x19 || (r.CPUModel == 0xa0) != (name == sevsnp.Bergamo || name == sevsnp.Siena) {
			t.Errorf("%s is %02x/%02x", name, r.CPUFamily, r.CPUModel)
		}
	}
	if _, err := vendor().NewMachine(sevsnp.MachineOptions{Name: "no Milan", Processor: sevsnp.TurinDense}); err == nil || !strings.Contains(err.Error(), "Milan") {
		t.Errorf("a Milan vendor made a Turin: %v", err)
	}
	for _, product := range []string{sevsnp.Bergamo, sevsnp.TurinDense, "milan"} {
		if _, err := sevsnp.NewVendor(sevsnp.VendorOptions{Product: product, NotBefore: start}); err == nil {
			t.Errorf("%s is no product line", product)
		}
	}
}

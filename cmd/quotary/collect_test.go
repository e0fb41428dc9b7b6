package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

// snpDevice is the /dev/sev-guest of a simulated machine, whose host hands it
// this certificate table.
type snpDevice struct {
	machine *sevsnp.Machine
	table   []byte
}

func (d snpDevice) Do(r guest.Request) (response guest.Response, err error) {
	item, err := d.machine.Item(r.ReportData)
	if err != nil {
		return response, err
	}
	binary.LittleEndian.PutUint32(response.Message[4:], uint32(len(item.Report)))
	copy(response.Message[0x20:], item.Report)
	copy(r.Certificates, d.table)
	return response, nil
}

func newSNPDevice(t *testing.T) snpDevice {
	t.Helper()
	vendor, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "collect", NotBefore: simulatedNow.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(sevsnp.MachineOptions{Name: "machine"})
	if err != nil {
		t.Fatal(err)
	}
	return snpDevice{machine: machine}
}

// TestCollectSNPFrom collects from a machine whose host has no certificates, and
// from one whose host hands out noise.
func TestCollectSNPFrom(t *testing.T) {
	device := newSNPDevice(t)
	for table, noted := range map[string]bool{"": false, "\x1bnoise": true} {
		device.table = []byte(table)
		machine, err := guest.New(guest.Options{}, guest.SEVGuest(device))
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		s := streams{out: &bytes.Buffer{}, err: &stderr}
		o, err := parseCollect([]string{"--report-data", strings.Repeat("5a", 64), "-o", "cbor"})
		if err != nil {
			t.Fatal(err)
		}
		item, err := collectSNPFrom(s, o, machine)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.output.write(s, evidence.Bundle{item}); err != nil {
			t.Fatal(err)
		}
		bundle, err := evidence.Parse(s.out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := bundle[0].(*evidence.SNP).Report[0x50:0x90]; !bytes.Equal(got, bytes.Repeat([]byte{0x5a}, 64)) {
			t.Errorf("REPORT_DATA is %x", got)
		}
		if got := strings.Contains(stderr.String(), "without certificates of the host"); got != noted || strings.Contains(stderr.String(), "\x1b") {
			t.Errorf("%q: notes are %q", table, stderr.String())
		}
	}
}

// Each reason why there is no report has its own advice.
func TestExplainSNP(t *testing.T) {
	for code, want := range map[evidence.Code]string{
		evidence.CodeAttesterAbsent: "modprobe", evidence.CodeAttesterDenied: "sudo", evidence.CodeAttesterVMPL: "--vmpl",
		evidence.CodeAttesterBusy: "again", evidence.CodeAttesterFailed: "dmesg", evidence.CodeAttesterReport: "dmesg",
	} {
		var h hinted
		err := explainSNP(evidence.Errorf(code, "", "so"))
		if !errors.As(err, &h) || !strings.Contains(h.hint, want) || evidence.CodeOf(err) != code {
			t.Errorf("%s: %v, hint %q", code, err, h.hint)
		}
	}
}

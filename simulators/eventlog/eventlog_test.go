package eventlog_test

import (
	"bytes"
	"testing"
	"time"

	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
)

// TestMachineAndLog extends a simulated machine with a boot's digests, and reads
// the values that the log says.
func TestMachineAndLog(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "eventlog", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "logged"})
	if err != nil {
		t.Fatal(err)
	}
	boot := simulated.Boot{SecureBoot: true, Image: []byte("image"), Kernel: []byte("kernel"), CommandLine: "ro", Initrd: []byte("initrd")}
	b := boot.Log(eventlog.PCRs, eventlog.SHA256, eventlog.SHA384)
	for _, entry := range b.Entries {
		for _, digest := range entry.Digests {
			if err := machine.Extend(entry.Register, digest); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, bank := range b.Banks {
		for n, want := range b.Values(bank) {
			if got := machine.PCRs()[bank.String()][n]; !bytes.Equal(got, want) {
				t.Errorf("%s PCR %d: got %v, want %v", bank, n, got, want)
			}
		}
	}
}

package guest_test

import (
	"crypto/rand"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tdx/guest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// kernel is a simulated machine as the kernel of its guest shows it. What a
// field replaces is otherwise as it should be.
type kernel struct {
	vendor   *simulator.Vendor
	machine  *simulator.Machine
	provider string // "tdx_guest\n"

	// alter changes a quote before it is handed out.
	alter func(quote []byte) []byte
	// answered is called with each attribute that is read.
	answered func(e *faketsm.ReportEntry, attribute string) error
}

func newKernel(alter ...func(*simulator.MachineOptions)) *kernel {
	vendor := simulator.NewVendor(simulator.Options{Seed: "guest", Clock: func() time.Time { return now }})
	options := simulator.BootedMachine()
	for _, f := range alter {
		f(&options)
	}
	return &kernel{vendor: vendor, machine: vendor.NewMachine(options), provider: "tdx_guest\n"}
}

// configFS returns the kernel's configfs-tsm.
func (k *kernel) configFS() configfsi.Client {
	return &faketsm.Client{Subsystems: map[string]configfsi.Client{"report": &faketsm.ReportSubsystem{
		MakeEntry: func() *faketsm.ReportEntry {
			return &faketsm.ReportEntry{InAttrs: map[string]*faketsm.ReportAttributeState{"inblob": {}}}
		},
		CheckInAttr: func(*faketsm.ReportEntry, string, []byte) error { return nil },
		ReadAttr:    k.read,
		Random:      rand.Reader,
	}}}
}

func (k *kernel) read(e *faketsm.ReportEntry, attribute string) ([]byte, error) {
	if k.answered != nil {
		if err := k.answered(e, attribute); err != nil {
			return nil, err
		}
	}
	switch attribute {
	case "provider":
		return []byte(k.provider), nil
	case "outblob":
		quote := k.machine.Quote([64]byte(e.InAttrs["inblob"].Value))
		if k.alter != nil {
			quote = k.alter(quote)
		}
		return quote, nil
	}
	return nil, os.ErrNotExist
}

// tables returns the kernel's ACPI tables.
func (k *kernel) tables() fstest.MapFS {
	if k.machine.EventLog() == nil {
		return fstest.MapFS{"TPM2": {Data: []byte("TPM2")}}
	}
	return fstest.MapFS{"CCEL": {Data: k.machine.CCEL()}, "data/CCEL": {Data: k.machine.EventLog()}}
}

// attester returns an attester on this kernel.
func (k *kernel) attester() *guest.Attester {
	return guest.New(guest.Options{}, k.configFS(), k.tables())
}

// verify judges an item with the vendor's collateral.
func (k *kernel) verify(t testing.TB, item evidence.Item) tee.Outcome {
	t.Helper()
	v, err := tdx.New(k.vendor.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	e := &tee.Endorsements{}
	k.vendor.Collateral().AddTo(e)
	return v.Verify(item, e, tee.Params{Now: now})
}

// unreadable are tables that may not be read.
type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// wantError holds an error to a code and to words of its text.
func wantError(t testing.TB, err error, code evidence.Code, words ...string) {
	t.Helper()
	if got := evidence.CodeOf(err); got != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

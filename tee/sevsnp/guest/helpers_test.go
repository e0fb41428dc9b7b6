package guest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// vendor is made once: its keys take a second.
var vendor = sync.OnceValue(func() *simulator.Vendor {
	v, err := simulator.NewVendor(simulator.VendorOptions{Seed: "guest", NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		panic(err)
	}
	return v
})

// kernel is a simulated machine as the kernel of its guest shows it. What a
// field replaces is otherwise as it should be.
type kernel struct {
	machine  *simulator.Machine
	provider string // "sev_guest\n"
	floor    uint   // of privilege levels
	table    []byte // the host's certificates

	// alter changes a report before it is handed out.
	alter func(report []byte) []byte
	// answered is called with each attribute that is read.
	answered func(e *faketsm.ReportEntry, attribute string) error
}

func newKernel(t testing.TB, name string) *kernel {
	t.Helper()
	m, err := vendor().NewMachine(simulator.MachineOptions{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return &kernel{machine: m, provider: "sev_guest\n", table: hostTable(t, m)}
}

// hostTable is what a host would hand this machine: its certificates with the root.
func hostTable(t testing.TB, m *simulator.Machine) []byte {
	t.Helper()
	item, err := m.Item([64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return table(
		entry{evidence.AuxiliaryARK, vendor().ARK().Certificate.Raw},
		entry{evidence.AuxiliaryASK, item.Certificates[1]},
		entry{evidence.AuxiliaryVCEK, item.Certificates[0]},
	)
}

// entry is an entry of an auxiliary certificate table.
type entry struct {
	guid evidence.AuxiliaryGUID
	blob []byte
}

// table writes an auxiliary certificate table.
func table(entries ...entry) []byte {
	var header, blobs []byte
	for _, e := range entries {
		header = append(header, e.guid[:]...)
		header = binary.LittleEndian.AppendUint32(header, uint32(24*(len(entries)+1)+len(blobs)))
		header = binary.LittleEndian.AppendUint32(header, uint32(len(e.blob)))
		blobs = append(blobs, e.blob...)
	}
	return append(append(header, make([]byte, 24)...), blobs...)
}

// report returns a signed report as the firmware would give it.
func (k *kernel) report(data []byte, vmpl uint) ([]byte, error) {
	r := k.machine.Template
	r.ReportData = [64]byte(data)
	r.VMPL = uint32(vmpl)
	signed, err := k.machine.Sign(r.Marshal())
	if err == nil && k.alter != nil {
		signed = k.alter(signed)
	}
	return signed, err
}

// configFS returns the kernel's configfs-tsm.
func (k *kernel) configFS() configfsi.Client {
	return &faketsm.Client{Subsystems: map[string]configfsi.Client{"report": &faketsm.ReportSubsystem{
		MakeEntry: func() *faketsm.ReportEntry {
			return &faketsm.ReportEntry{InAttrs: map[string]*faketsm.ReportAttributeState{"privlevel": {}, "inblob": {}}}
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
	case "privlevel_floor":
		return []byte(strconv.Itoa(int(k.floor)) + "\n"), nil
	case "outblob":
		level, err := strconv.ParseUint(string(e.InAttrs["privlevel"].Value), 10, 8)
		if err != nil {
			return nil, err
		}
		return k.report(e.InAttrs["inblob"].Value, uint(level))
	case "auxblob":
		return bytes.Clone(k.table), nil
	}
	return nil, os.ErrNotExist
}

func newAttester(t testing.TB, o guest.Options, interfaces ...guest.Interface) *guest.Attester {
	t.Helper()
	a, err := guest.New(o, interfaces...)
	if err != nil {
		t.Fatal(err)
	}
	return a
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

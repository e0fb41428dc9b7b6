package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/configfs/faketsm"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee/tdx/guest"
)

// tdxKernel is the configfs-tsm of a simulated machine.
func tdxKernel(machine *tdx.Machine) configfsi.Client {
	return &faketsm.Client{Subsystems: map[string]configfsi.Client{"report": &faketsm.ReportSubsystem{
		MakeEntry: func() *faketsm.ReportEntry {
			return &faketsm.ReportEntry{InAttrs: map[string]*faketsm.ReportAttributeState{"inblob": {}}}
		},
		CheckInAttr: func(*faketsm.ReportEntry, string, []byte) error { return nil },
		ReadAttr: func(e *faketsm.ReportEntry, attribute string) ([]byte, error) {
			switch attribute {
			case "provider":
				return []byte("tdx_guest\n"), nil
			case "outblob":
				return machine.Quote([64]byte(e.InAttrs["inblob"].Value)), nil
			}
			return nil, os.ErrNotExist
		},
		Random: rand.Reader,
	}}}
}

// TestCollectTDXFrom collects from a machine with an event log, from one whose log
// is noise, and from one that was told to leave it at home.
func TestCollectTDXFrom(t *testing.T) {
	machine := tdx.NewVendor(tdx.Options{Seed: "collect"}).NewMachine(tdx.BootedMachine())
	whole := fstest.MapFS{"CCEL": {Data: machine.CCEL()}, "data/CCEL": {Data: machine.EventLog()}}
	broken := fstest.MapFS{"CCEL": {Data: []byte("\x1bnoise")}}
	for name, test := range map[string]struct {
		tables      fstest.MapFS
		flag        string
		sent, noted bool
	}{
		"with its log": {whole, "", true, false}, "broken": {broken, "", false, true}, "left at home": {broken, "--no-event-log", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			s := streams{out: &bytes.Buffer{}, err: &stderr}
			o, err := parseCollect(strings.Fields("-o cbor --report-data " + strings.Repeat("5a", 64) + " " + test.flag))
			if err != nil {
				t.Fatal(err)
			}
			item, err := collectTDXFrom(s, o, guest.New(guest.Options{WithoutEventLog: o.noEventLog}, tdxKernel(machine), test.tables))
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
			got := bundle[0].(*evidence.TDX)
			if !bytes.Contains(got.Quote, bytes.Repeat([]byte{0x5a}, 64)) || (len(got.EventLog) > 0) != test.sent {
				t.Errorf("%d bytes of log", len(got.EventLog))
			}
			if noted := strings.Contains(stderr.String(), "goes without an event log"); noted != test.noted || strings.Contains(stderr.String(), "\x1b") {
				t.Errorf("notes are %q", stderr.String())
			}
		})
	}
}

// Each reason why there is no quote has its own advice.
func TestExplainTDX(t *testing.T) {
	for code, want := range map[evidence.Code]string{
		evidence.CodeAttesterAbsent: "modprobe", evidence.CodeAttesterDenied: "sudo",
		evidence.CodeAttesterBusy: "again", evidence.CodeAttesterFailed: "dmesg", evidence.CodeAttesterReport: "dmesg",
	} {
		var h hinted
		err := explainTDX(evidence.Errorf(code, "", "so"))
		if !errors.As(err, &h) || !strings.Contains(h.hint, want) || evidence.CodeOf(err) != code {
			t.Errorf("%s: %v, hint %q", code, err, h.hint)
		}
	}
}

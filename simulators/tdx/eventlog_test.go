package tdx

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// compare replays a machine's log and holds it against its registers.
func compare(t *testing.T, m *Machine) *eventlog.Comparison {
	t.Helper()
	log, err := eventlog.Parse(m.EventLog(), eventlog.RTMRs)
	if err != nil {
		t.Fatal(err)
	}
	replay, err := log.Replay(eventlog.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	quoted := eventlog.Values{}
	for n, value := range m.RTMR() {
		quoted[n] = value[:]
	}
	return replay.Compare(quoted)
}

// TestEventLog holds a machine's log to its registers, from the boot on.
func TestEventLog(t *testing.T) {
	m := NewVendor(Options{Seed: "a"}).NewMachine(BootedMachine())
	if c := compare(t, m); !slices.Equal(c.Reproduced, []int{0, 1, 2}) || !slices.Equal(c.Untouched, []int{3}) {
		t.Errorf("after the boot: %+v", c)
	}
	if err := m.Announce("app", []byte("started")); err != nil {
		t.Fatal(err)
	}
	if err := m.Measure(2, eventlog.IPL, []byte("module\x00"), []byte("module\x00")); err != nil {
		t.Fatal(err)
	}
	c := compare(t, m)
	if !slices.Equal(c.Reproduced, []int{0, 1, 2, 3}) {
		t.Errorf("after events: %+v", c)
	}
	claims, doubts := c.Claims()
	if len(claims.Events) != 1 || claims.Events[0].Name != "app" || string(claims.Events[0].Payload) != "started" {
		t.Errorf("events %+v, %v", claims.Events, doubts)
	}
	if err := m.Extend(3, [48]byte{1}); err != nil {
		t.Fatal(err)
	}
	if c := compare(t, m); !slices.Equal(c.Mismatched, []int{3}) {
		t.Errorf("after an extension that is not logged: %+v", c)
	}
}

// TestBootClaims draws the boot from the default log, without doubts.
func TestBootClaims(t *testing.T) {
	for name, off := range map[string]bool{"secure boot": false, "no secure boot": true} {
		o := BootedMachine()
		o.Boot.SecureBoot = !off
		claims, checks := compare(t, NewVendor(Options{Seed: "a"}).NewMachine(o)).Claims()
		for _, check := range checks {
			if check.Status != evidence.Pass {
				t.Errorf("%s: %v", name, check)
			}
		}
		if s := claims.SecureBoot; s == nil || *s.Enabled == off || s.SetupMode || len(s.DB.Certificates) != 1 || len(s.DBX.Hashes) != 1 {
			t.Errorf("%s: %+v", name, s)
		}
		if claims.UKI == nil || len(claims.UKI.Sections) != 3 || len(claims.Images) != 2 || len(claims.LoadOptions) != 48 {
			t.Errorf("%s: %+v", name, claims)
		}
	}
}

// TestRegistersOfFirmware: software extends neither RTMR0 nor RTMR1.
func TestRegistersOfFirmware(t *testing.T) {
	v := NewVendor(Options{Seed: "a"})
	m := v.NewMachine(BootedMachine())
	before := m.RTMR()
	for _, n := range []int{-1, 0, 1, 4} {
		if m.Extend(n, [48]byte{}) == nil || m.Measure(n, eventlog.IPL, nil, nil) == nil {
			t.Errorf("RTMR%d was extended", n)
		}
	}
	if m.RTMR() != before || len(compare(t, m).Mismatched) > 0 {
		t.Error("a refused extension left something behind")
	}
	plain := v.NewMachine(DefaultMachine())
	if plain.Announce("app", nil) == nil || plain.EventLog() != nil || plain.CCEL() != nil || plain.Item([64]byte{}).EventLog != nil {
		t.Error("a machine without a log logs")
	}
}

// TestCCEL reads the ACPI table.
func TestCCEL(t *testing.T) {
	m := NewVendor(Options{Seed: "a"}).NewMachine(BootedMachine())
	table, area := m.CCEL(), m.EventLog()
	var sum byte
	for _, b := range table {
		sum += b
	}
	if sum != 0 || len(table) != 56 || !bytes.HasPrefix(table, []byte("CCEL\x38\x00\x00\x00")) || binary.LittleEndian.Uint64(table[40:]) != uint64(len(area)) {
		t.Errorf("% x for an area of %d bytes", table, len(area))
	}
	if item := m.Item([64]byte{}); !bytes.HasPrefix(area, item.EventLog) || len(bytes.Trim(area[len(item.EventLog):], "\xff")) > 0 {
		t.Error("the item's log is not that of the area")
	}
}

package guest_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/tdx/guest"
)

// TestEventLogs: whatever the machine has for a log, the quote is collected. A log
// that would have it refused stays at home, with the reason.
func TestEventLogs(t *testing.T) {
	table := func(alter func([]byte)) func(*kernel, fstest.MapFS) {
		return func(_ *kernel, tables fstest.MapFS) { alter(tables["CCEL"].Data) }
	}
	summed := func(alter func([]byte)) func(*kernel, fstest.MapFS) {
		return table(func(b []byte) {
			alter(b)
			var sum byte
			for _, v := range b {
				sum += v
			}
			b[9] -= sum
		})
	}
	area := func(alter func([]byte) []byte) func(*kernel, fstest.MapFS) {
		return func(_ *kernel, tables fstest.MapFS) {
			tables["data/CCEL"].Data = alter(tables["data/CCEL"].Data)
			binary.LittleEndian.PutUint64(tables["CCEL"].Data[40:], uint64(len(tables["data/CCEL"].Data)))
			summed(func([]byte) {})(nil, tables)
		}
	}
	for name, test := range map[string]struct {
		alter func(*kernel, fstest.MapFS)
		note  string // empty: the log goes along
	}{
		"as it is":            {func(*kernel, fstest.MapFS) {}, ""},
		"padded with zeros":   {area(func(b []byte) []byte { return bytes.ReplaceAll(b, bytes.Repeat([]byte{0xff}, 64), make([]byte, 64)) }), ""},
		"a large area":        {area(func(b []byte) []byte { return append(b, bytes.Repeat([]byte{0xff}, 960<<10)...) }), ""},
		"no table":            {func(_ *kernel, tables fstest.MapFS) { delete(tables, "CCEL") }, "no event log"},
		"no area":             {func(_ *kernel, tables fstest.MapFS) { delete(tables, "data/CCEL") }, "no event log"},
		"another checksum":    {table(func(b []byte) { b[55] ^= 1 }), "malformed"},
		"another signature":   {summed(func(b []byte) { b[0] = 'X' }), "malformed"},
		"of another machine":  {summed(func(b []byte) { b[36] = 1 }), "number 1"},
		"another length":      {summed(func(b []byte) { b[40] ^= 1 }), "65536 bytes; its ACPI table says 65537"},
		"a vast area":         {area(func([]byte) []byte { return make([]byte, 4<<20+1) }), "more than 4194304"},
		"empty":               {area(func([]byte) []byte { return nil }), "cannot be read: eventlog.size"},
		"noise":               {area(func([]byte) []byte { return []byte("noise") }), "cannot be read: eventlog.header"},
		"noise behind it":     {area(func(b []byte) []byte { b[len(b)-1] = 1; return b }), "cannot be read: eventlog.padding"},
		"an event not logged": {func(k *kernel, _ fstest.MapFS) { k.machine.Extend(2, [48]byte{1}) }, "does not explain the RTMRs [2]"},
		"too much to send": {func(k *kernel, tables fstest.MapFS) {
			for range 3 {
				k.machine.Announce("large", make([]byte, 50<<10))
			}
			tables["CCEL"].Data, tables["data/CCEL"].Data = k.machine.CCEL(), k.machine.EventLog()
		}, "at most 131072 can be sent"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel()
			want := k.machine.Item([64]byte{}).EventLog
			tables := k.tables()
			test.alter(k, tables)
			got, err := guest.New(guest.Options{}, k.configFS(), tables).Collect(t.Context(), [64]byte{1})
			if err != nil {
				t.Fatal(err)
			}
			if out := k.verify(t, got.Item); !out.Genuine() {
				t.Errorf("refused: %v", out.Checks.Failed())
			}
			switch {
			case test.note == "" && (got.Omitted != nil || !bytes.Equal(got.Item.EventLog, want)):
				t.Errorf("%d bytes of log, omitted %v", len(got.Item.EventLog), got.Omitted)
			case test.note != "" && (len(got.Item.EventLog) > 0 || got.Omitted == nil || !strings.Contains(got.Omitted.Error(), test.note)):
				t.Errorf("%d bytes of log, omitted %v", len(got.Item.EventLog), got.Omitted)
			}
		})
	}
}

// TestUnreadableLog: who may not read the tables sends the quote alone.
func TestUnreadableLog(t *testing.T) {
	for name, tables := range map[string]fs.FS{"denied": unreadable{}, "none": fstest.MapFS{}} {
		k := newKernel()
		got, err := guest.New(guest.Options{}, k.configFS(), tables).Collect(t.Context(), [64]byte{1})
		if err != nil || got.Item.EventLog != nil || got.Omitted == nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	k := newKernel()
	got, err := guest.New(guest.Options{WithoutEventLog: true}, k.configFS(), unreadable{}).Collect(t.Context(), [64]byte{1})
	if err != nil || got.Item.EventLog != nil || got.Omitted != nil {
		t.Errorf("not asked for: %+v, %v", got, err)
	}
}

// TestEventsAtRunTime sends what was logged after the boot, too.
func TestEventsAtRunTime(t *testing.T) {
	k := newKernel()
	if err := k.machine.Announce("app", []byte("started")); err != nil {
		t.Fatal(err)
	}
	got, err := k.attester().Collect(t.Context(), [64]byte{1})
	if err != nil || got.Omitted != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if boot := k.verify(t, got.Item).Claims.TDX.Boot; boot == nil || len(boot.Events) != 1 {
		t.Errorf("claims of the boot %+v", boot)
	}
}

// TestRealMachine has the kernel show what a public machine had: its quote, its
// ACPI table, and its log in memory of the size that the table says.
func TestRealMachine(t *testing.T) {
	item := evidencetest.Find(t, "v4-00806f-cos113-gcp-with-ccel")
	quote, table, log := item.Read(t, "quote.bin"), item.Read(t, "ccel_table.bin"), item.Read(t, "ccel_data.bin")
	k := newKernel()
	k.alter = func([]byte) []byte { return quote }
	area := append(bytes.Clone(log), bytes.Repeat([]byte{0xff}, 256<<10-len(log))...)
	tables := fstest.MapFS{"CCEL": {Data: table}, "data/CCEL": {Data: area}}
	got, err := guest.New(guest.Options{}, k.configFS(), tables).Collect(t.Context(), [64]byte(item.Read(t, "nonce.bin")))
	if err != nil || got.Omitted != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if !bytes.HasPrefix(log, got.Item.EventLog) || len(log)-len(got.Item.EventLog) != 4096 {
		t.Errorf("%d bytes of log", len(got.Item.EventLog))
	}
	if _, err := evidence.NewBundle(got.Item); err != nil {
		t.Error(err)
	}
}

package eventlog

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
)

// realLogFiles returns the logs of the collection; none where it is absent.
func realLogFiles(tb testing.TB) [][]byte {
	tb.Helper()
	if !evidencetest.Present() {
		return nil
	}
	var logs [][]byte
	for _, pattern := range []string{"*/*/event_log.bin", "*/*/ccel*.bin", "boot/*.eventlog"} {
		files, err := filepath.Glob(filepath.Join(evidencetest.Dir(tb), pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			logs = append(logs, raw)
		}
	}
	return logs
}

// smallLog is a log with one event of most rules, for when there are no real ones.
func smallLog() []byte {
	raw := []byte("\x00\x00\x00\x00\x03\x00\x00\x00" + string(make([]byte, 20)) + "\x21\x00\x00\x00Spec ID Event03\x00\x00\x00\x00\x00\x00\x02\x00\x02\x01\x00\x00\x00\x0b\x00\x20\x00\x00")
	add := func(register byte, typ EventType, measured, data []byte) {
		sum := SHA256.sum(measured)
		raw = append(raw, register, 0, 0, 0, byte(typ), byte(typ>>8), byte(typ>>16), byte(typ>>24), 1, 0, 0, 0, 0x0b, 0)
		raw = append(append(raw, sum.bytes[:32]...), byte(len(data)), 0, 0, 0)
		raw = append(raw, data...)
	}
	add(0, NoAction, nil, []byte("StartupLocality\x00\x03"))
	add(7, Separator, separatorZeros, separatorZeros)
	add(4, EFIAction, []byte(actionCalling), []byte(actionCalling))
	add(8, IPL, []byte("linux /x"), []byte("grub_cmd: linux /x\x00"))
	add(11, IPL, []byte(".linux\x00"), encodeUTF16(".linux"))
	add(14, EventTag, []byte("LEAA\x05\x00\x00\x00a b c"), []byte("LEAA\x05\x00\x00\x00a b c"))
	return raw
}

// FuzzLog parses, replays and draws claims. A log that parses has its events one
// after the other, and neither step allocates more than a small multiple of it.
func FuzzLog(f *testing.F) {
	for _, raw := range append(realLogFiles(f), smallLog()) {
		f.Add(raw, false)
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, domain bool) {
		registers := PCRs
		if domain {
			registers = RTMRs
		}
		before := allocated()
		log, err := Parse(raw, registers)
		if err != nil {
			if evidence.CodeOf(err).IsZero() {
				t.Fatalf("an error without a code: %v", err)
			}
			bounded(t, before, raw)
			return
		}
		end := 0
		for i := range log.Events {
			event := &log.Events[i]
			if event.Offset < end || event.Extends() && (event.Register < 0 || event.Register > maxPCR) {
				t.Fatalf("event %d at %d in register %d", i, event.Offset, event.Register)
			}
			end = event.Offset + len(event.Data)
		}
		for _, bank := range log.Algorithms {
			replay, err := log.Replay(bank)
			if err != nil {
				continue
			}
			if c := replay.Compare(replay.Values); len(c.Mismatched) > 0 || len(c.Unlogged) > 0 {
				t.Fatalf("the log does not lead to what it leads to: %+v", c)
			} else if claims, _ := c.Claims(); claims == nil {
				t.Fatal("no claims")
			}
		}
		bounded(t, before, raw)
	})
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// bounded fails if more was allocated than the small multiple of the input that
// a log with four banks takes, and what a log of any size does.
func bounded(t *testing.T, before uint64, raw []byte) {
	t.Helper()
	if grown := allocated() - before; grown > 64<<10+64*uint64(len(raw)) {
		t.Fatalf("%d bytes allocated for %d", grown, len(raw))
	}
}

// FuzzSignatures reads signature lists: what it files is in its input, entry for
// entry.
func FuzzSignatures(f *testing.F) {
	list := func(size, header, entry byte, rest int) []byte {
		b := append([]byte{}, "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"...)
		b = append(b, size, 0, 0, 0, header, 0, 0, 0, entry, 0, 0, 0)
		return append(b, make([]byte, rest)...)
	}
	f.Add(list(28+48, 0, 48, 48))
	f.Add(list(28+96, 0, 48, 96))
	f.Add(list(28+96, 48, 48, 96))
	f.Fuzz(func(t *testing.T, data []byte) {
		db, ok := parseSignatures(data)
		if !ok {
			return
		}
		entries := len(db.Certificates) + len(db.Hashes) + len(db.RevokedCertificates) + int(db.Others)
		if entries*17 > len(data) || int(db.Size) != len(data) {
			t.Fatalf("%d entries in %d bytes", entries, len(data))
		}
		for _, hash := range db.Hashes {
			if !bytes.Contains(data, hash) {
				t.Fatalf("%v is not there", hash)
			}
		}
	})
}

// FuzzVariable reads variables: what it takes apart can be put together again.
func FuzzVariable(f *testing.F) {
	f.Add(append(guidGlobal[:], "\x04\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00B\x00o\x00o\x00t\x00\x01\x00"...))
	f.Add(append(guidGlobal[:], "\x08\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00B\x00o\x00o\x00t\x000\x000\x000\x001\x00\x01\x00\x00\x00\x04\x00\x00\x00\x7f\xff\x04\x00"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, ok := parseVariable(data)
		if !ok {
			return
		}
		if again := append(encodeUTF16(v.name), v.value...); !bytes.HasSuffix(data, again) || len(data) != 32+len(again) {
			t.Fatalf("%q %x from %x", v.name, v.value, data)
		}
		if number, named := bootNumber(v.name); named && isBootVariable(v) {
			if option, _ := parseBootOption(v); option.Number != number || len(option.Path) > len(v.value) {
				t.Fatalf("got %+v", option)
			}
		}
	})
}

package ima_test

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/ima"
)

// seeds are lists of real machines, where they are here, and others.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	short, _ := original(make([]byte, 20), "/bin/sh", ima.PCR)
	v2 := file("/x", "x")
	v2.template, v2.fields[0] = "ima-ngv2", digestField("verity:sha256", contents("x"))
	lists := [][]byte{nil, encode(boot()...), short, encode(v2)}
	if !evidencetest.Present() {
		return lists
	}
	for _, boot := range realBoots(f) {
		lists = append(lists, boot.IMA)
	}
	text := evidencetest.Find(f, "rust-keylime-ascii").Read(f, "ascii_runtime_measurements")
	return append(lists, fromASCII(f, string(text))[:8<<10], fromASCII(f, string(text)))
}

// FuzzList parses, replays and draws claims. A list that parses is its entries, one
// after the other, and no step allocates more than a small multiple of it.
func FuzzList(f *testing.F) {
	for _, raw := range seeds(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := allocated()
		list, err := ima.Parse(raw)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeTPMIMALog {
				t.Fatalf("an error of another code: %v", err)
			}
			bounded(t, before, raw)
			return
		}
		replay := list.Replay(nil, crypto.SHA256)
		files, unread, violations := list.Claims(len(list.Entries))
		list.FirstAggregate()
		bounded(t, before, raw)
		if others := list.Others(len(list.Entries)); len(files)+int(unread+violations+others) > len(list.Entries) {
			t.Fatalf("%d files, unread %d, violations %d of %d entries", len(files), unread, violations, len(list.Entries))
		}
		for _, f := range files {
			if f.Path == "" || f.Algorithm == "" || !bytes.Contains(raw, f.Digest) || !bytes.Contains(raw, []byte(f.Path)) {
				t.Fatalf("%+v is not there", f)
			}
		}
		if covered, ok := replay.Find(make([]byte, 32)); !ok || covered != 0 {
			t.Fatalf("the value before the first entry is found after %d, %v", covered, ok)
		}
		var again []byte
		for i := range list.Entries {
			again = appendEntry(again, &list.Entries[i])
		}
		if !bytes.Equal(again, raw) {
			t.Fatal("the entries are not the list")
		}
	})
}

func appendEntry(b []byte, e *ima.Entry) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(e.PCR))
	b = append(b, e.TemplateDigest...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Template)))
	b = append(b, e.Template...)
	if e.Template != "ima" {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Data)))
	}
	return append(b, e.Data...)
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// bounded fails if more was allocated than a small multiple of the list.
func bounded(t *testing.T, before uint64, raw []byte) {
	t.Helper()
	if grown := allocated() - before; grown > 64<<10+64*uint64(len(raw)) {
		t.Fatalf("%d bytes allocated for %d", grown, len(raw))
	}
}

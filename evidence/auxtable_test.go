package evidence_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
)

// tableEntry is an entry as a host writes it: whatever it says.
type tableEntry struct {
	guid           evidence.AuxiliaryGUID
	offset, length uint32
}

// table writes entries, the entry of zeros behind them, and rest.
func table(rest []byte, entries ...tableEntry) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, e.guid[:]...)
		b = binary.LittleEndian.AppendUint32(b, e.offset)
		b = binary.LittleEndian.AppendUint32(b, e.length)
	}
	return append(append(b, make([]byte, 24)...), rest...)
}

// tableOf writes a table of n entries of one byte each.
func tableOf(n int) []byte {
	entries := make([]tableEntry, n)
	for i := range entries {
		entries[i] = tableEntry{evidence.AuxiliaryGUID{byte(i + 1)}, uint32(24*(n+1) + i), 1}
	}
	return table(bytes.Repeat([]byte("x"), n), entries...)
}

var (
	own  = evidence.AuxiliaryGUID{0x11} // of a host's making
	vcek = evidence.AuxiliaryVCEK
	ask  = evidence.AuxiliaryASK
)

func TestParseAuxiliaryTable(t *testing.T) {
	page := make([]byte, 4096)
	for _, test := range []struct {
		name string
		data []byte
		want []evidence.AuxiliaryEntry
	}{
		{"no entries", table(nil), nil},
		{"no entries in a page of zeros", page, nil},
		{"one", table([]byte("leaf"), tableEntry{vcek, 48, 4}), []evidence.AuxiliaryEntry{{vcek, []byte("leaf")}}},
		{"padded to a page", append(table([]byte("leaf"), tableEntry{vcek, 48, 4}), page...), []evidence.AuxiliaryEntry{{vcek, []byte("leaf")}}},
		{"in the order of the blobs", table([]byte("leafask"), tableEntry{ask, 76, 3}, tableEntry{vcek, 72, 4}),
			[]evidence.AuxiliaryEntry{{vcek, []byte("leaf")}, {ask, []byte("ask")}}},
		{"zeros between blobs", table([]byte("\x00leaf\x00\x00ask\x00"), tableEntry{vcek, 73, 4}, tableEntry{ask, 79, 3}),
			[]evidence.AuxiliaryEntry{{vcek, []byte("leaf")}, {ask, []byte("ask")}}},
		{"a host's own", table([]byte("leaf?"), tableEntry{vcek, 72, 4}, tableEntry{own, 76, 1}),
			[]evidence.AuxiliaryEntry{{vcek, []byte("leaf")}, {own, []byte("?")}}},
		{"a GUID of zeros that is an entry", table([]byte("x"), tableEntry{evidence.AuxiliaryGUID{}, 48, 1}), []evidence.AuxiliaryEntry{{evidence.AuxiliaryGUID{}, []byte("x")}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := evidence.ParseAuxiliaryTable(test.data)
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b evidence.AuxiliaryEntry) bool { return a.GUID == b.GUID && bytes.Equal(a.Blob, b.Blob) }
			if !slices.EqualFunc(got, test.want, same) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseAuxiliaryTableRefuses(t *testing.T) {
	good := table([]byte("leaf"), tableEntry{vcek, 48, 4})
	for name, data := range map[string][]byte{
		"nothing":                         nil,
		"less than an entry":              make([]byte, 23),
		"no entry of zeros":               good[:24],
		"a cut entry of zeros":            good[:47],
		"a cut blob":                      good[:len(good)-1],
		"something behind the blobs":      append(slices.Clone(good), 'x'),
		"something behind the padding":    append(append(slices.Clone(good), make([]byte, 4096)...), 'x'),
		"something before the blobs":      table([]byte("xleaf"), tableEntry{vcek, 49, 4}),
		"something between blobs":         table([]byte("leafxask"), tableEntry{vcek, 72, 4}, tableEntry{ask, 77, 3}),
		"a page of something":             bytes.Repeat([]byte{0xff}, 4096),
		"a blob in the header":            table([]byte("leaf"), tableEntry{vcek, 0, 52}),
		"a blob that begins in it":        table([]byte("leaf"), tableEntry{vcek, 47, 5}),
		"an empty blob":                   table(nil, tableEntry{vcek, 48, 0}),
		"an empty blob behind the end":    table(nil, tableEntry{vcek, 49, 0}),
		"a blob behind the end":           table([]byte("leaf"), tableEntry{vcek, 52, 1}),
		"one GUID twice":                  table([]byte("leafleaf"), tableEntry{vcek, 72, 4}, tableEntry{vcek, 76, 4}),
		"more entries than allowed":       tableOf(evidence.MaxAuxiliaryEntries + 1),
		"a blob that two entries share":   table([]byte("leaf"), tableEntry{vcek, 72, 4}, tableEntry{ask, 72, 4}),
		"a blob within another":           table([]byte("leaf"), tableEntry{vcek, 72, 4}, tableEntry{ask, 73, 2}),
		"a blob over the end of the next": table([]byte("leafask"), tableEntry{vcek, 72, 5}, tableEntry{ask, 76, 3}),
	} {
		entries, err := evidence.ParseAuxiliaryTable(data)
		if evidence.CodeOf(err) != evidence.CodeEndorsementMalformed || entries != nil {
			t.Errorf("%s: got %d entries, %v", name, len(entries), err)
		}
	}
	if entries, err := evidence.ParseAuxiliaryTable(tableOf(evidence.MaxAuxiliaryEntries)); err != nil || len(entries) != evidence.MaxAuxiliaryEntries {
		t.Errorf("as many entries as allowed: got %d, %v", len(entries), err)
	}
}

// A sum of offset and length that wraps at 32 bits would point back into the
// table, or ask for gigabytes.
func TestAttack_D23_OffsetAndLengthWrap(t *testing.T) {
	for _, e := range []tableEntry{
		{vcek, 0xffff_fff0, 0x40}, {vcek, 0xffff_ffff, 1}, {vcek, 48, 0xffff_ffff}, {vcek, 48, 0xffff_ffd4},
		{vcek, 1, 0xffff_ffff}, {vcek, 0x8000_0000, 0x8000_0000}, {vcek, 0xffff_ffff, 0xffff_ffff},
	} {
		data := table(make([]byte, 64), e)
		allocated := allocatedBy(func() {
			if entries, err := evidence.ParseAuxiliaryTable(data); evidence.CodeOf(err) != evidence.CodeEndorsementMalformed {
				t.Errorf("%#x+%#x: got %d entries, %v", e.offset, e.length, len(entries), err)
			}
		})
		if allocated > 64<<10 {
			t.Errorf("%#x+%#x: %d bytes allocated for a table of %d", e.offset, e.length, allocated, len(data))
		}
	}
}

// Entries that share their bytes would make much out of little.
func TestAttack_D04_OverlappingEntriesAmplify(t *testing.T) {
	const size = 1 << 20
	var entries []tableEntry
	for i := range 4000 {
		entries = append(entries, tableEntry{evidence.AuxiliaryGUID{1, byte(i), byte(i >> 8)}, 0, size})
	}
	for _, n := range []int{2, evidence.MaxAuxiliaryEntries, len(entries)} {
		data := table(make([]byte, size), entries[:n]...)
		allocated := allocatedBy(func() {
			if got, err := evidence.ParseAuxiliaryTable(data); evidence.CodeOf(err) != evidence.CodeEndorsementMalformed {
				t.Errorf("%d entries over the same bytes: got %d, %v", n, len(got), err)
			}
		})
		if allocated > 64<<10 {
			t.Errorf("%d entries over the same bytes: %d bytes allocated", n, allocated)
		}
	}
}

// allocatedBy returns how many bytes f allocates, or a little more.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What is appended to a blob must not end up in the next one.
func TestAuxiliaryBlobsAreApart(t *testing.T) {
	data := table([]byte("leafask"), tableEntry{vcek, 72, 4}, tableEntry{ask, 76, 3})
	entries, err := evidence.ParseAuxiliaryTable(data)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(entries[0].Blob, "more"...)
	if string(entries[1].Blob) != "ask" {
		t.Errorf("the next blob became %q", entries[1].Blob)
	}
}

func TestAuxiliaryGUID(t *testing.T) {
	for guid, want := range map[evidence.AuxiliaryGUID]string{
		evidence.AuxiliaryARK:  "c0b406a4-a803-4952-9743-3fb6014cd0ae",
		evidence.AuxiliaryASK:  "4ab7b379-bbac-4fe4-a02f-05aef327c782",
		evidence.AuxiliaryVCEK: "63da758d-e664-4564-adc5-f4b93be8accd",
		evidence.AuxiliaryVLEK: "a8074bc2-a25a-483e-aae6-39c045a0b8a1",
		evidence.AuxiliaryCRL:  "92f81bc3-5811-4d3d-97ff-d19f88dc67ea",
	} {
		if guid.String() != want || !guid.Known() {
			t.Errorf("got %s (known: %v), want %s", guid, guid.Known(), want)
		}
	}
	if own.Known() || (evidence.AuxiliaryGUID{}).Known() {
		t.Error("a GUID that AMD did not define is known")
	}
}

// TestRealAuxiliaryTable reads a table of a public machine, whose blobs are PEM.
func TestRealAuxiliaryTable(t *testing.T) {
	item := evidencetest.Find(t, "genoa-v3-tsm-veraison")
	entries, err := evidence.ParseAuxiliaryTable(item.Read(t, "auxblob.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%.4s %d", e.GUID, len(e.Blob)))
	}
	if want := []string{"c0b4 2277", "4ab7 2325", "63da 1879"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParseAuxiliaryTable holds the parser to this: it never panics, refuses
// with its code, and what it returns are parts of the input, one behind the other.
func FuzzParseAuxiliaryTable(f *testing.F) {
	f.Add(table(nil))
	f.Add(table([]byte("leafask\x00\x00"), tableEntry{vcek, 72, 4}, tableEntry{ask, 76, 3}))
	f.Add(table([]byte("leaf"), tableEntry{vcek, 0xffff_fff0, 0x40}))
	f.Add(table([]byte("leaf"), tableEntry{vcek, 72, 4}, tableEntry{own, 72, 4}))
	if evidencetest.Present() {
		f.Add(evidencetest.Find(f, "genoa-v3-tsm-veraison").Read(f, "auxblob.bin"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := evidence.ParseAuxiliaryTable(data)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeEndorsementMalformed || entries != nil {
				t.Fatalf("refused with %v and %d entries", err, len(entries))
			}
			return
		}
		total, rest := 24*(len(entries)+1), data
		for _, e := range entries {
			at := bytes.Index(rest, e.Blob)
			if at < 0 || len(e.Blob) == 0 {
				t.Fatalf("a blob of %d bytes is no part of what is left", len(e.Blob))
			}
			rest = rest[at+len(e.Blob):]
			total += len(e.Blob)
		}
		if len(entries) > evidence.MaxAuxiliaryEntries || total > len(data) {
			t.Fatalf("%d entries of %d bytes out of %d", len(entries), total, len(data))
		}
	})
}

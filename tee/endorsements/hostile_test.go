package endorsements_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// TestAttack_D05_ManyOfOneKey: a heap of documents that all answer to one key
// costs time in proportion to its size: with the square of it, this test would
// not end within any patience.
func TestAttack_D05_ManyOfOneKey(t *testing.T) {
	dir := t.TempDir()
	const files, each = 100, 1000
	for f := range files {
		var record strings.Builder
		record.WriteByte('{')
		for n := range each {
			fmt.Fprintf(&record, `"%d":{"tcbInfo":{"fmspc":"000000000000","n":%d},"signature":"00"},`, n, 1_000_000+f*each+n)
		}
		text := strings.TrimSuffix(record.String(), ",") + "}"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(f)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, _, err := endorsements.Load(dir, dir) // the second time, nothing is new
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Documents(tee.DocumentTCBInfo, "000000000000")); n != files*each || e.Len() != n {
		t.Errorf("%d documents of %d", n, files*each)
	}
}

// TestAttack_T12_TCBInfoOfSGX: a platform's SGX TCB info beside its TDX one, or
// without it, is found under a key of its own.
func TestAttack_T12_TCBInfoOfSGX(t *testing.T) {
	e := &tee.Endorsements{}
	for id, key := range map[string]string{"SGX": "sgx/00806f050000", "TDX": "00806f050000"} {
		text := `{"tcbInfo":{"id":"` + id + `","fmspc":"00806F050000"},"signature":"00"}`
		if err := endorsements.Parse(id, []byte(text), e); err != nil {
			t.Fatal(err)
		}
		if got := e.Documents(tee.DocumentTCBInfo, key); len(got) != 1 || string(got[0].Raw) != text {
			t.Errorf("%s: %v", id, got)
		}
	}
}

// TestAttack_D05_ZipDirectory: a zip archive that is nothing but its directory
// is refused before memory is taken for each entry.
func TestAttack_D05_ZipDirectory(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for range 50_000 {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: "a/"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, report, err := endorsements.Load(path)
	runtime.ReadMemStats(&after)
	if evidence.CodeOf(err) != evidence.CodeEndorsementsNone || !strings.Contains(report.Unrecognised[0].Note, "entries in the archive") {
		t.Errorf("%v %+v", err, report)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*uint64(archive.Len()) {
		t.Errorf("%d bytes allocated for an archive of %d", took, archive.Len())
	}
}

// TestAttack_D04_HostileCertificates: what looks like certificates and is none is
// refused, for memory in proportion to it.
func TestAttack_D04_HostileCertificates(t *testing.T) {
	const size = 1 << 20
	const begin, end = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
	nested := make([]byte, 0, size) // each sequence holds all that follows
	for left := size; left > 6; left -= 6 {
		nested = append(nested, 0x30, 0x84, byte((left-6)>>24), byte((left-6)>>16), byte((left-6)>>8), byte(left-6))
	}
	for name, data := range map[string][]byte{
		"beginnings":              []byte(strings.Repeat(begin, size/len(begin))),
		"never ended":             []byte(begin + strings.Repeat("A", size)),
		"empty blocks":            []byte(strings.Repeat(begin+end, size/len(begin+end))),
		"headers":                 []byte(begin + strings.Repeat("a: b\n", size/5) + "\n" + end),
		"ends":                    []byte(begin + strings.Repeat(end, size/len(end))),
		"sequences in sequences":  nested,
		"a length beyond the end": append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, make([]byte, 1000)...),
		"a length without end":    append([]byte{0x30, 0x80}, make([]byte, 1000)...),
		"empty sequences":         bytes.Repeat([]byte{0x30, 0}, size/2),
		"hex of sequences":        bytes.Repeat([]byte("3000"), size/4),
	} {
		e := &tee.Endorsements{}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := endorsements.Parse(name, data, e)
		runtime.ReadMemStats(&after)
		if evidence.CodeOf(err).IsZero() || e.Len() != 0 {
			t.Errorf("%s: %v, %d entries", name, err, e.Len())
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 32*uint64(len(data))+1<<20 {
			t.Errorf("%s: %d bytes allocated for %d", name, took, len(data))
		}
	}
}

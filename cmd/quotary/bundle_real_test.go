package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/evidencetest"
)

// forged is the item whose key certificate AMD's key did not sign: no store takes
// it in, so that the verdict waits for the right one.
const forged = "milan-v2-wrong-vcek-legacy-trustee"

// TestOfflineRoundTrip takes the endorsements of real reports and quotes through a store, an
// archive and another store: the verdict is the one that the collection has.
func TestOfflineRoundTrip(t *testing.T) {
	judged := 0
	for _, item := range evidencetest.Items(t, "snp", "tdx") {
		for nth, c := range item.Cases {
			files := item.EndorsementFiles(t, c)
			if len(files) == 0 {
				continue
			}
			judged++
			t.Run(item.Name+"/"+strconv.Itoa(nth), func(t *testing.T) {
				imported, want := exitAccepted, wantOf(c)
				if item.Name == forged {
					imported, want = exitRejected, exitUndecided
				}
				roundTrip(t, imported, want, c.At, evidenceOf(t, item), files)
			})
		}
	}
	t.Logf("%d cases", judged)
}

// evidenceOf returns the file of an item that is judged: without the text that one
// published sample has behind its quote.
func evidenceOf(t *testing.T, item evidencetest.Item) string {
	if item.Kind == "snp" {
		return item.Path("report.bin")
	}
	whole, cut := item.Read(t, "quote.bin"), filepath.Join(t.TempDir(), "quote.bin")
	if err := os.WriteFile(cut, whole[:len(whole)-trailingText(t, item)], 0o600); err != nil {
		t.Fatal(err)
	}
	return cut
}

func roundTrip(t *testing.T, imported, want exit, at time.Time, report string, files []string) {
	dir := t.TempDir()
	var when []string
	if !at.IsZero() {
		when = []string{"--at", at.Format(time.RFC3339)}
	}
	do := func(want exit, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if got := run(append(args, when...), nil, &out, &out); got != want {
			t.Fatalf("%s: exit %d, want %d\n%s", args, got, want, out.String())
		}
	}
	connected, offline, archive := filepath.Join(dir, "connected"), filepath.Join(dir, "offline"), filepath.Join(dir, "bundle.tar.gz")
	do(imported, append([]string{"endorsements", "import", "--store", connected}, files...)...)
	do(exitAccepted, "endorsements", "export", "--store", connected, "--out", archive)
	do(exitAccepted, "endorsements", "import", "--store", offline, archive)
	do(want, "verify", "--endorsements", offline, report)
}

package ima_test

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/ima"
)

// realBoot is a boot of a machine that was made for the collection.
type realBoot struct {
	name string
	PCRs map[int]evidence.Hex
	IMA  []byte `json:"imabin"`
}

// realBoots returns those that have a measurement list.
func realBoots(tb testing.TB) []realBoot {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(tb), "boot", "*.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var boots []realBoot
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		boot := realBoot{name: filepath.Base(file)}
		if err := json.Unmarshal(data, &boot); err != nil {
			tb.Fatal(err)
		}
		if len(boot.IMA) > 0 {
			boots = append(boots, boot)
		}
	}
	return boots
}

// TestRealBoots replays the lists of real boots to the PCR 10 of their TPMs. Their first
// entry is the aggregate over the PCRs that they were booted with.
func TestRealBoots(t *testing.T) {
	boots := realBoots(t)
	if len(boots) < 6 {
		t.Errorf("only %d boots", len(boots))
	}
	for _, boot := range boots {
		t.Run(boot.name, func(t *testing.T) {
			list := parse(t, boot.IMA)
			covered, ok := list.Replay(nil, crypto.SHA256).Find(boot.PCRs[ima.PCR])
			if !ok || covered != len(list.Entries) {
				t.Fatalf("%d of %d entries, %v", covered, len(list.Entries), ok)
			}
			files, unread, violations := list.Claims(covered)
			if len(files) != covered || files[0].Path != ima.AggregateName || unread+violations != 0 {
				t.Errorf("%v, unread %d, violations %d", files, unread, violations)
			}
			bank, digest, ok := list.FirstAggregate()
			want, known := ima.BootAggregate(crypto.SHA256, boot.PCRs)
			if !ok || !known || bank != crypto.SHA256 || !bytes.Equal(digest, want) {
				t.Errorf("%v %x, the PCRs give %x", bank, digest, want)
			}
		})
	}
}

// fromASCII turns a list as ascii_runtime_measurements has it, of the template ima-ng,
// into its binary form.
func fromASCII(tb testing.TB, text string) []byte {
	tb.Helper()
	var raw []byte
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		algorithm, digits, ok := strings.Cut(parts[3], ":")
		digest, err := hex.DecodeString(digits)
		if len(parts) != 5 || parts[0] != "10" || parts[2] != "ima-ng" || !ok || err != nil {
			tb.Fatalf("a line of another form: %q", line)
		}
		e := entry{
			pcr: ima.PCR, template: parts[2], violation: parts[1] == strings.Repeat("0", 40),
			fields: [][]byte{digestField(algorithm, digest), nameField(parts[4])},
		}
		raw = e.append(raw)
		if got := hex.EncodeToString(raw[len(raw)-len(e.append(nil))+4:][:20]); got != parts[1] {
			tb.Fatalf("template digest %s for %q", got, line)
		}
	}
	return raw
}

// TestRealList replays the list of a machine that ran for a while. Only its SHA-1 bank is
// known, which nothing but this test accepts.
func TestRealList(t *testing.T) {
	item := evidencetest.Find(t, "rust-keylime-ascii")
	list := parse(t, fromASCII(t, string(item.Read(t, "ascii_runtime_measurements"))))
	want, err := hex.DecodeString("82231c67a69da98dc5b3aa10f6343d33109225fc")
	if err != nil {
		t.Fatal(err)
	}
	covered, ok := list.Replay(nil, crypto.SHA1).Find(want)
	if !ok || covered != 826 || len(list.Entries) != 826 {
		t.Fatalf("%d of %d entries, %v", covered, len(list.Entries), ok)
	}
	files, unread, violations := list.Claims(covered)
	if len(files)+int(violations) != 826 || unread != 0 || files[1].Path != "/init" || files[1].Algorithm != "sha1" {
		t.Errorf("%d files, unread %d, violations %d", len(files), unread, violations)
	}
}

package main

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/simulators/tdx"
)

// TestAttack_Y19_JSONOnATerminal: names in certificates and policies cannot reach
// a terminal as controls through the JSON output, and stay what they are.
func TestAttack_Y19_JSONOnATerminal(t *testing.T) {
	const hostile = "a\x1b[31m\x7f\u0085\u009b31m\u202e\u2028\u200b\U000e0041\ufeff\ufffd\"\\\n<ü 日 \U0001f600"
	var out bytes.Buffer
	if err := writeJSON(streams{out: &out}, map[string]string{hostile: hostile}); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r != '\n' && unprintable(r) {
			t.Errorf("%U is in the output", r)
		}
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[hostile] != hostile {
		t.Errorf("%v: got %q", err, back)
	}
	if !strings.Contains(out.String(), "<ü 日") {
		t.Errorf("harmless text is escaped: %s", out.String())
	}
}

// TestAttack_Y19_TimesAtTheEdge: the zero time is a time, and not now; a time that
// the JSON output could not say is refused as usage, in both outputs.
func TestAttack_Y19_TimesAtTheEdge(t *testing.T) {
	path := fixtureFiles(t)
	for at, want := range map[string]exit{
		"0001-01-01T00:00:00Z":      exitRejected,
		"0000-01-01T00:00:00Z":      exitRejected,
		"9999-12-31T23:59:59Z":      exitRejected,
		"0000-01-01T00:00:00+00:01": exitFailed,
		"9999-12-31T23:59:59-00:01": exitFailed,
	} {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			args := []string{"verify", "--at", at, "-o", format, "--trust", path + "/sim/roots", "--endorsements", path + "/sim/endorsements", path + "/sim/tdx.bin"}
			if got := run(args, strings.NewReader(""), &out, io.Discard); got != want || (got == exitFailed) != (out.Len() == 0) {
				t.Errorf("%s in %s: exit %d, want %d\n%s", at, format, got, want, out.String())
			}
		}
	}
}

// fixtureFiles writes the fixtures and returns their directory.
func fixtureFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeFixtures(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAttack_Y19_HostileNames: a certificate's name, which reports repeat, reaches
// no terminal as it is, whichever command and output shows it.
func TestAttack_Y19_HostileNames(t *testing.T) {
	vendor := tdx.NewVendor(tdx.Options{Seed: "hostile", Clock: func() time.Time { return simulatedNow }})
	machine := vendor.NewMachine(tdx.DefaultMachine())
	template := vendor.CATemplate(tdx.NameRoot, 1)
	template.RawSubject, template.Subject = nil, pkix.Name{CommonName: "a\x1b]0;owned\x07\u009b31m\u202e\r\nACCEPTED"}
	root := vendor.Issue(template, tdx.Issuer{Key: vendor.Root.Key}, &vendor.Root.Key.PublicKey)
	parts := machine.Parts([64]byte{})
	parts.Chain = tdx.EncodeChain(machine.Certificate(), vendor.Platform.Certificate, root)
	quote := string(parts.Assemble())
	named, store := filepath.Join(t.TempDir(), "root.der"), t.TempDir()
	template.IsCA, template.MaxPathLen, template.MaxPathLenZero = false, 0, false // a root would be left alone
	leaf := vendor.Issue(template, vendor.Platform, &vendor.Root.Key.PublicKey)
	if err := os.WriteFile(named, leaf.Raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "a\x1b[31m\nACCEPTED"), leaf.Raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"endorsements", "import", "--store", t.TempDir(), named}, {"endorsements", "import", "--store", t.TempDir(), "-o", "json", named},
		{"endorsements", "status", "--store", store}, {"endorsements", "status", "--store", store, "-o", "json"},
		{"endorsements", "status", "--store", "\x1b[31m"}, {"endorsements", "\x1b[31m"}, {"endorsements", "import", "--store", store, "\x1b[31m"},
		{"endorsements", "prefetch", "--store", store, "--evidence", "\x1b[31m"}, {"endorsements", "prefetch", "--store", store, "--amd-kds", "\x1b[31m"},
		{"verify", "-"}, {"verify", "-o", "json", "-"}, {"inspect", "-"}, {"inspect", "-o", "json", "-"},
		{"verify", "--kind", "tpm\x1b", "-"}, {"verify", "--ak", "\x1b[31m", "-"}, {"verify", "--endorsements", "\x1b[31m", "-"},
		{"verify", "--policy", "\x1b[31m", "-"}, {"verify", "\x1b[31m"}, {"verify", "--\x1b[31m"}, {"\x1b[31m"}, {"help", "\x1b[31m"},
	} {
		var out, notes bytes.Buffer
		run(args, strings.NewReader(quote), &out, &notes)
		for _, r := range out.String() + notes.String() {
			if r != '\n' && unprintable(r) {
				t.Errorf("%q: %U is in the output", args, r)
			}
		}
		if strings.Contains(out.String()+notes.String(), "\nACCEPTED") {
			t.Errorf("%q: a line is forged", args)
		}
	}
}

// TestPolicyOfAnotherKind: a policy that asks for other evidence accepts none.
func TestPolicyOfAnotherKind(t *testing.T) {
	dir := fixtureFiles(t)
	args := []string{"verify", "--at", simulatedNow.Format(time.RFC3339), "--trust", dir + "/sim/roots", "--endorsements", dir + "/sim/endorsements",
		"--policy", dir + "/sim/policy.yaml"}
	for file, want := range map[string]bool{"tdx.bin": true, "snp.bin": false, "quote.msg": false} {
		var out bytes.Buffer
		if got := run(append(args, dir+"/sim/"+file), strings.NewReader(""), &out, io.Discard); (got == exitAccepted) != want {
			t.Errorf("%s: exit %d\n%s", file, got, out.String())
		}
	}
}

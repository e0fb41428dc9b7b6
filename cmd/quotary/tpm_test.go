package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	snp "github.com/quotary/quotary/tee/sevsnp/guest"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// runWith runs a command line and returns what it prints; it must exit with code.
func runWith(t *testing.T, code exit, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, notes bytes.Buffer
	if got := run(args, strings.NewReader(""), &out, &notes); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, out.String(), notes.String())
	}
	return out.String(), notes.String()
}

var tpmData = strings.Repeat("0123456789abcdef", 8)

// TestCollectTPM collects from a software TPM, and verifies what was collected by the
// TPM's own key.
func TestCollectTPM(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "evidence.json")
	runWith(t, exitAccepted, "evidence", "collect", "--report-data", tpmData, "--tpm", machine.Address, "--out", file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := evidence.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	quote := bundle[len(bundle)-1].(*evidence.TPM)
	area := filepath.Join(dir, "ak.pub")
	if err := os.WriteFile(area, quote.AKPublic, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(bundle) == 1 { // the tests run on a machine that is no guest
		out, _ := runWith(t, exitGenuine, "verify", "--ak", area, "--report-data", tpmData, file)
		if !strings.Contains(out, "GENUINE") {
			t.Error(out)
		}
		runWith(t, exitRejected, "verify", "--ak", area, "--report-data", strings.Repeat("00", 64), file)
	}
	_, stderr := runWith(t, exitAccepted, "evidence", "collect", "--report-data", tpmData, "--tpm", machine.Address, "--ima")
	if !strings.Contains(stderr, "the IMA log is left out") {
		t.Errorf("notes are %q", stderr)
	}
	_, stderr = runWith(t, exitFailed, "evidence", "collect", "--report-data", tpmData, "--tpm", machine.Address, "--azure")
	if !strings.Contains(stderr, "0x81000003") {
		t.Errorf("notes are %q", stderr)
	}
	_, stderr = runWith(t, exitFailed, "evidence", "collect", "--report-data", tpmData, "--tpm", machine.Address, "--google")
	if !strings.Contains(stderr, "0x1c10003") {
		t.Errorf("notes are %q", stderr)
	}
}

// A certificate that is for another key is no use with the quote.
func TestCollectTPMWithAnothersCertificate(t *testing.T) {
	machine := tpmtest.Start(t)
	dir := t.TempDir()
	runWith(t, exitAccepted, "tpm", "ek", "--tpm", machine.Address, "--out", dir)
	_, stderr := runWith(t, exitFailed, "evidence", "collect", "--report-data", tpmData, "--tpm", machine.Address,
		"--ak-certificate", filepath.Join(dir, "ek-rsa-2048.pem"))
	if !strings.Contains(stderr, "another key") || !strings.Contains(stderr, "quotary tpm enrol") {
		t.Error(stderr)
	}
}

// With a TPM beside it the report of a TEE covers the TPM's attestation key.
func TestCollectBoth(t *testing.T) {
	o, err := parseCollect([]string{"--report-data", tpmData, "--tpm", tpmtest.StartBlank(t).Address})
	if err != nil {
		t.Fatal(err)
	}
	s := streams{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	if err := o.tpm.open(s, true); err != nil {
		t.Fatal(err)
	}
	machine, err := snp.New(snp.Options{}, snp.SEVGuest(newSNPDevice(t)))
	if err != nil {
		t.Fatal(err)
	}
	item, err := collectSNPFrom(s, o, machine)
	if err != nil {
		t.Fatal(err)
	}
	want := evidence.Binding(o.reportData).Covering(o.tpm.opened.AttestationKey())
	if got := item.(*evidence.SNP).Report[0x50:0x90]; !bytes.Equal(got, want[:]) {
		t.Errorf("REPORT_DATA is %x, want %x", got, want)
	}
	if len(collectors(o)) != 3 {
		t.Error("the TPM is not asked")
	}
}

// TestTPMEK shows a software TPM's endorsement keys and writes them to files.
func TestTPMEK(t *testing.T) {
	machine := tpmtest.Start(t)
	dir := filepath.Join(t.TempDir(), "new", "eks")
	out, _ := runWith(t, exitAccepted, "tpm", "ek", "--tpm", machine.Address, "-o", "json", "--out", dir)
	var keys []shownEK
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].Type != "ecc-p384" || keys[1].Type != "rsa-2048" || len(keys[1].SHA256) != 32 || len(keys[1].Certificates) != 1 {
		t.Fatalf("%s", out)
	}
	written, err := os.ReadFile(filepath.Join(dir, "ek-rsa-2048.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if block, rest := pem.Decode(written); block == nil || len(rest) > 0 {
		t.Errorf("%s", written)
	}
	if _, err := os.Stat(filepath.Join(dir, "ek-ecc-p384.pub")); err != nil {
		t.Error(err)
	}
	text, _ := runWith(t, exitAccepted, "tpm", "ek", "--tpm", machine.Address)
	if !strings.Contains(text, keys[0].SHA256.String()) || !strings.Contains(text, "issued by") {
		t.Errorf("%s", text)
	}
	_, stderr := runWith(t, exitFailed, "tpm", "ek", "--tpm", machine.Address, "--out", dir)
	if !strings.Contains(stderr, "must not exist") && !strings.Contains(stderr, "new file") {
		t.Errorf("%s", stderr)
	}
	certificate := filepath.Join(dir, "ek-rsa-2048.pem")
	text, _ = runWith(t, exitAccepted, "tpm", "ek", "--tpm", machine.Address, "--ek-certificate", certificate)
	if strings.Contains(text, "ecc-p384") || !strings.Contains(text, keys[1].SHA256.String()) {
		t.Errorf("%s", text)
	}
	_, stderr = runWith(t, exitFailed, "tpm", "ek", "--tpm", tpmtest.Start(t).Address, "--ek-certificate", certificate)
	if !strings.Contains(stderr, "attester.endorsement-key") {
		t.Errorf("%s", stderr)
	}
}

// Each reason why a TPM gives nothing has its own advice.
func TestExplainTPM(t *testing.T) {
	for code, want := range map[evidence.Code]string{
		evidence.CodeAttesterAbsent: guest.DefaultAddress, evidence.CodeAttesterDenied: "sudo", evidence.CodeAttesterBusy: "later",
		evidence.CodeAttesterLocked: "later", evidence.CodeAttesterFailed: "dmesg",
	} {
		var h hinted
		err := explainTPM(evidence.Errorf(code, "", "so"))
		if !errors.As(err, &h) || !strings.Contains(h.hint, want) || evidence.CodeOf(err) != code {
			t.Errorf("%s: %v, hint %q", code, err, h.hint)
		}
	}
}

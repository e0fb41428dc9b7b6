package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
)

// packed packs the parts that args name and returns the bundle.
func packed(t *testing.T, args ...string) evidence.Bundle {
	t.Helper()
	var out, messages bytes.Buffer
	if got := run(append([]string{"evidence", "pack"}, args...), nil, &out, &messages); got != exitAccepted {
		t.Fatalf("%s: exit %d\n%s", args, got, messages.String())
	}
	bundle, err := evidence.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// part returns the item of a type.
func part[T evidence.Item](bundle evidence.Bundle) (item T, ok bool) {
	for _, any := range bundle {
		if item, ok := any.(T); ok {
			return item, true
		}
	}
	return item, false
}

// TestPackAzure packs the parts of Azure's confidential VMs: the report or quote with the
// runtime data that its REPORT_DATA covers, and the quote of the virtual TPM.
func TestPackAzure(t *testing.T) {
	count := 0
	for _, item := range evidencetest.Items(t, "azure-hcl") {
		if !item.Has("hcl_report.bin") {
			continue
		}
		count++
		t.Run(item.Name, func(t *testing.T) {
			args := []string{"--hcl-report", item.Path("hcl_report.bin")}
			if item.Has("vcek.der") {
				args = append(args, "--certificates", item.Path("vcek.der"))
			}
			if item.Has("td_quote.bin") {
				args = append(args, "--tdx-quote", item.Path("td_quote.bin"))
			}
			if item.Has("tpm_quote.msg") {
				args = append(args, "--tpm-quote", item.Path("tpm_quote.msg"), "--tpm-pcrs", item.Path("pcrs_sha256.json"), "--tpm-bank", "sha256")
			}
			bundle := packed(t, args...)
			var runtime, reportData []byte
			if snp, ok := part[*evidence.SNP](bundle); ok {
				runtime, reportData = snp.RuntimeData, snp.Report[0x50:0x90]
				if !bytes.Equal(snp.Report, item.Read(t, "snp_report.bin")) || len(snp.Certificates) != 1 {
					t.Errorf("another report, or %d certificates", len(snp.Certificates))
				}
			}
			if tdx, ok := part[*evidence.TDX](bundle); ok {
				runtime, reportData = tdx.RuntimeData, tdx.Quote[48+520:][:64]
			}
			if sum := sha256.Sum256(runtime); !bytes.Equal(reportData, append(sum[:], make([]byte, 32)...)) {
				t.Errorf("REPORT_DATA %x does not cover %q", reportData, runtime)
			}
			tpm, ok := part[*evidence.TPM](bundle)
			if ok != item.Has("tpm_quote.msg") || ok && !bytes.Equal(tpm.Signature[6:], item.Read(t, "tpm_quote.sig")) {
				t.Errorf("the quote is %+v", tpm)
			}
		})
	}
	if count != 6 {
		t.Errorf("%d machines", count)
	}
}

// TestPackLogs packs the logs that come with a quote of a real boot.
func TestPackLogs(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(evidencetest.Dir(t), "boot", "sbgo1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var boot struct {
		PCRs       map[string]evidence.Hex
		Quote, Sig []byte
		EventLog   []byte
		IMA        []byte `json:"imabin"`
	}
	if err := json.Unmarshal(data, &boot); err != nil {
		t.Fatal(err)
	}
	pcrs, err := json.Marshal(boot.PCRs)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string][]byte{"q.msg": boot.Quote, "q.sig": boot.Sig, "q.pcrs": pcrs, "log": boot.EventLog, "ima": boot.IMA, "empty": nil} {
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--tpm-quote", path("q.msg"), "--tpm-bank", "sha256"}
	bundle := packed(t, append(args, "--tpm-event-log", path("log"), "--ima-log", path("ima"))...)
	tpm, _ := part[*evidence.TPM](bundle)
	if !bytes.Equal(tpm.EventLog, boot.EventLog) || !bytes.Equal(tpm.IMALog, boot.IMA) || tpm.IMAOffset != 0 {
		t.Errorf("%d and %d bytes of logs", len(tpm.EventLog), len(tpm.IMALog))
	}
	for _, flag := range []string{"--tpm-event-log", "--ima-log"} {
		var out bytes.Buffer
		got := run(append([]string{"evidence", "pack", flag, path("empty")}, args...), nil, &out, &out)
		if got != exitFailed || !strings.Contains(out.String(), "there is no log in this file") {
			t.Errorf("%s of an empty file: exit %d, %s", flag, got, out.String())
		}
	}
}

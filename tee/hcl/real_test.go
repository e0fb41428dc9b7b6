package hcl_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/hcl"
)

// realReports returns the reports of real machines.
func realReports(tb testing.TB) []evidencetest.Item {
	tb.Helper()
	var items []evidencetest.Item
	for _, item := range evidencetest.Items(tb, "azure-hcl") {
		if item.Has("hcl_report.bin") {
			items = append(items, item)
		}
	}
	return items
}

// reportData is where the reports have the digest of the runtime data.
func reportData(r *hcl.Report) []byte {
	if r.Kind == evidence.KindTDX {
		return r.HardwareReport[128:][:64]
	}
	return r.HardwareReport[0x50:][:64]
}

// TestRealReports reads the reports of real machines. The hardware's report covers the
// runtime data, and the quotes that came with them are by the key that they name.
func TestRealReports(t *testing.T) {
	items := realReports(t)
	if len(items) != 6 {
		t.Errorf("%d reports", len(items))
	}
	for _, item := range items {
		t.Run(item.Name, func(t *testing.T) {
			report := parseReport(t, item.Read(t, "hcl_report.bin"))
			if !bytes.Equal(report.RuntimeData, item.Read(t, "runtime_data.json")) {
				t.Error("the runtime data are others")
			}
			sum := sha256.Sum256(report.RuntimeData)
			if !bytes.Equal(reportData(report), append(sum[:], make([]byte, 32)...)) {
				t.Errorf("REPORT_DATA is %x", reportData(report))
			}
			if item.Has("snp_report.bin") != (report.Kind == evidence.KindSEVSNP) {
				t.Errorf("a report of kind %s", report.Kind)
			} else if report.Kind == evidence.KindSEVSNP && !bytes.Equal(report.HardwareReport, item.Read(t, "snp_report.bin")) {
				t.Error("the report of the hardware is another")
			}
			data, err := hcl.ParseRuntimeData(report.RuntimeData)
			if err != nil {
				t.Fatal(err)
			}
			c := data.Claims
			if c.VMID == "" || c.SecureBoot == nil || c.TPMEnabled == nil || !*c.TPMEnabled || c.Console == nil {
				t.Errorf("%+v", c)
			}
			if item.Has("tpm_quote.msg") {
				digest := sha256.Sum256(item.Read(t, "tpm_quote.msg"))
				if err := rsa.VerifyPKCS1v15(data.AK.(*rsa.PublicKey), crypto.SHA256, digest[:], item.Read(t, "tpm_quote.sig")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestRealRuntimeData reads the same with the standard library's decoder.
func TestRealRuntimeData(t *testing.T) {
	for _, item := range realReports(t) {
		var want struct {
			Configuration struct {
				SecureBoot bool  `json:"secure-boot"`
				Persisted  *bool `json:"tpm-persisted"`
			} `json:"vm-configuration"`
			UserData string `json:"user-data"`
		}
		raw := item.Read(t, "runtime_data.json")
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		got, err := hcl.ParseRuntimeData(raw)
		if err != nil {
			t.Fatal(err)
		}
		persisted := got.Claims.TPMPersisted
		if *got.Claims.SecureBoot != want.Configuration.SecureBoot || got.Claims.UserData.String() != want.UserData ||
			(persisted == nil) != (want.Configuration.Persisted == nil) || persisted != nil && *persisted != *want.Configuration.Persisted {
			t.Errorf("%s: %+v", item.Name, got.Claims)
		}
	}
}

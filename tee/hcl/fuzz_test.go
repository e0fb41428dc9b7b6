package hcl_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/hcl"
)

// FuzzReport reads reports. What it returns lies in them, one after the other.
func FuzzReport(f *testing.F) {
	second := snp(honest())
	second.dataVersion = 2
	for _, raw := range [][]byte{nil, snp(honest()).encode(), tdx(honest()).encode(), second.encode(), snp("x").encode()} {
		f.Add(raw)
	}
	if evidencetest.Present() {
		for _, item := range realReports(f) {
			f.Add(item.Read(f, "hcl_report.bin"))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := hcl.Parse(raw)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeCompositeHCL || r != nil {
				t.Fatalf("%v with error %v", r, err)
			}
			return
		}
		if !bytes.Equal(r.HardwareReport, raw[32:][:len(r.HardwareReport)]) || len(r.RuntimeData) == 0 || !bytes.Contains(raw[1236:], r.RuntimeData) {
			t.Fatalf("%+v is not there", r)
		}
		_, _ = hcl.ParseRuntimeData(r.RuntimeData)
	})
}

// FuzzRuntimeData reads runtime data. The key that it returns is written in it.
func FuzzRuntimeData(f *testing.F) {
	for _, raw := range []string{"", honest(), text(akKey(), ""), text(akKey()+","+akKey(), ""), `{"keys":[{"kid":"HCLAkPub"}]}`} {
		f.Add([]byte(raw))
	}
	if evidencetest.Present() {
		for _, item := range realReports(f) {
			f.Add(item.Read(f, "runtime_data.json"))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := hcl.ParseRuntimeData(raw)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeCompositeRuntime || r != nil {
				t.Fatalf("%v with error %v", r, err)
			}
			return
		}
		key, ok := r.AK.(*rsa.PublicKey)
		if !ok || key.E != 65537 || !bytes.Equal(r.Claims.AKSHA256, r.AKSHA256[:]) {
			t.Fatalf("%+v", r)
		}
		if n := base64.RawURLEncoding.EncodeToString(key.N.Bytes()); !bytes.Contains(raw, []byte(n)) && !bytes.Contains(raw, []byte(`\`)) {
			t.Fatalf("%s is not there", n)
		}
	})
}

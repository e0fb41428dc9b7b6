package sevsnp_test

import (
	"bytes"
	"testing"

	"github.com/google/go-sev-guest/verify/testdata"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// seeds are reports of every version, a real one, and broken ones.
func seeds(f *testing.F) [][]byte {
	reports := [][]byte{nil, testdata.AttestationBytes, testdata.AttestationBytes[:100], append(bytes.Clone(testdata.AttestationBytes), 0, 0)}
	for version := uint32(1); version <= 6; version++ {
		m := newMachine(f, milan(), "seed", func(r *simulator.Report) { r.Version = version })
		reports = append(reports, item(f, m).Report)
	}
	return reports
}

// FuzzReport reads arbitrary bytes as a report. What is read must be the bytes themselves.
func FuzzReport(f *testing.F) {
	for _, report := range seeds(f) {
		f.Add(report)
	}
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		claims, err := v.UnverifiedClaims(&evidence.SNP{Report: raw})
		if err != nil {
			if evidence.CodeOf(err).IsZero() {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		c := claims.SEVSNP
		if !bytes.Equal(c.ReportData, raw[0x50:0x90]) || !bytes.Equal(c.Measurement, raw[0x90:0xc0]) || !bytes.Equal(c.HostData, raw[0xc0:0xe0]) {
			t.Error("the claims are not what the report says")
		}
	})
}

// FuzzVerify verifies arbitrary bytes with a certificate of arbitrary bytes. Only
// the report that was signed is genuine.
func FuzzVerify(f *testing.F) {
	m := newMachine(f, milan(), "fuzz")
	known := map[string]bool{} // what somebody signed
	for _, report := range append(seeds(f), item(f, m).Report) {
		f.Add(report, m.Certificate.Raw)
		f.Add(report, testdata.VcekBytes)
		if len(report) >= simulator.SignedSize {
			known[string(report[:simulator.SignedSize])] = true
		}
	}
	v := trusting(f)
	e := published(milan())
	f.Fuzz(func(t *testing.T, raw, cert []byte) {
		out := v.Verify(&evidence.SNP{Report: raw, Certificates: [][]byte{cert}}, e, tee.Params{Now: now})
		if !out.Genuine() {
			if len(out.Checks.Failed()) == 0 && len(out.Missing) == 0 {
				t.Errorf("neither genuine nor refused nor undecided\n%s", lines(out.Checks))
			}
			return
		}
		if !bytes.Equal(out.ReportData, raw[0x50:0x90]) {
			t.Error("the report data is not the report's")
		}
		if !known[string(raw[:simulator.SignedSize])] {
			t.Errorf("a report that nobody signed is genuine: %x", raw)
		}
	})
}

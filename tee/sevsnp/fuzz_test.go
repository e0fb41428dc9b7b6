package sevsnp_test

import (
	"bytes"
	"crypto/x509"
	"testing"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// seeds are a real report, simulated ones of every version, and broken ones.
// None needs the simulated vendor, whose keys would take the fuzzer's first seconds.
func seeds() [][]byte {
	real := testdata.AttestationBytes
	reports := [][]byte{nil, real, real[:100], append(bytes.Clone(real), 0, 0), append(bytes.Clone(real), 1)}
	for version := uint32(1); version <= 6; version++ {
		simulated := simulator.Report{Version: version, Policy: 1 << 17, SignatureAlgorithm: 1, CPUFamily: 0x19, CPUModel: 1}
		reports = append(reports, simulated.Marshal())
		simulated.CPUFamily, simulated.CPUModel = 0x1a, 0x11 // Turin Dense
		reports = append(reports, simulated.Marshal())
		other := bytes.Clone(real)
		other[0] = byte(version)
		reports = append(reports, other)
	}
	return reports
}

// FuzzReport reads arbitrary bytes as a report. What is read must be the bytes themselves.
func FuzzReport(f *testing.F) {
	for _, report := range seeds() {
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

// FuzzVerify verifies arbitrary bytes with certificates of arbitrary bytes. Only
// the report that a real processor signed is genuine.
func FuzzVerify(f *testing.F) {
	asks := trust.AskArkMilanVcekBytes
	for _, report := range seeds() {
		f.Add(report, testdata.VcekBytes, asks)
		f.Add(report, testdata.VcekBytes[:700], testdata.VcekBytes)
	}
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, raw, first, second []byte) {
		out := v.Verify(&evidence.SNP{Report: raw, Certificates: [][]byte{first, second}}, nil, tee.Params{Now: sampleTime})
		if !out.Genuine() {
			if len(out.Checks.Failed()) == 0 && len(out.Missing) == 0 {
				t.Errorf("neither genuine nor refused nor undecided\n%s", lines(out.Checks))
			}
			return
		}
		if !bytes.Equal(raw[:simulator.SignedSize], testdata.AttestationBytes[:simulator.SignedSize]) {
			t.Errorf("a report that no processor signed is genuine: %x", raw)
		}
	})
}

// FuzzCertificate takes arbitrary bytes for the certificate of a key, and a
// genuine report with it. Only the genuine certificate clears the report.
func FuzzCertificate(f *testing.F) {
	genuine := testdata.VcekBytes
	f.Add(genuine)
	for _, off := range []int{0, 20, 200, 400, 500, 700, len(genuine) - 1} {
		mutant := bytes.Clone(genuine)
		mutant[off] ^= 1
		f.Add(mutant)
	}
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		out := v.Verify(&evidence.SNP{Report: testdata.AttestationBytes, Certificates: [][]byte{der}}, nil, tee.Params{Now: sampleTime})
		if out.Genuine() && !bytes.Equal(der, genuine) {
			t.Errorf("a certificate that AMD did not issue clears a report: %x", der)
		}
	})
}

// FuzzRevocationList takes arbitrary bytes for a revocation list. Only the root's
// own list says anything, and no other takes anything back.
func FuzzRevocationList(f *testing.F) {
	m := newMachine(f, milan(), "fuzzed list")
	report := item(f, m)
	current, revoking := list(f, milan().ARK(), 2, start), list(f, milan().ARK(), 3, start, milan().ASK().Certificate)
	forged := list(f, forger().ARK(), 9, start, milan().ASK().Certificate)
	for _, crl := range []*x509.RevocationList{current, revoking, forged, list(f, genoa().ARK(), 2, start)} {
		f.Add(crl.Raw)
		for _, off := range []int{0, 30, 60, 120, 200, 260, 300, len(crl.Raw) - 1} {
			mutant := bytes.Clone(crl.Raw)
			mutant[off] ^= 1
			f.Add(mutant)
		}
	}
	v := newVerifier(f, milan().Anchor())
	f.Fuzz(func(t *testing.T, der []byte) {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return
		}
		for _, with := range []*x509.RevocationList{nil, current} {
			e := authorities(milan(), m.Certificate)
			e.AddCRL(crl)
			if with != nil {
				e.AddCRL(with)
			}
			out := v.Verify(report, e, tee.Params{Now: now})
			checked := with != nil || bytes.Equal(der, current.Raw)
			switch {
			case bytes.Equal(der, revoking.Raw):
				wantRefused(t, out, evidence.CodeSNPRevocation)
			case !out.Genuine() || out.Claims.SEVSNP.RevocationChecked != checked || (len(out.Lacking) == 0) != checked:
				t.Errorf("genuine %v, checked %v\n%s", out.Genuine(), out.Claims.SEVSNP.RevocationChecked, lines(out.Checks))
			}
		}
	})
}

package sevsnp_test

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// start is when the simulated vendors begin; now is when the tests verify.
var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now   = start.Add(24 * time.Hour)
)

// Vendors are made once, because their keys take a second.
var (
	milan = sync.OnceValue(func() *simulator.Vendor { return newVendor("test", simulator.Milan) })
	genoa = sync.OnceValue(func() *simulator.Vendor { return newVendor("test", simulator.Genoa) })
	turin = sync.OnceValue(func() *simulator.Vendor { return newVendor("test", simulator.Turin) })
	// forger copies every name of milan.
	forger = sync.OnceValue(func() *simulator.Vendor { return newVendor("forger", simulator.Milan) })
)

func newVendor(seed, product string) *simulator.Vendor {
	v, err := simulator.NewVendor(simulator.VendorOptions{Seed: seed, Product: product, NotBefore: start})
	if err != nil {
		panic(err)
	}
	return v
}

func newVerifier(tb testing.TB, anchors ...tee.Anchor) *sevsnp.Verifier {
	tb.Helper()
	v, err := sevsnp.New(anchors...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// trusting returns a verifier that trusts the simulated vendors. All
// tests share it, so that what it remembers of one meets the attacks of others.
var trusting = sync.OnceValue(func() *sevsnp.Verifier {
	v, err := sevsnp.New(milan().Anchor(), genoa().Anchor(), turin().Anchor())
	if err != nil {
		panic(err)
	}
	return v
})

// published returns what vendors publish, plus further certificates.
func published(vendor *simulator.Vendor, further ...*x509.Certificate) *tee.Endorsements {
	e := &tee.Endorsements{}
	vendor.Endorsements(e)
	for _, cert := range further {
		e.AddCertificate(cert)
	}
	return e
}

// authorities returns the vendor's signing key alone, with further certificates.
func authorities(vendor *simulator.Vendor, further ...*x509.Certificate) *tee.Endorsements {
	e := &tee.Endorsements{}
	e.AddCertificate(vendor.ASK().Certificate)
	for _, cert := range further {
		e.AddCertificate(cert)
	}
	return e
}

// newMachine makes a machine that sends no certificates.
func newMachine(tb testing.TB, vendor *simulator.Vendor, name string, change ...func(*simulator.Report)) *simulator.Machine {
	tb.Helper()
	report := vendor.Report(name)
	for _, f := range change {
		f(report)
	}
	m, err := vendor.NewMachine(simulator.MachineOptions{Name: name, Report: report, WithoutCertificates: true})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// item returns the machine's signed report.
func item(tb testing.TB, m *simulator.Machine) *evidence.SNP {
	tb.Helper()
	i, err := m.Item([64]byte{1, 2, 3})
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// signed returns the machine's report after edit, signed again.
func signed(tb testing.TB, m *simulator.Machine, edit func(report []byte)) *evidence.SNP {
	tb.Helper()
	report := m.Template
	raw := report.Marshal()
	edit(raw)
	raw, err := m.Sign(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return &evidence.SNP{Report: raw}
}

// issue issues a certificate for the machine's key.
func issue(tb testing.TB, by *simulator.Issuer, template *x509.Certificate, public any) *x509.Certificate {
	tb.Helper()
	cert, err := by.Issue(template, public)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func wantGenuine(tb testing.TB, out tee.Outcome) {
	tb.Helper()
	if !out.Genuine() {
		tb.Fatalf("not genuine: missing %v\n%s", out.Missing, lines(out.Checks))
	}
	if out.Claims.SEVSNP == nil || out.Claims.TrustAnchor == nil || len(out.ReportData) != 64 || out.ValidUntil.IsZero() {
		tb.Fatalf("genuine without its claims: %+v", out)
	}
}

// wantRefused asserts that exactly these checks failed.
func wantRefused(tb testing.TB, out tee.Outcome, codes ...evidence.Code) {
	tb.Helper()
	if out.Genuine() || out.Undecided() {
		tb.Fatalf("not refused: missing %v\n%s", out.Missing, lines(out.Checks))
	}
	failed := map[evidence.Code]bool{}
	for _, check := range out.Checks.Failed() {
		failed[check.Code] = true
	}
	for _, code := range codes {
		if !failed[code] {
			tb.Errorf("%s did not fail\n%s", code, lines(out.Checks))
		}
		delete(failed, code)
	}
	for code := range failed {
		tb.Errorf("%s failed too\n%s", code, lines(out.Checks))
	}
}

func wantUndecided(tb testing.TB, out tee.Outcome, missing string) {
	tb.Helper()
	if out.Genuine() || !out.Undecided() || !slices.ContainsFunc(out.Missing, func(n tee.EndorsementName) bool { return n.Type == missing }) {
		tb.Fatalf("not undecided for lack of %s: missing %v\n%s", missing, out.Missing, lines(out.Checks))
	}
}

func wantStatus(tb testing.TB, out tee.Outcome, code evidence.Code, want evidence.Status) {
	tb.Helper()
	if check, ok := out.Checks.Get(code); !ok || check.Status != want {
		tb.Errorf("%s is %q (there: %v), want %q\n%s", code, check.Status, ok, want, lines(out.Checks))
	}
}

func lines(checks evidence.Checks) (text string) {
	for _, check := range checks {
		text += check.String() + "\n"
	}
	return text
}

// addFile adds the certificates and revocation lists of a file, PEM or DER.
func addFile(tb testing.TB, e *tee.Endorsements, data []byte) {
	tb.Helper()
	block, rest := pem.Decode(data)
	if block == nil {
		addDER(tb, e, data)
		return
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		addDER(tb, e, block.Bytes)
	}
}

func addDER(tb testing.TB, e *tee.Endorsements, der []byte) {
	tb.Helper()
	if cert, err := x509.ParseCertificate(der); err == nil {
		e.AddCertificate(cert)
	} else if crl, err := x509.ParseRevocationList(der); err == nil {
		e.AddCRL(crl)
	} else {
		tb.Fatalf("neither certificate nor revocation list: %v", err)
	}
}

func parseCertificate(tb testing.TB, der []byte) *x509.Certificate {
	tb.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

// vcekSubject is the subject of the real sample's VCEK.
func vcekSubject(tb testing.TB) []byte {
	tb.Helper()
	return parseCertificate(tb, testdata.VcekBytes).RawSubject
}

// The contracts that the verifier keeps.
var (
	_ tee.Verifier  = (*sevsnp.Verifier)(nil)
	_ tee.Inspector = (*sevsnp.Verifier)(nil)
	_ tee.Attester  = (*simulator.Machine)(nil)
)

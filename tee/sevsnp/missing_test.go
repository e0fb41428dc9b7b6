package sevsnp_test

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// keyID is how a machine's VCEK is named.
func keyID(m *simulator.Machine) string {
	r := m.Template
	t := r.ReportedTCB
	levels := fmt.Sprintf("blSPL=%d&teeSPL=%d&snpSPL=%d&ucodeSPL=%d", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	switch {
	case r.CPUFamily == 0x1a:
		return fmt.Sprintf("Turin/%x?fmcSPL=%d&%s", r.ChipID[:8], t.FMC, levels)
	case r.CPUModel == 0x11:
		return "Genoa/" + hex.EncodeToString(r.ChipID[:]) + "?" + levels
	}
	return "Milan/" + hex.EncodeToString(r.ChipID[:]) + "?" + levels
}

func wantMissing(tb testing.TB, out tee.Outcome, names ...string) {
	tb.Helper()
	wantNames(tb, "missing", out.Missing, names)
}

func wantLacking(tb testing.TB, out tee.Outcome, names ...string) {
	tb.Helper()
	wantNames(tb, "lacking", out.Lacking, names)
}

func wantNames(tb testing.TB, what string, got []tee.EndorsementName, want []string) {
	tb.Helper()
	var text []string
	for _, n := range got {
		text = append(text, n.String())
	}
	if !slices.Equal(text, want) {
		tb.Errorf("%s are\n%s\nwant\n%s", what, strings.Join(text, "\n"), strings.Join(want, "\n"))
	}
}

func TestMissingInOrder(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), genoa(), turin()} {
		m := newMachine(t, vendor, "missing")
		line, _, _ := strings.Cut(keyID(m), "/")
		report := item(t, m)
		// AMD's own issuers are part of the build; a simulated one's must come from somewhere.
		out := newVerifier(t).Verify(report, nil, tee.Params{Now: now})
		wantMissing(t, out, "vcek "+keyID(m))
		wantLacking(t, out)
		out = trusting().Verify(report, nil, tee.Params{Now: now})
		wantMissing(t, out, "ask "+line, "vcek "+keyID(m))
		wantMissing(t, trusting().Verify(report, authorities(vendor), tee.Params{Now: now}), "vcek "+keyID(m))
		sending := item(t, m)
		sending.Certificates = [][]byte{vendor.ASK().Certificate.Raw}
		wantMissing(t, trusting().Verify(sending, nil, tee.Params{Now: now}), "vcek "+keyID(m))
		only := &tee.Endorsements{}
		only.AddCertificate(m.Certificate)
		wantMissing(t, newVerifier(t, vendor.Anchor()).Verify(report, only, tee.Params{Now: now}), "ask "+line)
	}
}

func TestMissingVLEK(t *testing.T) {
	r := milan().Report("missing VLEK")
	r.ReportedTCB.Microcode = 201 // of its own: other tests find theirs among the vendor's VLEKs
	m, err := milan().NewMachine(simulator.MachineOptions{Name: "missing VLEK", Report: r, CSPID: "CN=cloud.example", WithoutCertificates: true})
	if err != nil {
		t.Fatal(err)
	}
	const id = "vlek Milan?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=201"
	v := newVerifier(t, milan().Anchor())
	wantMissing(t, v.Verify(item(t, m), nil, tee.Params{Now: now}), "asvk Milan", id)
	wantMissing(t, v.Verify(item(t, m), authorities(milan()), tee.Params{Now: now}), "asvk Milan", id)
	asvk, err := milan().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	wantMissing(t, v.Verify(item(t, m), authorities(milan(), asvk.Certificate), tee.Params{Now: now}), id)
	wantMissing(t, v.Verify(item(t, m), authorities(milan(), m.Certificate), tee.Params{Now: now}), "asvk Milan")
	out := v.Verify(item(t, m), authorities(milan(), asvk.Certificate, m.Certificate), tee.Params{Now: now})
	wantGenuine(t, out)
	wantLacking(t, out, "crl vlek/Milan")
}

func TestMissingOfVersion2(t *testing.T) {
	m := atVersion(t, 2)
	id := keyID(m)
	out := newVerifier(t).Verify(item(t, m), nil, tee.Params{Now: now})
	wantMissing(t, out, "vcek "+id, "vcek "+strings.Replace(id, "Milan", "Genoa", 1))
	// Reports of version 2 from a masked chip could be of any.
	m = newMachine(t, milan(), "masked version 2", func(r *simulator.Report) { r.Version, r.ChipID = 2, [64]byte{} })
	const levels = "/masked?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	wantMissing(t, newVerifier(t).Verify(item(t, m), nil, tee.Params{Now: now}), "vcek Milan"+levels, "vcek Genoa"+levels)
}

// TestStrayCertificatesDoNotStandInTheWay sends what a host may have kept: the
// report stays refused, but says what would clear it.
func TestStrayCertificatesDoNotStandInTheWay(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), turin()} {
		m := newMachine(t, vendor, "updated")
		older := newMachine(t, vendor, "updated", func(r *simulator.Report) { r.ReportedTCB.Microcode-- })
		other := newMachine(t, vendor, "another")
		r := vendor.Report("a provider's")
		r.ReportedTCB.Microcode = 200
		provider, err := vendor.NewMachine(simulator.MachineOptions{Name: "a provider's", Report: r, CSPID: "CN=cloud.example"})
		if err != nil {
			t.Fatal(err)
		}
		lookalike := issue(t, forger().ASK(), vendor.VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB), newKey(t).Public())
		expired := vendor.VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB)
		expired.NotAfter = start.Add(time.Hour)
		v := newVerifier(t, vendor.Anchor())
		for name, test := range map[string]struct {
			sent  *x509.Certificate
			codes []evidence.Code
		}{
			"older TCB":    {older.Certificate, []evidence.Code{evidence.CodeSNPTCB, evidence.CodeSNPSignature}},
			"another chip": {other.Certificate, []evidence.Code{evidence.CodeSNPChipID, evidence.CodeSNPSignature}},
			"VLEK":         {provider.Certificate, []evidence.Code{evidence.CodeSNPCertificateProfile}},
			"expired":      {issue(t, vendor.ASK(), expired, m.Public()), []evidence.Code{evidence.CodeSNPValidity}},
			"forged":       {lookalike, nil},
		} {
			t.Run(name, func(t *testing.T) {
				report := item(t, m)
				report.Certificates = [][]byte{test.sent.Raw}
				out := v.Verify(report, authorities(vendor), tee.Params{Now: now})
				if test.codes != nil {
					wantRefused(t, out, test.codes...)
				} else if len(out.Checks.Failed()) == 0 {
					t.Errorf("not refused\n%s", lines(out.Checks))
				}
				wantMissing(t, out, "vcek "+keyID(m))
				e := authorities(vendor, m.Certificate)
				wantGenuine(t, v.Verify(report, e, tee.Params{Now: now}))
			})
		}
		// Without the issuer's certificate, that is missing, too.
		report := item(t, m)
		report.Certificates = [][]byte{older.Certificate.Raw}
		line, _, _ := strings.Cut(keyID(m), "/")
		wantMissing(t, v.Verify(report, nil, tee.Params{Now: now}), "ask "+line, "vcek "+keyID(m))
	}
}

// TestPooledEndorsements concludes nothing from the one key that a collection for
// many machines happens to hold; put together for the report, it speaks against it.
func TestPooledEndorsements(t *testing.T) {
	m, other := newMachine(t, milan(), "second to come"), newMachine(t, milan(), "first to come")
	v, e := newVerifier(t, milan().Anchor()), authorities(milan(), other.Certificate)
	out := v.Verify(item(t, m), e, tee.Params{Now: now, Pooled: true})
	if !out.Undecided() {
		t.Errorf("not undecided\n%s", lines(out.Checks))
	}
	wantMissing(t, out, "vcek "+keyID(m))
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPChipID, evidence.CodeSNPSignature)
}

// TestNothingIsMissingWhereNothingHelps refuses reports that no endorsement could clear.
func TestNothingIsMissingWhereNothingHelps(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), turin()} {
		m := newMachine(t, vendor, "hopeless")
		for name, edit := range map[string]func(raw []byte){
			"reserved bytes":  func(raw []byte) { raw[0x4c] = 1 },
			"guest policy":    func(raw []byte) { raw[0x08+7] = 1 },
			"platform info":   func(raw []byte) { raw[0x40+7] = 1 },
			"VMPL":            func(raw []byte) { raw[0x30] = 4 },
			"signing key":     func(raw []byte) { raw[0x48] = 7 << 2 },
			"masked key":      func(raw []byte) { raw[0x48] |= 2 },
			"algorithm":       func(raw []byte) { raw[0x34] = 2 },
			"processor":       func(raw []byte) { raw[0x188] = 0x1b },
			"version":         func(raw []byte) { raw[0] = 6 },
			"reserved levels": func(raw []byte) { raw[0x180+5] = 1 },
		} {
			t.Run(name, func(t *testing.T) {
				report := signed(t, m, edit)
				for _, e := range []*tee.Endorsements{nil, authorities(vendor), authorities(vendor, m.Certificate)} {
					out := trusting().Verify(report, e, tee.Params{Now: now})
					if out.Genuine() || len(out.Checks.Failed()) == 0 {
						t.Errorf("not refused\n%s", lines(out.Checks))
					}
					wantMissing(t, out)
					wantLacking(t, out)
				}
			})
		}
		behind := item(t, m)
		behind.Report = append(behind.Report, 1)
		wantMissing(t, trusting().Verify(behind, nil, tee.Params{Now: now}))
		unsigned := item(t, m)
		clear(unsigned.Report[0x2a0:])
		wantMissing(t, trusting().Verify(unsigned, nil, tee.Params{Now: now}))

		// The key is proven to be the chip's own, and it did not sign this.
		altered := item(t, m)
		altered.Report[0x90] ^= 1
		out := trusting().Verify(altered, authorities(vendor, m.Certificate), tee.Params{Now: now})
		wantRefused(t, out, evidence.CodeSNPSignature)
		wantMissing(t, out)
		// Neither does another certificate help where the chain is revoked.
		e := authorities(vendor, m.Certificate)
		e.AddCRL(list(t, vendor.ARK(), 2, start, vendor.ASK().Certificate))
		out = trusting().Verify(item(t, m), e, tee.Params{Now: now})
		wantRefused(t, out, evidence.CodeSNPRevocation)
		wantMissing(t, out)
		wantLacking(t, out)
	}
}

func TestLackingIsTheList(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), genoa(), turin()} {
		m := newMachine(t, vendor, "lacking")
		line, _, _ := strings.Cut(keyID(m), "/")
		verify := func(lists ...*x509.RevocationList) tee.Outcome {
			e := authorities(vendor, m.Certificate)
			for _, crl := range lists {
				e.AddCRL(crl)
			}
			return trusting().Verify(item(t, m), e, tee.Params{Now: now})
		}
		old, current := list(t, vendor.ARK(), 2, now.AddDate(-1, 0, -1)), list(t, vendor.ARK(), 3, start)
		for name, test := range map[string]struct {
			lists   []*x509.RevocationList
			next    time.Time
			checked bool
		}{
			"none":    {nil, time.Time{}, false},
			"expired": {[]*x509.RevocationList{old}, old.NextUpdate, false},
			"current": {[]*x509.RevocationList{old, current}, current.NextUpdate, true},
			"forged":  {[]*x509.RevocationList{list(t, forger().ARK(), 9, start)}, time.Time{}, false},
			"future":  {[]*x509.RevocationList{list(t, vendor.ARK(), 9, now.Add(time.Second))}, time.Time{}, false},
		} {
			out := verify(test.lists...)
			wantGenuine(t, out)
			if test.checked {
				wantLacking(t, out)
			} else {
				wantLacking(t, out, "crl vcek/"+line)
			}
			if c := out.Claims.SEVSNP; !c.RevocationNextUpdate.Equal(test.next) || c.RevocationChecked != test.checked {
				t.Errorf("%s: next update %v, checked %v", name, c.RevocationNextUpdate, c.RevocationChecked)
			}
		}
	}
}

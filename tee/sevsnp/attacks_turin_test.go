package sevsnp_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file live from the differences between processor families:
// where levels stand, how chips are named, and what certificates say of both.

// atTurin verifies now, with the endorsements of a Turin alone.
func atTurin(tb testing.TB, m *simulator.Machine, report *evidence.SNP) tee.Outcome {
	tb.Helper()
	return trusting().Verify(report, authorities(turin(), m.Certificate), tee.Params{Now: now})
}

func TestTurinIsGenuine(t *testing.T) {
	for version := uint32(3); version <= 5; version++ {
		for _, processor := range []string{simulator.Turin, simulator.TurinDense} {
			m, err := turin().NewMachine(simulator.MachineOptions{Name: "genuine " + processor, Processor: processor})
			if err != nil {
				t.Fatal(err)
			}
			m.Template.Version = version
			out := atTurin(t, m, item(t, m))
			wantGenuine(t, out)
			c := out.Claims.SEVSNP
			if c.Product != "Turin" || c.ProductSource != "report" || out.Claims.TrustAnchor.Name != turin().ARK().Certificate.Subject.String() {
				t.Errorf("%s: product %s by %s, under %s", processor, c.Product, c.ProductSource, out.Claims.TrustAnchor.Name)
			}
			for _, got := range []evidence.SNPTCB{c.ReportedTCB, c.CurrentTCB, c.CommittedTCB, c.LaunchTCB} {
				if got.FMC == nil || *got.FMC != 1 || got.Bootloader != 2 || got.TEE != 1 || got.SNP != 4 || got.Microcode != 74 {
					t.Errorf("%s: levels are %+v", processor, got)
				}
			}
			if len(c.ChipID) != 64 || [64]byte(c.ChipID) != m.Template.ChipID {
				t.Errorf("%s: chip is %s", processor, c.ChipID)
			}
		}
	}
	m := newMachine(t, milan(), "has no FMC")
	if c := at(t, m, item(t, m)).Claims.SEVSNP; c.ReportedTCB.FMC != nil || c.LaunchTCB.FMC != nil {
		t.Error("a Milan has an FMC")
	}
}

func TestTurinVLEKIsGenuine(t *testing.T) {
	m, err := turin().NewMachine(simulator.MachineOptions{Name: "vlek", CSPID: "CN=cloud.example"})
	if err != nil {
		t.Fatal(err)
	}
	out := trusting().Verify(item(t, m), nil, tee.Params{Now: now})
	wantGenuine(t, out)
	if c := out.Claims.SEVSNP; c.CSPID != "CN=cloud.example" || c.SigningKey != "vlek" || c.ChipID != nil || c.ReportedTCB.FMC == nil {
		t.Errorf("claims are %+v", c)
	}
	m.Certificate = nil
	lonely := item(t, m)
	lonely.Certificates = nil
	wantGenuine(t, trusting().Verify(lonely, published(turin()), tee.Params{Now: now})) // found by its levels
}

// swapped makes a machine whose report names the processor of another line.
func swapped(tb testing.TB, vendor *simulator.Vendor, family, model uint8) *simulator.Machine {
	return newMachine(tb, vendor, fmt.Sprintf("says %02x %02x", family, model), func(r *simulator.Report) { r.CPUFamily, r.CPUModel = family, model })
}

func TestAttack_S02_TurinAndTheOthers(t *testing.T) {
	for _, test := range []struct {
		vendor        *simulator.Vendor
		family, model uint8
		codes         []evidence.Code
	}{
		// Another layout: the levels do not agree either, nor does a wide chip identifier fit.
		{milan(), 0x1a, 0x02, []evidence.Code{evidence.CodeSNPReserved, evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB}},
		{genoa(), 0x1a, 0x11, []evidence.Code{evidence.CodeSNPReserved, evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB}},
		{turin(), 0x19, 0x01, []evidence.Code{evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB}},
		{turin(), 0x19, 0x11, []evidence.Code{evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB}},
		{turin(), 0x19, 0xa0, []evidence.Code{evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB}},
	} {
		m := swapped(t, test.vendor, test.family, test.model)
		report := item(t, m)
		report.Certificates = [][]byte{m.Certificate.Raw, test.vendor.ASK().Certificate.Raw}
		out := trusting().Verify(report, nil, tee.Params{Now: now})
		wantRefused(t, out, test.codes...)
	}
}

// TestAttack_S02_StructureVersionOfAnotherLine certifies a key of one line in the
// form of the other, each under its genuine issuer.
func TestAttack_S02_StructureVersionOfAnotherLine(t *testing.T) {
	for _, test := range []struct{ vendor, form *simulator.Vendor }{{milan(), turin()}, {genoa(), turin()}, {turin(), milan()}, {turin(), genoa()}} {
		key := newKey(t)
		r := test.vendor.Report("certified")
		cert := test.form.VCEKTemplate(r.ChipID, r.ReportedTCB)
		cert.ExtraExtensions[1] = test.vendor.VCEKTemplate(r.ChipID, r.ReportedTCB).ExtraExtensions[1] // the product name
		report := key.report(t, test.vendor)
		report.Certificates = [][]byte{issue(t, test.vendor.ASK(), cert, key.Public()).Raw}
		out := trusting().Verify(report, authorities(test.vendor), tee.Params{Now: now})
		failed := map[evidence.Code]bool{}
		for _, check := range out.Checks.Failed() {
			failed[check.Code] = true
		}
		if !failed[evidence.CodeSNPProductAgreement] || !failed[evidence.CodeSNPTCB] {
			t.Errorf("not refused for its structure version\n%s", lines(out.Checks))
		}
	}
}

// TestAttack_S03_Version2OfTurin: Turin's firmware never wrote version 2, whose
// readers would take its levels for those of another layout.
func TestAttack_S03_Version2OfTurin(t *testing.T) {
	m := newMachine(t, turin(), "version 2", func(r *simulator.Report) { r.Version = 2 })
	report := item(t, m)
	report.Certificates = [][]byte{m.Certificate.Raw}
	out := trusting().Verify(report, authorities(turin()), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPProductAgreement, evidence.CodeSNPProduct, evidence.CodeSNPTCB)
	if c := out.Claims.SEVSNP; c.Product != "" {
		t.Errorf("product is %q", c.Product)
	}
	// As Turin's layout would have been, in a report of version 2.
	shaped := signed(t, m, func(raw []byte) {
		for _, off := range []int{0x38, 0x180, 0x1e0, 0x1f0} {
			copy(raw[off:], []byte{1, 2, 1, 4, 0, 0, 0, 74})
		}
	})
	shaped.Certificates = report.Certificates
	out = trusting().Verify(shaped, authorities(turin()), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPReserved, evidence.CodeSNPProductAgreement, evidence.CodeSNPProduct, evidence.CodeSNPTCB)
}

func TestAttack_S06_ReservedBytesOfTurin(t *testing.T) {
	m := newMachine(t, turin(), "reserved")
	for _, off := range []int{0x38, 0x180, 0x1e0, 0x1f0} {
		for i := 4; i <= 6; i++ {
			want := []evidence.Code{evidence.CodeSNPReserved}
			if off == 0x180 {
				want = append(want, evidence.CodeSNPTCB)
			}
			wantRefused(t, atTurin(t, m, signed(t, m, func(raw []byte) { raw[off+i] = 1 })), want...)
		}
	}
	for _, off := range []int{0x1a8, 0x1c0, 0x1df} { // behind the chip's identifier
		out := atTurin(t, m, signed(t, m, func(raw []byte) { raw[off] = 1 }))
		wantStatus(t, out, evidence.CodeSNPReserved, evidence.Fail)
		wantMissing(t, out)
	}
}

func TestAttack_S07_ChipIDOfAnotherTurin(t *testing.T) {
	m := newMachine(t, turin(), "chip B")
	for name, edit := range map[string]func(raw []byte){
		"another chip":      func(raw []byte) { other := turin().Report("chip A").ChipID; copy(raw[0x1a0:], other[:]) },
		"another last byte": func(raw []byte) { raw[0x1a7]++ },
		"identifier moved": func(raw []byte) {
			copy(raw[0x1a8:0x1b0], raw[0x1a0:0x1a8])
			clear(raw[0x1a0:0x1a8])
		},
	} {
		report := signed(t, m, edit)
		report.Certificates = [][]byte{m.Certificate.Raw}
		out := trusting().Verify(report, authorities(turin()), tee.Params{Now: now})
		if out.Genuine() || out.Undecided() {
			t.Errorf("%s: not refused", name)
		}
		wantStatus(t, out, evidence.CodeSNPChipID, evidence.Fail)
	}
	// A wide identifier whose first eight bytes are a Turin's is not that Turin.
	key := newKey(t)
	cert := turin().VCEKTemplate(turin().Report("certified").ChipID, turin().Report("certified").ReportedTCB)
	wide := turin().Report("certified").ChipID
	cert.ExtraExtensions[len(cert.ExtraExtensions)-1] = simulator.KDSExtension(wide[:], 4)
	report := key.report(t, turin())
	report.Certificates = [][]byte{issue(t, turin().ASK(), cert, key.Public()).Raw}
	wantRefused(t, trusting().Verify(report, authorities(turin()), tee.Params{Now: now}), evidence.CodeSNPCertificateProfile)
}

func TestAttack_S08_KeyOfAnotherTCBOfTurin(t *testing.T) {
	m := newMachine(t, turin(), "old")
	for name, edit := range map[string]func(raw []byte){
		"fmc":             func(raw []byte) { raw[0x180]++ },
		"bootloader":      func(raw []byte) { raw[0x181]++ },
		"tee":             func(raw []byte) { raw[0x182]++ },
		"snp":             func(raw []byte) { raw[0x183]++ },
		"microcode":       func(raw []byte) { raw[0x187]++ },
		"lower":           func(raw []byte) { raw[0x187]-- },
		"levels moved up": func(raw []byte) { copy(raw[0x180:], []byte{2, 1, 4, 0}) },
	} {
		report := signed(t, m, edit)
		t.Run(name, func(t *testing.T) { wantRefused(t, atTurin(t, m, report), evidence.CodeSNPTCB) })
	}
}

func TestAttack_S09_MaskedTurin(t *testing.T) {
	m := newMachine(t, turin(), "masked", func(r *simulator.Report) { r.ChipID = [64]byte{} })
	out := atTurin(t, m, item(t, m))
	wantGenuine(t, out)
	wantStatus(t, out, evidence.CodeSNPChipID, evidence.NotApplicable)
	if out.Claims.SEVSNP.ChipID != nil {
		t.Error("the claims name a chip that the report does not")
	}
}

// TestAttack_S14_TurinInTheOtherLayout gives each level a value of its own, so
// that a level which is read from another byte shows.
func TestAttack_S14_TurinInTheOtherLayout(t *testing.T) {
	m := newMachine(t, turin(), "asymmetric", func(r *simulator.Report) {
		r.ReportedTCB = simulator.TCB{FMC: 11, Bootloader: 22, TEE: 33, SNP: 44, Microcode: 177}
		r.CurrentTCB = simulator.TCB{FMC: 12, Bootloader: 23, TEE: 34, SNP: 45, Microcode: 178}
		r.CommittedTCB = simulator.TCB{FMC: 13, Bootloader: 24, TEE: 35, SNP: 46, Microcode: 179}
		r.LaunchTCB = simulator.TCB{FMC: 14, Bootloader: 25, TEE: 36, SNP: 47, Microcode: 180}
	})
	out := atTurin(t, m, item(t, m))
	wantGenuine(t, out)
	c := out.Claims.SEVSNP
	for i, got := range []evidence.SNPTCB{c.ReportedTCB, c.CurrentTCB, c.CommittedTCB, c.LaunchTCB} {
		n := uint8(i)
		if *got.FMC != 11+n || got.Bootloader != 22+n || got.TEE != 33+n || got.SNP != 44+n || got.Microcode != 177+n {
			t.Errorf("TCB %d is %+v with FMC %d", i, got, *got.FMC)
		}
	}
	check, _ := out.Checks.Get(evidence.CodeSNPTCB)
	if want := "fmcSPL=11&blSPL=22&teeSPL=33&snpSPL=44&ucodeSPL=177"; check.Got != want {
		t.Errorf("the certificate's levels are %s, want %s", check.Got, want)
	}
}

// TestAttack_S26_S27_S28_EveryTCBReachesPolicy shows that no TCB stands in for
// another: policy sees all four, level by level, in both layouts.
func TestAttack_S26_S27_S28_EveryTCBReachesPolicy(t *testing.T) {
	for _, vendor := range []*simulator.Vendor{milan(), turin()} {
		for i, tcbOf := range []func(*simulator.Report) *simulator.TCB{
			func(r *simulator.Report) *simulator.TCB { return &r.ReportedTCB },
			func(r *simulator.Report) *simulator.TCB { return &r.CurrentTCB },
			func(r *simulator.Report) *simulator.TCB { return &r.CommittedTCB },
			func(r *simulator.Report) *simulator.TCB { return &r.LaunchTCB },
		} {
			m := newMachine(t, vendor, fmt.Sprintf("lowered %d", i), func(r *simulator.Report) { tcbOf(r).SNP-- })
			out := trusting().Verify(item(t, m), authorities(vendor, m.Certificate), tee.Params{Now: now})
			wantGenuine(t, out)
			c, healthy := out.Claims.SEVSNP, vendor.Report("healthy").ReportedTCB
			for k, got := range []evidence.SNPTCB{c.ReportedTCB, c.CurrentTCB, c.CommittedTCB, c.LaunchTCB} {
				want := healthy.SNP
				if k == i {
					want--
				}
				if got.SNP != want || got.Microcode != healthy.Microcode {
					t.Errorf("TCB %d lowered: TCB %d is %+v", i, k, got)
				}
			}
		}
	}
}

func TestAttack_S38_ExtensionsOfTurin(t *testing.T) {
	chip := turin().Report("certified").ChipID
	set := func(value []byte, arcs ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			changed := simulator.KDSExtension(value, arcs...)
			c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(x pkix.Extension) bool { return x.Id.Equal(changed.Id) })
			if value != nil {
				c.ExtraExtensions = append(c.ExtraExtensions, changed)
			}
		}
	}
	for name, edit := range map[string]func(*x509.Certificate){
		"structure version 0":     set([]byte{2, 1, 0}, 1),
		"structure version 2":     set([]byte{2, 1, 2}, 1),
		"no FMC level":            set(nil, 3, 9),
		"no bootloader level":     set(nil, 3, 1),
		"no reserved level":       set(nil, 3, 7),
		"a level without a place": set([]byte{2, 1, 0}, 3, 4),
		"HWID of 64 bytes":        set(chip[:], 4),
		"HWID of seven bytes":     set(chip[:7], 4),
		"HWID of nine bytes":      set(chip[:9], 4),
		"HWID with another tag":   set(append([]byte{3, 8}, chip[:8]...), 4),
		"HWID with a long header": set(append([]byte{4, 0x81, 8}, chip[:8]...), 4),
		"both owners":             set([]byte{22, 1, 'x'}, 5),
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			cert := template(turin())
			edit(cert)
			report := key.report(t, turin())
			report.Certificates = [][]byte{issue(t, turin().ASK(), cert, key.Public()).Raw}
			wantRefused(t, trusting().Verify(report, authorities(turin()), tee.Params{Now: now}), evidence.CodeSNPCertificateProfile)
		})
	}
	// A reserved level that is set agrees with no report that is taken.
	key := newKey(t)
	cert := template(turin())
	set([]byte{2, 1, 1}, 3, 5)(cert)
	report := key.report(t, turin())
	report.Certificates = [][]byte{issue(t, turin().ASK(), cert, key.Public()).Raw}
	wantRefused(t, trusting().Verify(report, authorities(turin()), tee.Params{Now: now}), evidence.CodeSNPTCB)
	// The other line's certificates must not have Turin's level.
	wantRefused(t, certified(t, set([]byte{2, 1, 0}, 3, 9)), evidence.CodeSNPCertificateProfile)
}

func TestAttack_S38_FormsOfTurinsChipIdentifier(t *testing.T) {
	for name, first := range map[string][2]byte{"like an OCTET STRING": {4, 8}, "short OCTET STRING": {4, 6}, "like an INTEGER": {2, 6}, "zero": {0, 1}} {
		for form, header := range map[string][]byte{"raw": nil, "DER": {4, 8}} {
			t.Run(name+" "+form, func(t *testing.T) {
				chip := turin().Report("certified").ChipID
				copy(chip[:], first[:])
				key := newKey(t)
				cert := turin().VCEKTemplate(chip, turin().Report("certified").ReportedTCB)
				last := len(cert.ExtraExtensions) - 1
				cert.ExtraExtensions[last].Value = append(header, chip[:8]...)
				e := published(turin(), issue(t, turin().ASK(), cert, key.Public())) // found among others
				report := key.report(t, turin(), func(r *simulator.Report) { r.ChipID = chip })
				wantGenuine(t, trusting().Verify(report, e, tee.Params{Now: now}))
			})
		}
	}
}

// TestTurinProofsOutliveNothing shows that what is remembered of a Turin carries
// no certificate over its end, nor over its revocation.
func TestTurinProofsOutliveNothing(t *testing.T) {
	m := newMachine(t, turin(), "remembered")
	e := authorities(turin(), m.Certificate)
	current := list(t, turin().ARK(), 2, start)
	e.AddCRL(current)
	v := newVerifier(t, turin().Anchor())
	before := v.Remembered()
	for range 3 {
		wantChecked(t, v.Verify(item(t, m), e, tee.Params{Now: now}))
	}
	if got := v.Remembered(); got != [4]int{before[0] + 1, before[1] + 1, before[2] + 1, before[3] + 1} {
		t.Errorf("%v are remembered, before %v", got, before)
	}
	wantUnchecked(t, v.Verify(item(t, m), e, tee.Params{Now: current.NextUpdate}))
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: m.Certificate.NotAfter.Add(time.Second)}), evidence.CodeSNPValidity)
	e.AddCRL(list(t, turin().ARK(), 3, start, turin().ASK().Certificate))
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPRevocation)
}

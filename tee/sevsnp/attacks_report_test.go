package sevsnp_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file lie in the report. Each lie is signed by a genuine
// (simulated) key, so that what refuses it is the check under test.

// at verifies now, with the endorsements of a machine alone.
func at(tb testing.TB, m *simulator.Machine, report *evidence.SNP) tee.Outcome {
	tb.Helper()
	return trusting().Verify(report, authorities(milan(), m.Certificate), tee.Params{Now: now})
}

// atVersion makes a machine that reports in this version.
func atVersion(tb testing.TB, version uint32) *simulator.Machine {
	tb.Helper()
	return newMachine(tb, milan(), fmt.Sprintf("version %d", version), func(r *simulator.Report) { r.Version = version })
}

func TestSimulatedVersionsAreGenuine(t *testing.T) {
	for version := uint32(2); version <= 5; version++ {
		m := atVersion(t, version)
		out := at(t, m, item(t, m))
		wantGenuine(t, out)
		c := out.Claims
		if !c.Simulated || c.TrustAnchor.Origin != evidence.OriginSimulated {
			t.Errorf("version %d: simulated evidence rests on %+v", version, c.TrustAnchor)
		}
		if hasCPU := c.SEVSNP.CPUModel != nil; hasCPU != (version >= 3) {
			t.Errorf("version %d: has a CPU model: %v", version, hasCPU)
		}
		if hasVector := c.SEVSNP.LaunchMitVector != nil; hasVector != (version >= 5) {
			t.Errorf("version %d: has mitigation vectors: %v", version, hasVector)
		}
	}
}

func TestAttack_S02_ChainOfAnotherProductLine(t *testing.T) {
	asGenoa := func(r *simulator.Report) { r.CPUModel = 0x11 }
	m := newMachine(t, milan(), "says Genoa", asGenoa)
	wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPProductAgreement)

	m = newMachine(t, genoa(), "says Milan", func(r *simulator.Report) { r.CPUModel = 0x01 })
	out := trusting().Verify(item(t, m), authorities(genoa(), m.Certificate), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPProductAgreement)
}

func TestProductLines(t *testing.T) {
	for _, test := range []struct {
		family, model uint8
		vendor        *simulator.Vendor
		product       string // empty: refused
	}{
		{0x19, 0x00, milan(), "Milan"}, {0x19, 0x01, milan(), "Milan"}, {0x19, 0x0f, milan(), "Milan"},
		{0x19, 0x10, genoa(), "Genoa"}, {0x19, 0x1f, genoa(), "Genoa"},
		{0x19, 0xa0, genoa(), "Genoa"}, {0x19, 0xaf, genoa(), "Genoa"}, // Bergamo, Siena
		{0x19, 0x20, genoa(), ""}, {0x19, 0xb0, genoa(), ""},
		{0x1a, 0x00, turin(), "Turin"}, {0x1a, 0x0f, turin(), "Turin"}, {0x1a, 0x10, turin(), "Turin"}, {0x1a, 0x1f, turin(), "Turin"},
		{0x1a, 0x20, turin(), ""}, {0x1a, 0x50, turin(), ""}, {0x1b, 0x02, turin(), ""},
		{0x17, 0x01, milan(), ""}, {0x00, 0x00, milan(), ""}, {0xff, 0xff, milan(), ""},
	} {
		t.Run(fmt.Sprintf("%02x-%02x", test.family, test.model), func(t *testing.T) {
			m := newMachine(t, test.vendor, "cpu", func(r *simulator.Report) { r.CPUFamily, r.CPUModel = test.family, test.model })
			out := trusting().Verify(item(t, m), authorities(test.vendor, m.Certificate), tee.Params{Now: now})
			if test.product == "" {
				wantRefused(t, out, evidence.CodeSNPProduct)
				return
			}
			wantGenuine(t, out)
			if c := out.Claims.SEVSNP; c.Product != test.product || c.ProductSource != "report" {
				t.Errorf("product is %s by %s", c.Product, c.ProductSource)
			}
		})
	}
}

// TestRefusedLayoutIsShownRight shows the levels of a processor that is refused
// in its own layout, not in that of another.
func TestRefusedLayoutIsShownRight(t *testing.T) {
	m := newMachine(t, milan(), "zen 5", func(r *simulator.Report) { r.CPUFamily, r.CPUModel = 0x1a, 0x50 })
	report := signed(t, m, func(raw []byte) { copy(raw[0x180:], []byte{9, 1, 2, 3, 0, 0, 0, 77}) })
	claims, err := newVerifier(t).UnverifiedClaims(report)
	if err != nil {
		t.Fatal(err)
	}
	got := claims.SEVSNP.ReportedTCB
	if got.FMC == nil || *got.FMC != 9 || got.Bootloader != 1 || got.TEE != 2 || got.SNP != 3 || got.Microcode != 77 {
		t.Errorf("levels are %+v", got)
	}
	if claims.SEVSNP.Product != "" {
		t.Errorf("product is %q", claims.SEVSNP.Product)
	}
	wantRefused(t, at(t, m, report), evidence.CodeSNPProduct)
}

func TestAttack_S03_ProductOfVersion2IsTheCertificates(t *testing.T) {
	m := atVersion(t, 2)
	out := at(t, m, item(t, m))
	wantGenuine(t, out)
	if c := out.Claims.SEVSNP; c.Product != "Milan" || c.ProductSource != "certificate" {
		t.Errorf("product is %s by %s: a policy could not tell", c.Product, c.ProductSource)
	}
	// Version 3 must say it itself.
	m = newMachine(t, milan(), "no cpu", func(r *simulator.Report) { r.CPUFamily, r.CPUModel = 0, 0 })
	wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPProduct)
}

func TestAttack_S04_UnknownVersion(t *testing.T) {
	m := newMachine(t, milan(), "versions")
	for _, version := range []uint32{0, 1, 6, 200, 0x03000000, 0xffffffff} {
		report := signed(t, m, func(raw []byte) { binary.LittleEndian.PutUint32(raw, version) })
		out := at(t, m, report)
		wantRefused(t, out, evidence.CodeSNPVersion)
		if out.ReportData != nil || out.Claims.SEVSNP != nil {
			t.Errorf("version %d: claims were read by an unknown layout", version)
		}
	}
}

func TestAttack_S05_BytesBehindTheReport(t *testing.T) {
	m := newMachine(t, milan(), "trailing")
	whole := item(t, m).Report
	for name, test := range map[string]struct {
		report []byte
		ok     bool
	}{
		"empty":              {nil, false},
		"one byte":           {whole[:1], false},
		"one byte short":     {whole[:len(whole)-1], false},
		"zero padding":       {append(slices.Clone(whole), make([]byte, 100)...), true},
		"payload":            {append(slices.Clone(whole), bytes.Repeat([]byte{1}, 100)...), false},
		"payload after zero": {append(append(slices.Clone(whole), make([]byte, 100)...), 1), false},
		"too much padding":   {append(slices.Clone(whole), make([]byte, evidence.MaxReport)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			out := at(t, m, &evidence.SNP{Report: test.report})
			if !test.ok {
				wantRefused(t, out, evidence.CodeSNPSize)
				return
			}
			wantGenuine(t, out)
			if check, _ := out.Checks.Get(evidence.CodeSNPSize); check.Got != "1184 bytes and 100 bytes of zero padding" {
				t.Errorf("the padding is not reported: %s", check)
			}
		})
	}
}

func TestAttack_S06_ReservedBytes(t *testing.T) {
	// Offsets that are reserved up to a version.
	until := map[int]uint32{0x188: 2, 0x189: 2, 0x18a: 2, 0x1f8: 4, 0x1ff: 4, 0x200: 4, 0x207: 4}
	for _, off := range []int{0x3a, 0x3d, 0x182, 0x185, 0x1e2, 0x1e5, 0x1f2, 0x1f5, 0x4c, 0x4f, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x208, 0x29f} {
		until[off] = 5
	}
	for version := uint32(2); version <= 5; version++ {
		m := atVersion(t, version)
		for off, last := range until {
			if version > last {
				continue
			}
			report := signed(t, m, func(raw []byte) { raw[off] = 1 })
			t.Run(fmt.Sprintf("version %d, %#x", version, off), func(t *testing.T) {
				want := []evidence.Code{evidence.CodeSNPReserved}
				if off>>3 == 0x180>>3 { // no certificate has it
					want = append(want, evidence.CodeSNPTCB)
				}
				wantRefused(t, at(t, m, report), want...)
			})
		}
	}
	m := atVersion(t, 3)
	wantRefused(t, at(t, m, signed(t, m, func(raw []byte) { raw[0x48] |= 1 << 5 })), evidence.CodeSNPReserved)
}

func TestAttack_S07_ChipIDOfAnotherChip(t *testing.T) {
	m := newMachine(t, milan(), "chip B")
	m.Template.ChipID = milan().Report("chip A").ChipID
	wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPChipID)
	// The same with the certificate in the evidence, among others' endorsements.
	report := item(t, m)
	report.Certificates = [][]byte{m.Certificate.Raw}
	out := trusting().Verify(report, published(milan()), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPChipID)
}

func TestAttack_S08_KeyOfAnotherTCB(t *testing.T) {
	m := newMachine(t, milan(), "old")
	for name, tcb := range map[string]func(raw []byte){
		"bootloader": func(raw []byte) { raw[0x180]++ },
		"tee":        func(raw []byte) { raw[0x181]++ },
		"snp":        func(raw []byte) { raw[0x186]++ },
		"microcode":  func(raw []byte) { raw[0x187]++ },
		"lower":      func(raw []byte) { raw[0x187]-- },
	} {
		report := signed(t, m, tcb)
		t.Run(name, func(t *testing.T) { wantRefused(t, at(t, m, report), evidence.CodeSNPTCB) })
	}
}

func TestAttack_S09_MaskedChip(t *testing.T) {
	// MASK_CHIP_ID: the report does not name the chip, and neither do the claims.
	m := newMachine(t, milan(), "masked", func(r *simulator.Report) { r.ChipID = [64]byte{} })
	out := at(t, m, item(t, m))
	wantGenuine(t, out)
	wantStatus(t, out, evidence.CodeSNPChipID, evidence.NotApplicable)
	if out.Claims.SEVSNP.ChipID != nil {
		t.Error("the claims name a chip that the report does not")
	}
	// MASK_CHIP_KEY: the firmware does not sign, whatever the signature says.
	m = newMachine(t, milan(), "masked key", func(r *simulator.Report) { r.ChipID, r.MaskChipKey = [64]byte{}, true })
	wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPSigningKey)
}

func TestAttack_S12_UnsignedReport(t *testing.T) {
	m := newMachine(t, milan(), "unsigned")
	for key := uint8(2); key <= 7; key++ {
		m.Template.SigningKey = key
		wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPSigningKey)
	}
	m.Template.SigningKey = simulator.KeyVCEK
	report := m.Template
	wantRefused(t, at(t, m, &evidence.SNP{Report: report.Marshal()}), evidence.CodeSNPSignatureFormat)
}

func TestAttack_S13_SignatureVariants(t *testing.T) {
	m := newMachine(t, milan(), "signatures")
	for _, algorithm := range []uint32{0, 2, 0x01000000} {
		m.Template.SignatureAlgorithm = algorithm
		wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPSignatureAlgorithm)
	}
	m.Template.SignatureAlgorithm = 1
	n := elliptic.P384().Params().N
	const r, s = 0x2a0, 0x2a0 + 72
	for name, mutate := range map[string]func(raw []byte){
		"R zero":          func(raw []byte) { clear(raw[r:s]) },
		"S zero":          func(raw []byte) { clear(raw[s : s+72]) },
		"R is n":          func(raw []byte) { putScalar(raw[r:], n) },
		"S is n":          func(raw []byte) { putScalar(raw[s:], n) },
		"R plus n":        func(raw []byte) { putScalar(raw[r:], new(big.Int).Add(scalar(raw[r:]), n)) },
		"S plus n":        func(raw []byte) { putScalar(raw[s:], new(big.Int).Add(scalar(raw[s:]), n)) },
		"high byte of R":  func(raw []byte) { raw[r+71] = 1 },
		"bit 384 of S":    func(raw []byte) { raw[s+48] = 1 },
		"behind S":        func(raw []byte) { raw[s+72] = 1 },
		"last byte":       func(raw []byte) { raw[0x49f] = 1 },
		"everything ones": func(raw []byte) { copy(raw[r:], bytes.Repeat([]byte{0xff}, 144)) },
	} {
		t.Run(name, func(t *testing.T) {
			report := item(t, m)
			mutate(report.Report)
			wantRefused(t, at(t, m, report), evidence.CodeSNPSignatureFormat)
		})
	}
	for name, mutate := range map[string]func(raw []byte){
		"R is one": func(raw []byte) { putScalar(raw[r:], big.NewInt(1)) },
		"S is n-1": func(raw []byte) { putScalar(raw[s:], new(big.Int).Sub(n, big.NewInt(1))) },
		"R and S": func(raw []byte) {
			x, y := scalar(raw[r:]), scalar(raw[s:])
			putScalar(raw[r:], y)
			putScalar(raw[s:], x)
		},
		"another key": func(raw []byte) { other, _ := newMachine(t, milan(), "other").Sign(raw); copy(raw, other) },
	} {
		t.Run(name, func(t *testing.T) {
			report := item(t, m)
			mutate(report.Report)
			wantRefused(t, at(t, m, report), evidence.CodeSNPSignature)
		})
	}
}

func TestAttack_S14_BigEndianNumbers(t *testing.T) {
	m := newMachine(t, milan(), "endian", func(r *simulator.Report) {
		r.Policy = 1<<17 | 0x1f02
		r.GuestSVN = 0x01020304
		r.PlatformInfo = 0x25
	})
	report := item(t, m)
	out := at(t, m, report)
	wantGenuine(t, out)
	c := out.Claims.SEVSNP
	if c.Policy.Raw.String() != "0000000000021f02" || c.Policy.ABIMajor != 0x1f || c.Policy.ABIMinor != 2 || c.GuestSVN != 0x01020304 {
		t.Errorf("policy %+v, guest SVN %#x", c.Policy, c.GuestSVN)
	}
	if (c.ReportedTCB != evidence.SNPTCB{Bootloader: 4, SNP: 24, Microcode: 219}) || c.CurrentVersion != "1.55.29" {
		t.Errorf("TCB %+v, version %s", c.ReportedTCB, c.CurrentVersion)
	}
	slices.Reverse(report.Report[0x2a0 : 0x2a0+48])
	slices.Reverse(report.Report[0x2a0+72 : 0x2a0+72+48])
	out = at(t, m, report)
	if out.Genuine() || out.Undecided() {
		t.Error("a big-endian signature was accepted")
	}
}

// TestAttack_S15_S16_S42_WhatPolicyWeighs shows that what only policy can judge
// reaches it undistorted.
func TestAttack_S15_S16_S42_WhatPolicyWeighs(t *testing.T) {
	m := newMachine(t, milan(), "weighed", func(r *simulator.Report) {
		r.Policy |= 1<<18 | 1<<19
		r.ReportIDMA = [32]byte{7}
		r.VMPL = 3
	})
	out := at(t, m, item(t, m))
	wantGenuine(t, out)
	c := out.Claims.SEVSNP
	if !c.Policy.Debug || !c.Policy.MigrateMA || c.VMPL != 3 || c.ReportIDMA[0] != 7 {
		t.Errorf("claims are %+v", c)
	}
}

func TestPolicyAndPlatformBits(t *testing.T) {
	policy := map[int]func(c *evidence.SNPClaims) bool{
		16: func(c *evidence.SNPClaims) bool { return c.Policy.SMT },
		18: func(c *evidence.SNPClaims) bool { return c.Policy.MigrateMA },
		19: func(c *evidence.SNPClaims) bool { return c.Policy.Debug },
		20: func(c *evidence.SNPClaims) bool { return c.Policy.SingleSocket },
		21: func(c *evidence.SNPClaims) bool { return c.Policy.CXL },
		22: func(c *evidence.SNPClaims) bool { return c.Policy.AES256XTS },
		23: func(c *evidence.SNPClaims) bool { return c.Policy.RAPLDisabled },
		24: func(c *evidence.SNPClaims) bool { return c.Policy.CiphertextHiding },
		25: func(c *evidence.SNPClaims) bool { return c.Policy.PageSwapDisabled },
	}
	platform := map[int]func(c *evidence.SNPClaims) bool{
		0: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.SMT },
		1: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.TSME },
		2: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.ECC },
		3: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.RAPLDisabled },
		4: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.CiphertextHiding },
		5: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.AliasCheckComplete },
		6: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.IOMMUWriteSafe },
		7: func(c *evidence.SNPClaims) bool { return c.PlatformInfo.TIO },
	}
	m := newMachine(t, milan(), "bits", func(r *simulator.Report) { r.Policy, r.PlatformInfo = 1<<17, 0 })
	for bit := range 64 {
		m.Template.Policy, m.Template.PlatformInfo = 1<<17|1<<bit, 0
		wantBits(t, at(t, m, item(t, m)), bit, policy, bit < 26)
		m.Template.Policy, m.Template.PlatformInfo = 1<<17, 1<<bit
		_, known := platform[bit]
		wantBits(t, at(t, m, item(t, m)), bit, platform, known)
	}
}

// wantBits asserts that of the named bits exactly this one is set, or that the report was refused.
func wantBits(t *testing.T, out tee.Outcome, bit int, named map[int]func(*evidence.SNPClaims) bool, genuine bool) {
	t.Helper()
	if out.Genuine() != genuine {
		t.Errorf("bit %d: genuine is %v\n%s", bit, out.Genuine(), lines(out.Checks))
	}
	for n, get := range named {
		if get(out.Claims.SEVSNP) != (n == bit) {
			t.Errorf("bit %d set: bit %d reads %v", bit, n, n != bit)
		}
	}
}

func TestAttack_S21_ReservedPolicyBits(t *testing.T) {
	m := newMachine(t, milan(), "policy bits")
	for _, policy := range []uint64{0, 1 << 16, 1<<17 | 1<<26, 1<<17 | 1<<63} {
		m.Template.Policy = policy
		wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPGuestPolicy)
	}
}

func TestAttack_S25_UnknownPlatformBits(t *testing.T) {
	m := newMachine(t, milan(), "platform bits")
	for _, info := range []uint64{1 << 8, 1 << 9, 1 << 63} {
		m.Template.PlatformInfo = info
		wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPPlatformInfo)
	}
}

func TestAttack_S29_MitigationVectorsBeforeTheirVersion(t *testing.T) {
	m := atVersion(t, 4)
	wantRefused(t, at(t, m, signed(t, m, func(raw []byte) { raw[0x200] = 1 })), evidence.CodeSNPReserved)
	m = newMachine(t, milan(), "vectors", func(r *simulator.Report) { r.Version, r.LaunchMitVector, r.CurrentMitVector = 5, 1, 0x103 })
	out := at(t, m, item(t, m))
	wantGenuine(t, out)
	if c := out.Claims.SEVSNP; c.LaunchMitVector.String() != "0000000000000001" || c.CurrentMitVector.String() != "0000000000000103" {
		t.Errorf("vectors are %s, %s", c.LaunchMitVector, c.CurrentMitVector)
	}
}

func TestAttack_S40_ReportDataIsWhole(t *testing.T) {
	m := newMachine(t, milan(), "report data")
	var data [64]byte
	for i := range data {
		data[i] = byte(i + 1)
	}
	report, err := m.Item(data)
	if err != nil {
		t.Fatal(err)
	}
	out := at(t, m, report)
	wantGenuine(t, out)
	if !bytes.Equal(out.ReportData, data[:]) || !bytes.Equal(out.Claims.SEVSNP.ReportData, data[:]) {
		t.Errorf("report data is %x", out.ReportData)
	}
	clear(report.Report) // what was returned must not change with the caller's bytes
	if !bytes.Equal(out.ReportData, data[:]) {
		t.Error("the outcome shares the caller's memory")
	}
}

func TestAttack_S43_RequestedByTheHost(t *testing.T) {
	m := newMachine(t, milan(), "host")
	for _, vmpl := range []uint32{4, 5, 0x80000000, 0xffffffff} {
		m.Template.VMPL = vmpl
		wantRefused(t, at(t, m, item(t, m)), evidence.CodeSNPVMPL)
	}
}

func TestAttack_S44_MeasurementIsWhole(t *testing.T) {
	m := newMachine(t, milan(), "measurement")
	out := at(t, m, item(t, m))
	wantGenuine(t, out)
	if !bytes.Equal(out.Claims.SEVSNP.Measurement, m.Template.Measurement[:]) {
		t.Errorf("measurement is %s", out.Claims.SEVSNP.Measurement)
	}
}

// TestEveryFailureIsReported shows that one failure does not hide others.
func TestEveryFailureIsReported(t *testing.T) {
	m := newMachine(t, milan(), "everything wrong")
	report := signed(t, m, func(raw []byte) {
		raw[0x4c] = 1                                       // reserved
		binary.LittleEndian.PutUint64(raw[0x08:], 1<<63)    // policy
		binary.LittleEndian.PutUint64(raw[0x40:], 1<<63)    // platform
		binary.LittleEndian.PutUint32(raw[0x30:], 1<<31)    // VMPL
		raw[0x180], raw[0x1a0] = raw[0x180]+1, raw[0x1a0]+1 // TCB, chip
	})
	report.Report[0x100] ^= 1 // signature
	report.Report = append(report.Report, 1)
	out := trusting().Verify(report, authorities(milan(), m.Certificate), tee.Params{Now: start.AddDate(8, 0, 0)})
	wantRefused(t, out, evidence.CodeSNPSize, evidence.CodeSNPReserved, evidence.CodeSNPGuestPolicy, evidence.CodeSNPPlatformInfo,
		evidence.CodeSNPVMPL, evidence.CodeSNPTCB, evidence.CodeSNPChipID, evidence.CodeSNPValidity, evidence.CodeSNPSignature)
}

func scalar(field []byte) *big.Int {
	number := slices.Clone(field[:72])
	slices.Reverse(number)
	return new(big.Int).SetBytes(number)
}

func putScalar(field []byte, n *big.Int) {
	number := n.FillBytes(make([]byte, 72))
	slices.Reverse(number)
	copy(field, number)
}

package tdx

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"crypto/elliptic"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// Offsets in a quote of version 4 (5 has 6 bytes more before the body).
const (
	atBody      = headerSize
	atDataSize  = headerSize + body10Size
	atSignature = atDataSize + 4
	atKey       = atSignature + sigSize
	atOuterSize = atKey + keySize + 2
	atQEReport  = atOuterSize + 4
	atAuthSize  = atQEReport + reportSize + sigSize
)

// TestAttack_T02_LengthFields sets every length field to hostile values.
func TestAttack_T02_LengthFields(t *testing.T) {
	s := newScene(t)
	quote := s.machine.Quote(reportData)
	authSize := int(binary.LittleEndian.Uint16(quote[atAuthSize:]))
	for name, field := range map[string]struct{ at, width int }{
		"signature data":       {atDataSize, 4},
		"certification data":   {atOuterSize, 4},
		"authentication data":  {atAuthSize, 2},
		"nested certification": {atAuthSize + 2 + authSize + 2, 4},
	} {
		for _, value := range []uint32{0, 1, 63, 64, 0x85, 0xffff, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
			mutant := bytes.Clone(quote)
			if field.width == 2 {
				binary.LittleEndian.PutUint16(mutant[field.at:], uint16(value))
			} else {
				binary.LittleEndian.PutUint32(mutant[field.at:], value)
			}
			if bytes.Equal(mutant, quote) {
				continue
			}
			if out := s.verify(mutant); out.Genuine() || len(out.Checks.Failed()) == 0 {
				t.Errorf("%s size %#x: accepted", name, value)
			}
		}
	}
}

// TestTruncation cuts a quote at every length.
func TestTruncation(t *testing.T) {
	s := newScene(t)
	quote := s.machine.Quote(reportData)
	for n := range quote {
		if out := s.verify(quote[:n]); out.Genuine() || out.Undecided() || len(out.Checks.Failed()) == 0 {
			t.Fatalf("the first %d bytes were accepted", n)
		}
	}
	refusedWith(t, s.verify(nil), evidence.CodeTDXQuoteFormat)
	refusedWith(t, s.verify(make([]byte, maxQuote+1)), evidence.CodeTDXQuoteFormat)
}

// TestPadding tolerates and reports zero padding, and nothing else.
func TestPadding(t *testing.T) {
	s := newScene(t)
	quote := s.machine.Quote(reportData)
	out := s.verify(append(bytes.Clone(quote), make([]byte, 100)...))
	requireGenuine(t, out)
	if check, _ := out.Checks.Get(evidence.CodeTDXPadding); check.Got != "100 zero bytes" {
		t.Errorf("padding is reported as %q", check.Got)
	}
	refusedWith(t, s.verify(append(bytes.Clone(quote), 0, 0, 1)), evidence.CodeTDXPadding)
}

// TestAttack_Quote alters quotes and signs them again, so that the check under
// test is what refuses them.
func TestAttack_Quote(t *testing.T) {
	other := newScene(t, func(o *simulated.MachineOptions) { o.Name = "other" }).machine
	v5 := func(o *simulated.MachineOptions) { o.Version = 5 }
	v4 := func(*simulated.MachineOptions) {}
	for _, c := range []struct {
		name  string
		opts  func(*simulated.MachineOptions)
		alter func(*simulated.Parts)
		want  evidence.Code
	}{
		{"T03_SGXTEEType", v4, func(p *simulated.Parts) { p.Header[4] = 0 }, evidence.CodeTDXTEEType},
		{"T03_Version3", v4, func(p *simulated.Parts) { p.Header[0] = 3 }, evidence.CodeTDXQuoteVersion},
		{"T03_Version6", v4, func(p *simulated.Parts) { p.Header[0] = 6 }, evidence.CodeTDXQuoteVersion},
		{"T03_SGXBodyInVersion5", v5, func(p *simulated.Parts) {
			p.Body, p.Descriptor = p.Body[:reportSize], []byte{1, 0, 0x80, 1, 0, 0}
		}, evidence.CodeTDXBodyType},
		{"T04_BodyTypeOf15WithSizeOf10", v5, func(p *simulated.Parts) { p.Descriptor[0] = bodyTD15 }, evidence.CodeTDXBodyType},
		{"T04_BodyTypeOf10WithSizeOf15", v5, func(p *simulated.Parts) {
			p.Descriptor = []byte{2, 0, 0x88, 2, 0, 0}
			p.Body = append(p.Body, make([]byte, 64)...)
		}, evidence.CodeTDXBodyType},
		{"T05_KeyTypeP384", v4, func(p *simulated.Parts) { p.Header[2] = 3 }, evidence.CodeTDXKeyType},
		{"T06_QEVendor", v4, func(p *simulated.Parts) { p.Header[12] ^= 1 }, evidence.CodeTDXQEVendor},
		{"T07_KeyBindingHash", v4, func(p *simulated.Parts) { p.QEReport[320] ^= 1 }, evidence.CodeTDXKeyBinding},
		{"T07_KeyBindingZeros", v4, func(p *simulated.Parts) { p.QEReport[383] ^= 1 }, evidence.CodeTDXKeyBinding},
		{"T07_OwnAttestationKey", v4, func(p *simulated.Parts) { p.AttestationKey = other.PCKKey() }, evidence.CodeTDXKeyBinding},
		{"T07_AuthenticationData", v4, func(p *simulated.Parts) { p.Auth[0] ^= 1 }, evidence.CodeTDXKeyBinding},
		{"T08_QEReportByOtherPCK", v4, func(p *simulated.Parts) { p.PCKKey = other.PCKKey() }, evidence.CodeTDXQESignature},
		{"T09_QESigner", v4, func(p *simulated.Parts) { p.QEReport[128] ^= 1 }, evidence.CodeTDXQuotingEnclave},
		{"T09_QEProduct", v4, func(p *simulated.Parts) { p.QEReport[256] ^= 1 }, evidence.CodeTDXQuotingEnclave},
		{"T09_QEDebug", v4, func(p *simulated.Parts) { p.QEReport[48] |= 2 }, evidence.CodeTDXQuotingEnclave},
		{"T09_QEMiscSelect", v4, func(p *simulated.Parts) { p.QEReport[16] = 1 }, evidence.CodeTDXQuotingEnclave},
		{"T09_QEReserved", v4, func(p *simulated.Parts) { p.QEReport[100] = 1 }, evidence.CodeTDXReserved},
		{"T22_ModuleSigner", v4, func(p *simulated.Parts) { p.Body[64] = 1 }, evidence.CodeTDXModuleSigner},
		{"T23_SEAMDebug", v4, func(p *simulated.Parts) { p.Body[112] = 1 }, evidence.CodeTDXModuleSigner},
		{"OtherCertificationData", v4, func(p *simulated.Parts) { p.OuterType = 7 }, evidence.CodeTDXCertificationData},
		{"PlainPPIDCertificationData", v4, func(p *simulated.Parts) { p.InnerType = 1 }, evidence.CodeTDXCertificationData},
	} {
		t.Run(c.name, func(t *testing.T) { refusedWith(t, newScene(t, c.opts).parts(c.alter), c.want) })
	}
}

// TestAttack_T24_T25_T26_T27_T28_Claims: what a policy judges is genuine evidence, and its
// claims must say it.
func TestAttack_T24_T25_T26_T27_T28_Claims(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
		bit  byte
		got  func(*evidence.TDXClaims) bool
	}{
		{"T24_Debug", 120, 1, func(c *evidence.TDXClaims) bool { return c.Attributes.Debug }},
		{"T25_SEPTVEDisable", 123, 0x10, func(c *evidence.TDXClaims) bool { return !c.Attributes.SEPTVEDisable }},
		{"T26_Migratable", 123, 0x20, func(c *evidence.TDXClaims) bool { return c.Attributes.Migratable }},
		{"T27_PKS", 123, 0x40, func(c *evidence.TDXClaims) bool { return c.Attributes.PKS }},
		{"T27_KL", 123, 0x80, func(c *evidence.TDXClaims) bool { return c.Attributes.KL }},
		{"T27_Perfmon", 127, 0x80, func(c *evidence.TDXClaims) bool { return c.Attributes.Perfmon }},
		{"T27_UnknownBit", 121, 0x04, func(c *evidence.TDXClaims) bool { return c.Attributes.Raw[1] == 4 }},
		{"T28_XFAM", 128, 0x03, func(c *evidence.TDXClaims) bool { return c.XFAM[0] == 0xe4 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := newScene(t).parts(func(p *simulated.Parts) { p.Body[c.at] ^= c.bit })
			requireGenuine(t, out)
			if !c.got(out.Claims.TDX) {
				t.Errorf("claims %+v", out.Claims.TDX)
			}
		})
	}
}

// TestAttack_T26_MigrationTD: a service TD shows in the claims.
func TestAttack_T26_MigrationTD(t *testing.T) {
	out := newScene(t, func(o *simulated.MachineOptions) {
		o.Version, o.TD15, o.MRServiceTD = 5, true, [48]byte{7}
	}).genuine()
	requireGenuine(t, out)
	if out.Claims.TDX.MRServiceTD[0] != 7 {
		t.Error("MRSERVICETD is not in the claims")
	}
}

// TestAttack_T22_SignerAfterUpdate: a module that was updated is held to the
// identities of both versions.
func TestAttack_T22_SignerAfterUpdate(t *testing.T) {
	for _, of := range []int{0, 1} { // TDX_03 and TDX_01
		s := newScene(t, func(o *simulated.MachineOptions) {
			o.Version, o.TD15, o.TEETCBSVN2 = 5, true, [16]byte{5, 3, 8}
		})
		requireGenuine(t, s.genuine())
		s.setTCBInfo(func(i *simulated.TCBInfo) { i.TDXModuleIdentities[of].MRSigner = strings.Repeat("1", 96) })
		refusedWith(t, s.genuine(), evidence.CodeTDXModuleSigner)
	}
}

// TestAttack_T48_UpdatedModule: after an update of the module under a running TD
// both versions are claims. One that was launched out of date and is so no more
// should be launched again; and what runs now never counts as better than it is.
func TestAttack_T48_UpdatedModule(t *testing.T) {
	old, current := [16]byte{3, 1, 8}, [16]byte{5, 1, 8}
	for name, c := range map[string]struct {
		launched, now                   [16]byte
		launchStatus, nowStatus, status string
	}{
		"not updated":                {current, current, "UpToDate", "UpToDate", "UpToDate"},
		"updated":                    {old, current, "OutOfDate", "UpToDate", "TDRelaunchAdvised"},
		"updated to another version": {old, [16]byte{5, 3, 8}, "OutOfDate", "UpToDate", "TDRelaunchAdvised"},
		"updated, but not enough":    {old, [16]byte{4, 1, 8}, "OutOfDate", "OutOfDate", "OutOfDate"},
		"to a version unknown":       {old, [16]byte{5, 2, 8}, "OutOfDate", "NotSupported", "NotSupported"},
		"to too low a version":       {old, [16]byte{2, 3, 8}, "OutOfDate", "NotSupported", "NotSupported"},
		"lower now":                  {current, old, "UpToDate", "OutOfDate", "OutOfDate"},
		"another version, lower now": {[16]byte{5, 3, 8}, old, "UpToDate", "OutOfDate", "OutOfDate"},
		"lower than any level now":   {current, [16]byte{2, 1, 8}, "UpToDate", "NotSupported", "NotSupported"},
		"SEAMLDR's part lower now":   {current, [16]byte{5, 1, 7}, "UpToDate", "OutOfDate", "OutOfDate"},
		"launched by one unknown":    {[16]byte{5, 2, 8}, current, "NotSupported", "UpToDate", "NotSupported"},
	} {
		t.Run(name, func(t *testing.T) {
			out := newScene(t, func(o *simulated.MachineOptions) {
				o.Version, o.TD15, o.TEETCBSVN, o.TEETCBSVN2 = 5, true, c.launched, c.now
			}).genuine()
			requireGenuine(t, out)
			claims := out.Claims.TDX
			if tcb := claims.TCB; tcb.LaunchStatus != c.launchStatus || tcb.CurrentStatus != c.nowStatus || tcb.Status != c.status {
				t.Errorf("TCB %+v", tcb)
			}
			if !bytes.Equal(claims.TEETCBSVN, c.launched[:]) || !bytes.Equal(claims.TEETCBSVN2, c.now[:]) {
				t.Errorf("TEE_TCB_SVN %s, %s", claims.TEETCBSVN, claims.TEETCBSVN2)
			}
		})
	}
}

// TestAttack_T48_RelaunchOfRevoked: no update makes up for a launch by a revoked
// module, nor for a platform or quoting enclave that is out of date itself; and
// the need for configuration stays.
func TestAttack_T48_RelaunchOfRevoked(t *testing.T) {
	for name, c := range map[string]struct {
		info func(*simulated.TCBInfo)
		qe   func(*simulated.QEIdentity)
		want string
	}{
		"module revoked":               {info: func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].TCBLevels[1].TCBStatus = "Revoked" }, want: "Revoked"},
		"new module revoked":           {info: func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].TCBLevels[0].TCBStatus = "Revoked" }, want: "Revoked"},
		"platform out of date":         {info: func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "OutOfDate" }, want: "OutOfDate"},
		"platform revoked":             {info: func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "Revoked" }, want: "Revoked"},
		"platform needs hardening":     {info: func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "SWHardeningNeeded" }, want: "TDRelaunchAdvised"},
		"platform needs configuration": {info: func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "ConfigurationAndSWHardeningNeeded" }, want: "TDRelaunchAdvisedConfigurationNeeded"},
		"enclave out of date":          {qe: func(q *simulated.QEIdentity) { q.TCBLevels[0].TCBStatus = "OutOfDate" }, want: "OutOfDate"},
		"enclave revoked":              {qe: func(q *simulated.QEIdentity) { q.TCBLevels[0].TCBStatus = "Revoked" }, want: "Revoked"},
		"no level of the enclave":      {qe: func(q *simulated.QEIdentity) { q.TCBLevels[1].TCB.ISVSVN, q.TCBLevels[0].TCB.ISVSVN = 8, 9 }, want: "NotSupported"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, func(o *simulated.MachineOptions) { o.Version, o.TD15, o.TEETCBSVN[0] = 5, true, 3 })
			if c.info != nil {
				s.setTCBInfo(c.info)
			} else {
				s.setQEIdentity(c.qe)
			}
			out := s.genuine()
			requireGenuine(t, out)
			if got := out.Claims.TDX.TCB; got.Status != c.want {
				t.Errorf("TCB %+v, want %s", got, c.want)
			}
		})
	}
}

// TestAttack_T48_NoRelaunch: a relaunch is advised where the TDX module alone was
// out of date, and what runs now is of the newest levels. Other updates make nothing
// better than out of date.
func TestAttack_T48_NoRelaunch(t *testing.T) {
	old, current := [16]byte{3, 1, 8}, [16]byte{5, 1, 8}
	for name, c := range map[string]struct {
		launched, now [16]byte
		info          func(*simulated.TCBInfo)
	}{
		"SEAM loader was out of date": {launched: [16]byte{5, 1, 7}, now: current},
		"module without a version": {[16]byte{3, 0, 8}, current, func(i *simulated.TCBInfo) {
			for n := range i.TCBLevels[1:] {
				i.TCBLevels[1+n].TCBStatus = "OutOfDate"
			}
		}},
		"now not of the module's newest level": {old, [16]byte{4, 1, 8}, func(i *simulated.TCBInfo) {
			levels := &i.TDXModuleIdentities[1].TCBLevels
			*levels = append(*levels, (*levels)[0])
			(*levels)[len(*levels)-1].TCB.ISVSVN = 4
		}},
		"now not of the SEAM loader's newest level": {old, current, func(i *simulated.TCBInfo) {
			i.TCBLevels = append(i.TCBLevels, i.TCBLevels[0])
			i.TCBLevels[0].TCB.TDX[2].SVN++
		}},
		"platform by itself out of date": {old, current, func(i *simulated.TCBInfo) {
			i.TCBLevels = append(i.TCBLevels, i.TCBLevels[0])
			i.TCBLevels[0].TCB.TDX[15].SVN, i.TCBLevels[0].TCBStatus = 9, "OutOfDate"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, func(o *simulated.MachineOptions) {
				o.Version, o.TD15, o.TEETCBSVN, o.TEETCBSVN2 = 5, true, c.launched, c.now
			})
			if c.info != nil {
				s.setTCBInfo(c.info)
			}
			out := s.genuine()
			requireGenuine(t, out)
			if got := out.Claims.TDX.TCB; got.Status != "OutOfDate" || got.CurrentStatus != "UpToDate" {
				t.Errorf("TCB %+v", got)
			}
		})
	}
}

// TestAttack_T48_TDReport10: a TD report 1.0 says nothing of updates, so its
// launch's status stands, also in a quote of version 5.
func TestAttack_T48_TDReport10(t *testing.T) {
	for _, version := range []uint16{4, 5} {
		out := newScene(t, func(o *simulated.MachineOptions) { o.Version, o.TEETCBSVN[0] = version, 3 }).genuine()
		requireGenuine(t, out)
		if got := out.Claims.TDX.TCB; got.Status != "OutOfDate" || got.LaunchStatus != "" || got.CurrentStatus != "" {
			t.Errorf("version %d: TCB %+v", version, got)
		}
	}
}

// TestAttack_T49_HeaderVersions: header fields that version 3 used for versions
// raise nothing.
func TestAttack_T49_HeaderVersions(t *testing.T) {
	s := newScene(t, func(o *simulated.MachineOptions) { o.QESVN = 4 })
	out := s.parts(func(p *simulated.Parts) { copy(p.Header[8:12], []byte{0xff, 0xff, 0xff, 0xff}) })
	requireGenuine(t, out)
	if got := out.Claims.TDX.TCB.QEStatus; got != "OutOfDate" {
		t.Errorf("QE status %s", got)
	}
}

// TestAttack_T50_MalleableSignature: (r, n−s) verifies as any ECDSA does, but
// neither changes the outcome nor is remembered.
func TestAttack_T50_MalleableSignature(t *testing.T) {
	s := newScene(t)
	quote := s.machine.Quote(reportData)
	requireGenuine(t, s.verify(quote))
	keys := s.verifier.keys.Len()
	mutant := bytes.Clone(quote)
	half := mutant[atSignature+32 : atSignature+64]
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(half)).FillBytes(half)
	out := s.verify(mutant)
	requireGenuine(t, out)
	if s.verifier.keys.Len() != keys || !bytes.Equal(out.ReportData, reportData[:]) {
		t.Error("the other signature made a difference")
	}
}

// TestFlips flips every byte that a signature covers, in quotes of version 4 and
// of version 5, and in the QE report.
func TestFlips(t *testing.T) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4": func(*simulated.MachineOptions) {},
		"version 5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, alter)
			flipAll(t, s.machine.Quote(reportData), s.verify)
		})
	}
}

// flipAll flips, one at a time, every byte of a quote up to its PEM chain, and of
// the base64 text of the chain.
func flipAll(t *testing.T, quote []byte, verify func([]byte) tee.Outcome) {
	t.Helper()
	requireGenuine(t, verify(quote))
	chain := bytes.Index(quote, []byte("-----BEGIN"))
	for i := range quote[:chain] {
		mutant := bytes.Clone(quote)
		mutant[i] ^= 0x01
		if out := verify(mutant); out.Genuine() || len(out.Checks.Failed()) == 0 {
			t.Fatalf("byte %d of %d flipped: accepted", i, chain)
		}
	}
}

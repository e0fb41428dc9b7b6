package tpm

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
)

func TestAttack_P01_WrongMagic(t *testing.T) {
	w := simulated(t)
	for _, magic := range []tpm2.TPMGenerated{0, 0xff544346, 0x474354ff} {
		item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.Magic = magic })
		refused(t, w.roots(), item, evidence.CodeTPMMagic)
		refused(t, given(w.machine), item, evidence.CodeTPMMagic)
	}
}

func TestAttack_P09_NothingSelected(t *testing.T) {
	w := simulated(t)
	for name, selections := range map[string][]tpm2.TPMSPCRSelection{
		"no bank": {}, "an empty bank": {{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{0, 0, 0}}}, "an empty bitmap": {{Hash: tpm2.TPMAlgSHA256}},
	} {
		t.Run(name, func(t *testing.T) {
			empty := sha256.Sum256(nil)
			item := w.mutant(t, func(a *tpm2.TPMSAttest) {
				quoteInfoOf(t, a).PCRSelect.PCRSelections = selections
				quoteInfoOf(t, a).PCRDigest.Buffer = empty[:]
			})
			out := refused(t, w.roots(), item, evidence.CodeTPMPCRSelection)
			if out.Claims.TPM.PCRs != nil {
				t.Error("claims hold PCRs that nothing covers")
			}
		})
	}
}

// The values of PCRs 0 to 15 come along, but the quote covers 0 to 3.
func TestAttack_P09_ClaimsHoldOnlyWhatIsCovered(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "few", PCRs: []int{0, 1, 2, 3}})
	item := quoteOf(t, m, w.nonce)
	item.PCRs = m.PCRs()
	item.PCRs["sha256"][7] = bytes.Repeat([]byte{7}, 32)
	item.PCRs["nonsense"] = map[int]evidence.Hex{-5: {1}}
	out := accepted(t, w.roots(), item)
	if got := out.Claims.TPM.PCRs; len(got) != 4 || got[7] != nil {
		t.Errorf("claims hold %v", got)
	}
	if check, _ := out.Checks.Get(evidence.CodeTPMPCRCovered); !strings.Contains(check.Got, "45 values") {
		t.Errorf("%v", check)
	}
}

// PCR 16, which anyone can set back, is extended to a good value of PCR 0 and
// presented as PCR 0.
func TestAttack_P10_AnotherIndexThanSelected(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "position", PCRs: []int{16}})
	if err := m.Measure(16, []byte("good firmware")); err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, m, w.nonce)
	item.PCRs["sha256"] = map[int]evidence.Hex{0: item.PCRs["sha256"][16]}
	refused(t, w.roots(), item, evidence.CodeTPMPCRValues)
}

// Bytes move from one PCR to the next: the concatenation stays the same.
func TestAttack_P11_ShiftedValues(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "shift", PCRs: []int{14, 16}})
	item := quoteOf(t, m, w.nonce)
	values := item.PCRs["sha256"]
	all := append(bytes.Clone(values[14]), values[16]...)
	for _, cut := range []int{0, 1, 31, 33, 64} {
		item.PCRs["sha256"] = map[int]evidence.Hex{14: all[:cut], 16: all[cut:]}
		refused(t, w.roots(), item, evidence.CodeTPMPCRValues)
	}
}

// Two SHA-384 values are cut into three of SHA-256.
func TestAttack_P11_ValuesOfAnotherBank(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "chunks", Bank: simulator.SHA384, PCRs: []int{0, 1}})
	item := quoteOf(t, m, w.nonce)
	all := append(bytes.Clone(item.PCRs["sha384"][0]), item.PCRs["sha384"][1]...)
	for _, bank := range []string{"sha256", "sha384"} {
		item.PCRs = evidence.PCRs{bank: {0: all[:32], 1: all[32:64], 2: all[64:]}}
		refused(t, w.roots(), item, evidence.CodeTPMPCRValues)
	}
}

func TestAttack_P12_SeveralBanks(t *testing.T) {
	w := simulated(t)
	for name, second := range map[string]tpm2.TPMSPCRSelection{
		"the same":         {Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{1, 0, 0}},
		"another":          {Hash: tpm2.TPMAlgSHA1, PCRSelect: []byte{1, 0, 0}},
		"another, nothing": {Hash: tpm2.TPMAlgSHA1, PCRSelect: []byte{0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			item := w.mutant(t, func(a *tpm2.TPMSAttest) {
				list := &quoteInfoOf(t, a).PCRSelect.PCRSelections
				*list = append(*list, second)
			})
			refused(t, w.roots(), item, evidence.CodeTPMPCRSelection)
		})
	}
}

// A SHA-1 bank is reported as such, for policy to refuse; an unknown one is refused here.
func TestAttack_P13_BankDowngrade(t *testing.T) {
	w := simulated(t)
	bank := func(id tpm2.TPMAlgID, size int) *evidence.TPM {
		value := bytes.Repeat([]byte{1}, size)
		sum := sha256.Sum256(value)
		item := w.mutant(t, func(a *tpm2.TPMSAttest) {
			quoteInfoOf(t, a).PCRSelect.PCRSelections = []tpm2.TPMSPCRSelection{{Hash: id, PCRSelect: []byte{1, 0, 0}}}
			quoteInfoOf(t, a).PCRDigest.Buffer = sum[:]
		})
		item.PCRs = evidence.PCRs{"sha1": {0: value}, "sha256": {0: value}, "sm3_256": {0: value}, "": {0: value}}
		return item
	}
	if out := accepted(t, w.roots(), bank(tpm2.TPMAlgSHA1, 20)); out.Claims.TPM.Bank != "sha1" {
		t.Errorf("bank %q", out.Claims.TPM.Bank)
	}
	refused(t, w.roots(), bank(0x0012, 32), evidence.CodeTPMPCRSelection)
	refused(t, w.roots(), bank(0, 0), evidence.CodeTPMPCRSelection)
}

// The digest over the PCRs is made with the bank's hash, not the signature's.
func TestAttack_P14_DigestByAnotherHash(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "digest", Bank: simulator.SHA384, PCRs: []int{0}})
	attest, err := m.Attestation(w.nonce)
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA384.New()
	h.Write(m.PCRs()["sha384"][0])
	quoteInfoOf(t, &attest).PCRDigest.Buffer = h.Sum(nil)
	refused(t, w.roots(), sign(t, m, tpm2.Marshal(attest)), evidence.CodeTPMPCRDigest)
}

func TestAttack_P16_TrailingBytes(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	for _, behind := range [][]byte{{0}, {0, 0}, []byte("more")} {
		refused(t, w.roots(), sign(t, w.machine, append(bytes.Clone(item.Attest), behind...)), evidence.CodeTPMAttestFormat)
		altered := *item
		altered.Signature = append(bytes.Clone(item.Signature), behind...)
		refused(t, w.roots(), &altered, evidence.CodeTPMSignatureFormat)
		altered = *item
		altered.AKPublic = append(bytes.Clone(item.AKPublic), behind...)
		refused(t, w.roots(), &altered, evidence.CodeTPMAKPublicFormat)
	}
}

func TestAttack_P17_NotAQuote(t *testing.T) {
	w := simulated(t)
	item := w.mutant(t, func(a *tpm2.TPMSAttest) {
		a.Type = tpm2.TPMSTAttestCertify
		a.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{})
	})
	refused(t, w.roots(), item, evidence.CodeTPMType)
	// The body of a quote under every other type.
	attest, err := w.machine.Attestation(w.nonce)
	if err != nil {
		t.Fatal(err)
	}
	for typ := 0x8000; typ < 0x8030; typ++ {
		if typ == int(typeQuote) {
			continue
		}
		raw := tpm2.Marshal(attest)
		binary.BigEndian.PutUint16(raw[4:], uint16(typ))
		refused(t, w.roots(), sign(t, w.machine, raw), evidence.CodeTPMType)
	}
}

// The report data is the extra data, neither cut nor padded: whoever compares
// it sees every difference.
func TestAttack_P18_ExtraDataIsExact(t *testing.T) {
	w := simulated(t)
	for _, extra := range [][]byte{{}, {0}, w.nonce, append(bytes.Clone(w.nonce), 0), bytes.Repeat([]byte{1}, 64)} {
		out := accepted(t, w.roots(), quoteOf(t, w.machine, extra))
		if !bytes.Equal(out.ReportData, extra) || out.ReportData == nil || !bytes.Equal(out.Claims.TPM.ExtraData, extra) {
			t.Errorf("extra data %x became %x", extra, out.ReportData)
		}
	}
}

// What a TPM says of its resets reaches the claims, for policy to compare.
func TestAttack_P20_ClockIsClaimed(t *testing.T) {
	w := simulated(t)
	item := w.mutant(t, func(a *tpm2.TPMSAttest) {
		a.ClockInfo = tpm2.TPMSClockInfo{Clock: 1 << 40, ResetCount: 7, RestartCount: 9, Safe: false}
		a.FirmwareVersion = 0x0102030405060708
	})
	claims := accepted(t, w.roots(), item).Claims.TPM
	if claims.Clock != 1<<40 || claims.ResetCount != 7 || claims.RestartCount != 9 || claims.Safe || claims.FirmwareVersion.String() != "0102030405060708" {
		t.Errorf("claims %+v", claims)
	}
}

// TestMalformedAttest signs structures with one field that is not as it must be.
func TestMalformedAttest(t *testing.T) {
	w := simulated(t)
	good := quoteOf(t, w.machine, w.nonce).Attest
	// magic 0, type 4, qualifiedSigner 6 (34), extraData 42 (32), clock 76,
	// resetCount 84, restartCount 88, safe 92, firmware 93, count 101, bank 105,
	// sizeofSelect 107, bitmap 108 (3), pcrDigest 111 (32).
	alter := func(at, drop int, b ...byte) []byte {
		return slices.Concat(good[:at], b, good[at+drop:])
	}
	for name, raw := range map[string][]byte{
		"qualifiedSigner of 67 bytes": alter(6, 2, append([]byte{0, 67}, make([]byte, 33)...)...),
		"extraData of 67 bytes":       alter(42, 2, append([]byte{0, 67}, make([]byte, 35)...)...),
		"safe is 2":                   alter(92, 1, 2),
		"17 selections":               alter(101, 4, 0, 0, 0, 17),
		"2^32 - 1 selections":         alter(101, 4, 0xff, 0xff, 0xff, 0xff),
		"a bitmap of 5 bytes":         alter(107, 4, 5, 0xff, 0xff, 0, 0, 0),
		"PCR 24":                      alter(107, 4, 4, 0xff, 0xff, 0, 1),
		"pcrDigest of 65 bytes":       alter(111, 2, append([]byte{0, 65}, make([]byte, 33)...)...),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.roots(), sign(t, w.machine, raw), evidence.CodeTPMAttestFormat)
		})
	}
	accepted(t, w.roots(), sign(t, w.machine, alter(107, 4, 4, 0xff, 0xff, 0, 0))) // a longer bitmap is none of these
	accepted(t, w.roots(), sign(t, w.machine, alter(107, 4, 2, 0xff, 0xff)))
}

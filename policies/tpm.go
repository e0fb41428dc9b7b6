package policies

import (
	"encoding/binary"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// Sizes of a TPM's identifiers in bytes.
const (
	keyDigestSize       = 32 // SHA-256 of a key
	firmwareVersionSize = 8
)

// tpmRequirement is what a TPM quote must show. The zero value is the strictest
// that pins no value.
type tpmRequirement struct {
	bank  string // empty: any but SHA-1
	pcrs  []pcrValues
	modes [evidence.MaxPCR + 1]pcrMode // what the document says of each
	allow []string

	key        akRequirement
	revocation revocation
	firmware   evidence.Hex
	keyInTPM   bool // the workload's key must be certified to live in the TPM

	boot *bootRequirement // nil: no event log is asked for
	ima  *imaRequirement  // nil: no IMA list is asked for
}

// pcrValues are what one PCR may hold.
type pcrValues struct {
	index int
	*values
}

// What a policy may allow that is denied by default.
const (
	allowAKUnknown = "ak-attributes-unknown"
	allowUnsafe    = "clock-unsafe"
)

var tpmAllow = []string{allowAKUnknown, allowUnsafe}

// defaultTPM is the requirement that holds where a document says nothing.
func defaultTPM() *tpmRequirement {
	return &tpmRequirement{key: akRequirement{vouchers: []evidence.Kind{snp, tdx}}}
}

// readTPM reads tpm; a nil node gives nil. The alternative's other requirements
// have been read.
func (l *loader) readTPM(s source, n *yaml.Node, a *alternative) *tpmRequirement {
	f := s.mapping(n, "tpm")
	if f == nil {
		return nil
	}
	q := defaultTPM()
	q.allow = a.readAllow(s, f.take("allow"), evidence.KindTPM, tpmAllow)
	l.readTPMPCRs(f, q, a)
	l.readAK(s, f.take("ak"), q, a)
	q.revocation = f.readRevocation(f.take("revocation"), tpm, a)
	if n := f.take("minimum_firmware"); n != nil {
		q.firmware = s.hexValue(n, valueSpec{key: "minimum_firmware", size: firmwareVersionSize})
	}
	q.keyInTPM = s.word(f.take("key"), "key", []string{string(tpm)}) != ""
	digest := pcrBanks[q.bank]
	if digest == 0 { // the bank was reported
		digest = pcrBanks["sha256"]
	}
	q.boot = l.readBoot(s, f.take("boot"), tpmBoot(digest), a)
	q.ima = l.readIMA(s, f.take("ima"), a)
	judgeTPMBoot(f, q, a)
	f.done()
	return q
}

// readTPMPCRs reads the PCRs of the one bank that the quote has to cover.
func (l *loader) readTPMPCRs(f *fields, q *tpmRequirement, a *alternative) {
	s := f.source
	before := len(s.problems.list)
	n := f.need("pcrs", "write {sha256: {INDEX: [values of 64 hex digits]}}; a TPM that shows no PCR shows nothing of the machine")
	told := false
	s.readPCRs(n, func(bank string, index int, n *yaml.Node) {
		if q.bank != "" && q.bank != bank {
			s.problem(n, evidence.CodePolicyValue, "pcrs has two banks, %s and %s, but a quote covers one; write an alternative for each", q.bank, bank)
			return
		}
		q.bank = bank
		mode := pcrMode{node: n, logged: isBoot(n), any: isOpen(n)}
		mode.pinned = !mode.logged && !mode.any
		q.modes[index] = mode
		told = told || !mode.any
		if v := l.readPCR(s, n, bank, index, a); v != nil {
			q.pcrs = append(q.pcrs, pcrValues{index, v})
		}
	})
	slices.SortFunc(q.pcrs, func(a, b pcrValues) int { return a.index - b.index })
	if n != nil && !told && f.values["boot"] == nil && len(s.problems.list) == before {
		s.problem(n, evidence.CodePolicyUnsafe, "tpm pins no measurement, so it accepts every machine; list values of PCRs")
	}
}

// readPCR reads what one PCR may hold; nil if its values do not matter.
func (l *loader) readPCR(s source, n *yaml.Node, bank string, index int, a *alternative) *values {
	key := pcrKey(bank, index)
	spec := valueSpec{key: key, size: pcrBanks[bank], reference: key, technology: evidence.KindTPM}
	name := "PCR " + strconv.Itoa(index) + ": "
	var v *values
	switch {
	case isBoot(n):
		v = l.anyValue(spec)
	case isAny(n):
		a.relax("tpm.pcr." + strconv.Itoa(index) + ".any")
		v = l.anyValue(spec)
	case index == pcrIMA:
		s.problem(n, evidence.CodePolicyUnsafe, "PCR 10 holds what was read since, in the order of the reading: no value lasts; ask ima, or write any")
	default:
		v = l.readRegister(s, n, spec, a, "tpm.pcr."+strconv.Itoa(index))
	}
	if v != nil {
		v.want = name + v.want
	}
	return v
}

const tpm = evidence.KindTPM

// judge holds claims against the requirement. b has the root that the attestation
// key rests on.
func (q *tpmRequirement) judge(r *report, c *evidence.TPMClaims, b *bundle) {
	q.key.judge(r, c, b, q.allow)
	if c.AKSource == evidence.AKSourceCertificate {
		q.revocation.judge(r, revocationState{
			kind: tpm, code: evidence.CodePolicyTPMRevocation, want: "a chain that current revocation lists cover",
			checked: c.RevocationChecked, end: c.RevocationNextUpdate,
		})
	}
	q.judgePCRs(r, c)
	r.judge(c.Safe || slices.Contains(q.allow, allowUnsafe), tpm, evidence.CodePolicyTPMSafe, "a clock that never ran backwards (safe)",
		func() string { return yesNo(c.Safe, "safe", "not safe: the TPM may have lost its last clock value") })
	q.judgeFirmware(r, c)
	if q.keyInTPM {
		ok := c.CertifiedKey != nil && len(c.CertifiedKey.SHA256) == keyDigestSize && len(c.CertifiedKey.Name) > 0
		r.judge(ok, tpm, evidence.CodePolicyTPMKey, "a key that lives in the TPM", func() string {
			return yesNo(ok, "certified by the TPM", "absent: the TPM certified no key")
		})
	}
	boot := c.Boot
	if boot != nil && boot.Bank != c.Bank { // it says nothing of these PCRs
		boot = nil
	}
	q.boot.judge(r, boot)
	q.ima.judge(r, c, b)
}

func (q *tpmRequirement) judgePCRs(r *report, c *evidence.TPMClaims) {
	bankOK, bankWant := pcrBanks[c.Bank] != 0, "a bank of SHA-256 or stronger"
	if q.bank != "" {
		bankOK, bankWant = c.Bank == q.bank, q.bank
	}
	r.judge(bankOK, tpm, evidence.CodePolicyTPMBank, bankWant, func() string { return shownText(c.Bank) })
	for _, pcr := range q.pcrs {
		var value evidence.Hex
		if bankOK {
			value = c.PCRs[pcr.index] // what another bank holds is no value of this one
		}
		r.values(tpm, evidence.CodePolicyTPMPCR, pcr.values, value)
	}
}

// judgeFirmware judges the firmware's version, which a TPM disguises in what keys of
// the owner's hierarchy sign (TPM 2.0 part 1, 36.7).
func (q *tpmRequirement) judgeFirmware(r *report, c *evidence.TPMClaims) {
	if q.firmware == nil {
		return
	}
	plain := c.AKHierarchy == hierarchyEndorsement || c.AKHierarchy == hierarchyPlatform
	ok := plain && len(c.FirmwareVersion) == firmwareVersionSize &&
		binary.BigEndian.Uint64(c.FirmwareVersion) >= binary.BigEndian.Uint64(q.firmware)
	r.judge(ok, tpm, evidence.CodePolicyTPMFirmware, "a firmware version that reaches the minimum", func() string {
		if !plain {
			return "disguised: the attestation key is not known to be in the endorsement or the platform hierarchy"
		}
		return shown(c.FirmwareVersion)
	})
}

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
	akDigestSize        = 32 // SHA-256
	firmwareVersionSize = 8
)

// tpmRequirement is what a TPM quote must show. The zero value is the strictest
// that pins no value.
type tpmRequirement struct {
	bank     string // empty: any but SHA-1
	pcrs     []pcrValues
	sources  *choice
	aks      *values
	anchors  *values
	allow    []string
	firmware evidence.Hex
	// unrevoked waives that revocation lists cover the chain of the key's certificate.
	unrevoked bool
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

// The sources of attestation keys, as claims name them.
const (
	akCertificate = "certificate"
	akGiven       = "given"
)

// readTPM reads tpm; a nil node gives nil.
func (l *loader) readTPM(s source, n *yaml.Node, a *alternative) *tpmRequirement {
	f := s.mapping(n, "tpm")
	if f == nil {
		return nil
	}
	q := &tpmRequirement{allow: a.readAllow(s, f.take("allow"), evidence.KindTPM, tpmAllow)}
	l.readTPMPCRs(f, q)
	if ak := s.mapping(f.take("ak"), "ak"); ak != nil {
		q.sources = newChoice(s.words(ak.take("sources"), "ak.sources", []string{akCertificate, akGiven})...)
		q.aks = l.readValues(s, ak.take("sha256"), valueSpec{key: "ak.sha256", size: akDigestSize})
		q.anchors = l.readValues(s, ak.take("anchors"), valueSpec{key: "ak.anchors", size: akDigestSize})
		ak.done()
	}
	if mode := s.word(f.take("revocation"), "revocation", []string{"require", "off"}); mode == "off" {
		q.unrevoked = true
		a.relax("tpm.revocation")
	}
	if n := f.take("minimum_firmware"); n != nil {
		q.firmware = s.hexValue(n, valueSpec{key: "minimum_firmware", size: firmwareVersionSize})
	}
	f.done()
	return q
}

// readTPMPCRs reads the PCRs of the one bank that the quote has to cover.
func (l *loader) readTPMPCRs(f *fields, q *tpmRequirement) {
	s := f.source
	n := f.need("pcrs", "write {sha256: {INDEX: [values of 64 hex digits]}}; a TPM that shows no PCR shows nothing of the machine")
	s.readPCRs(n, func(bank string, index int, n *yaml.Node) {
		if q.bank != "" && q.bank != bank {
			s.problem(n, evidence.CodePolicyValue, "pcrs has two banks, %s and %s, but a quote covers one; write an alternative for each", q.bank, bank)
			return
		}
		q.bank = bank
		key := pcrKey(bank, index)
		v := l.readValues(s, n, valueSpec{key: key, size: pcrBanks[bank], reference: key, technology: evidence.KindTPM})
		if v == nil {
			return
		}
		v.want = "PCR " + strconv.Itoa(index) + ": " + v.want
		q.pcrs = append(q.pcrs, pcrValues{index, v})
	})
	slices.SortFunc(q.pcrs, func(a, b pcrValues) int { return a.index - b.index })
}

const tpm = evidence.KindTPM

// judge holds claims against the requirement. anchor is the root that the
// attestation key rests on, or nil.
func (q *tpmRequirement) judge(r *report, c *evidence.TPMClaims, anchor *evidence.TrustAnchor) {
	q.judgeKey(r, c, anchor)
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
	r.judge(c.Safe || slices.Contains(q.allow, allowUnsafe), tpm, evidence.CodePolicyTPMSafe, "a clock that never ran backwards (safe)",
		func() string { return yesNo(c.Safe, "safe", "not safe: the TPM may have lost its last clock value") })
	if q.firmware != nil {
		ok := len(c.FirmwareVersion) == firmwareVersionSize &&
			binary.BigEndian.Uint64(c.FirmwareVersion) >= binary.BigEndian.Uint64(q.firmware)
		r.judge(ok, tpm, evidence.CodePolicyTPMFirmware, "a firmware version that reaches the minimum", func() string { return shown(c.FirmwareVersion) })
	}
}

// judgeKey judges why the attestation key is trusted and what it can sign.
func (q *tpmRequirement) judgeKey(r *report, c *evidence.TPMClaims, anchor *evidence.TrustAnchor) {
	sources := q.sources
	if sources == nil {
		sources = &anySource
	}
	r.member(tpm, evidence.CodePolicyTPMAKSource, sources, c.AKSource)
	r.values(tpm, evidence.CodePolicyTPMAK, q.aks, c.AKSHA256)
	if q.anchors != nil {
		var root evidence.Hex
		if anchor != nil && c.AKSource == akCertificate {
			root = anchor.SHA256
		}
		r.values(tpm, evidence.CodePolicyTPMAKAnchor, q.anchors, root)
	}
	if c.AKSource == akCertificate {
		q.judgeRevocation(r, c)
	}
	r.judge(q.restrictedOK(c), tpm, evidence.CodePolicyTPMAKRestricted, "a restricted signing key", func() string {
		switch {
		case c.AKRestricted != nil:
			return yesNo(*c.AKRestricted, "restricted", "not restricted: it signs whatever it is given")
		case c.AKSource == akCertificate:
			return "its certificate says that it is an attestation key"
		}
		return absent + " (the key's public area is not known)"
	})
}

// judgeRevocation judges whether it is known that no certificate of the key's
// chain was revoked.
func (q *tpmRequirement) judgeRevocation(r *report, c *evidence.TPMClaims) {
	const want = "a chain that current revocation lists cover"
	switch {
	case c.RevocationChecked:
		r.judge(true, tpm, evidence.CodePolicyTPMRevocation, want, func() string { return "covered" })
	case !q.unrevoked:
		r.wait(tpm, evidence.CodePolicyTPMRevocation, want, "there was no revocation list for some certificate of the chain")
	}
}

var anySource = choice{[]string{akCertificate, akGiven}, "certificate or given"}

// restrictedOK reports whether the key signs only what the TPM made itself. Its
// issuer vouches for that in a certificate; of a key that was merely given, the
// public area has to show it.
func (q *tpmRequirement) restrictedOK(c *evidence.TPMClaims) bool {
	if c.AKRestricted != nil {
		return *c.AKRestricted
	}
	return c.AKSource == akCertificate || c.AKSource == akGiven && slices.Contains(q.allow, allowAKUnknown)
}

package attacks

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmRegisterRows present values of registers that no quote covers, or that are
// others' values.
func tpmRegisterRows() []Row {
	uncovered := codes(evidence.CodePolicyTPMPCR)
	noBank := codes(evidence.CodePolicyTPMPCR, evidence.CodePolicyTPMBank)
	return []Row{
		{"P09", "PCRs that no quote covers", append(uncoveredLists(), []Case{
			selecting("no bank", noBank),
			selecting("an empty bank", uncovered, tpm2.TPMSPCRSelection{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{0, 0, 0}}),
			selecting("an empty bitmap", uncovered, tpm2.TPMSPCRSelection{Hash: tpm2.TPMAlgSHA256}),
			{
				Name: "some, and values of all beside them", Subject: tpmPlain, Want: uncovered,
				Try: otherTPM(func(o *tpm.MachineOptions) { o.PCRs = []int{0, 1, 2, 3} }, func(m *tpm.Machine, item *evidence.TPM) error {
					item.PCRs = m.PCRs()
					return nil
				}),
			},
		}...)},
		{"P10", "registers that software sets back, and values under other indexes", []Case{
			{
				Name: "in place of those of the boot", Subject: tpmPlain, Want: codes(evidence.CodeTPMPCRValues), Behind: uncovered,
				Try: resettable(func(*tpm.Machine, map[int]evidence.Hex) {}),
			},
			{
				Name: "beside those of the boot", Subject: tpmPlain, Want: uncovered,
				Try: resettable(func(m *tpm.Machine, values map[int]evidence.Hex) {
					for n := 16; n < 24; n++ {
						values[n] = m.PCRs()[tpm.SHA256][n]
					}
				}),
			},
		}},
		{"P11", "values cut anew", cutAnew()},
		{"P12", "several banks at once", []Case{
			severalBanks("the same twice", tpm2.TPMAlgSHA256, 1),
			severalBanks("another as well", tpm2.TPMAlgSHA1, 1),
			severalBanks("another without registers", tpm2.TPMAlgSHA1, 0),
		}},
		{"P13", "weaker bank, or one that nothing was measured into", append(otherAggregates(), []Case{
			{
				Name: "the bank of SHA-1", Subject: tpmPlain, Want: noBank,
				Try: ofBank(tpm2.TPMAlgSHA1, "sha1", 20),
			},
			{
				Name: "a bank that is not known", Subject: tpmPlain, Want: codes(evidence.CodeTPMPCRSelection), Behind: noBank,
				Try: ofBank(tpm2.TPMAlgSHA3256, "sha3_256", 32),
			},
			{
				Name: "a bank that nothing was measured into", Subject: tpmPlain, Want: uncovered,
				Try: attested(func(a *Attacker, h host, data []byte) (*evidence.TPM, error) {
					o := h.options
					o.Name += "/hole"
					m, err := newTPM(a.World(), o) // measures nothing
					if err != nil {
						return nil, err
					}
					return m.Quote(data)
				}),
			},
		}...)},
		{"P14", "digest by another hash", []Case{{
			Name: "the bank's", Subject: tpm384, Want: codes(evidence.CodeTPMPCRDigest),
			Try: attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
				digest := sha512.New384()
				for n := range 16 {
					digest.Write(h.PCRs()[tpm.SHA384][n])
				}
				return restate(h.Machine, data, selected(func(i *tpm2.TPMSQuoteInfo) { i.PCRDigest.Buffer = digest.Sum(nil) }))
			}),
		}}},
	}
}

// selecting quotes another selection, and the digest of nothing.
func selecting(name string, behind []evidence.Code, selections ...tpm2.TPMSPCRSelection) Case {
	nothing := sha256.Sum256(nil)
	return Case{
		Name: name, Subject: tpmPlain, Want: codes(evidence.CodeTPMPCRSelection), Behind: behind,
		Try: stated(selected(func(i *tpm2.TPMSQuoteInfo) {
			i.PCRSelect.PCRSelections, i.PCRDigest.Buffer = selections, nothing[:]
		})),
	}
}

// severalBanks quotes a second bank.
func severalBanks(name string, bank tpm2.TPMAlgID, bitmap byte) Case {
	return Case{
		Name: name, Subject: tpmPlain, Want: codes(evidence.CodeTPMPCRSelection), Behind: codes(evidence.CodePolicyTPMPCR, evidence.CodePolicyTPMBank),
		Try: stated(selected(func(i *tpm2.TPMSQuoteInfo) {
			i.PCRSelect.PCRSelections = append(i.PCRSelect.PCRSelections, tpm2.TPMSPCRSelection{Hash: bank, PCRSelect: []byte{bitmap, 0, 0}})
		})),
	}
}

// resettable extends registers that any software sets back as the policy's were, and
// presents them as those.
func resettable(more func(m *tpm.Machine, values map[int]evidence.Hex)) try {
	return attested(func(a *Attacker, h host, data []byte) (*evidence.TPM, error) {
		o := h.options
		o.Name, o.PCRs = o.Name+"/resettable", []int{16, 17, 18, 19, 20, 21, 22, 23}
		m, err := newTPM(a.World(), o)
		if err != nil {
			return nil, err
		}
		if err := m.Measure(16, []byte(tpmPlain+"/0")); err != nil { // as register 0 was
			return nil, err
		}
		item, err := m.Quote(data)
		if err != nil {
			return nil, err
		}
		values := h.PCRs()[tpm.SHA256]
		values[0] = m.PCRs()[tpm.SHA256][16]
		for n := 16; n < 24; n++ {
			delete(values, n)
		}
		more(m, values)
		item.PCRs = evidence.PCRs{tpm.SHA256: values}
		return item, nil
	})
}

// cutAnew move bytes from one value to another: their concatenation stays the same.
func cutAnew() []Case {
	recut := func(name, subject string, cut func(values map[int]evidence.Hex) evidence.PCRs) Case {
		return Case{
			Name: name, Subject: subject, Want: codes(evidence.CodeTPMPCRValues), Behind: codes(evidence.CodePolicyTPMPCR),
			Try: beside(func(_ *Attacker, item *evidence.TPM) error {
				for _, values := range item.PCRs {
					item.PCRs = cut(values)
				}
				return nil
			}),
		}
	}
	return []Case{
		recut("a byte from one to the next", tpmPlain, func(values map[int]evidence.Hex) evidence.PCRs {
			values[0], values[1] = values[0][:31], slices.Concat(values[0][31:], values[1])
			return evidence.PCRs{tpm.SHA256: values}
		}),
		recut("two in one", tpmPlain, func(values map[int]evidence.Hex) evidence.PCRs {
			values[0] = slices.Concat(values[0], values[1])
			delete(values, 1)
			return evidence.PCRs{tpm.SHA256: values}
		}),
		recut("values of SHA-384 in pieces of 32 bytes", tpm384, func(values map[int]evidence.Hex) evidence.PCRs {
			var all []byte
			for n := range 16 {
				all = append(all, values[n]...)
			}
			pieces := map[int]evidence.Hex{}
			for n := range 24 {
				pieces[n] = bytes.Clone(all[32*n:][:32])
			}
			return evidence.PCRs{tpm.SHA256: pieces, tpm.SHA384: pieces}
		}),
	}
}

// ofBank attests with one value of a bank of that name, and the policy's values beside it.
func ofBank(bank tpm2.TPMAlgID, name string, size int) try {
	value := bytes.Repeat([]byte{1}, size)
	digest := sha256.Sum256(value)
	return attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
		item, err := restate(h.Machine, data, selected(func(i *tpm2.TPMSQuoteInfo) {
			i.PCRSelect.PCRSelections = []tpm2.TPMSPCRSelection{{Hash: bank, PCRSelect: []byte{1, 0, 0}}}
			i.PCRDigest.Buffer = digest[:]
		}))
		if err == nil {
			item.PCRs[name] = map[int]evidence.Hex{0: value}
		}
		return item, err
	})
}

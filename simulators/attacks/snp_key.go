package attacks

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

const noChain = "the certificate of a key of the other kind says nothing of this one, so that there is no chain"

// snpKeyRows lie about which key signed the report.
func snpKeyRows() []Row {
	return []Row{
		{"S07", "key of another chip", []Case{
			{
				Name: "identifier of another chip", Subject: snpPlain, Want: codes(evidence.CodeSNPChipID),
				Try: changed(func(r *sevsnp.Report) { r.ChipID[0]++ }),
			},
			{
				Name: "last byte of the identifier", Subject: snpPlain, Want: codes(evidence.CodeSNPChipID),
				Try: changed(func(r *sevsnp.Report) { r.ChipID[63]++ }),
			},
		}},
		{"S08", "key of another TCB", otherTCBs()},
		{"S10", "a provider's key in place of a chip's", exchangedKeys()},
		{"S11", "key of another provider", []Case{
			{
				Name: "another provider's", Subject: snpProvider, Want: codes(evidence.CodePolicySNPCSP),
				Try: remade(snpProvider, snpEvil, func(*sevsnp.Report) {}),
			},
			{
				Name: "no provider's", Subject: snpProvider, Want: codes(evidence.CodePolicySNPCSP),
				Try: remade(snpProvider, "", func(r *sevsnp.Report) { r.SigningKey = sevsnp.KeyVCEK }),
			},
			{
				Name: "a provider's where a chip's is asked for", Subject: snpOwnKey, Want: codes(evidence.CodePolicySNPSigningKey),
				Try: remade(snpOwnKey, snpCSP, func(*sevsnp.Report) {}),
			},
		}},
	}
}

// otherTCBs claim a level that the key was not made for.
func otherTCBs() []Case {
	var cases []Case
	for _, x := range []struct {
		level  string
		offset int
	}{{"bootloader", 0x180}, {"tee", 0x181}, {"snp", 0x186}, {"microcode", 0x187}} {
		cases = append(cases, Case{
			Name: "a newer " + x.level + " than the key's", Subject: snpPlain, Want: codes(evidence.CodeSNPTCB),
			Try: edited(func(raw []byte) { raw[x.offset]++ }),
		})
	}
	return append(cases, Case{
		Name: "an older microcode than the key's", Subject: snpPlain, Want: codes(evidence.CodeSNPTCB), Behind: codes(evidence.CodePolicySNPTCB),
		Try: edited(func(raw []byte) { raw[0x187]-- }),
	})
}

// exchangedKeys have a key of one kind stand in for one of the other.
func exchangedKeys() []Case {
	return []Case{
		{
			Name: "a report that says a chip's key signed, by a provider's", Subject: snpProvider, Want: codes(evidence.CodeSNPCertificateProfile),
			Proof: ByParser, Why: noChain, Try: remade("unknown", snpCSP, func(*sevsnp.Report) {}, func(r *sevsnp.Report) { r.SigningKey, r.ChipID[0] = sevsnp.KeyVCEK, 1 }),
		},
		{
			Name: "a report that says a provider's key signed, by a chip's", Subject: snpPlain, Want: codes(evidence.CodeSNPCertificateProfile),
			Proof: ByParser, Why: noChain, Try: remade("unknown", "", func(r *sevsnp.Report) { r.ReportedTCB.Microcode++ }, func(r *sevsnp.Report) { r.SigningKey = sevsnp.KeyVLEK }),
		},
		{
			Name: "signed by a provider's key, with the certificates of both", Subject: snpPlain, Want: codes(evidence.CodeSNPSignature),
			Try: forged(func(a *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
				honest, err := m.Item(data)
				if err != nil {
					return nil, err
				}
				provider, err := providerOf(a)
				if err != nil {
					return nil, err
				}
				other, err := provider.Item(data)
				if err != nil {
					return nil, err
				}
				honest.Certificates = append(other.Certificates, honest.Certificates...)
				honest.Report, err = provider.Sign(honest.Report)
				return honest, err
			}),
		},
	}
}

// providerOf is the machine whose reports a provider's key signs.
func providerOf(a *Attacker) (*sevsnp.Machine, error) {
	other, err := a.MachineOf(snpProvider)
	if err != nil {
		return nil, err
	}
	m, ok := other.(*sevsnp.Machine)
	if !ok {
		return nil, fmt.Errorf("the subject %q is no SEV-SNP guest", snpProvider)
	}
	return m, nil
}

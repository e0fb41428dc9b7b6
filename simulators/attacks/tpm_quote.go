package attacks

import (
	"bytes"
	"encoding/binary"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

const (
	undecoded = "what cannot be decoded leaves nothing to judge"
	notQuoted = "the values that the policy asks for are then covered by nothing"
)

// tpmQuoteRows change what the TPM says, and have its key sign it.
func tpmQuoteRows() []Row {
	return []Row{
		{"P01", "attested structure that no TPM generated", otherMagics()},
		{"P16", "bytes behind the structures", []Case{
			{
				Name: "behind the statement", Subject: tpmPlain, Want: codes(evidence.CodeTPMAttestFormat), Proof: ByParser, Why: undecoded,
				Try: rewrittenStatement(func(s []byte) []byte { return append(s, 0, 0) }),
			},
			{
				Name: "behind the signature", Subject: tpmPlain, Want: codes(evidence.CodeTPMSignatureFormat), Proof: ByParser, Why: undecoded,
				Try: beside(func(_ *Attacker, i *evidence.TPM) error { i.Signature = append(i.Signature, 0); return nil }),
			},
			{
				Name: "behind the key's area", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKPublicFormat),
				Try: beside(func(_ *Attacker, i *evidence.TPM) error { i.AKPublic = append(i.AKPublic, 0); return nil }),
			},
		}},
		{"P17", "statement of another type", []Case{
			{
				Name: "the certification of a key", Subject: tpmPlain, Want: codes(evidence.CodeTPMType), Proof: ByParser, Why: "it says nothing of registers",
				Try: attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
					key, err := h.NewKey()
					if err != nil {
						return nil, err
					}
					return h.Sign(tpm2.Marshal(h.Certification(key, data)))
				}),
			},
			{
				Name: "a quote said to be of the time", Subject: tpmPlain, Want: codes(evidence.CodeTPMType), Proof: ByParser, Why: "it says nothing of registers",
				Try: rewrittenStatement(func(s []byte) []byte {
					binary.BigEndian.PutUint16(s[4:], uint16(tpm2.TPMSTAttestTime))
					return s
				}),
			},
		}},
		{"P18", "extra data in part, or with more", otherExtraData()},
		{"P19", "another signer than the key", []Case{
			signer("no name", tpmPlain, nil, evidence.CodeTPMQualifiedSigner),
			signer("an algorithm alone", tpmPlain, []byte{0, 0x0b}, evidence.CodeTPMQualifiedSigner),
			signer("a name by another algorithm", tpmPlain, append([]byte{0, 0x0c}, make([]byte, 48)...), evidence.CodeTPMQualifiedSigner),
			signer("a key that hangs under another", tpmStrict, append([]byte{0, 0x0b}, make([]byte, 32)...), evidence.CodePolicyTPMAKHierarchy, evidence.CodePolicyTPMFirmware),
			{
				Name: "a key of the owner's", Subject: tpmStrict, Want: codes(evidence.CodePolicyTPMAKHierarchy, evidence.CodePolicyTPMFirmware),
				Try: otherTPM(func(o *tpm.MachineOptions) { o.Hierarchy = tpm2.TPMRHOwner }),
			},
		}},
		{"P39", "TPM with known bad firmware", []Case{
			{
				Name: "older", Subject: tpmStrict, Want: codes(evidence.CodePolicyTPMFirmware),
				Try: stated(func(s *tpm2.TPMSAttest) { s.FirmwareVersion-- }),
			},
			{
				Name: "none", Subject: tpmStrict, Want: codes(evidence.CodePolicyTPMFirmware),
				Try: stated(func(s *tpm2.TPMSAttest) { s.FirmwareVersion = 0 }),
			},
		}},
	}
}

// otherMagics begin otherwise than what a TPM generates.
func otherMagics() []Case {
	var cases []Case
	for _, x := range []struct {
		name  string
		magic tpm2.TPMGenerated
	}{{"zero", 0}, {"one bit", 0xff544346}, {"reversed", 0x474354ff}} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmPlain, Want: codes(evidence.CodeTPMMagic),
			Try: stated(func(s *tpm2.TPMSAttest) { s.Magic = x.magic }),
		})
	}
	return cases
}

// otherExtraData carry the binding as no honest client has it.
func otherExtraData() []Case {
	var cases []Case
	for _, x := range []struct {
		name string
		make func(data []byte) []byte
	}{
		{"none", func([]byte) []byte { return nil }},
		{"all but its last byte", func(data []byte) []byte { return data[:len(data)-1] }},
		{"with a zero behind", func(data []byte) []byte { return append(bytes.Clone(data), 0) }},
		{"twice", func(data []byte) []byte { return append(bytes.Clone(data), data...) }},
		{"zeros", func(data []byte) []byte { return make([]byte, len(data)) }},
		{"one bit", func(data []byte) []byte { data[31] ^= 1; return data }},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmPlain, Want: codes(evidence.CodeBinding),
			Try: stated(func(s *tpm2.TPMSAttest) { s.ExtraData.Buffer = x.make(s.ExtraData.Buffer) }),
		})
	}
	return append(cases, Case{Name: "a quote for an earlier challenge", Subject: tpmPlain, Want: codes(evidence.CodeBinding), Try: onAnotherChallenge})
}

// signer is a case whose quote names another signer.
func signer(name, subject string, qualified []byte, want ...evidence.Code) Case {
	return Case{
		Name: name, Subject: subject, Want: want,
		Try: stated(func(s *tpm2.TPMSAttest) { s.QualifiedSigner.Buffer = qualified }),
	}
}

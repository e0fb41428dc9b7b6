package attacks

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// certifying makes a certification of a key for this extra data.
type certifying = func(a *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error)

// tpmCertifyRows say of a key that it lives in the TPM.
func tpmCertifyRows() []Row {
	return []Row{
		{"P22", "key that is said to live in the TPM", slices.Concat(otherCertifications(), malformedCertifications(), looseKeys())},
		{"P23", "certified key that is not the attested one", []Case{{
			Name: "another key of the TPM", Subject: tpmKeyed, Want: codes(evidence.CodeCompositeKeyInTPM),
			Try: certified(func(_ *Attacker, h host, _ *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
				other, err := h.NewKey()
				if err != nil {
					return nil, err
				}
				return h.Certify(other, data)
			}),
		}}},
	}
}

// certified attests for a key of the TPM, with the certification of make.
func certified(make certifying) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		h, err := a.host()
		if err != nil {
			return Got{}, err
		}
		key, err := h.NewKey()
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, certifiedAttempt(a, h, key, make))
	}
}

func certifiedAttempt(a *Attacker, h host, key *tpm.Key, make certifying) Attempt {
	t := tpmAttempt(func(data []byte) (*evidence.TPM, error) {
		item, err := h.Quote(data)
		if err == nil {
			item.Certification, err = make(a, h, key, data)
		}
		return item, err
	})
	t.Key = key
	return t
}

// honestCertification is what an honest machine sends.
func honestCertification(_ *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
	return h.Certify(key, data)
}

// otherCertifications are signed, but not what they must be.
func otherCertifications() []Case {
	restated := func(change func(s *tpm2.TPMSAttest)) certifying {
		return func(_ *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			statement := h.Certification(key, data)
			change(&statement)
			return h.SignCertification(tpm2.Marshal(statement), key.Area())
		}
	}
	named := func(name func(key *tpm.Key) []byte) certifying {
		return func(a *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			return restated(func(s *tpm2.TPMSAttest) {
				if info, err := s.Attested.Certify(); err == nil {
					info.Name.Buffer = name(key)
				}
			})(a, h, key, data)
		}
	}
	var cases []Case
	for _, x := range []struct {
		name string
		make certifying
	}{
		{"no name", named(func(*tpm.Key) []byte { return nil })},
		{"half of its name", named(func(key *tpm.Key) []byte { return key.Name()[:20] })},
		{"its name by another algorithm", named(func(key *tpm.Key) []byte { return append([]byte{0, 12}, key.Name()[2:]...) })},
		{"no qualified name", restated(func(s *tpm2.TPMSAttest) {
			if info, err := s.Attested.Certify(); err == nil {
				info.QualifiedName.Buffer = nil
			}
		})},
		{"for another challenge", restated(func(s *tpm2.TPMSAttest) { s.ExtraData.Buffer = make([]byte, 32) })},
		{"for no challenge", restated(func(s *tpm2.TPMSAttest) { s.ExtraData.Buffer = nil })},
		{"for a part of the challenge", restated(func(s *tpm2.TPMSAttest) { s.ExtraData.Buffer = s.ExtraData.Buffer[:31] })},
		{"for more than the challenge", restated(func(s *tpm2.TPMSAttest) { s.ExtraData.Buffer = append(slices.Clone(s.ExtraData.Buffer), 0) })},
		{"that no TPM generated", restated(func(s *tpm2.TPMSAttest) { s.Magic = 0 })},
		{"by another signer", restated(func(s *tpm2.TPMSAttest) { s.QualifiedSigner.Buffer = slices.Repeat([]byte{0, 11}, 17) })},
		{"by another TPM", func(a *Attacker, _ host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			other, err := a.another()
			if err != nil {
				return nil, err
			}
			return other.Certify(key, data)
		}},
		{"a quote in its place", func(_ *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			statement, err := h.Attestation(data)
			if err != nil {
				return nil, err
			}
			return h.SignCertification(tpm2.Marshal(statement), key.Area())
		}},
		{"with another signature", changedCertification(func(c *evidence.TPMCertification) { c.Signature[8] ^= 1 })},
		{"with SHA-1", changedCertification(func(c *evidence.TPMCertification) { binary.BigEndian.PutUint16(c.Signature[2:], 0x0004) })},
		{"by another scheme", changedCertification(func(c *evidence.TPMCertification) { c.Signature = rsaSignature(0x0014, 256) })},
	} {
		cases = append(cases, Case{Name: x.name, Subject: tpmKeyed, Want: codes(evidence.CodeTPMCertification), Try: certified(x.make)})
	}
	return append(cases, Case{
		Name: "another key's area beside it", Subject: tpmKeyed, Want: codes(evidence.CodeTPMCertification), Behind: codes(evidence.CodeCompositeKeyInTPM),
		Try: certified(func(_ *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			other, err := h.NewKey()
			if err != nil {
				return nil, err
			}
			c, err := h.Certify(key, data)
			if err == nil {
				c.Public = other.Area()
			}
			return c, err
		}),
	}, Case{
		Name: "none", Subject: tpmKeyed, Want: codes(evidence.CodePolicyTPMKey),
		Try: certified(func(*Attacker, host, *tpm.Key, []byte) (*evidence.TPMCertification, error) { return nil, nil }),
	})
}

// changedCertification is the honest one after a change.
func changedCertification(change func(*evidence.TPMCertification)) certifying {
	return func(a *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
		c, err := honestCertification(a, h, key, data)
		if err == nil {
			change(c)
		}
		return c, err
	}
}

// malformedCertifications have parts that are none.
func malformedCertifications() []Case {
	var cases []Case
	for _, x := range []struct {
		name   string
		change func(*evidence.TPMCertification)
	}{
		{"half a statement", func(c *evidence.TPMCertification) { c.Attest = c.Attest[:len(c.Attest)-1] }},
		{"bytes behind the statement", func(c *evidence.TPMCertification) { c.Attest = append(c.Attest, 0) }},
		{"bytes behind the signature", func(c *evidence.TPMCertification) { c.Signature = append(c.Signature, 0) }},
		{"bytes behind the area", func(c *evidence.TPMCertification) { c.Public = append(c.Public, 0) }},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmKeyed, Want: codes(evidence.CodeTPMCertificationFormat), Proof: ByParser, Why: undecoded,
			Try: certified(changedCertification(x.change)),
		})
	}
	return cases
}

// looseKeys could leave the TPM, came from outside, or do other things than to sign what
// they are given.
func looseKeys() []Case {
	var cases []Case
	for _, x := range []struct {
		name  string
		alter func(*tpm2.TPMAObject)
	}{
		{"that can be duplicated", func(a *tpm2.TPMAObject) { a.FixedTPM = false }},
		{"that can be moved", func(a *tpm2.TPMAObject) { a.FixedParent = false }},
		{"that came from outside", func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false }},
		{"that does not sign", func(a *tpm2.TPMAObject) { a.SignEncrypt = false }},
		{"that decrypts", func(a *tpm2.TPMAObject) { a.Decrypt = true }},
		{"that is restricted", func(a *tpm2.TPMAObject) { a.Restricted = true }},
	} {
		cases = append(cases, Case{
			Name: "a key " + x.name, Subject: tpmKeyed, Want: codes(evidence.CodeTPMCertifiedKey),
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				h, err := a.host()
				if err != nil {
					return Got{}, err
				}
				attributes := attestationKey()
				attributes.Restricted = false
				x.alter(&attributes)
				key, err := h.MakeKey(tpm.KeyOptions{Attributes: attributes})
				if err != nil {
					return Got{}, err
				}
				return a.Attest(ctx, certifiedAttempt(a, h, key, honestCertification))
			},
		})
	}
	return cases
}

// weakCertifiedKey is one that nobody should trust, though it lives in a TPM.
func weakCertifiedKey() Case {
	return Case{
		Name: "a certified key with exponent 3", Subject: tpmKeyed, Want: codes(evidence.CodeTPMCertifiedKey), Behind: codes(evidence.CodePolicyTPMKey),
		Try: certified(func(a *Attacker, h host, key *tpm.Key, data []byte) (*evidence.TPMCertification, error) {
			large, err := largeKey(a)
			if err != nil {
				return nil, err
			}
			area := rsaArea(large.N, 3)
			area.ObjectAttributes.Restricted = false
			name, err := tpm2.ObjectName(&area)
			if err != nil {
				return nil, err
			}
			statement := h.Certification(key, data)
			info, err := statement.Attested.Certify()
			if err != nil {
				return nil, err
			}
			info.Name = *name
			return h.SignCertification(tpm2.Marshal(statement), tpm2.Marshal(area))
		}),
	}
}

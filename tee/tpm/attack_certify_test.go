package tpm

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
)

// certifying returns a machine whose evidence certifies a key of its TPM.
func (w *world) certifying(t testing.TB, o simulator.MachineOptions) (*simulator.Machine, *simulator.Key) {
	t.Helper()
	m := w.newMachine(t, o)
	key, err := m.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	m.UseKey(key)
	return m, key
}

var certificationCodes = []evidence.Code{evidence.CodeTPMCertificationFormat, evidence.CodeTPMCertification, evidence.CodeTPMCertifiedKey}

func TestCertification(t *testing.T) {
	w := simulated(t)
	for _, typ := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		m, key := w.certifying(t, simulator.MachineOptions{Name: "certify", Key: typ})
		item := quoteOf(t, m, w.nonce)
		sum := sha256.Sum256(spki(t, key.Public()))
		for name, o := range map[string]Options{"certificate": w.roots(), "given": given(m)} {
			out := accepted(t, o, item)
			got := out.Claims.TPM.CertifiedKey
			if got == nil || !bytes.Equal(got.SHA256, sum[:]) || !bytes.Equal(got.Name, key.Name()) {
				t.Errorf("%s, %s: %+v", typ, name, got)
			}
			for _, code := range certificationCodes {
				if status(t, out, code) != evidence.Pass {
					t.Errorf("%v", out.Checks)
				}
			}
		}
		vouched := vouchedFor(m.Key.Public(), m.AttestationKey())
		if out := newVerifier(t, Options{}).Verify(item, nil, vouched); !out.Genuine() || out.Claims.TPM.CertifiedKey == nil {
			t.Errorf("%s, vouched for: %v", typ, out.Checks)
		}
	}
	out := accepted(t, w.roots(), quoteOf(t, w.machine, w.nonce))
	for _, code := range certificationCodes {
		if status(t, out, code) != evidence.NotApplicable {
			t.Errorf("%v", out.Checks)
		}
	}
}

// TestAttack_P22_SignerNotKnownToBeRestricted: a key that the operator gave without its area
// may sign whatever it is given, also certifications. Nothing is claimed.
func TestAttack_P22_SignerNotKnownToBeRestricted(t *testing.T) {
	w := simulated(t)
	m, _ := w.certifying(t, simulator.MachineOptions{Name: "unknown", WithoutCertificate: true})
	o := Options{Keys: []TrustedKey{{Public: m.Key.Public()}}}
	for _, area := range [][]byte{nil, m.Public} {
		item := quoteOf(t, m, w.nonce)
		item.AKPublic = area
		out := accepted(t, o, item)
		if out.Claims.TPM.CertifiedKey != nil || status(t, out, evidence.CodeTPMCertification) != evidence.NotPerformed {
			t.Errorf("%v", out.Checks)
		}
	}
}

// TestAttack_P22_Certification signs certifications that are not what they must be.
func TestAttack_P22_Certification(t *testing.T) {
	w := simulated(t)
	m, key := w.certifying(t, simulator.MachineOptions{Name: "victim of certification"})
	other, stranger := w.newMachine(t, simulator.MachineOptions{Name: "stranger"}), w.newMachine(t, simulator.MachineOptions{Name: "owner's", Hierarchy: tpm2.TPMRHOwner})
	second, err := m.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	info := func(a *tpm2.TPMSAttest) *tpm2.TPMSCertifyInfo {
		info, err := a.Attested.Certify()
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	signed := func(alter func(*tpm2.TPMSAttest)) *evidence.TPMCertification {
		attest := m.Certification(key, w.nonce)
		alter(&attest)
		c, err := m.SignCertification(tpm2.Marshal(attest), key.Area())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	named := func(name []byte) *evidence.TPMCertification {
		return signed(func(a *tpm2.TPMSAttest) { info(a).Name.Buffer = name })
	}
	by := func(m *simulator.Machine) *evidence.TPMCertification {
		c, err := m.Certify(key, w.nonce)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good := by(m)
	quote, err := m.Attestation(w.nonce)
	if err != nil {
		t.Fatal(err)
	}
	asQuote, err := m.SignCertification(tpm2.Marshal(quote), key.Area())
	if err != nil {
		t.Fatal(err)
	}
	otherAlgorithm := append([]byte{0, 12}, key.Name()[2:]...)
	for name, c := range map[string]*evidence.TPMCertification{
		"another key's area":           {Attest: good.Attest, Signature: good.Signature, Public: second.Area()},
		"the attestation key's area":   {Attest: good.Attest, Signature: good.Signature, Public: m.Public},
		"another key's name":           named(second.Name()),
		"no name":                      named(nil),
		"a name by another algorithm":  named(otherAlgorithm),
		"half a name":                  named(key.Name()[:20]),
		"by another attestation key":   by(other),
		"by a key of another kind":     by(stranger),
		"of another challenge":         signed(func(a *tpm2.TPMSAttest) { a.ExtraData.Buffer = make([]byte, 32) }),
		"of no challenge":              signed(func(a *tpm2.TPMSAttest) { a.ExtraData.Buffer = nil }),
		"of part of the challenge":     signed(func(a *tpm2.TPMSAttest) { a.ExtraData.Buffer = w.nonce[:31] }),
		"of more than the challenge":   signed(func(a *tpm2.TPMSAttest) { a.ExtraData.Buffer = append(slices.Clone(w.nonce), 0) }),
		"wrong magic":                  signed(func(a *tpm2.TPMSAttest) { a.Magic = 0 }),
		"another signer":               signed(func(a *tpm2.TPMSAttest) { a.QualifiedSigner.Buffer = slices.Repeat([]byte{0, 11}, 17) }),
		"no qualified name":            signed(func(a *tpm2.TPMSAttest) { info(a).QualifiedName.Buffer = nil }),
		"a quote":                      asQuote,
		"the quote's signature":        {Attest: good.Attest, Signature: quoteOf(t, m, w.nonce).Signature, Public: good.Public},
		"another scheme":               {Attest: good.Attest, Signature: append([]byte{0, 0x14, 0, 11, 1, 0}, make([]byte, 256)...), Public: good.Public},
		"a scheme with SHA-1":          {Attest: good.Attest, Signature: append([]byte{0, 0x18, 0, 4}, good.Signature[4:]...), Public: good.Public},
		"a scheme with an odd hash":    {Attest: good.Attest, Signature: append([]byte{0, 0x18, 0, 0x10}, good.Signature[4:]...), Public: good.Public},
		"a scheme with another's hash": {Attest: good.Attest, Signature: append([]byte{0, 0x18, 0, 12}, good.Signature[4:]...), Public: good.Public},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []Options{w.roots(), given(m)} {
				item := quoteOf(t, m, w.nonce)
				item.Certification = c
				codes := []evidence.Code{evidence.CodeTPMCertification}
				if name == "the attestation key's area" {
					codes = append(codes, evidence.CodeTPMCertifiedKey)
				}
				if out := refused(t, o, item, codes...); out.Claims.TPM.CertifiedKey != nil {
					t.Error("claimed")
				}
			}
		})
	}
	for name, alter := range map[string]func(*evidence.TPMCertification){
		"nothing":                 func(c *evidence.TPMCertification) { *c = evidence.TPMCertification{} },
		"no attest":               func(c *evidence.TPMCertification) { c.Attest = nil },
		"no signature":            func(c *evidence.TPMCertification) { c.Signature = nil },
		"no area":                 func(c *evidence.TPMCertification) { c.Public = nil },
		"bytes behind the attest": func(c *evidence.TPMCertification) { c.Attest = append(slices.Clone(c.Attest), 0) },
		"half an attest":          func(c *evidence.TPMCertification) { c.Attest = c.Attest[:len(c.Attest)-1] },
		"bytes behind the area":   func(c *evidence.TPMCertification) { c.Public = append(slices.Clone(c.Public), 0) },
		"a vast attest":           func(c *evidence.TPMCertification) { c.Attest = make([]byte, 1<<20) },
		"a vast signature":        func(c *evidence.TPMCertification) { c.Signature = make([]byte, 1<<20) },
		"a vast area":             func(c *evidence.TPMCertification) { c.Public = make([]byte, 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			item := quoteOf(t, m, w.nonce)
			c := *good
			alter(&c)
			item.Certification = &c
			refused(t, w.roots(), item, evidence.CodeTPMCertificationFormat)
		})
	}
	item := quoteOf(t, m, w.nonce)
	item.Certification = good
	accepted(t, w.roots(), item)
}

// TestAttack_P22_CertifiedAttributes certifies keys that could leave their TPM, came
// from outside, or do other things than to sign what they are given.
func TestAttack_P22_CertifiedAttributes(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "attributes"})
	good := tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true}
	for name, c := range map[string]struct {
		alter func(*tpm2.TPMAObject)
		ok    bool
	}{
		"good":                {func(*tpm2.TPMAObject) {}, true},
		"under a policy":      {func(a *tpm2.TPMAObject) { a.UserWithAuth, a.AdminWithPolicy = false, true }, true},
		"can be duplicated":   {func(a *tpm2.TPMAObject) { a.FixedTPM = false }, false},
		"can be moved":        {func(a *tpm2.TPMAObject) { a.FixedParent = false }, false},
		"came from outside":   {func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false }, false},
		"does not sign":       {func(a *tpm2.TPMAObject) { a.SignEncrypt = false }, false},
		"decrypts":            {func(a *tpm2.TPMAObject) { a.Decrypt = true }, false},
		"is restricted":       {func(a *tpm2.TPMAObject) { a.Restricted = true }, false},
		"is a storage parent": {func(a *tpm2.TPMAObject) { a.SignEncrypt, a.Decrypt, a.Restricted = false, true, true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := good
			c.alter(&attributes)
			key, err := m.MakeKey(simulator.KeyOptions{Attributes: attributes})
			if err != nil {
				t.Fatal(err)
			}
			m.UseKey(key)
			item := quoteOf(t, m, w.nonce)
			if c.ok {
				accepted(t, w.roots(), item)
				return
			}
			if out := refused(t, w.roots(), item, evidence.CodeTPMCertifiedKey); out.Claims.TPM.CertifiedKey != nil {
				t.Error("claimed")
			}
		})
	}
}

// TestAttack_P24_CertifiedKeyIsWeak certifies a key that nobody should trust.
func TestAttack_P24_CertifiedKeyIsWeak(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "weak"})
	key, err := m.MakeKey(simulator.KeyOptions{Type: simulator.KeyRSA})
	if err != nil {
		t.Fatal(err)
	}
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](key.Area())
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := area.Parameters.RSADetail()
	if err != nil {
		t.Fatal(err)
	}
	parameters.Exponent = 3
	attest := m.Certification(key, w.nonce)
	name, err := tpm2.ObjectName(area)
	if err != nil {
		t.Fatal(err)
	}
	info, err := attest.Attested.Certify()
	if err != nil {
		t.Fatal(err)
	}
	info.Name = *name
	item := quoteOf(t, m, w.nonce)
	if item.Certification, err = m.SignCertification(tpm2.Marshal(attest), tpm2.Marshal(area)); err != nil {
		t.Fatal(err)
	}
	refused(t, w.roots(), item, evidence.CodeTPMCertifiedKey)
}

// TestAttack_P22_CertificationOfAForgedQuote says nothing of a key beside a quote that is
// none.
func TestAttack_P22_CertificationOfAForgedQuote(t *testing.T) {
	w := simulated(t)
	m, _ := w.certifying(t, simulator.MachineOptions{Name: "forged"})
	item := quoteOf(t, m, w.nonce)
	item.Attest = []byte("no quote")
	out := newVerifier(t, w.roots()).Verify(item, nil, paramsNow)
	if out.Genuine() || out.Claims.TPM.CertifiedKey != nil || status(t, out, evidence.CodeTPMCertification) != evidence.NotPerformed {
		t.Errorf("%v", out.Checks)
	}
}

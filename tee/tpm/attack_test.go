package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

var simulatedNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a vendor and a machine, with what a test needs of them.
type world struct {
	vendor  *simulator.Vendor
	machine *simulator.Machine // ECC
	nonce   []byte
}

var simulatedWorld = sync.OnceValues(func() (*world, error) {
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "attacks", Clock: func() time.Time { return simulatedNow }})
	if err != nil {
		return nil, err
	}
	machine, err := vendor.NewMachine(simulator.MachineOptions{Name: "victim"})
	if err != nil {
		return nil, err
	}
	return &world{vendor, machine, bytes.Repeat([]byte{0xa5}, 32)}, nil
})

func simulated(t testing.TB) *world {
	t.Helper()
	w, err := simulatedWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) newMachine(t testing.TB, options simulator.MachineOptions) *simulator.Machine {
	t.Helper()
	m, err := w.vendor.NewMachine(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// roots trusts the vendor's root, given trusts a machine's key by its public area.
func (w *world) roots() Options { return Options{Roots: []tee.Anchor{w.vendor.Anchor()}} }

func given(m *simulator.Machine) Options {
	return Options{Keys: []TrustedKey{{Public: m.Key.Public(), Area: m.Public, Origin: evidence.OriginSimulated}}}
}

func quoteOf(t testing.TB, m *simulator.Machine, nonce []byte) *evidence.TPM {
	t.Helper()
	quote, err := m.Quote(nonce)
	if err != nil {
		t.Fatal(err)
	}
	return quote
}

func sign(t testing.TB, m *simulator.Machine, attest []byte) *evidence.TPM {
	t.Helper()
	quote, err := m.Sign(attest)
	if err != nil {
		t.Fatal(err)
	}
	return quote
}

// mutant signs what the machine would attest, altered.
func (w *world) mutant(t testing.TB, alter func(*tpm2.TPMSAttest)) *evidence.TPM {
	t.Helper()
	attest, err := w.machine.Attestation(w.nonce)
	if err != nil {
		t.Fatal(err)
	}
	alter(&attest)
	return sign(t, w.machine, tpm2.Marshal(attest))
}

func quoteInfoOf(t testing.TB, a *tpm2.TPMSAttest) *tpm2.TPMSQuoteInfo {
	t.Helper()
	info, err := a.Attested.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// refused verifies an item and holds the failed checks to exactly codes.
func refused(t *testing.T, o Options, item *evidence.TPM, codes ...evidence.Code) tee.Outcome {
	t.Helper()
	out := newVerifier(t, o).Verify(item, nil, tee.Params{Now: simulatedNow})
	if out.Genuine() {
		t.Error("genuine")
	}
	if len(codes) == 0 {
		t.Fatal("a refusal has a code")
	}
	wantFailed(t, out, codes...)
	return out
}

func accepted(t *testing.T, o Options, item *evidence.TPM) tee.Outcome {
	t.Helper()
	out := newVerifier(t, o).Verify(item, nil, tee.Params{Now: simulatedNow})
	if !out.Genuine() {
		t.Errorf("refused:\n%v", out.Checks)
	}
	return out
}

func TestAttack_P01_WrongMagic(t *testing.T) {
	w := simulated(t)
	for _, magic := range []tpm2.TPMGenerated{0, 0xff544346, 0x474354ff} {
		item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.Magic = magic })
		refused(t, w.roots(), item, evidence.CodeTPMMagic)
		refused(t, given(w.machine), item, evidence.CodeTPMMagic)
	}
}

func TestAttack_P02_KeyNotRestricted(t *testing.T) {
	w := simulated(t)
	for name, alter := range map[string]func(*tpm2.TPMAObject){
		"not restricted":          func(a *tpm2.TPMAObject) { a.Restricted = false },
		"not sign":                func(a *tpm2.TPMAObject) { a.SignEncrypt = false },
		"decrypt":                 func(a *tpm2.TPMAObject) { a.Decrypt = true },
		"not fixedTPM":            func(a *tpm2.TPMAObject) { a.FixedTPM = false },
		"not fixedParent":         func(a *tpm2.TPMAObject) { a.FixedParent = false },
		"not sensitiveDataOrigin": func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false },
	} {
		t.Run(name, func(t *testing.T) {
			attributes := tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true}
			alter(&attributes)
			m := w.newMachine(t, simulator.MachineOptions{Name: name, Attributes: attributes})
			item := quoteOf(t, m, w.nonce)
			out := refused(t, w.roots(), item, evidence.CodeTPMAKAttributes)
			if check, _ := out.Checks.Get(evidence.CodeTPMAKAttributes); !strings.Contains(check.Got, name) {
				t.Errorf("%v does not say %q", check, name)
			}
			refused(t, given(m), item, evidence.CodeTPMAKAttributes)
			item.AKCertificates, item.AKPublic = nil, nil
			refused(t, given(m), item, evidence.CodeTPMAKAttributes) // by the area that the operator gave
		})
	}
}

// An operator gives only the key of an unrestricted key; the sender adds a public
// area that calls it restricted. Nothing may follow from that area.
func TestAttack_P02_LyingPublicArea(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	out := accepted(t, Options{Keys: []TrustedKey{{Public: w.machine.Key.Public()}}}, item)
	claims := out.Claims.TPM
	if claims.AKRestricted != nil || claims.AKName != nil {
		t.Errorf("claims of an area that nothing vouches for: %+v", claims)
	}
	if check, _ := out.Checks.Get(evidence.CodeTPMAKAttributes); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
	}
}

// The public area that comes along differs from the given one in its attributes.
func TestAttack_P02_OtherAreaOfTheGivenKey(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "unrestricted", WithoutCertificate: true,
		Attributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, SignEncrypt: true}})
	item := quoteOf(t, m, w.nonce)
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](m.Public)
	if err != nil {
		t.Fatal(err)
	}
	area.ObjectAttributes.Restricted = true
	item.AKPublic = tpm2.Marshal(area)
	refused(t, given(m), item, evidence.CodeTPMAKPublicMatch, evidence.CodeTPMAKAttributes)
}

func TestAttack_P06_CertificateTricks(t *testing.T) {
	w := simulated(t)
	sequence := func(ids ...asn1.ObjectIdentifier) []byte {
		der, err := asn1.Marshal(ids)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	usage := func(value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = nil
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidExtendedKeyUsage, Value: value})
		}
	}
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		fails []evidence.Code
	}{
		"empty EKU":                {usage(sequence()), []evidence.Code{evidence.CodeTPMAKUsage}},
		"no EKU":                   {func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }, []evidence.Code{evidence.CodeTPMAKUsage}},
		"EKU of an EK":             {usage(sequence(asn1.ObjectIdentifier{2, 23, 133, 8, 1})), []evidence.Code{evidence.CodeTPMAKUsage}},
		"any EKU":                  {usage(sequence(asn1.ObjectIdentifier{2, 5, 29, 37, 0})), []evidence.Code{evidence.CodeTPMAKUsage}},
		"EKU of a server":          {usage(sequence(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})), []evidence.Code{evidence.CodeTPMAKUsage}},
		"a CA":                     {func(c *x509.Certificate) { c.IsCA = true }, []evidence.Code{evidence.CodeTPMAKUsage}},
		"signs certificates":       {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, []evidence.Code{evidence.CodeTPMAKUsage}},
		"for encryption":           {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, []evidence.Code{evidence.CodeTPMAKUsage}},
		"unknown critical":         {critical(asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), []evidence.Code{evidence.CodeTPMAKExtensions}},
		"SAN of another sort":      {critical(oidSubjectAltName, otherName(t)), []evidence.Code{evidence.CodeTPMAKExtensions}},
		"expired":                  {func(c *x509.Certificate) { c.NotAfter = simulatedNow.Add(-time.Second) }, []evidence.Code{evidence.CodeTPMAKValidity}},
		"not yet valid":            {func(c *x509.Certificate) { c.NotBefore = simulatedNow.Add(time.Second) }, []evidence.Code{evidence.CodeTPMAKValidity}},
		"outlived by its issuer":   {func(c *x509.Certificate) { c.NotBefore, c.NotAfter = never() }, []evidence.Code{evidence.CodeTPMAKChain}},
		"EKU of an AK among other": {usage(sequence(asn1.ObjectIdentifier{1, 2, 3}, oidAKCertificate)), nil},
		"no SAN":                   {func(c *x509.Certificate) { c.ExtraExtensions, c.Subject = nil, pkix.Name{CommonName: "ak"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			template := w.vendor.AKTemplate("victim")
			c.alter(template)
			cert, err := w.vendor.Intermediate.Issue(template, w.machine.Key.Public())
			if err != nil {
				t.Fatal(err)
			}
			item := quoteOf(t, w.machine, w.nonce)
			item.AKCertificates = [][]byte{cert.Raw, w.vendor.Intermediate.Certificate.Raw}
			if c.fails == nil {
				accepted(t, w.roots(), item)
				return
			}
			refused(t, w.roots(), item, c.fails...)
		})
	}
}

// never returns a validity that ends before that of any issuer begins.
func never() (notBefore, notAfter time.Time) {
	return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC)
}

// critical replaces the extension of this identifier by a critical one.
func critical(id asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = slices.DeleteFunc(slices.Clone(c.ExtraExtensions), func(ext pkix.Extension) bool { return ext.Id.Equal(id) })
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: value})
	}
}

// otherName is a subject alternative name with a directory name and an otherName.
func otherName(t *testing.T) []byte {
	t.Helper()
	context := func(tag int) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: []byte{0x30, 0}}
	}
	der, err := asn1.Marshal([]asn1.RawValue{context(4), context(0)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAttack_P06_ChainTricks(t *testing.T) {
	w := simulated(t)
	evil, err := simulator.NewVendor(simulator.Options{Seed: "evil"})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := evil.NewMachine(simulator.MachineOptions{Name: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	forged := quoteOf(t, theirs, w.nonce)
	t.Run("another vendor of the same names", func(t *testing.T) {
		refused(t, w.roots(), forged, evidence.CodeTPMAKChain)
	})
	t.Run("with that vendor's root", func(t *testing.T) {
		item := *forged
		item.AKCertificates = append(slices.Clone(forged.AKCertificates), evil.Root.Certificate.Raw)
		refused(t, w.roots(), &item, evidence.CodeTPMAKChain)
	})
	t.Run("a root of another name", func(t *testing.T) {
		root := simulator.Issuer{Key: evil.Root.Key, Certificate: evil.CATemplate("Another Root")}
		cert, err := root.Issue(root.Certificate, root.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		root.Certificate = cert
		leaf, err := root.Issue(evil.AKTemplate("x"), theirs.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		item := *forged
		item.AKCertificates = [][]byte{leaf.Raw, cert.Raw}
		refused(t, w.roots(), &item, evidence.CodeTPMAKChain)
	})
	t.Run("a leaf issues", func(t *testing.T) {
		leaf := simulator.Issuer{Certificate: w.machine.Certificate, Key: w.machine.Key}
		template := w.vendor.AKTemplate("x")
		template.ExtraExtensions[0].Critical = false
		cert, err := leaf.Issue(template, theirs.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		item := *forged
		item.AKCertificates = [][]byte{cert.Raw, w.machine.Certificate.Raw, w.vendor.Intermediate.Certificate.Raw}
		out := newVerifier(t, w.roots()).Verify(&item, nil, tee.Params{Now: simulatedNow})
		if out.Genuine() {
			t.Error("genuine")
		}
	})
	t.Run("a chain that is too long", func(t *testing.T) {
		issuer, chain := w.vendor.Intermediate, [][]byte{w.vendor.Intermediate.Certificate.Raw}
		for n := range maxChain {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := issuer.Issue(w.vendor.CATemplate("CA "+string(rune('a'+n))), key.Public())
			if err != nil {
				t.Fatal(err)
			}
			issuer = simulator.Issuer{Certificate: cert, Key: key}
			chain = append([][]byte{cert.Raw}, chain...)
		}
		leaf, err := issuer.Issue(w.vendor.AKTemplate("x"), theirs.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		item := *forged
		item.AKCertificates = append([][]byte{leaf.Raw}, chain...)
		refused(t, w.roots(), &item, evidence.CodeTPMAKChain)
	})
}

func TestAttack_P07_PublicAreaOfAnotherKey(t *testing.T) {
	w := simulated(t)
	other := w.newMachine(t, simulator.MachineOptions{Name: "other"})
	item := quoteOf(t, w.machine, w.nonce)
	item.AKPublic = other.Public
	refused(t, w.roots(), item, evidence.CodeTPMAKPublicMatch)
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	item.AKPublic = rsaMachine.Public
	refused(t, w.roots(), item, evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignatureScheme)
	// With a given key it names the key, which then is not the given one.
	item.AKCertificates = nil
	refused(t, given(w.machine), item, evidence.CodeTPMAKUntrusted, evidence.CodeTPMSignatureScheme)
}

// A root that is not Google's issues a certificate without extended key usage,
// but with Google's instance information.
func TestAttack_P08_InstanceInformationUnderAnotherRoot(t *testing.T) {
	w := simulated(t)
	template := w.vendor.AKTemplate("victim")
	template.UnknownExtKeyUsage = nil
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidInstanceInfo, Value: []byte{0x30, 0}})
	cert, err := w.vendor.Intermediate.Issue(template, w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates[0] = cert.Raw
	refused(t, w.roots(), item, evidence.CodeTPMAKUsage)
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

func TestAttack_P15_SchemeConfusion(t *testing.T) {
	w := simulated(t)
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	ecc, rsaItem := quoteOf(t, w.machine, w.nonce), quoteOf(t, rsaMachine, w.nonce)
	digest := sha256.Sum256(rsaItem.Attest)
	pss, err := rsa.SignPSS(rand.Reader, rsaMachine.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(item *evidence.TPM, signature []byte) *evidence.TPM {
		altered := *item
		altered.Signature = signature
		return &altered
	}
	null := bytes.Clone(ecc.Signature)
	binary.BigEndian.PutUint16(null[2:], uint16(algNull))
	t.Run("RSA key, ECDSA signature", func(t *testing.T) {
		refused(t, w.roots(), with(rsaItem, ecc.Signature), evidence.CodeTPMSignatureScheme)
	})
	t.Run("ECC key, RSA signature", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, rsaItem.Signature), evidence.CodeTPMSignatureScheme)
	})
	t.Run("RSAPSS by a key for RSASSA", func(t *testing.T) {
		refused(t, w.roots(), with(rsaItem, retag(rsaItem.Signature, algRSAPSS, pss)), evidence.CodeTPMSignatureScheme)
	})
	t.Run("RSASSA named RSAPSS", func(t *testing.T) {
		item := with(rsaItem, retag(rsaItem.Signature, algRSAPSS, nil))
		item.AKPublic = nil
		refused(t, w.roots(), item, evidence.CodeTPMSignature)
	})
	t.Run("null hash", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, null), evidence.CodeTPMSignatureScheme, evidence.CodeTPMSignatureHash)
	})
	t.Run("null scheme", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, []byte{0, 0x10}), evidence.CodeTPMSignatureFormat)
	})
	t.Run("HMAC", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, append([]byte{0, 5, 0, 0x0b}, make([]byte, 32)...)), evidence.CodeTPMSignatureFormat)
	})
}

// A key whose certificate leaves the scheme open may sign by RSAPSS.
func TestRSAPSS(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	item := quoteOf(t, m, w.nonce)
	digest := sha256.Sum256(item.Attest)
	for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, rsa.PSSSaltLengthAuto} {
		pss, err := rsa.SignPSS(rand.Reader, m.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		item.Signature, item.AKPublic = retag(item.Signature, algRSAPSS, pss), nil
		if out := accepted(t, w.roots(), item); out.Claims.TPM.SignatureScheme != "rsapss" {
			t.Errorf("scheme %q", out.Claims.TPM.SignatureScheme)
		}
	}
}

// retag gives an RSA signature another scheme, and other bytes unless raw is nil.
func retag(signature []byte, scheme algorithm, raw []byte) []byte {
	signature = bytes.Clone(signature)
	binary.BigEndian.PutUint16(signature, uint16(scheme))
	if raw != nil {
		copy(signature[6:], raw)
	}
	return signature
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

// The quote names another signer.
func TestAttack_P19_QualifiedSigner(t *testing.T) {
	w := simulated(t)
	for _, name := range [][]byte{{}, {0, 0x0b}, append([]byte{0, 0x0c}, make([]byte, 48)...)} {
		item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.QualifiedSigner.Buffer = name })
		refused(t, w.roots(), item, evidence.CodeTPMQualifiedSigner)
	}
	// A key below another one has a name that cannot be recomputed: no pass.
	item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.QualifiedSigner.Buffer = append([]byte{0, 0x0b}, make([]byte, 32)...) })
	out := accepted(t, w.roots(), item)
	if check, _ := out.Checks.Get(evidence.CodeTPMQualifiedSigner); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
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

func TestAttack_P24_BadKeys(t *testing.T) {
	w := simulated(t)
	area := func(m *simulator.Machine, alter func(*tpm2.TPMTPublic)) []byte {
		p, err := tpm2.Unmarshal[tpm2.TPMTPublic](m.Public)
		if err != nil {
			t.Fatal(err)
		}
		alter(p)
		return tpm2.Marshal(p)
	}
	point := func(x, y []byte) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y}})
		}
	}
	modulus := func(n *big.Int, exponent uint32) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			parms, err := p.Parameters.RSADetail()
			if err != nil {
				t.Fatal(err)
			}
			parms.KeyBits, parms.Exponent = tpm2.TPMKeyBits(8*len(n.Bytes())), exponent
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: n.Bytes()})
		}
	}
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	n := rsaMachine.Key.Public().(*rsa.PublicKey).N
	small := new(big.Int).Rsh(n, 1024)
	small.SetBit(small, 0, 1)
	curve := func(id tpm2.TPMECCCurve) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			parms, err := p.Parameters.ECCDetail()
			if err != nil {
				t.Fatal(err)
			}
			parms.CurveID = id
		}
	}
	for name, raw := range map[string][]byte{
		"off the curve":   area(w.machine, point(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))),
		"the identity":    area(w.machine, point(nil, nil)),
		"zero":            area(w.machine, point(make([]byte, 32), make([]byte, 32))),
		"long coordinate": area(w.machine, point(bytes.Repeat([]byte{1}, 33), bytes.Repeat([]byte{2}, 32))),
		"another curve":   area(w.machine, curve(tpm2.TPMECCNistP384)),
		"P-224":           area(w.machine, curve(tpm2.TPMECCNistP224)),
		"no curve":        area(w.machine, curve(0)),
		"e = 1":           area(rsaMachine, modulus(n, 1)),
		"e = 3":           area(rsaMachine, modulus(n, 3)),
		"e = 2^32 - 1":    area(rsaMachine, modulus(n, 1<<32-1)),
		"RSA-1024":        area(rsaMachine, modulus(small, 0)),
		"even modulus":    area(rsaMachine, modulus(new(big.Int).SetBit(n, 0, 0), 0)),
		"short modulus":   area(rsaMachine, modulus(new(big.Int).SetBit(n, n.BitLen()-1, 0), 0)),
		"factorable":      area(rsaMachine, modulus(factorableModulus(), 0)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseTrustedKey(raw); evidence.CodeOf(err) != evidence.CodeTPMAKKey {
				t.Errorf("ParseTrustedKey: %v", err)
			}
			item := quoteOf(t, w.machine, w.nonce)
			item.AKPublic = raw
			refused(t, w.roots(), item, evidence.CodeTPMAKKey)
		})
	}
}

// factorableModulus has the fingerprint of CVE-2017-15361: a power of 65537
// modulo the product of the small primes.
func factorableModulus() *big.Int {
	product := big.NewInt(1)
	for _, prime := range smallPrimes {
		product.Mul(product, big.NewInt(prime))
	}
	power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	n := new(big.Int).SetBit(new(big.Int), 2047, 1)
	n.Add(n, new(big.Int).Lsh(big.NewInt(1), 2046))
	n.Sub(n, new(big.Int).Mod(n, product)).Add(n, power)
	if n.Bit(0) == 0 {
		n.Add(n, product)
	}
	return n
}

// TestFactorable holds the fingerprint's chance to what its comment says.
func TestFactorable(t *testing.T) {
	chance := 1.0
	for _, p := range smallPrimes {
		powers := 0
		for x := range p {
			if isPower(x, 65537%p, p) {
				powers++
			}
		}
		chance *= float64(powers) / float64(p)
	}
	if chance > 1.0/(1<<27) {
		t.Errorf("a sound modulus is refused with a probability of %g", chance)
	}
	if !factorable(factorableModulus()) {
		t.Error("the fingerprint is not recognised")
	}
	for range 20 {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2048))
		if err != nil || factorable(n) {
			t.Error("a random number has the fingerprint")
		}
	}
}

package tpm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

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

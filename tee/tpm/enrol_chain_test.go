package tpm

import (
	"bytes"
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

// A certificate of an endorsement key, altered and signed again.
func TestAttack_P05_CertificateTricks(t *testing.T) {
	w := simulated(t)
	usage := func(ids ...asn1.ObjectIdentifier) func(*x509.Certificate) {
		value := []byte{0x30, 0}
		if len(ids) > 0 {
			value = mustDER(t, ids)
		}
		return func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = nil
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidExtendedKeyUsage, Value: value})
		}
	}
	keyUsage := func(u x509.KeyUsage) func(*x509.Certificate) { return func(c *x509.Certificate) { c.KeyUsage = u } }
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		fails []evidence.Code
	}{
		"empty EKU":                   {usage(), []evidence.Code{evidence.CodeTPMEKUsage}},
		"no EKU":                      {func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }, []evidence.Code{evidence.CodeTPMEKUsage}},
		"EKU of an AK":                {usage(oidAKCertificate), []evidence.Code{evidence.CodeTPMEKUsage}},
		"any EKU":                     {usage(asn1.ObjectIdentifier{2, 5, 29, 37, 0}), []evidence.Code{evidence.CodeTPMEKUsage}},
		"EKU of a server":             {usage(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}), []evidence.Code{evidence.CodeTPMEKUsage}},
		"EKU of an EK among others":   {usage(asn1.ObjectIdentifier{1, 2, 3}, oidEKCertificate), nil},
		"a CA":                        {func(c *x509.Certificate) { c.IsCA = true }, []evidence.Code{evidence.CodeTPMEKUsage}},
		"signs certificates":          {keyUsage(x509.KeyUsageKeyAgreement | x509.KeyUsageCertSign), []evidence.Code{evidence.CodeTPMEKUsage}},
		"for signatures":              {keyUsage(x509.KeyUsageDigitalSignature), []evidence.Code{evidence.CodeTPMEKUsage}},
		"encipherment, as RSA does":   {keyUsage(x509.KeyUsageKeyEncipherment), []evidence.Code{evidence.CodeTPMEKUsage}},
		"no key usage":                {keyUsage(0), nil},
		"unknown critical":            {critical(asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), []evidence.Code{evidence.CodeTPMEKExtensions}},
		"unknown critical beside SAN": {func(c *x509.Certificate) { critical(asn1.ObjectIdentifier{2, 23, 133, 2, 16}, []byte{5, 0})(c) }, []evidence.Code{evidence.CodeTPMEKExtensions}},
		"expired":                     {expired, []evidence.Code{evidence.CodeTPMEKValidity}},
		"not yet valid":               {func(c *x509.Certificate) { c.NotBefore = simulatedNow.Add(time.Second) }, []evidence.Code{evidence.CodeTPMEKValidity}},
		"outlived by its issuer":      {func(c *x509.Certificate) { c.NotBefore, c.NotAfter = never() }, []evidence.Code{evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted}},
		"instance information, no EKU": {func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = nil
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidInstanceInfo, Value: []byte{0x30, 0}})
		}, []evidence.Code{evidence.CodeTPMEKUsage}},
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["p256"], c.alter)
			if c.fails == nil {
				enrols(t, w.underRoot(), request)
				return
			}
			repels(t, w.underRoot(), request, c.fails...)
		})
	}
}

// Certificates by CAs that are not under a configured root, whatever they call themselves.
func TestAttack_P05_UnknownIssuer(t *testing.T) {
	w := simulated(t)
	key := ekKeys()["p256"]
	evil := must[*simulator.Vendor](t)(simulator.NewVendor(simulator.Options{Seed: "evil"}))
	both := []evidence.Code{evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted}
	t.Run("of the same names", func(t *testing.T) {
		repels(t, w.underRoot(), w.enrolmentBy(t, evil.EKIntermediate, key.Public()), both...)
	})
	t.Run("with their root", func(t *testing.T) {
		request := w.enrolmentBy(t, evil.EKIntermediate, key.Public())
		request.EKCertificates = append(request.EKCertificates, evil.EKRoot.Certificate.Raw)
		repels(t, w.underRoot(), request, both...)
	})
	t.Run("of another name", func(t *testing.T) {
		root := newCA(t, w, simulator.Issuer{}, "swtpm-localca", nil)
		repels(t, w.underRoot(), w.enrolmentBy(t, root, key.Public()), both...)
	})
	t.Run("by itself", func(t *testing.T) {
		own := simulator.Issuer{Key: key, Certificate: w.ekTemplate(key.Public())}
		own.Certificate.Subject = pkix.Name{CommonName: "ek"}
		cert := issued(t, own, own.Certificate, key.Public())
		repels(t, w.underRoot(), evidence.Enrolment{EKCertificates: [][]byte{cert.Raw}, AKPublic: w.machine.Public}, both...)
	})
	t.Run("by another endorsement key", func(t *testing.T) {
		leaf := newCA(t, w, w.vendor.EKIntermediate, "ek", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 })
		request := w.enrolmentBy(t, leaf, key.Public())
		request.EKCertificates = append(request.EKCertificates, w.vendor.EKIntermediate.Certificate.Raw)
		out := newEnroller(t, w.underRoot()).Judge(request, nil, tee.Params{Now: simulatedNow})
		if out.Good() {
			t.Error("good")
		}
	})
	t.Run("under the root of attestation keys", func(t *testing.T) {
		repels(t, EnrollerOptions{Roots: []tee.Anchor{w.vendor.Anchor()}},
			w.enrolmentWithRoot(t), both...)
	})
	t.Run("no root", func(t *testing.T) {
		repels(t, EnrollerOptions{}, w.enrolment(t, key), evidence.CodeTPMEKUntrusted)
	})
	t.Run("no certificate", func(t *testing.T) {
		request := evidence.Enrolment{EKPublic: ekTemplates[1].area(key.Public()), AKPublic: w.machine.Public}
		repels(t, w.underRoot(), request, evidence.CodeTPMEKUntrusted)
	})
	t.Run("no key", func(t *testing.T) {
		repels(t, w.underRoot(), evidence.Enrolment{AKPublic: w.machine.Public}, evidence.CodeEvidenceIncomplete)
	})
}

// enrolmentWithRoot sends the whole chain, so that no certificate is missing.
func (w *world) enrolmentWithRoot(t *testing.T) evidence.Enrolment {
	t.Helper()
	request := w.enrolment(t, ekKeys()["p256"])
	request.EKCertificates = append(request.EKCertificates, w.vendor.EKRoot.Certificate.Raw)
	return request
}

func TestAttack_P05_IssuerForAnotherPurpose(t *testing.T) {
	w := simulated(t)
	ids := func(ids ...asn1.ObjectIdentifier) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.UnknownExtKeyUsage = ids }
	}
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		fails []evidence.Code
	}{
		"for endorsement keys": {ids(oidEKCertificate), nil},
		"for servers":          {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, []evidence.Code{evidence.CodeTPMEKUsage}},
		"for something else":   {ids(asn1.ObjectIdentifier{1, 2, 3}), []evidence.Code{evidence.CodeTPMEKUsage}},
		"no CA":                {func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 }, nil},
		"expired":              {expired, []evidence.Code{evidence.CodeTPMEKValidity}},
		"unknown critical":     {critical(asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), []evidence.Code{evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted}},
	} {
		t.Run(name, func(t *testing.T) {
			ca := newCA(t, w, w.vendor.EKRoot, "CA "+name, c.alter)
			request := w.enrolmentBy(t, ca, ekKeys()["p256"].Public())
			switch {
			case name == "no CA":
				out := newEnroller(t, w.underRoot()).Judge(request, nil, tee.Params{Now: simulatedNow})
				if out.Good() || len(out.Missing) != 1 {
					t.Errorf("%v", out.Checks)
				}
			case c.fails == nil:
				enrols(t, w.underRoot(), request)
			default:
				repels(t, w.underRoot(), request, c.fails...)
			}
		})
	}
}

func TestAttack_P05_Revoked(t *testing.T) {
	w := simulated(t)
	request := w.enrolment(t, ekKeys()["p256"])
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(request.EKCertificates[0]))
	old := simulatedNow.Add(-90 * 24 * time.Hour) // no longer current
	for name, crl := range map[string]*x509.RevocationList{
		"the key":                must[*x509.RevocationList](t)(w.vendor.EKIntermediate.CRL(simulatedNow, leaf)),
		"the key, by a old list": must[*x509.RevocationList](t)(w.vendor.EKIntermediate.CRL(old, leaf)),
		"its CA":                 must[*x509.RevocationList](t)(w.vendor.EKRoot.CRL(simulatedNow, w.vendor.EKIntermediate.Certificate)),
	} {
		t.Run(name, func(t *testing.T) {
			e := &tee.Endorsements{}
			e.AddCRL(crl)
			repelsWith(t, w.underRoot(), request, e, evidence.CodeTPMEKRevocation, evidence.CodeTPMEKUntrusted)
		})
	}
	evil := must[*simulator.Vendor](t)(simulator.NewVendor(simulator.Options{Seed: "evil"}))
	e := &tee.Endorsements{}
	e.AddCRL(must[*x509.RevocationList](t)(evil.EKIntermediate.CRL(simulatedNow, leaf)))
	if out := newEnroller(t, w.underRoot()).Judge(request, e, tee.Params{Now: simulatedNow}); !out.Good() {
		t.Errorf("revoked by a stranger:\n%v", out.Checks)
	}
}

// Intermediates that nobody asked for cost no more than a bounded number of signatures,
// and a web of them hides no chain as untrusted: it is undecided.
func TestAttack_P05_WebOfIssuers(t *testing.T) {
	w := simulated(t)
	e := &tee.Endorsements{}
	for range maxCandidates + 4 {
		key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		template := w.vendor.CATemplate(w.vendor.EKIntermediate.Certificate.Subject.CommonName)
		e.AddCertificate(issued(t, simulator.Issuer{Certificate: template, Key: key}, template, key.Public()))
	}
	request := w.enrolment(t, ekKeys()["p256"])
	request.EKCertificates = request.EKCertificates[:1]
	out := newEnroller(t, w.underRoot()).Judge(request, e, tee.Params{Now: simulatedNow})
	if out.Good() || len(out.Missing) != 1 || len(out.Checks.Failed()) > 0 {
		t.Errorf("missing %v:\n%v", out.Missing, out.Checks)
	}
}

// Real certificates name their issuer in UTF8String, where it calls itself by the same
// letters in PrintableString. Whose key signed is what counts.
func TestEnroller_SpellingOfIssuers(t *testing.T) {
	w := simulated(t)
	respelled := func(by simulator.Issuer) simulator.Issuer {
		cert, name := *by.Certificate, by.Certificate.Subject.CommonName
		cert.RawSubject = bytes.Replace(cert.RawSubject, append([]byte{asn1.TagPrintableString, byte(len(name))}, name...), append([]byte{asn1.TagUTF8String, byte(len(name))}, name...), 1)
		if bytes.Equal(cert.RawSubject, by.Certificate.RawSubject) {
			t.Fatal("spelled the same")
		}
		return simulator.Issuer{Certificate: &cert, Key: by.Key}
	}
	key := ekKeys()["p256"].Public()
	maker := newCA(t, w, respelled(w.vendor.EKRoot), "Maker", nil)
	request := w.enrolmentBy(t, respelled(maker), key)
	if leaf := must[*x509.Certificate](t)(x509.ParseCertificate(request.EKCertificates[0])); bytes.Equal(leaf.RawIssuer, maker.Certificate.RawSubject) {
		t.Fatal("spelled the same")
	}
	request.EKCertificates[1] = maker.Certificate.Raw
	enrols(t, w.underRoot(), request)
	o := w.underRoot()
	o.Intermediates = [][]byte{maker.Certificate.Raw}
	alone := request
	alone.EKCertificates = request.EKCertificates[:1]
	enrols(t, o, alone)
	for name, revoked := range map[string]*x509.RevocationList{
		"the key":   must[*x509.RevocationList](t)(maker.CRL(simulatedNow, must[*x509.Certificate](t)(x509.ParseCertificate(request.EKCertificates[0])))),
		"the maker": must[*x509.RevocationList](t)(w.vendor.EKRoot.CRL(simulatedNow, maker.Certificate)),
	} {
		t.Run(name, func(t *testing.T) {
			e := &tee.Endorsements{}
			e.AddCRL(revoked)
			repelsWith(t, w.underRoot(), request, e, evidence.CodeTPMEKRevocation, evidence.CodeTPMEKUntrusted)
		})
	}
	evil := must[*simulator.Vendor](t)(simulator.NewVendor(simulator.Options{Seed: "evil"}))
	forged := w.enrolmentBy(t, respelled(newCA(t, w, respelled(evil.EKRoot), "Maker", nil)), key)
	forged.EKCertificates[1] = maker.Certificate.Raw
	repels(t, w.underRoot(), forged, evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted)
}

// Chains of firmware TPMs are long, but not of any length.
func TestEnroller_LongChains(t *testing.T) {
	w := simulated(t)
	issuer, chain := w.vendor.EKIntermediate, [][]byte{w.vendor.EKIntermediate.Certificate.Raw}
	for length := 4; length <= maxEKChain+1; length++ { // with root and leaf
		issuer = newCA(t, w, issuer, "layer "+string(rune('a'+length)), nil)
		chain = append([][]byte{issuer.Certificate.Raw}, chain...)
		o := w.underRoot()
		o.Intermediates = chain
		request := w.enrolmentBy(t, issuer, ekKeys()["p256"].Public())
		if length > maxEKChain {
			repels(t, o, request, evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted)
			continue
		}
		enrols(t, o, request)
	}
}

// Every byte of a certificate counts: none can be changed and the enrolment stay good.
func TestFlippedEKCertificate(t *testing.T) {
	w := simulated(t)
	n := newEnroller(t, w.underRoot())
	for _, key := range []string{"p256", "rsa2048"} {
		request := w.enrolment(t, ekKeys()[key])
		good := request.EKCertificates[0]
		for at := range good {
			for _, bit := range []byte{0x01, 0x80} {
				flipped := slices.Clone(good)
				flipped[at] ^= bit
				request.EKCertificates[0] = flipped
				if out := n.Judge(request, nil, tee.Params{Now: simulatedNow}); out.Good() {
					t.Errorf("%s: byte %d by %02x stays good", key, at, bit)
				}
			}
		}
	}
}

// Nor can a byte of the areas, but for what the attestation key may be.
func TestFlippedEKPublic(t *testing.T) {
	w := simulated(t)
	n := newEnroller(t, w.underRoot())
	for name, key := range ekKeys() {
		request := w.enrolment(t, key)
		area := ekTemplatesOf(key.Public())[0].area(key.Public())
		for at := range area {
			request.EKPublic = bytes.Clone(area)
			request.EKPublic[at] ^= 1
			if out := n.Judge(request, nil, tee.Params{Now: simulatedNow}); out.Good() {
				t.Errorf("%s: byte %d stays good", name, at)
			}
		}
	}
}

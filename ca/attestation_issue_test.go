package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

func TestAttestationCertificate(t *testing.T) {
	a := openAttestation(t)
	issued, cert := certify(t, a, enrolment{})
	now := a.now()
	if !cert.NotBefore.Equal(now.Add(-backdate)) || !cert.NotAfter.Equal(now.Add(24*time.Hour)) || !issued.NotAfter.Equal(cert.NotAfter) || !issued.NotBefore.Equal(cert.NotBefore) {
		t.Errorf("valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if err := cert.CheckSignatureFrom(a.real.cert); err != nil || issued.Simulated {
		t.Errorf("under the real CA: %v, simulated %v", err, issued.Simulated)
	}
	if len(cert.Subject.Names) != 0 || cert.KeyUsage != x509.KeyUsageDigitalSignature || cert.IsCA || len(cert.UnknownExtKeyUsage) != 1 {
		t.Errorf("subject %v, usages %b %v", cert.Subject, cert.KeyUsage, cert.UnknownExtKeyUsage)
	}
	if len(issued.Serial) != 40 || cert.SerialNumber.Text(16) != strings.TrimLeft(issued.Serial, "0") || cert.SerialNumber.BitLen() != serialBits {
		t.Errorf("serial number %s, %x", issued.Serial, cert.SerialNumber)
	}
	block, rest := pem.Decode(issued.PEM())
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, cert.Raw) {
		t.Error("PEM is not the certificate")
	}
}

// The names' exact bytes are what verifiers of these certificates compare.
func TestAttestationNamesGolden(t *testing.T) {
	a := openAttestation(t)
	digits := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	empty := sha256.Sum256(nil)
	_, named := certify(t, a, enrolment{claims: func(c *evidence.EnrolmentClaims) { c.EKSHA256 = empty[:] }})
	_, anonymous := certify(t, a, enrolment{claims: func(c *evidence.EnrolmentClaims) {
		c.EKSHA256, c.EKSource, c.Manufacturer, c.Model, c.Version = empty[:], "listed", "", "", ""
	}})
	permanent := "\xa0\x5a\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x03\xa0\x4e\x30\x4c\x0c\x4a" + "ek-sha256:" + digits
	directory := "\xa4\x42\x30\x40" +
		"\x31\x16\x30\x14\x06\x05\x67\x81\x05\x02\x01\x0c\x0bid:414D4400" +
		"\x31\x0e\x30\x0c\x06\x05\x67\x81\x05\x02\x02\x0c\x03AMD" +
		"\x31\x16\x30\x14\x06\x05\x67\x81\x05\x02\x03\x0c\x0bid:00060017"
	for _, c := range []struct {
		cert *x509.Certificate
		want string
	}{{named, "\x30\x81\xa0" + directory + permanent}, {anonymous, "\x30\x5c" + permanent}} {
		for _, e := range c.cert.Extensions {
			if e.Id.Equal(oidSubjectAltName) && (string(e.Value) != c.want || !e.Critical) {
				t.Errorf("got  %x\nwant %x", e.Value, c.want)
			}
		}
	}
}

func TestAttestationLifeEndsWithTheTrust(t *testing.T) {
	a := openAttestation(t)
	end := a.now().Add(time.Hour)
	if issued, _ := certify(t, a, enrolment{validUntil: end}); !issued.NotAfter.Equal(end) {
		t.Errorf("it ends at %s", issued.NotAfter)
	}
	if issued, _ := certify(t, a, enrolment{validUntil: a.now().AddDate(1, 0, 0)}); !issued.NotAfter.Equal(a.now().Add(24 * time.Hour)) {
		t.Errorf("it ends at %s", issued.NotAfter)
	}
	for _, end := range []time.Time{a.now().Add(minTTL - time.Second), a.now(), a.now().Add(-time.Hour)} {
		_, err := a.Issue(enrolment{validUntil: end}.enrolled(t))
		refused(t, err, evidence.CodeIssuingValidity)
	}
	short, err := OpenAttestation(AttestationConfig{Dir: t.TempDir(), Life: time.Hour, Now: verifiertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	if issued, _ := certify(t, short, enrolment{}); !issued.NotAfter.Equal(a.now().Add(time.Hour)) {
		t.Errorf("with a life of an hour it ends at %s", issued.NotAfter)
	}
}

// What is simulated in any respect is under the CA that says so, or refused.
func TestSimulatedAttestationKeysStandApart(t *testing.T) {
	a := openAttestation(t)
	plain, err := OpenAttestation(AttestationConfig{Dir: t.TempDir(), Now: verifiertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	for name, claims := range map[string]func(*evidence.EnrolmentClaims){
		"claims": simulatedTPM,
		"anchor": func(c *evidence.EnrolmentClaims) {
			c.TrustAnchor = &evidence.TrustAnchor{Name: "x", Origin: evidence.OriginSimulated}
		},
	} {
		issued, cert := certify(t, a, enrolment{claims: claims})
		if !issued.Simulated || cert.CheckSignatureFrom(a.simulated.cert) != nil || !strings.Contains(cert.Issuer.CommonName, "SIMULATED") {
			t.Errorf("%s: %v by %v", name, issued.Simulated, cert.Issuer)
		}
		_, err := plain.Issue(enrolment{claims: claims}.enrolled(t))
		refused(t, err, evidence.CodeIssuingResult)
	}
}

func TestAttack_A12_NoAttestationCertificateWithoutEnrolment(t *testing.T) {
	a := openAttestation(t)
	_, err := a.Issue(verifier.Enrolment{})
	refused(t, err, evidence.CodeIssuingResult)
}

func TestAttack_A14_OldEnrolment(t *testing.T) {
	a := openAttestation(t)
	for _, at := range []time.Time{a.now().Add(-maxResultAge - time.Second), a.now().Add(maxResultAge + time.Second), a.now().AddDate(0, 0, -1)} {
		_, err := a.Issue(enrolment{at: at}.enrolled(t))
		refused(t, err, evidence.CodeIssuingResult)
	}
	certify(t, a, enrolment{at: a.now().Add(-maxResultAge)})
}

func TestAttack_A05_WeakAttestationKeysAreNotCertified(t *testing.T) {
	a := openAttestation(t)
	rsaOf := func(bits uint, exponent int) any {
		modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: modulus.Add(modulus, big.NewInt(12345)), E: exponent}
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key any
		ok  bool
	}{
		"RSA 1024":      {rsaOf(1024, 65537), false},
		"RSA 2047":      {rsaOf(2047, 65537), false},
		"RSA 8192":      {rsaOf(8192, 65537), false},
		"RSA e=3":       {rsaOf(2048, 3), false},
		"P-224":         {&p224.PublicKey, false},
		"RSA 2048":      {rsaOf(2048, 65537), true},
		"RSA 4096":      {rsaOf(4096, 65537), true},
		"P-521":         {&p521.PublicKey, true},
		"Edwards curve": {otherKeys(t)[1], false},
	} {
		spki, err := x509.MarshalPKIXPublicKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Issue(enrolment{spki: spki}.enrolled(t))
		if c.ok && err != nil || !c.ok && evidence.CodeOf(err) != evidence.CodeIssuingKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := verifiertest.NewKey(t).SPKI()
	for name, spki := range map[string][]byte{
		"nonsense": {1, 2, 3}, "trailing": append(bytes.Clone(good), 0),
		"another encoding": append([]byte{0x30, 0x81}, good[1:]...),
	} {
		_, err := a.Issue(enrolment{spki: spki}.enrolled(t))
		if evidence.CodeOf(err) != evidence.CodeIssuingKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = a.Issue(enrolment{spki: good, claims: func(c *evidence.EnrolmentClaims) { c.AKSHA256 = make([]byte, 32) }}.enrolled(t))
	refused(t, err, evidence.CodeIssuingKey)
}

// What a manufacturer's certificate says gets into ours only in its narrow form.
func TestAttack_A07_A09_TPMNames(t *testing.T) {
	a := openAttestation(t)
	for name, claims := range map[string]func(*evidence.EnrolmentClaims){
		"no manufacturer": func(c *evidence.EnrolmentClaims) { c.Manufacturer = "" },
		"no model":        func(c *evidence.EnrolmentClaims) { c.Model = "" },
		"no version":      func(c *evidence.EnrolmentClaims) { c.Version = "" },
		"long":            func(c *evidence.EnrolmentClaims) { c.Model = strings.Repeat("x", maxTPMAttribute+1) },
		"NUL":             func(c *evidence.EnrolmentClaims) { c.Model = "AMD\x00x" },
		"line":            func(c *evidence.EnrolmentClaims) { c.Model = "AMD\nx" },
		"other alphabet":  func(c *evidence.EnrolmentClaims) { c.Model = "АMD" },
		"no UTF-8":        func(c *evidence.EnrolmentClaims) { c.Model = "AMD\xff" },
		"short digest":    func(c *evidence.EnrolmentClaims) { c.EKSHA256 = c.EKSHA256[:31] },
		"long digest":     func(c *evidence.EnrolmentClaims) { c.EKSHA256 = append(c.EKSHA256, 0) },
		"no digest":       func(c *evidence.EnrolmentClaims) { c.EKSHA256 = nil },
	} {
		e := enrolment{}.enrolled(t)
		claims2 := e.Claims()
		claims(&claims2)
		if _, err := newTPMNames(claims2); evidence.CodeOf(err) != evidence.CodeIssuingIdentity {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := a.Issue(enrolment{claims: func(c *evidence.EnrolmentClaims) { c.Model = "" }}.enrolled(t))
	refused(t, err, evidence.CodeIssuingIdentity)
}

func TestAttack_A11_AttestationSerialNumbers(t *testing.T) {
	a := openAttestation(t)
	seen := map[string]bool{}
	e := enrolment{}.enrolled(t)
	for range 200 {
		issued, err := a.Issue(e)
		if err != nil {
			t.Fatal(err)
		}
		if seen[issued.Serial] || len(issued.Serial) != 40 {
			t.Fatalf("serial number %s", issued.Serial)
		}
		seen[issued.Serial] = true
	}
}

// A simulated TPM enrols, and its quote is accepted for the certificate that it got.
func TestEnrolledKeyQuotes(t *testing.T) {
	a := openAttestation(t)
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "ca", Clock: a.now})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(simulator.MachineOptions{Name: "enrolled", WithoutCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	by, err := tpm.NewEnroller(tpm.EnrollerOptions{Roots: []tee.Anchor{vendor.EKAnchor()}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := machine.Enrolment()
	if err != nil {
		t.Fatal(err)
	}
	done := finish(t, by, request, a.now(), machine.Activate)
	issued, err := a.Issue(done)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tpm.New(tpm.Options{Enrolment: a.Anchors()})
	if err != nil {
		t.Fatal(err)
	}
	quote, err := machine.Quote(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	quote.AKCertificates = issued.Chain
	var item evidence.Item = quote
	out := v.Verify(item, nil, tee.Params{Now: a.now()})
	if !out.Genuine() {
		t.Fatalf("failed %v, missing %v", out.Checks.Failed(), out.Missing)
	}
	claims := out.Claims.TPM
	if claims.AKSource != evidence.AKSourceEnrolled || !bytes.Equal(claims.EKSHA256, done.Claims().EKSHA256) || out.Claims.TrustAnchor == nil || out.Claims.TrustAnchor.Origin != evidence.OriginSimulated {
		t.Errorf("source %s, EK %s, anchor %+v", claims.AKSource, claims.EKSHA256, out.Claims.TrustAnchor)
	}
	if !out.ValidUntil.Equal(issued.NotAfter) {
		t.Errorf("valid until %s", out.ValidUntil)
	}
	late := v.Verify(item, nil, tee.Params{Now: issued.NotAfter.Add(time.Second)})
	if failed := late.Checks.Failed(); len(failed) == 0 || failed[0].Code != evidence.CodeTPMAKValidity {
		t.Errorf("after its end: %v", failed)
	}
}

// TestAttack_P35_EnrolledTPMOfACloud: that a cloud runs the TPM in software shows in
// whatever the service certifies of it.
func TestAttack_P35_EnrolledTPMOfACloud(t *testing.T) {
	a := openAttestation(t)
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "ca", Clock: a.now})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(simulator.MachineOptions{Name: "cloud", WithoutCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	ek, err := machine.EK()
	if err != nil {
		t.Fatal(err)
	}
	template := vendor.EKTemplate("cloud", ek)
	names := &template.ExtraExtensions[0].Value
	*names = bytes.Replace(*names, []byte("id:51544E59"), []byte("id:474F4F47"), 1) // GOOG
	certificate, err := vendor.EKIntermediate.Issue(template, ek)
	if err != nil {
		t.Fatal(err)
	}
	request, err := machine.Enrolment()
	if err != nil {
		t.Fatal(err)
	}
	request.EKCertificates[0] = certificate.Raw
	by, err := tpm.NewEnroller(tpm.EnrollerOptions{Roots: []tee.Anchor{vendor.EKAnchor()}})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := a.Issue(finish(t, by, request, a.now(), machine.Activate))
	if err != nil {
		t.Fatal(err)
	}
	v, err := tpm.New(tpm.Options{Enrolment: a.Anchors()})
	if err != nil {
		t.Fatal(err)
	}
	quote, err := machine.Quote(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	quote.AKCertificates = issued.Chain
	out := v.Verify(quote, nil, tee.Params{Now: a.now()})
	if !out.Genuine() || out.Claims.TPM.AKProvider != "google" || len(out.Claims.TPM.EKSHA256) == 0 {
		t.Errorf("provider %q: %v", out.Claims.TPM.AKProvider, out.Checks.Failed())
	}
}

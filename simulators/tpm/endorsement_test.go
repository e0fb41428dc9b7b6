package tpm_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-tpm/tpm2"

	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
)

var ekTypes = []simulator.EKType{
	simulator.EKRSA2048, simulator.EKP256, simulator.EKRSA2048High, simulator.EKP256High, simulator.EKP384, simulator.EKRSA3072,
}

// TestEndorsementAreas holds public areas of the low range to another's templates, and
// those of the high range to what real TPMs have.
func TestEndorsementAreas(t *testing.T) {
	vendor := newVendor(t, "a")
	for typ, template := range map[simulator.EKType]tpm2.TPMTPublic{
		simulator.EKRSA2048: tpm2.RSAEKTemplate, simulator.EKP256: tpm2.ECCEKTemplate,
	} {
		area := areaOf(t, newMachine(t, vendor, simulator.MachineOptions{Name: "m", EK: typ}))
		template.Unique = area.Unique
		if diff := cmp.Diff(tpm2.Marshal(template), tpm2.Marshal(area)); diff != "" {
			t.Errorf("%s is not of the template:\n%s", typ, diff)
		}
	}
	// The first bytes of a real TPM's high range key on P-384.
	request, err := newMachine(t, vendor, simulator.MachineOptions{Name: "m", EK: simulator.EKP384}).Enrolment()
	if err != nil {
		t.Fatal(err)
	}
	want := "\x00\x23\x00\x0c\x00\x03\x00\xf2\x00\x30\xb2\x6e\x7d\x28"
	if got := request.EKPublic; string(got[:len(want)]) != want || len(got) != 0xaa || !bytes.Equal(got[58:72], []byte("\x00\x06\x01\x00\x00\x43\x00\x10\x00\x04\x00\x10\x00\x30")) {
		t.Errorf("P-384: %x", got)
	}
}

func areaOf(t *testing.T, m *simulator.Machine) *tpm2.TPMTPublic {
	t.Helper()
	request, err := m.Enrolment()
	if err != nil {
		t.Fatal(err)
	}
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](request.EKPublic)
	if err != nil || !bytes.Equal(tpm2.Marshal(area), request.EKPublic) {
		t.Fatalf("the area is not read as it was written: %v", err)
	}
	return area
}

// TestEndorsementCertificates looks at certificates as their profile has them.
func TestEndorsementCertificates(t *testing.T) {
	vendor := newVendor(t, "a")
	for _, typ := range ekTypes {
		t.Run(string(typ), func(t *testing.T) {
			m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", EK: typ})
			request, err := m.Enrolment()
			if err != nil {
				t.Fatal(err)
			}
			if err := request.Check(); err != nil {
				t.Error(err)
			}
			leaf, err := x509.ParseCertificate(request.EKCertificates[0])
			if err != nil {
				t.Fatal(err)
			}
			if key, err := tpm2.Pub(*areaOf(t, m)); err != nil || !equal(leaf.PublicKey, key) {
				t.Errorf("the certificate's key is not the area's: %v", err)
			}
			usage := x509.KeyUsageKeyAgreement
			if typ[0] == 'r' {
				usage = x509.KeyUsageKeyEncipherment
			}
			if leaf.KeyUsage != usage || leaf.IsCA || len(leaf.Subject.Names) > 0 || len(leaf.UnknownExtKeyUsage) != 1 ||
				!leaf.UnknownExtKeyUsage[0].Equal(asn1.ObjectIdentifier{2, 23, 133, 8, 1}) {
				t.Errorf("usage %b, CA %v, subject %q, extended %v", leaf.KeyUsage, leaf.IsCA, leaf.Subject, leaf.UnknownExtKeyUsage)
			}
			if len(leaf.UnhandledCriticalExtensions) != 1 || !leaf.UnhandledCriticalExtensions[0].Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
				t.Errorf("critical extensions %v", leaf.UnhandledCriticalExtensions)
			}
			chain(t, vendor, leaf, request.EKCertificates[1])
		})
	}
}

// equal compares keys; another's reader gives ECC keys for key agreement.
func equal(key, other crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.Equal(other)
	case *ecdsa.PublicKey:
		agreement, err := key.ECDH()
		return err == nil && (agreement.Equal(other) || key.Equal(other))
	}
	return false
}

// chain verifies a certificate up to the root of endorsement keys.
func chain(t *testing.T, vendor *simulator.Vendor, leaf *x509.Certificate, intermediate []byte) {
	t.Helper()
	leaf.UnhandledCriticalExtensions = nil
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(vendor.EKRoot.Certificate)
	issuer, err := x509.ParseCertificate(intermediate)
	if err != nil {
		t.Fatal(err)
	}
	between.AddCert(issuer)
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		t.Error(err)
	}
}

// TestActivate opens credentials that another implementation made, with keys of all
// types.
func TestActivate(t *testing.T) {
	vendor := newVendor(t, "a")
	for _, typ := range ekTypes {
		t.Run(string(typ), func(t *testing.T) {
			m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", EK: typ})
			other := newMachine(t, vendor, simulator.MachineOptions{Name: "other", EK: typ})
			name := nameOf(t, m.Public)
			secret := bytes.Repeat([]byte{0x5a}, 32)
			credential := credentialFor(t, m, name, secret)
			if got, err := m.Activate(credential); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("got %x, %v", got, err)
			}
			if _, err := other.Activate(credential); err == nil {
				t.Error("another TPM activates")
			}
			if _, err := m.Activate(credentialFor(t, m, nameOf(t, other.Public), secret)); !errors.Is(err, tpm2.TPMRCIntegrity) {
				t.Errorf("a credential for another key: %v", err)
			}
			for _, broken := range []tee.Credential{
				{Blob: credential.Blob[2:], Secret: credential.Secret}, {Blob: credential.Blob, Secret: credential.Secret[2:]}, {},
				{Blob: append(slices.Clone(credential.Blob), 0), Secret: credential.Secret},
				{Blob: flip(credential.Blob, -1), Secret: credential.Secret}, {Blob: flip(credential.Blob, 4), Secret: credential.Secret},
				{Blob: credential.Blob, Secret: flip(credential.Secret, 8)}, {Blob: credential.Blob, Secret: []byte{0, 0}},
			} {
				if got, err := m.Activate(broken); err == nil {
					t.Errorf("a broken credential opens to %x", got)
				}
			}
		})
	}
}

// flip returns a copy with one bit changed; negative positions count from the end.
func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[(at+len(b))%len(b)] ^= 1
	return b
}

func nameOf(t *testing.T, area []byte) []byte {
	t.Helper()
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		t.Fatal(err)
	}
	name, err := tpm2.ObjectName(public)
	if err != nil {
		t.Fatal(err)
	}
	return name.Buffer
}

// credentialFor makes a credential for a machine's endorsement key.
func credentialFor(t *testing.T, m *simulator.Machine, name, secret []byte) tee.Credential {
	t.Helper()
	key, err := tpm2.ImportEncapsulationKey(areaOf(t, m))
	if err != nil {
		t.Fatal(err)
	}
	blob, encrypted, err := tpm2.CreateCredential(rand.Reader, key, name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return tee.Credential{
		Blob: tpm2.Marshal(tpm2.TPM2BIDObject{Buffer: blob}), Secret: tpm2.Marshal(tpm2.TPM2BEncryptedSecret{Buffer: encrypted}),
	}
}

// TestEnrolmentWithoutCertificate is of a TPM whose key the operator lists.
func TestEnrolmentWithoutCertificate(t *testing.T) {
	request, err := newMachine(t, newVendor(t, "a"), simulator.MachineOptions{Name: "m", WithoutEKCertificate: true}).Enrolment()
	if err != nil || len(request.EKCertificates) > 0 || len(request.EKPublic) == 0 || request.Check() != nil {
		t.Errorf("%v, %v", request, err)
	}
	if _, err := newMachine(t, newVendor(t, "a"), simulator.MachineOptions{Name: "m", EK: "none"}).Enrolment(); err == nil {
		t.Error("an endorsement key of no type")
	}
}

func TestNVCertificate(t *testing.T) {
	got := simulator.NVCertificate([]byte{0x30, 1, 2}, 10, 0xff)
	if want := []byte{0x10, 1, 0, 0, 3, 0x30, 1, 2, 0xff, 0xff}; !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if got := simulator.NVCertificate([]byte{0x30}, 0, 0); len(got) != 6 {
		t.Errorf("got %x", got)
	}
}

// TestEnrol takes machines of all types through an enrolment, as a service judges it.
func TestEnrol(t *testing.T) {
	vendor := newVendor(t, "a")
	enroller, err := tpm.NewEnroller(tpm.EnrollerOptions{Roots: []tee.Anchor{vendor.EKAnchor()}})
	if err != nil {
		t.Fatal(err)
	}
	var endorsements tee.Endorsements
	if err := vendor.Endorsements(&endorsements); err != nil {
		t.Fatal(err)
	}
	for _, typ := range ekTypes {
		t.Run(string(typ), func(t *testing.T) {
			m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", EK: typ})
			request, err := m.Enrolment()
			if err != nil {
				t.Fatal(err)
			}
			for name, certificate := range map[string][]byte{
				"DER": request.EKCertificates[0], "NV index": simulator.NVCertificate(request.EKCertificates[0], 1600, 0xff),
			} {
				request.EKCertificates[0] = certificate
				outcome := enroller.Judge(request, &endorsements, tee.Params{Now: now})
				if !outcome.Good() || !outcome.Claims.Simulated || outcome.Claims.EKSource != "certificate" {
					t.Fatalf("%s: %v, claims %+v", name, outcome.Checks.Failed(), outcome.Claims)
				}
				if diff := cmp.Diff(request.EKPublic, outcome.EKPublic); diff != "" {
					t.Errorf("%s: another area:\n%s", name, diff)
				}
				credential, err := enroller.Challenge(rand.Reader, outcome, []byte("a secret of thirty-two bytes, yes"[:32]))
				if err != nil {
					t.Fatal(err)
				}
				if secret, err := m.Activate(credential); err != nil || string(secret) != "a secret of thirty-two bytes, yes"[:32] {
					t.Errorf("%s: got %q, %v", name, secret, err)
				}
			}
		})
	}
}

package tpm

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

func TestEnroller(t *testing.T) {
	w := simulated(t)
	for name, key := range ekKeys() {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, key)
			out := enrols(t, w.underRoot(), request)
			claims := out.Claims
			fingerprint := spkiDigest(t, key.Public())
			ak := spkiDigest(t, w.machine.Key.Public())
			if !bytes.Equal(claims.EKSHA256, fingerprint[:]) || !bytes.Equal(claims.AKSHA256, ak[:]) || len(claims.AKName) != 34 {
				t.Errorf("claims %+v", claims)
			}
			if claims.EKSource != "certificate" || claims.Manufacturer != "id:51544E59" || claims.Model != "TPM SIMULATED" || claims.Version != "id:00010000" {
				t.Errorf("claims %+v", claims)
			}
			if !claims.Simulated || claims.TrustAnchor == nil || claims.TrustAnchor.Origin != evidence.OriginSimulated {
				t.Errorf("trust anchor %+v", claims.TrustAnchor)
			}
			if !out.ValidUntil.Equal(w.vendor.EKRoot.Certificate.NotAfter) {
				t.Errorf("valid until %v", out.ValidUntil)
			}
			if want := ekTemplatesOf(key.Public())[0].area(key.Public()); !bytes.Equal(out.EKPublic, want) {
				t.Errorf("area %x", out.EKPublic)
			}
			if der, err := x509.MarshalPKIXPublicKey(w.machine.Key.Public()); err != nil || !bytes.Equal(out.AKKey, der) {
				t.Errorf("key %x, %v", out.AKKey, err)
			}
		})
	}
}

// Every template is accepted for a key that it fits, with a certificate and without.
func TestEnroller_Templates(t *testing.T) {
	w := simulated(t)
	for _, template := range ekTemplates {
		for name, key := range ekKeys() {
			if !template.fits(key.Public()) {
				continue
			}
			t.Run(template.name+" "+name, func(t *testing.T) {
				request := w.enrolment(t, key)
				request.EKPublic = template.area(key.Public())
				if out := enrols(t, w.underRoot(), request); !bytes.Equal(out.EKPublic, request.EKPublic) {
					t.Errorf("area %x", out.EKPublic)
				}
				request.EKCertificates = nil
				if out := enrols(t, listing(t, key.Public()), request); !bytes.Equal(out.EKPublic, request.EKPublic) {
					t.Errorf("area %x", out.EKPublic)
				}
			})
		}
	}
}

func TestEnroller_Listed(t *testing.T) {
	w := simulated(t)
	key := ekKeys()["rsa2048"]
	request := w.enrolment(t, key)
	area := ekTemplates[0].area(key.Public())
	for name, request := range map[string]evidence.Enrolment{
		"by its area":                {EKPublic: area, AKPublic: request.AKPublic},
		"by a certificate":           {EKCertificates: request.EKCertificates, AKPublic: request.AKPublic},
		"by both":                    {EKCertificates: request.EKCertificates, EKPublic: area, AKPublic: request.AKPublic},
		"by its area beside no DER":  {EKCertificates: [][]byte{{0x30, 0x03, 1}}, EKPublic: area, AKPublic: request.AKPublic},
		"by its area, expired":       {EKCertificates: w.enrolment(t, key, expired).EKCertificates, EKPublic: area, AKPublic: request.AKPublic},
		"by a certificate, unending": {EKCertificates: request.EKCertificates[:1], AKPublic: request.AKPublic},
	} {
		t.Run(name, func(t *testing.T) {
			o := listing(t, key.Public())
			o.Roots = w.underRoot().Roots
			out := enrols(t, o, request)
			fingerprint := spkiDigest(t, key.Public())
			if out.Claims.EKSource != "listed" || out.Claims.Manufacturer != "" || out.Claims.Simulated || !out.ValidUntil.IsZero() ||
				out.Claims.TrustAnchor.Name != "rack 7" || !bytes.Equal(out.Claims.TrustAnchor.SHA256, fingerprint[:]) {
				t.Errorf("claims %+v until %v", out.Claims, out.ValidUntil)
			}
		})
	}
	t.Run("not the one", func(t *testing.T) {
		repels(t, listing(t, ekKeys()["p256"].Public()), evidence.Enrolment{EKPublic: area, AKPublic: request.AKPublic}, evidence.CodeTPMEKUntrusted)
	})
	t.Run("simulated", func(t *testing.T) {
		o := listing(t, key.Public())
		o.Keys[0].Origin, o.Keys[0].Name = evidence.OriginSimulated, ""
		out := enrols(t, o, evidence.Enrolment{EKPublic: area, AKPublic: request.AKPublic})
		if !out.Claims.Simulated || out.Claims.TrustAnchor.Name == "" {
			t.Errorf("claims %+v", out.Claims)
		}
	})
}

func expired(c *x509.Certificate) { c.NotAfter = simulatedNow.Add(-time.Second) }

func TestEnroller_MissingIntermediate(t *testing.T) {
	w := simulated(t)
	request := w.enrolment(t, ekKeys()["p256"])
	request.EKCertificates = request.EKCertificates[:1]
	n := newEnroller(t, w.underRoot())
	out := n.Judge(request, nil, tee.Params{Now: simulatedNow})
	if out.Good() || len(out.Checks.Failed()) > 0 || len(out.Missing) != 1 || out.Missing[0].Type != "ek-intermediate" {
		t.Errorf("missing %v:\n%v", out.Missing, out.Checks)
	}
	e := &tee.Endorsements{}
	e.AddCertificate(w.vendor.EKIntermediate.Certificate)
	if out := n.Judge(request, e, tee.Params{Now: simulatedNow}); !out.Good() {
		t.Errorf("with the endorsement:\n%v", out.Checks)
	}
	o := w.underRoot()
	o.Intermediates = [][]byte{w.vendor.EKIntermediate.Certificate.Raw}
	enrols(t, o, request)
}

func TestEnroller_Revocation(t *testing.T) {
	w := simulated(t)
	request := w.enrolment(t, ekKeys()["p256"])
	current := &tee.Endorsements{}
	if err := w.vendor.Endorsements(current); err != nil {
		t.Fatal(err)
	}
	out := newEnroller(t, w.underRoot()).Judge(request, current, tee.Params{Now: simulatedNow})
	check, _ := out.Checks.Get(evidence.CodeTPMEKRevocation)
	if !out.Good() || check.Status != evidence.Pass || !out.ValidUntil.Before(simulatedNow.Add(31*24*time.Hour)) {
		t.Errorf("until %v:\n%v", out.ValidUntil, out.Checks)
	}
	check, _ = enrols(t, w.underRoot(), request).Checks.Get(evidence.CodeTPMEKRevocation)
	if check.Status != evidence.NotPerformed {
		t.Errorf("without lists: %v", check)
	}
}

func TestNewEnroller(t *testing.T) {
	w := simulated(t)
	key := spkiDigest(t, ekKeys()["p256"].Public())
	for name, o := range map[string]EnrollerOptions{
		"no digest":       {Keys: []ListedEK{{}}},
		"origin pinned":   {Keys: []ListedEK{{SHA256: key, Origin: evidence.OriginPinned}}},
		"two origins":     {Keys: []ListedEK{{SHA256: key}, {SHA256: key, Origin: evidence.OriginSimulated}}},
		"a root of no CA": {Roots: []tee.Anchor{{DER: w.machine.Certificate.Raw, Origin: evidence.OriginConfigured}}},
		"an intermediate": {Intermediates: [][]byte{{1}}},
	} {
		if _, err := NewEnroller(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewEnroller(EnrollerOptions{Keys: []ListedEK{{SHA256: key}, {SHA256: key}}}); err != nil {
		t.Errorf("listed twice: %v", err)
	}
}

func TestChallenge(t *testing.T) {
	w := simulated(t)
	n := newEnroller(t, w.underRoot())
	for name, key := range ekKeys() {
		t.Run(name, func(t *testing.T) {
			out := enrols(t, w.underRoot(), w.enrolment(t, key))
			secret := bytes.Repeat([]byte{7}, 32)
			credential, err := n.Challenge(rand.Reader, out, secret)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := activate(key, out.EKPublic, out.Claims.AKName, credential); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("activated %x, %v", got, err)
			}
			other := slices.Clone(out.Claims.AKName)
			other[5] ^= 1
			if _, err := activate(key, out.EKPublic, other, credential); err == nil {
				t.Error("activated for another name")
			}
			for _, length := range []int{0, 49} {
				if _, err := n.Challenge(rand.Reader, out, make([]byte, length)); err == nil {
					t.Errorf("a secret of %d bytes", length)
				}
			}
		})
	}
	if _, err := n.Challenge(rand.Reader, tee.EnrolmentOutcome{}, []byte{1}); err == nil {
		t.Error("a credential for the zero outcome")
	}
}

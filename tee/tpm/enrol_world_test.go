package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// ekKeys are endorsement keys of every accepted type, by name. No TPM has them.
var ekKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for name, bits := range map[string]int{"rsa2048": 2048, "rsa3072": 3072} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys[name] = key
	}
	for name, curve := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[name] = key
	}
	return keys
})

// forever is when certificates of real endorsement keys end (RFC 5280, 4.1.2.5).
var forever = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// ekTemplate returns what the certificate of an endorsement key says.
func (w *world) ekTemplate(key crypto.PublicKey) *x509.Certificate {
	template := w.vendor.EKTemplate("victim", key)
	template.NotAfter = forever
	return template
}

// enrolment returns the enrolment of the machine's attestation key beside an
// endorsement key whose certificate is altered and issued again.
func (w *world) enrolment(t testing.TB, key crypto.Signer, alter ...func(*x509.Certificate)) evidence.Enrolment {
	t.Helper()
	return w.enrolmentBy(t, w.vendor.EKIntermediate, key.Public(), alter...)
}

// enrolmentBy is like enrolment, with a certificate by any issuer, and its own.
func (w *world) enrolmentBy(t testing.TB, issuer simulator.Issuer, key crypto.PublicKey, alter ...func(*x509.Certificate)) evidence.Enrolment {
	t.Helper()
	template := w.ekTemplate(key)
	for _, f := range alter {
		f(template)
	}
	return evidence.Enrolment{
		EKCertificates: [][]byte{issued(t, issuer, template, key).Raw, slices.Clone(issuer.Certificate.Raw)},
		AKPublic:       slices.Clone(w.machine.Public),
	}
}

func issued(t testing.TB, issuer simulator.Issuer, template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	cert, err := issuer.Issue(template, key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// underRoot trusts the root of the vendor's endorsement keys, listing the keys one by one.
func (w *world) underRoot() EnrollerOptions {
	return EnrollerOptions{Roots: []tee.Anchor{w.vendor.EKAnchor()}}
}

func listing(t testing.TB, keys ...crypto.PublicKey) EnrollerOptions {
	t.Helper()
	var o EnrollerOptions
	for _, key := range keys {
		o.Keys = append(o.Keys, ListedEK{SHA256: spkiDigest(t, key), Name: "rack 7"})
	}
	return o
}

func spkiDigest(t testing.TB, key crypto.PublicKey) digest {
	t.Helper()
	sum, _, err := fingerprintOf(key)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func newEnroller(t testing.TB, o EnrollerOptions) *Enroller {
	t.Helper()
	n, err := NewEnroller(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// enrols judges an enrolment that must be good.
func enrols(t *testing.T, o EnrollerOptions, request evidence.Enrolment) tee.EnrolmentOutcome {
	t.Helper()
	out := newEnroller(t, o).Judge(request, nil, tee.Params{Now: simulatedNow})
	if !out.Good() {
		t.Errorf("refused, missing %v:\n%v", out.Missing, out.Checks)
	}
	return out
}

// repels judges an enrolment and holds the failed checks to exactly codes.
func repels(t *testing.T, o EnrollerOptions, request evidence.Enrolment, codes ...evidence.Code) tee.EnrolmentOutcome {
	t.Helper()
	return repelsWith(t, o, request, nil, codes...)
}

func repelsWith(t *testing.T, o EnrollerOptions, request evidence.Enrolment, e *tee.Endorsements, codes ...evidence.Code) tee.EnrolmentOutcome {
	t.Helper()
	n := newEnroller(t, o)
	out := n.Judge(request, e, tee.Params{Now: simulatedNow})
	if out.Good() || len(codes) == 0 {
		t.Errorf("good, or no code wanted:\n%v", out.Checks)
	}
	wantFailed(t, tee.Outcome{Checks: out.Checks}, codes...)
	if _, err := n.Challenge(rand.Reader, out, []byte("secret")); err == nil {
		t.Error("a credential for what was refused")
	}
	return out
}

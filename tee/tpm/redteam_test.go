package tpm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file add to evidence or endorsements what does not belong
// there, and stretch what an issuer may issue.

// newCA issues a CA's certificate, altered, for a new key.
func newCA(t *testing.T, w *world, by simulator.Issuer, name string, alter func(*x509.Certificate)) simulator.Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := w.vendor.CATemplate(name)
	if alter != nil {
		alter(template)
	}
	if by.Certificate == nil {
		by = simulator.Issuer{Certificate: template, Key: key}
	}
	cert, err := by.Issue(template, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return simulator.Issuer{Certificate: cert, Key: key}
}

// under returns the machine's quote with an AK certificate by this issuer.
func (w *world) under(t *testing.T, by simulator.Issuer, further ...*x509.Certificate) *evidence.TPM {
	t.Helper()
	leaf, err := by.Issue(w.vendor.AKTemplate("victim"), w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates = [][]byte{leaf.Raw, by.Certificate.Raw}
	for _, cert := range further {
		item.AKCertificates = append(item.AKCertificates, cert.Raw)
	}
	return item
}

// A CA that was made for web servers alone vouches for no TPM, though it hangs
// under a root that is trusted for TPMs.
func TestAttack_P06_IssuerForAnotherPurpose(t *testing.T) {
	w := simulated(t)
	ek, ak := []int{2, 23, 133, 8, 1}, []int{2, 23, 133, 8, 3}
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		fails []evidence.Code
	}{
		"unlimited":          {nil, nil},
		"any":                {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, nil},
		"attestation keys":   {func(c *x509.Certificate) { c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, ak) }, nil},
		"endorsement keys":   {func(c *x509.Certificate) { c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, ek) }, nil},
		"web servers":        {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, []evidence.Code{evidence.CodeTPMAKUsage}},
		"signatures of code": {func(c *x509.Certificate) { c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, []int{1, 2, 3}) }, []evidence.Code{evidence.CodeTPMAKUsage}},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newCA(t, w, w.vendor.Root, "CA "+name, c.alter)
			v := newVerifier(t, w.roots())
			item := w.under(t, issuer)
			for range 2 { // the second time from memory
				out := v.Verify(item, nil, tee.Params{Now: simulatedNow})
				wantFailed(t, out, c.fails...)
			}
			// Nor does it help to put a good CA below it.
			wantFailed(t, v.Verify(w.under(t, newCA(t, w, issuer, "below", nil), issuer.Certificate), nil, tee.Params{Now: simulatedNow}), c.fails...)
		})
	}
}

// lists are revocation lists by an issuer, of growing number and date.
func lists(t *testing.T, by simulator.Issuer, n int, revoked ...*x509.Certificate) []*x509.RevocationList {
	t.Helper()
	var out []*x509.RevocationList
	for i := range n {
		crl, err := by.CRL(simulatedNow.Add(time.Duration(i-n)*time.Minute), revoked...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, crl)
	}
	return out
}

// Forged lists in endorsements hide no genuine one, and cost little.
func TestAttack_P06_FloodHidesNoRevocation(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	twin := newCA(t, w, simulator.Issuer{}, "TPM Attestation Key CA SIMULATED", nil) // with another key
	leaf, err := x509.ParseCertificate(item.AKCertificates[0])
	if err != nil {
		t.Fatal(err)
	}
	verify := func(heap ...*x509.RevocationList) tee.Outcome {
		e := &tee.Endorsements{}
		for _, crl := range heap {
			e.AddCRL(crl)
		}
		return newVerifier(t, w.roots()).Verify(item, e, tee.Params{Now: simulatedNow})
	}
	forged, naming := lists(t, twin, 40), lists(t, twin, 40, leaf)
	revoking, good := lists(t, w.vendor.Intermediate, 1, leaf)[0], lists(t, w.vendor.Intermediate, 1)[0]
	wantFailed(t, verify(revoking), evidence.CodeTPMAKRevocation)
	wantFailed(t, verify(append(forged, revoking)...), evidence.CodeTPMAKRevocation)
	wantFailed(t, verify(append(naming[:15:15], revoking)...), evidence.CodeTPMAKRevocation)
	// More than can be looked at say that the key is revoked: nobody vouches for it then.
	wantFailed(t, verify(append(naming, good)...), evidence.CodeTPMAKRevocation)
	wantFailed(t, verify(append(forged, good)...))
	wantFailed(t, verify(append(naming[:15:15], good)...))
}

// An old list whose end is far away does not cover for the newest, which has ended.
func TestAttack_P06_RollbackOfLists(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	e := &tee.Endorsements{}
	for _, by := range []simulator.Issuer{w.vendor.Root, w.vendor.Intermediate} {
		for _, list := range []*x509.RevocationList{
			{Number: big.NewInt(1), ThisUpdate: simulatedNow.AddDate(-1, 0, 0), NextUpdate: simulatedNow.AddDate(9, 0, 0)},
			{Number: big.NewInt(2), ThisUpdate: simulatedNow.AddDate(0, -2, 0), NextUpdate: simulatedNow.AddDate(0, -1, 0)},
		} {
			crl, err := by.Sign(list)
			if err != nil {
				t.Fatal(err)
			}
			e.AddCRL(crl)
		}
	}
	out := newVerifier(t, w.roots()).Verify(item, e, tee.Params{Now: simulatedNow})
	if check, _ := out.Checks.Get(evidence.CodeTPMAKRevocation); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
	}
}

// Issuers of the right name and with another key hide no genuine one that comes along.
func TestAttack_P06_IssuersOfTheSameName(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	e := &tee.Endorsements{}
	for range 40 {
		e.AddCertificate(newCA(t, w, simulator.Issuer{}, "TPM Attestation Key CA SIMULATED", nil).Certificate)
	}
	v := newVerifier(t, w.roots())
	wantFailed(t, v.Verify(item, e, tee.Params{Now: simulatedNow}))
	e.AddCertificate(w.vendor.Intermediate.Certificate)
	bare := *item
	bare.AKCertificates = item.AKCertificates[:1]
	out := v.Verify(&bare, e, tee.Params{Now: simulatedNow})
	if wantFailed(t, out); !out.Undecided() { // the genuine one is beyond the bound
		t.Errorf("missing %v\n%v", out.Missing, out.Checks)
	}
}

// A web of certificates that sign each other leads to a bounded search.
func TestAttack_P06_WebOfIssuers(t *testing.T) {
	w := simulated(t)
	var keys []simulator.Issuer
	for range 4 {
		keys = append(keys, newCA(t, w, simulator.Issuer{}, "web", nil))
	}
	item := quoteOf(t, w.machine, w.nonce)
	leaf, err := keys[0].Issue(w.vendor.AKTemplate("victim"), w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item.AKCertificates = [][]byte{leaf.Raw}
	e := &tee.Endorsements{}
	for _, by := range keys {
		for _, of := range keys {
			template := w.vendor.CATemplate("web")
			cert, err := by.Issue(template, of.Key.Public())
			if err != nil {
				t.Fatal(err)
			}
			e.AddCertificate(cert)
			if len(item.AKCertificates) < evidence.MaxCertificates {
				item.AKCertificates = append(item.AKCertificates, cert.Raw)
			}
		}
	}
	v := newVerifier(t, w.roots())
	start := time.Now()
	out := v.Verify(item, e, tee.Params{Now: simulatedNow})
	took := time.Since(start)
	if out.Genuine() || took > time.Second {
		t.Errorf("genuine: %v, after %s", out.Genuine(), took)
	}
	t.Logf("%s", took)
}

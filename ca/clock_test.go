package ca

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// What is issued, and what it chains to, holds for a peer whose clock is up to a
// minute behind, from the first start on, and not for an earlier one.
func TestAttack_B21_TimesReachBackAMinute(t *testing.T) {
	a := open(t)
	now := verifiertest.Now()
	_, leaf := issue(t, a, verifiertest.Request{})
	service, err := a.ServerCertificate([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	intermediates := x509.NewCertPool()
	intermediates.AddCert(a.active().issuing)
	for name, cert := range map[string]*x509.Certificate{"workload": leaf, "service": service.Leaf} {
		for at, ok := range map[time.Duration]bool{0: true, -backdate: true, -backdate - time.Second: false} {
			_, err := cert.Verify(x509.VerifyOptions{
				Roots: a.Roots(), Intermediates: intermediates, CurrentTime: now.Add(at),
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			if (err == nil) != ok {
				t.Errorf("%s, by a clock %s behind: %v", name, -at, err)
			}
		}
	}
}

// A verifier and an authority whose clocks disagree issue nothing, and an
// authority whose clock is far ahead of its own end neither.
func TestAttack_B20_ClocksFarAhead(t *testing.T) {
	now := verifiertest.Now()
	c := &clock{now}
	a := openAt(t, t.TempDir(), c)
	for _, jump := range []time.Duration{maxResultAge + time.Second, time.Hour, 400 * 24 * time.Hour, 100 * 365 * 24 * time.Hour} {
		c.at = now
		_, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: now.Add(jump)}))
		refused(t, err, evidence.CodeIssuingResult)
		c.at = now.Add(jump)
		_, err = a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: now}))
		refused(t, err, evidence.CodeIssuingResult)
	}
	_, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: c.at}))
	refused(t, err, evidence.CodeIssuingValidity)
}

// What could not be decided is not certified, however it looks otherwise.
func TestAttack_A15_UndecidedIsNotCertified(t *testing.T) {
	result := verifiertest.Appraise(t, verifiertest.Request{Outcome: func(o *tee.Outcome) {
		o.Missing = []tee.EndorsementName{{}}
	}})
	if result.Verdict() != verifier.Undecided {
		t.Fatalf("the verdict is %s", result.Verdict())
	}
	if _, ok := result.CertificateKey(); ok {
		t.Error("it gives a key to certify")
	}
	_, err := open(t).Issue(result)
	refused(t, err, evidence.CodeIssuingResult)
}

package daemon_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// software measures an event into PCR 14 and returns what that then holds, where it
// held before.
func software(t *testing.T, module *tpmtest.TPM, before []byte, event string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(event))
	module.Extend(t, 14, digest)
	sum := sha256.Sum256(append(bytes.Clone(before), digest[:]...))
	return sum[:]
}

// enrolmentOf is the configuration of a service that enrols the TPMs of a maker,
// and grants an identity to those that measured what they should.
func enrolmentOf(t *testing.T, module *tpmtest.TPM, pcr14 []byte) daemon.Config {
	t.Helper()
	dir := t.TempDir()
	var makers bytes.Buffer
	for _, certificates := range [][]*x509.Certificate{module.Roots, module.Intermediates} {
		for _, cert := range certificates {
			pem.Encode(&makers, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		}
	}
	roots, policy := filepath.Join(dir, "makers.pem"), filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(roots, makers.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, policy, fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: machine
identity: {spiffe_id: "spiffe://quotary.internal/machine"}
any_of:
  - tpm: {ak: {sources: [enrolled], hierarchy: endorsement}, pcrs: {sha256: {14: [%x]}}, key: tpm}
`, pcr14))
	return daemon.Config{Policies: []string{policy}, TPM: daemon.TPM{Enrolment: daemon.Enrolment{Roots: []string{roots}}}}
}

// dial returns a client of the service.
func (r *running) dial(t *testing.T) *client.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.RootPEM())
	c, err := client.New(client.Config{URL: r.url, TrustDomain: "quotary.internal", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestSoftwareTPM is the life of a machine with a TPM, over HTTPS: it is enrolled by
// its endorsement key, measures, proves what it measured, and gets a certificate
// for a key that lives in the TPM; after a reboot it proves so again; and whatever
// else it measures, or whoever else says so, gets nothing.
func TestSoftwareTPM(t *testing.T) {
	module := tpmtest.Start(t)
	zero := make([]byte, sha256.Size)
	good := software(t, module, zero, "the right kernel")
	service := start(t, filepath.Join(t.TempDir(), "data"), enrolmentOf(t, module, good))
	c := service.dial(t)

	tpm, err := guest.Open(t.Context(), module.Address, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	enrolled, err := c.Enrol(t.Context(), tpm, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ak := tpm.AttestationKey(); !bytes.Equal(enrolled.AKSHA256, ak[:]) || enrolled.Simulated {
		t.Fatalf("enrolled %+v", enrolled)
	}
	key, err := tpm.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	attester := func(q guest.Quoting) *guest.Attester {
		t.Helper()
		q.Logs = fstest.MapFS{}
		a, err := tpm.Attester(q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	attest := func(a *guest.Attester) error {
		t.Helper()
		identity, err := c.Attest(t.Context(), a, key, client.AttestOptions{Tokens: []client.Format{client.JWT}})
		if err == nil && identity.SPIFFEID != "spiffe://quotary.internal/machine" {
			t.Errorf("granted %s", identity.SPIFFEID)
		}
		return err
	}
	whole := attester(guest.Quoting{AKCertificates: enrolled.Certificates, Key: key})
	if err := attest(whole); err != nil {
		t.Fatal(err)
	}
	if err := attest(attester(guest.Quoting{AKCertificates: enrolled.Certificates})); !refusedFor(err, evidence.CodePolicyTPMKey) {
		t.Errorf("without proof that the key lives in the TPM: %v", err)
	}
	if err := attest(attester(guest.Quoting{Key: key})); !refusedFor(err, evidence.CodeTPMAKUntrusted) {
		t.Errorf("without the certificate: %v", err)
	}
	other := tpmtest.Start(t) // of another maker
	stranger, err := guest.Open(t.Context(), other.Address, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Enrol(t.Context(), stranger, client.EnrolOptions{}); err == nil {
		t.Error("a TPM of another maker is enrolled")
	}

	module.Reboot(t)
	if err := attest(whole); !refusedFor(err, evidence.CodePolicyTPMPCR) {
		t.Errorf("rebooted into nothing: %v", err)
	}
	software(t, module, zero, "the right kernel")
	if err := attest(whole); err != nil {
		t.Errorf("rebooted: %v", err)
	}
	software(t, module, good, "an intruder")
	if err := attest(whole); !refusedFor(err, evidence.CodePolicyTPMPCR) {
		t.Errorf("with something else measured: %v", err)
	}
}

// refusedFor reports whether the service refused because of this check.
func refusedFor(err error, code evidence.Code) bool {
	var p *client.Problem
	if !errors.As(err, &p) {
		return false
	}
	check, ok := p.Checks.Get(code)
	return ok && check.Status == evidence.Fail
}

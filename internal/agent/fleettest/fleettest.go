// Package fleettest runs a real service for tests of agents, with simulated machines
// (TDX guests) that it grants identities, and, if wanted, a software TPM that it enrols.
// The service can be stopped and started, and told to refuse.
//
// Start at [New].
package fleettest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	sdk "github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/agent/machine"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// TrustDomain is the service's.
const TrustDomain = "fleet.test"

// The SPIFFE IDs that the service grants.
const (
	GuestID = "spiffe://" + TrustDomain + "/guest" // to the TDX guest
	BoxID   = "spiffe://" + TrustDomain + "/box"   // to the machine with a TPM
)

// Service is a service and the machines that it knows.
type Service struct {
	URL string
	// Root is a file with the root of its authority, PEM, and RootSHA256 its digest in hex.
	Root, RootSHA256 string
	// TPM is the software TPM; nil without one.
	TPM *tpmtest.TPM

	t       testing.TB
	config  daemon.Config
	data    string
	policy  string
	good    string // the policy's text
	gate    *gate
	guest   *tdx.Machine
	running *daemon.Daemon
	stop    func()
}

// New starts a service, which ends with the test. withTPM skips the test where there is no
// software TPM.
func New(t testing.TB, withTPM bool) *Service {
	t.Helper()
	dir := t.TempDir()
	vendor := tdx.NewVendor(tdx.Options{Seed: "fleet", Clock: time.Now})
	s := &Service{t: t, gate: newGate(t), guest: vendor.NewMachine(tdx.DefaultMachine()), data: filepath.Join(dir, "data"), policy: filepath.Join(dir, "policy.yaml"), Root: filepath.Join(dir, "root.crt")}
	s.URL = "https://" + s.gate.inner.Addr().String()
	published := &tee.Endorsements{}
	vendor.Endorsements(published)
	s.must(endorsements.Save(filepath.Join(dir, "endorsements"), published))
	roots := filepath.Join(dir, "simulated.pem")
	s.must(os.WriteFile(roots, certificate(vendor.Anchor().DER), 0o600))
	s.config = daemon.Config{
		TrustDomain: TrustDomain, Policies: []string{s.policy}, Endorsements: []string{filepath.Join(dir, "endorsements")},
		Vendors: daemon.Vendors{Offline: true}, Simulated: daemon.Simulated{Accept: true, Roots: []string{roots}},
		Authority: daemon.Authority{AttestationResults: true},
	}
	s.good = fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: guest
identity: {spiffe_id: %q, dns_names: [guest.fleet.test], ttl: 10m}
allow_simulated: true
any_of:
  - tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}
`, GuestID, tdx.DefaultMachine().MRTD)
	if withTPM {
		s.startTPM(filepath.Join(dir, "makers.pem"))
	}
	s.must(os.WriteFile(s.policy, []byte(s.good), 0o600))
	s.Start()
	s.must(os.WriteFile(s.Root, s.running.RootPEM(), 0o600))
	block, _ := pem.Decode(s.running.RootPEM())
	sum := sha256.Sum256(block.Bytes)
	s.RootSHA256 = hex.EncodeToString(sum[:])
	t.Cleanup(s.Stop)
	return s
}

// startTPM starts a TPM that has measured what policy wants.
func (s *Service) startTPM(makers string) {
	s.t.Helper()
	s.TPM = tpmtest.Start(s.t)
	event := sha256.Sum256([]byte("the right kernel"))
	s.TPM.Extend(s.t, 14, event)
	var certificates []byte
	for _, cert := range slices.Concat(s.TPM.Roots, s.TPM.Intermediates) {
		certificates = append(certificates, certificate(cert.Raw)...)
	}
	s.must(os.WriteFile(makers, certificates, 0o600))
	s.config.TPM.Enrolment.Roots = []string{makers}
	s.good += fmt.Sprintf(`---
apiVersion: quotary.dev/v1
kind: Workload
name: box
identity: {spiffe_id: %q, ttl: 10m}
any_of:
  - tpm: {ak: {sources: [enrolled]}, pcrs: {sha256: {14: [%x]}}}
`, BoxID, sha256.Sum256(append(make([]byte, sha256.Size), event[:]...)))
}

// Start starts the service again, at the same address.
func (s *Service) Start() {
	s.t.Helper()
	d, err := daemon.Open(s.t.Context(), daemon.Options{Data: s.data, Config: s.config, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	s.must(err)
	listener := s.gate.open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	s.running = d
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		if err := d.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// Stop stops the service, if it runs.
func (s *Service) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Devices are the ways to the TDX guest: nothing else is there.
func (s *Service) Devices() machine.Devices {
	return machine.Devices{
		SEVSNP: absent, TDX: func(bool) (tee.Attester, error) { return s.guest, nil }, TPM: filepath.Join(s.t.TempDir(), "tpmrm0"),
	}
}

// Refuse has the service refuse all machines from now on; Accept what it accepted at first.
func (s *Service) Refuse() {
	s.t.Helper()
	other := sha256.Sum256([]byte("another"))
	s.reload(fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: other
identity: {spiffe_id: "spiffe://fleet.test/other"}
any_of:
  - tpm: {ak: {sources: [enrolled]}, pcrs: {sha256: {14: [%x]}}}
`, other))
}

// Accept undoes Refuse.
func (s *Service) Accept() {
	s.t.Helper()
	s.reload(s.good)
}

// Revoke has the service revoke the certificate that an attestation brought.
func (s *Service) Revoke(attestation string) {
	s.t.Helper()
	authority, err := admin.OpenAuthority(filepath.Join(s.data, admin.DirName), TrustDomain, time.Now)
	s.must(err)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	key, err := evidence.NewKey(private.Public())
	s.must(err)
	_, text, err := authority.Issue(admin.Request{Name: "owner", Role: admin.Owner, Key: key})
	s.must(err)
	block, _ := pem.Decode(text)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.running.RootPEM())
	c, err := sdk.New(sdk.Config{
		URL: s.URL, TrustDomain: TrustDomain, Roots: roots,
		Credential: sdk.Certificate(tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: private}),
	})
	s.must(err)
	defer c.Close()
	done, err := c.Revoke(s.t.Context(), sdk.Revocation{Attestations: []string{attestation}, Reason: "test"})
	s.must(err)
	if done.Revoked != 1 {
		s.t.Fatalf("revoked %d certificates", done.Revoked)
	}
}

func (s *Service) reload(policy string) {
	s.t.Helper()
	s.must(os.WriteFile(s.policy, []byte(policy), 0o600))
	s.must(s.running.Reload(s.t.Context()))
}

func (s *Service) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func absent(uint) (tee.Attester, error) {
	return nil, evidence.Errorf(evidence.CodeAttesterAbsent, "", "no SEV-SNP guest")
}

package daemon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// simulation is a simulated world in files, as an operator would have it, and one
// machine of each technology in it.
type simulation struct {
	roots        []string // files: AMD's, Intel's and the TPM maker's
	endorsements string
	amd          *sevsnp.Vendor
	intel        *tdx.Vendor
	machines     map[evidence.Kind]tee.Attester
	require      map[evidence.Kind]string // what a policy requires of each machine
}

func simulate(t testing.TB) simulation {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	world, err := simulators.New("refused by default", time.Now())
	must(err)
	report := world.SEVSNP.Report("guest")
	snp, err := world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "guest", Report: report})
	must(err)
	td := tdx.DefaultMachine()
	module, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "machine", PCRs: []int{7}})
	must(err)
	must(module.Measure(7, []byte("secure boot on")))
	dir := t.TempDir()
	s := simulation{
		amd:          world.SEVSNP,
		intel:        world.TDX,
		endorsements: filepath.Join(dir, "endorsements"),
		machines:     map[evidence.Kind]tee.Attester{evidence.KindSEVSNP: snp, evidence.KindTDX: world.TDX.NewMachine(td), evidence.KindTPM: module},
		require: map[evidence.Kind]string{
			evidence.KindSEVSNP: fmt.Sprintf("sev_snp: {measurements: [%x], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}}", report.Measurement),
			evidence.KindTDX:    fmt.Sprintf("tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}", td.MRTD),
			evidence.KindTPM:    fmt.Sprintf("tpm: {ak: {sources: [certificate]}, pcrs: {sha256: {7: [%s]}}}", module.PCRs()[tpm.SHA256][7]),
		},
	}
	for i, anchor := range world.Anchors() {
		path := filepath.Join(dir, fmt.Sprintf("root%d.pem", i))
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.DER}), 0o600))
		s.roots = append(s.roots, path)
	}
	published, err := world.Endorsements()
	must(err)
	must(endorsements.Save(s.endorsements, published))
	for i, path := range s.roots { // roots among the endorsements are no roots
		data, err := os.ReadFile(path)
		must(err)
		must(os.WriteFile(filepath.Join(s.endorsements, fmt.Sprintf("root%d.pem", i)), data, 0o600))
	}
	return s
}

// policy writes a workload for each technology, and returns the folder.
func (s simulation) policy(t testing.TB, allow string) string {
	t.Helper()
	dir := t.TempDir()
	for kind, require := range s.require {
		write(t, filepath.Join(dir, string(kind)+".yaml"), fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: %[1]s
identity: {spiffe_id: "spiffe://quotary.internal/%[1]s"}
%[2]s
any_of:
  - %[3]s
`, kind, allow, require))
	}
	return dir
}

// attach changes the certificates that travel with evidence.
type attach struct {
	tee.Attester
	change func([][]byte) [][]byte
}

func (a attach) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	bundle, err := a.Attester.Attest(ctx, binding)
	for _, item := range bundle {
		switch item := item.(type) {
		case *evidence.SNP:
			item.Certificates = a.change(item.Certificates)
		case *evidence.TPM:
			item.AKCertificates = a.change(item.AKCertificates)
		}
	}
	return bundle, err
}

// attest attests for a certificate, over HTTPS.
func (r *running) attest(t testing.TB, machine tee.Attester) (*client.Identity, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.RootPEM())
	c, err := client.New(client.Config{URL: r.url, TrustDomain: "quotary.internal", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c.Attest(t.Context(), machine, key, client.AttestOptions{Tokens: []client.Format{client.JWT, client.CWT}})
}

// Simulated evidence is refused by a service whose operator did not accept it,
// or whose policy did not, in whatever form it comes and wherever its roots stand.
func TestAttack_K21_SimulatedEvidenceIsRefusedByDefault(t *testing.T) {
	s := simulate(t)
	allowed, silent := s.policy(t, "allow_simulated: true"), s.policy(t, "")
	var all [][]byte // the simulated roots, to travel along
	for _, path := range s.roots {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		all = append(all, block.Bytes)
	}
	forms := map[string]func([][]byte) [][]byte{
		"as it is":             func(c [][]byte) [][]byte { return c },
		"without certificates": func([][]byte) [][]byte { return nil },
		"with all roots":       func(c [][]byte) [][]byte { return append(c[:len(c):len(c)], all...) },
	}
	for name, c := range map[string]daemon.Config{
		"default":                        {Policies: []string{allowed}},
		"roots among the endorsements":   {Policies: []string{allowed}, Endorsements: []string{s.endorsements}},
		"a simulator's root for TPMs":    {Policies: []string{allowed}, Endorsements: []string{s.endorsements}, TPM: daemon.TPM{Roots: s.roots[2:]}},
		"accepted, under no root":        {Policies: []string{allowed}, Endorsements: []string{s.endorsements}, Simulated: daemon.Simulated{Accept: true}},
		"accepted, but policy is silent": {Policies: []string{silent}, Endorsements: []string{s.endorsements}, Simulated: daemon.Simulated{Accept: true, Roots: s.roots}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, filepath.Join(t.TempDir(), "data"), c)
			for kind, machine := range s.machines {
				for form, change := range forms {
					identity, err := r.attest(t, attach{machine, change})
					var problem *client.Problem
					if identity != nil || !errors.As(err, &problem) || problem.Status >= 500 && problem.Verdict != "undecided" {
						t.Errorf("%s %s: %v", kind, form, err)
					}
				}
			}
		})
	}
	t.Run("accepted by both", func(t *testing.T) { // or the above would prove nothing
		r := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{
			Policies: []string{allowed}, Endorsements: []string{s.endorsements}, Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
		})
		for kind, machine := range s.machines {
			identity, err := r.attest(t, machine)
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			} else if !identity.Simulated || !ca.IsSimulated(identity.Certificate.Leaf) {
				t.Errorf("%s: not marked as simulated", kind)
			}
		}
	})
}

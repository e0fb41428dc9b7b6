package daemon_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	logs "github.com/quotary/quotary/tee/eventlog"
)

// enrolling is a simulated machine as the SDK enrols it.
type enrolling struct{ *tpm.Machine }

func (e enrolling) EnrolmentRequest(context.Context) (evidence.Enrolment, error) {
	return e.Enrolment()
}

func (e enrolling) Activate(_ context.Context, c tee.Credential) ([]byte, error) {
	return e.Machine.Activate(c)
}

// rootFile writes a root as an operator has it.
func rootFile(t *testing.T, anchor tee.Anchor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.pem")
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.DER})))
	return path
}

// granted attests for a new key.
func granted(t *testing.T, c *client.Client, machine tee.Attester) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Attest(t.Context(), machine, key, client.AttestOptions{})
	return err
}

// TestMeasuredMachine is the life of a machine that boots measured and measures its
// files: it enrols, proves what it booted and read, sends only what is new the next
// time, also to a service that was restarted, and all of it after a reboot.
func TestMeasuredMachine(t *testing.T) {
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "measured"})
	if err != nil {
		t.Fatal(err)
	}
	boot := &eventlog.Boot{SecureBoot: true, Image: []byte("image"), Kernel: []byte("kernel"), CommandLine: "ima_policy=tcb", Initrd: []byte("initrd")}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "measured", Boot: boot, IMA: true, WithoutCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	file := func(path, content string) []byte {
		t.Helper()
		sum := sha256.Sum256([]byte(content))
		if err := machine.MeasureFile(path, sum[:]); err != nil {
			t.Fatal(err)
		}
		return sum[:]
	}
	pcrs := machine.PCRs()[tpm.SHA256]
	first := file("/usr/bin/first", "first")
	second := sha256.Sum256([]byte("second"))
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, policy, fmt.Sprintf(`apiVersion: quotary.dev/v1
kind: Workload
name: measured
identity: {spiffe_id: "spiffe://quotary.internal/measured"}
allow_simulated: true
any_of:
  - tpm:
      pcrs: {sha256: {0: any, 4: [%s], 9: [%s], 11: [%s], 12: any, 13: any}}
      ak: {sources: [enrolled]}
      boot:
        images: [%x, %x]
        initrds: [%x]
        load_options: [%x]
        maximum_boot_attempts: 1
        exited_boot_services: required
      ima: {files: [%x, %x]}
`, pcrs[4], pcrs[9], pcrs[11], sha256.Sum256(boot.Image), sha256.Sum256(boot.Kernel), sha256.Sum256(boot.Initrd),
		logs.LoadOptionsDigest(logs.SHA256, boot.CommandLine), first, second))
	data := filepath.Join(t.TempDir(), "data")
	config := daemon.Config{Policies: []string{policy}, Simulated: daemon.Simulated{Accept: true, Roots: []string{rootFile(t, vendor.EKAnchor())}}}
	service := start(t, data, config)
	c := service.dial(t)
	enrolled, err := c.Enrol(t.Context(), enrolling{machine}, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	machine.UseCertificates(enrolled.Certificates)
	if err := granted(t, c, machine); err != nil {
		t.Fatal(err)
	}
	sent := machine.IMAEntries()
	from := func(entry int) {
		t.Helper()
		if err := machine.SendIMAFrom(entry); err != nil {
			t.Fatal(err)
		}
	}
	file("/usr/bin/second", "second")
	from(sent)
	if err := granted(t, c, machine); err != nil {
		t.Fatalf("what is new since the last time: %v", err)
	}
	if err := granted(t, c, machine); !refusedFor(err, evidence.CodeTPMIMAOffset) {
		t.Errorf("entries that were judged before: %v", err)
	}
	service.stop()
	service = start(t, data, config)
	c = service.dial(t)
	from(machine.IMAEntries())
	if err := granted(t, c, machine); err != nil {
		t.Errorf("after the service was restarted: %v", err)
	}
	if err := machine.Reboot(); err != nil {
		t.Fatal(err)
	}
	file("/usr/bin/first", "first")
	if err := granted(t, c, machine); err != nil {
		t.Errorf("after a reboot: %v", err)
	}
	from(machine.IMAEntries())
	file("/tmp/intruder", "intruder")
	if err := granted(t, c, machine); !refusedFor(err, evidence.CodePolicyIMAFiles) {
		t.Errorf("with a file that nobody knows: %v", err)
	}
}

// TestComposites: confidential VMs with a TPM, over HTTPS, in each of the ways in
// which both can belong together.
func TestComposites(t *testing.T) {
	s := simulate(t)
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "composites"})
	if err != nil {
		t.Fatal(err)
	}
	newTPM := func(o tpm.MachineOptions) *tpm.Machine {
		t.Helper()
		m, err := vendor.NewMachine(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Measure(7, []byte("as it should")); err != nil {
			t.Fatal(err)
		}
		return m
	}
	vtpm := newTPM(tpm.MachineOptions{Name: "vtpm", Key: tpm.KeyRSA, EK: tpm.EKRSA2048, WithoutCertificate: true})
	own := newTPM(tpm.MachineOptions{Name: "own", WithoutCertificate: true})
	hardware := map[evidence.Kind]tee.Attester{evidence.KindSEVSNP: s.machines[evidence.KindSEVSNP], evidence.KindTDX: s.intel.NewMachine(tdx.DefaultMachine())}
	value := vtpm.PCRs()[tpm.SHA256][7]
	var policy bytes.Buffer
	for kind, require := range map[evidence.Kind]string{evidence.KindSEVSNP: s.require[evidence.KindSEVSNP], evidence.KindTDX: s.require[evidence.KindTDX]} {
		fmt.Fprintf(&policy, "---\napiVersion: quotary.dev/v1\nkind: Workload\nname: %[1]s\nidentity: {spiffe_id: \"spiffe://quotary.internal/%[1]s\"}\nallow_simulated: true\nany_of:\n"+
			"  - name: own\n    %[2]s\n    tpm: {pcrs: {sha256: {7: [%[3]s]}}, ak: {sources: [enrolled]}}\n"+
			"  - name: paravisor\n    %[2]s\n    tpm: {pcrs: {sha256: {7: [%[3]s]}}, ak: {sources: [tee]}}\n    paravisor: {secure_boot: required}\n"+
			"  - name: key-digest\n    %[2]s\n    tpm: {pcrs: {sha256: {7: [%[3]s]}}, ak: {sources: [tee]}}\n", kind, require, value)
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, policy.String())
	service := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{
		Policies: []string{path}, Endorsements: []string{s.endorsements},
		Simulated: daemon.Simulated{Accept: true, Roots: append(s.roots, rootFile(t, vendor.EKAnchor()))},
	})
	c := service.dial(t)
	enrolled, err := c.Enrol(t.Context(), enrolling{own}, client.EnrolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own.UseCertificates(enrolled.Certificates)
	for kind, machine := range hardware {
		for name, attester := range map[string]tee.Attester{
			"with a TPM of its own":            tee.Compose(machine, own),
			"behind a paravisor":               paravised(t, machine, vtpm, paravisor.RuntimeData),
			"with the digest of the TPM's key": paravised(t, machine, vtpm, paravisor.PublicArea),
		} {
			if err := granted(t, c, attester); err != nil {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
		var p *client.Problem
		if err := granted(t, c, bound{machine, own}); !errors.As(err, &p) || !refusedFor(err, evidence.CodeCompositeLink) {
			t.Errorf("%s with a TPM that it does not name: %v", kind, err)
		}
	}
}

func paravised(t *testing.T, machine tee.Attester, vtpm *tpm.Machine, form paravisor.Form) tee.Attester {
	t.Helper()
	m, err := paravisor.New(machine, vtpm, paravisor.Options{Form: form})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bound is a machine whose parts each carry the binding, and do not name each other.
type bound struct {
	machine tee.Attester
	tpm     *tpm.Machine
}

func (b bound) Kinds() []evidence.Kind { return tee.Compose(b.machine, b.tpm).Kinds() }

func (b bound) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	one, err := b.machine.Attest(ctx, binding)
	if err != nil {
		return nil, err
	}
	two, err := b.tpm.Attest(ctx, binding)
	return append(one, two...), err
}

// Several workloads of one machine attest with its one TPM at the same time: who is
// overtaken tries again.
func TestConcurrentAttestationsByOneTPM(t *testing.T) {
	s := simulate(t)
	service := start(t, filepath.Join(t.TempDir(), "data"), daemon.Config{
		Policies: []string{s.policy(t, "allow_simulated: true")}, Endorsements: []string{s.endorsements},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
	})
	c := service.dial(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 3 {
				if err := granted(t, c, s.machines[evidence.KindTPM]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// Who configures enrolment, and would have nobody enrolled, is told.
func TestEnrolmentThatTrustsNothing(t *testing.T) {
	list := filepath.Join(t.TempDir(), "keys.txt")
	write(t, list, "# none yet\n")
	hours := 12
	for name, c := range map[string]daemon.Enrolment{
		"a list of comments": {EndorsementKeys: []string{list}},
		"a life alone":       {CertificateHours: &hours},
		"a mode alone":       {NewKeys: "refuse"},
	} {
		if d, err := open(t, filepath.Join(t.TempDir(), "data"), daemon.Config{TPM: daemon.TPM{Enrolment: c}}); err == nil {
			d.Close()
			t.Errorf("%s: opened", name)
		} else if evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package machines_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"io/fs"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-configfs-tsm/rtmr"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/machines"
	simulatedtdx "github.com/quotary/quotary/simulators/tdx"
	simulatedtpm "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpguest "github.com/quotary/quotary/tee/sevsnp/guest"
	tdxguest "github.com/quotary/quotary/tee/tdx/guest"
	"github.com/quotary/quotary/tee/tpm"
)

// TestExtend: what software measures shows in the evidence until the machine is rebooted.
func TestExtend(t *testing.T) {
	for register, c := range map[string]struct {
		technology machines.Technology
		code       evidence.Code // "" if no policy asks for the register
	}{
		"rtmr3": {machines.TDX, evidence.CodePolicyTDXRTMR3},
		"rtmr2": {machines.TDXTPM, evidence.CodePolicyTDXRTMR2},
		"pcr9":  {machines.TPM, evidence.CodePolicyTPMPCR},
		"pcr4":  {machines.AzureSNP, evidence.CodeTPMEventLogReplay}, // which the log must explain
		"pcr23": {machines.SEVSNPTPM, evidence.Code{}},
	} {
		m := newMachine(t, specOf(c.technology))
		s := newService(t, m)
		if err := m.Extend(register, []byte("measured")); err != nil {
			t.Fatal(err)
		}
		var want []evidence.Code
		if c.code != (evidence.Code{}) {
			want = []evidence.Code{c.code}
		}
		if got := s.attest(t, m); !slices.Equal(got, want) {
			t.Errorf("%s of %s: %v, want %v", register, c.technology, got, want)
		}
		if err := m.Reboot(); err != nil {
			t.Fatal(err)
		}
		if got := s.attest(t, m); got != nil {
			t.Errorf("%s of %s: rebooted: %v", register, c.technology, got)
		}
	}
}

func TestExtendRefuses(t *testing.T) {
	for technology, registers := range map[machines.Technology][]string{
		machines.SEVSNP: {"rtmr3", "pcr0", ""}, machines.TDX: {"rtmr0", "rtmr4", "rtmr-1", "rtmr", "pcr0", "3"},
		machines.TPM: {"pcr24", "pcr-1", "pcr", "PCR0", "rtmr3"},
	} {
		m := newMachine(t, specOf(technology))
		for _, register := range registers {
			if err := m.Extend(register, nil); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
				t.Errorf("%s of %s: %v", register, technology, err)
			}
		}
	}
}

// TestRuntimeRegisters are in the machine's configfs-tsm, where the library finds them.
func TestRuntimeRegisters(t *testing.T) {
	m := newMachine(t, specOf(machines.TDX))
	before, err := rtmr.GetDigest(m.ConfigFS(), 2)
	if err != nil || string(before.TcgMap) != "8-15\n" {
		t.Fatalf("%+v, %v", before, err)
	}
	digest := sha512.Sum384([]byte("event"))
	if err := rtmr.ExtendDigest(m.ConfigFS(), 2, digest[:]); err != nil {
		t.Fatal(err)
	}
	want := sha512.Sum384(append(before.Digest, digest[:]...))
	if after, err := rtmr.GetDigest(m.ConfigFS(), 2); err != nil || !bytes.Equal(after.Digest, want[:]) {
		t.Errorf("%+v, %v", after, err)
	}
	for _, closed := range []int{0, 1, 4} {
		if err := rtmr.ExtendDigest(m.ConfigFS(), closed, digest[:]); err == nil {
			t.Errorf("RTMR%d is extended", closed)
		}
	}
}

// TestConfigFS: the code that collects evidence on real machines finds everything.
func TestConfigFS(t *testing.T) {
	guest, domain := newMachine(t, specOf(machines.SEVSNP)), newMachine(t, specOf(machines.TDX))
	snp, err := snpguest.New(snpguest.Options{}, snpguest.ConfigFS(guest.ConfigFS()))
	if err != nil {
		t.Fatal(err)
	}
	report, err := snp.Collect(t.Context(), [64]byte{1})
	if err != nil || report.Omitted != nil || len(report.Item.Certificates) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	quote, err := tdxguest.New(tdxguest.Options{}, domain.ConfigFS(), domain.ACPITables()).Collect(t.Context(), [64]byte{1})
	if err != nil || quote.Omitted != nil || len(quote.Item.EventLog) == 0 {
		t.Errorf("%+v, %v", quote, err)
	}
	module := newMachine(t, specOf(machines.TPM))
	if module.ConfigFS() != nil {
		t.Error("a machine without a TEE has configfs-tsm")
	}
	if _, err := module.ACPITables().Open("CCEL"); err == nil {
		t.Error("a machine without a TEE has a log of one")
	}
	table, err := fs.ReadFile(domain.ACPITables(), "CCEL")
	if err != nil || len(table) != 56 {
		t.Errorf("%x, %v", table, err)
	}
}

// TestEnrolment: the maker of simulated TPMs certifies their endorsement keys, whatever
// runs them; once enrolled, they send the certificate that they got.
func TestEnrolment(t *testing.T) {
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	enroller, err := tpm.NewEnroller(tpm.EnrollerOptions{Roots: []tee.Anchor{w.TPM.EKAnchor()}})
	if err != nil {
		t.Fatal(err)
	}
	published, err := w.Endorsements()
	if err != nil {
		t.Fatal(err)
	}
	for _, backend := range []machines.Backend{machines.InProcess, machines.SWTPM} {
		if _, err := exec.LookPath("swtpm"); err != nil && backend == machines.SWTPM {
			t.Skip("swtpm is not installed (Debian: swtpm)")
		}
		m := newMachine(t, machines.Spec{Name: "enrolled", Technology: machines.TPM, TPM: machines.TPMSpec{Backend: backend, Enrolled: true}})
		s := newService(t, m)
		if got := s.attest(t, m); !slices.Equal(got, []evidence.Code{evidence.CodeTPMAKUntrusted}) {
			t.Errorf("%s: before it is enrolled: %v", backend, got)
		}
		request, err := m.EnrolmentRequest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		outcome := enroller.Judge(request, published, tee.Params{Now: now, Pooled: true})
		if sum := sha256.Sum256(outcome.AKKey); m.AttestationKey() != sum {
			t.Errorf("%s: attestation key %x, not %x", backend, m.AttestationKey(), sum)
		}
		if !outcome.Good() || !outcome.Claims.Simulated {
			t.Fatalf("%s: %v, missing %v", backend, outcome.Checks.Failed(), outcome.Missing)
		}
		secret := bytes.Repeat([]byte{7}, 32)
		credential, err := enroller.Challenge(rand.Reader, outcome, secret)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Activate(t.Context(), credential); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: %x, %v", backend, got, err)
		}
		if err := m.UseCertificates([][]byte{w.TPM.Intermediate.Certificate.Raw}); err != nil {
			t.Fatal(err)
		}
		bundle, err := m.Attest(t.Context(), evidence.Binding{})
		if err != nil || len(bundle[0].(*evidence.TPM).AKCertificates) != 1 {
			t.Errorf("%s: the certificate is not sent: %v", backend, err)
		}
	}
	without := newMachine(t, specOf(machines.TDX))
	if _, err := without.EnrolmentRequest(t.Context()); evidence.CodeOf(err) != evidence.CodeAttesterAbsent || without.AttestationKey() != (evidence.Digest{}) {
		t.Errorf("without a TPM: %v", err)
	}
}

// TestInject: a fault in what a machine sends begins and ends while the machine runs.
func TestInject(t *testing.T) {
	m := newMachine(t, specOf(machines.TDX))
	s := newService(t, m)
	if err := m.Inject("tdx-signature"); err != nil {
		t.Fatal(err)
	}
	if got := s.attest(t, m); !slices.Equal(got, []evidence.Code{evidence.CodeTDXQuoteSignature}) {
		t.Errorf("got %v", got)
	}
	m.Clear()
	if got := s.attest(t, m); got != nil {
		t.Errorf("the fault has ended: %v", got)
	}
	for _, name := range []string{"tdx-debug", "tpm-values", "nothing"} {
		if err := m.Inject(name); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConcurrent machines attest, measure and start again at once.
func TestConcurrent(t *testing.T) {
	maker, err := simulatedtpm.NewVendor(simulatedtpm.Options{Seed: "concurrent"})
	if err != nil {
		t.Fatal(err)
	}
	// Without AMD, whose keys are slow to make, the more so under the race detector.
	w := &simulators.World{TDX: simulatedtdx.NewVendor(simulatedtdx.Options{Seed: "concurrent"}), TPM: maker}
	var group sync.WaitGroup
	for _, technology := range []machines.Technology{machines.TPM, machines.TDXTPM} {
		m, err := machines.New(w, specOf(technology))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, act := range []func() error{
				func() error { _, err := m.Attest(t.Context(), evidence.Binding{}); return err },
				func() error { return m.Extend("pcr14", []byte("event")) },
				m.Reboot,
				func() error { defer m.Clear(); return m.Inject("stale-nonce") },
			} {
				group.Go(func() {
					if err := act(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
	group.Wait()
}

package tpm_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newVendor(t *testing.T, seed string) *simulator.Vendor {
	t.Helper()
	v, err := simulator.NewVendor(simulator.Options{Seed: seed, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newMachine(t *testing.T, v *simulator.Vendor, options simulator.MachineOptions) *simulator.Machine {
	t.Helper()
	m, err := v.NewMachine(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMachine holds quotes of every sort of machine to the verifier.
func TestMachine(t *testing.T) {
	vendor := newVendor(t, "a")
	verifier, err := tpm.New(tpm.Options{Roots: []tee.Anchor{vendor.Anchor()}})
	if err != nil {
		t.Fatal(err)
	}
	var endorsements tee.Endorsements
	if err := vendor.Endorsements(&endorsements); err != nil {
		t.Fatal(err)
	}
	for _, key := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		for _, bank := range []string{simulator.SHA256, simulator.SHA384} {
			t.Run(string(key)+" "+bank, func(t *testing.T) {
				m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", Key: key, Bank: bank, PCRs: []int{0, 7, 16, 23}})
				if err := m.Measure(7, []byte("an event")); err != nil {
					t.Fatal(err)
				}
				binding := evidence.NewBinding(evidence.PurposeToken, [32]byte{1}, []byte("key"), "example.org", m.Kinds())
				bundle, err := m.Attest(context.Background(), binding)
				if err != nil {
					t.Fatal(err)
				}
				out := verifier.Verify(bundle[0], &endorsements, tee.Params{Now: now})
				if !out.Genuine() || !bytes.Equal(out.ReportData, binding.ReportData(evidence.KindTPM)) {
					t.Fatalf("not genuine: %v", out.Checks)
				}
				for _, check := range out.Checks {
					if check.Status != evidence.Pass && check.Status != evidence.NotApplicable {
						t.Errorf("%v", check)
					}
				}
				claims := out.Claims.TPM
				if !out.Claims.Simulated || claims.AKSource != "certificate" || !*claims.AKRestricted || claims.ResetCount != 1 {
					t.Errorf("claims %+v", claims)
				}
				want := m.PCRs()[bank]
				if len(claims.PCRs) != 4 || !bytes.Equal(claims.PCRs[7], want[7]) || bytes.Equal(want[7], want[0]) {
					t.Errorf("PCRs %v", claims.PCRs)
				}
			})
		}
	}
}

// TestDeterminism shows that a seed determines everything that is sent.
func TestDeterminism(t *testing.T) {
	send := func(seed, name string, key simulator.KeyType, ek simulator.EKType) (*evidence.TPM, evidence.Enrolment) {
		m := newMachine(t, newVendor(t, seed), simulator.MachineOptions{Name: name, Key: key, EK: ek, Boot: boot("ro"), IMA: true})
		workload, err := m.NewKey()
		must(t, err)
		m.UseKey(workload)
		request, err := m.Enrolment()
		must(t, err)
		return quote(t, m), request
	}
	for key, ek := range map[simulator.KeyType]simulator.EKType{simulator.KeyECC: simulator.EKP384, simulator.KeyRSA: simulator.EKRSA2048} {
		item, request := send("a", "m", key, ek)
		again, requestAgain := send("a", "m", key, ek)
		if diff := cmp.Diff(item, again) + cmp.Diff(request, requestAgain); diff != "" {
			t.Errorf("%s: the same seed sends something else:\n%s", key, diff)
		}
		for _, other := range [][2]string{{"b", "m"}, {"a", "n"}} {
			another, requestOfAnother := send(other[0], other[1], key, ek)
			if bytes.Equal(item.AKPublic, another.AKPublic) || bytes.Equal(request.EKPublic, requestOfAnother.EKPublic) ||
				bytes.Equal(item.Certification.Public, another.Certification.Public) {
				t.Errorf("%s: seed %s and name %s give the same key", key, other[0], other[1])
			}
		}
	}
}

func TestPCRs(t *testing.T) {
	m := newMachine(t, newVendor(t, "a"), simulator.MachineOptions{Name: "m"})
	start := m.PCRs()
	if got := start[simulator.SHA256][17].String(); got[:2] != "ff" || start[simulator.SHA256][0].String()[:2] != "00" {
		t.Error("PCRs do not start as after a TPM reset")
	}
	if err := m.Measure(16, []byte("x")); err != nil {
		t.Fatal(err)
	}
	// H(zeros || H("x")), computed elsewhere.
	for bank, want := range map[string]string{
		simulator.SHA256: "7f85193790de75e46b70bfec3614098f47332a6993dabac6e38ad35f47df5da4",
		simulator.SHA384: "9bfada7cdb440f4902cabc003f0c6dbf520470ce548d23c184669fed92f745e619119c28150878edaf1ae36f85de5638",
	} {
		if got := m.PCRs()[bank][16].String(); got != want {
			t.Errorf("%s:16 is %s, want %s", bank, got, want)
		}
	}
	for _, err := range []error{m.Extend(24, make([]byte, 32)), m.Extend(0, make([]byte, 31)), m.ResetPCR(0)} {
		if err == nil {
			t.Error("no error")
		}
	}
	if err := m.ResetPCR(16); err != nil {
		t.Fatal(err)
	}
	if err := m.Measure(0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := m.Reboot(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(start, m.PCRs()); diff != "" {
		t.Errorf("PCRs after a reboot:\n%s", diff)
	}
}

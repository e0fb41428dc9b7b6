package machine

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// What is sent changes where the service wants more, and only there.
func TestMend(t *testing.T) {
	failed := func(code evidence.Code) error {
		return &client.Problem{
			Reason: evidence.Errorf(evidence.CodeNotAccepted, "", "so"), Status: 422, Verdict: "rejected",
			Checks: evidence.Checks{{Code: code, Status: evidence.Fail}},
		}
	}
	certificate := [][]byte{{1}}
	for name, test := range map[string]struct {
		before  module
		err     error
		want    bool
		entries uint64
		enrols  bool
	}{
		"restarted":             {module{ima: progress{entries: 7}, certificates: certificate}, failed(evidence.CodeTPMReboot), true, 0, false},
		"another policy":        {module{ima: progress{entries: 7}, certificates: certificate}, failed(evidence.CodeTPMIMAOffset), true, 0, false},
		"restarted, sent whole": {module{certificates: certificate}, failed(evidence.CodeTPMReboot), false, 0, false},
		"certificate unknown":   {module{ima: progress{entries: 7}, certificates: certificate}, failed(evidence.CodeTPMAKUntrusted), true, 7, true},
		"its issuer unknown": {module{certificates: certificate}, &client.Problem{
			Reason: evidence.Errorf(evidence.CodeEndorsementsMissing, "", "so"), Status: 503, Missing: []tee.EndorsementName{{Type: "ak-intermediate"}},
		}, true, 0, true},
		"Google's unknown": {module{tpm: TPM{Platform: Google}, certificates: certificate}, failed(evidence.CodeTPMAKUntrusted), false, 0, false},
		"measured wrong":   {module{ima: progress{entries: 7}, certificates: certificate}, failed(evidence.CodePolicyTPMPCR), false, 7, false},
		"no answer":        {module{ima: progress{entries: 7}, certificates: certificate}, evidence.Errorf(evidence.CodeServiceUnreached, "", "x"), false, 7, false},
	} {
		m := test.before
		m.renew = time.Unix(1<<40, 0)
		if got := m.mend(test.err); got != test.want || m.ima.entries != test.entries || (m.certificates == nil) != test.enrols || m.renew.IsZero() != test.enrols {
			t.Errorf("%s: %v, %+v", name, got, m)
		}
	}
}

// Of a kernel's list that much was judged as led to the quoted value.
func TestProgress(t *testing.T) {
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "progress"})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "progress", IMA: true, PCRs: []int{10}})
	if err != nil {
		t.Fatal(err)
	}
	measure := func(path string) {
		t.Helper()
		sum := sha256.Sum256([]byte(path))
		if err := machine.MeasureFile(path, sum[:]); err != nil {
			t.Fatal(err)
		}
	}
	quote := func() *evidence.TPM {
		t.Helper()
		bundle, err := machine.Attest(t.Context(), evidence.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		return bundle[0].(*evidence.TPM)
	}
	measure("/usr/bin/first")
	first := progress{}.after(quote(), "")
	if want := uint64(machine.IMAEntries()); first.entries != want || want == 0 {
		t.Fatalf("%d entries, want %d", first.entries, want)
	}
	if err := machine.SendIMAFrom(machine.IMAEntries()); err != nil {
		t.Fatal(err)
	}
	if still := first.after(quote(), "sha256"); still.entries != first.entries {
		t.Errorf("without a new entry %d", still.entries)
	}
	measure("/usr/bin/second")
	second := quote()
	if next := first.after(second, "sha256"); next.entries != first.entries+1 {
		t.Errorf("with a new entry %d, before %d", next.entries, first.entries)
	}
	for name, lost := range map[string]progress{
		"from elsewhere":  progress{entries: first.entries + 1, pcr: first.pcr}.after(second, ""),
		"another value":   progress{entries: first.entries, pcr: make([]byte, 32)}.after(second, ""),
		"a bank not sent": first.after(second, "sha384"),
		"noise":           first.after(&evidence.TPM{IMALog: []byte{1}, IMAOffset: first.entries, PCRs: second.PCRs}, ""),
	} {
		if lost.entries != 0 {
			t.Errorf("%s: %d entries", name, lost.entries)
		}
	}
}

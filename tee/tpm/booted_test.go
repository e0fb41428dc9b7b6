package tpm

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	logs "github.com/quotary/quotary/simulators/eventlog"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// testBoot is a boot of a signed unified kernel image.
func testBoot() *logs.Boot {
	list := func(name string) []byte {
		return logs.SignatureList(logs.GUIDSHA256, sha256Of(name))
	}
	return &logs.Boot{
		SecureBoot: true, PK: list("pk"), KEK: list("kek"), DB: list("db"), DBX: list("dbx"),
		Image: []byte("image"), Kernel: []byte("kernel"), CommandLine: "console=ttyS0 ro", Initrd: []byte("initrd"),
	}
}

func sha256Of(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// booted returns a machine with an event log and a measurement list of some files.
func (w *world) booted(t testing.TB, name string, files int) *simulator.Machine {
	t.Helper()
	m := w.newMachine(t, simulator.MachineOptions{Name: name, Boot: testBoot(), IMA: true})
	measure(t, m, files)
	return m
}

// measure makes the machine's kernel measure files.
func measure(t testing.TB, m *simulator.Machine, files int) {
	t.Helper()
	for range files {
		name := fmt.Sprintf("/usr/bin/%d", m.IMAEntries())
		if err := m.MeasureFile(name, sha256Of(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// memory is what accepted appraisals leave, as the service keeps it.
type memory map[evidence.Digest]*tee.KeyState

func (m memory) params() tee.Params {
	return tee.Params{Now: simulatedNow, Earlier: func(ak evidence.Digest) *tee.KeyState { return m[ak] }}
}

// appraise verifies an item and keeps what it leaves, if it is accepted.
func (m memory) appraise(v *Verifier, item *evidence.TPM) tee.Outcome {
	out := v.Verify(item, nil, m.params())
	if out.Genuine() {
		m[out.Key] = out.KeyState
	}
	return out
}

// accept demands that the item is accepted.
func (m memory) accept(t testing.TB, v *Verifier, item *evidence.TPM) tee.Outcome {
	t.Helper()
	out := m.appraise(v, item)
	if !out.Genuine() {
		t.Fatalf("refused:\n%v", out.Checks)
	}
	return out
}

// refuse demands that the item is refused for exactly these reasons, and leaves nothing.
func (m memory) refuse(t *testing.T, v *Verifier, item *evidence.TPM, codes ...evidence.Code) tee.Outcome {
	t.Helper()
	out := m.appraise(v, item)
	if out.Genuine() || out.KeyState != nil || out.Key != (evidence.Digest{}) {
		t.Errorf("accepted, or it leaves %+v", out.KeyState)
	}
	wantFailed(t, out, codes...)
	return out
}

// at signs a quote of a machine with other clock and counters.
func at(t testing.TB, m *simulator.Machine, clock uint64, resets, restarts uint32) *evidence.TPM {
	t.Helper()
	attest, err := m.Attestation([]byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	attest.ClockInfo.Clock, attest.ClockInfo.ResetCount, attest.ClockInfo.RestartCount = clock, resets, restarts
	return sign(t, m, tpm2.Marshal(attest))
}

// status returns that of the first check with this code.
func status(t testing.TB, out tee.Outcome, code evidence.Code) evidence.Status {
	t.Helper()
	check, ok := out.Checks.Get(code)
	if !ok {
		t.Errorf("no check %s", code)
	}
	return check.Status
}

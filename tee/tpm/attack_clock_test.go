package tpm

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// TestAttack_P20_ClockRunsBackwards sends signed quotes with clocks and counters on
// either side of those of an earlier one, near zero, near the middle and near the end
// of the counters: a TPM may disguise where they begin.
func TestAttack_P20_ClockRunsBackwards(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	m := w.newMachine(t, simulator.MachineOptions{Name: "clock"})
	const before = 1_000_000
	for _, base := range []uint32{0, 1, 7, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 1, math.MaxUint32} {
		for _, c := range []struct {
			name             string
			clock            uint64
			resets, restarts uint32 // more than before, modulo 2^32
			ok               bool
		}{
			{"a millisecond later", before + 1, 0, 0, true},
			{"much later", math.MaxUint64, 0, 0, true},
			{"the same quote", before, 0, 0, false},
			{"a millisecond earlier", before - 1, 0, 0, false},
			{"at no time", 0, 0, 0, false},
			{"resumed", before + 1, 0, 1, true},
			{"resumed, with a clock that stood still", before, 0, 1, false},
			{"resumed, with an earlier clock", before - 1, 0, 5, false},
			{"fewer restarts", before + 1, 0, math.MaxUint32, false},
			{"half of all restarts", before + 1, 0, 1 << 31, false},
			{"almost half of all restarts", before + 1, 0, 1<<31 - 1, true},
			{"rebooted", before + 1, 1, 0, true},
			{"rebooted, with an earlier clock", 0, 1, 0, true},
			{"rebooted, with fewer restarts", 5, 1, -(base + 3), true},
			{"rebooted often", before + 1, 1<<31 - 1, 0, true},
			{"before a reboot", before + 1, math.MaxUint32, 0, false},
			{"before a reboot, with more restarts", before + 1, math.MaxUint32, 1, false},
			{"half of all reboots", before + 1, 1 << 31, 0, false},
		} {
			t.Run(fmt.Sprintf("%d/%s", base, c.name), func(t *testing.T) {
				kept := memory{}
				kept.accept(t, v, at(t, m, before, base, base+3))
				item := at(t, m, c.clock, base+c.resets, base+3+c.restarts)
				if !c.ok {
					kept.refuse(t, v, item, evidence.CodeTPMClock)
					return
				}
				out := kept.accept(t, v, item)
				want := &tee.KeyState{Quoted: true, Clock: c.clock, Resets: base + c.resets, Restarts: base + 3 + c.restarts}
				if diff := cmp.Diff(want, out.KeyState); diff != "" {
					t.Error(diff)
				}
				// And not back.
				kept.refuse(t, v, at(t, m, before, base, base+3), evidence.CodeTPMClock)
			})
		}
	}
}

// TestAttack_P20_ClearedTPM: TPM2_Clear sets clock and counters to zero, and a primary
// key of the endorsement hierarchy survives it.
func TestAttack_P20_ClearedTPM(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	m := w.newMachine(t, simulator.MachineOptions{Name: "cleared"})
	kept := memory{}
	kept.accept(t, v, at(t, m, 500, 3, 1))
	kept.refuse(t, v, at(t, m, 0, 0, 0), evidence.CodeTPMClock)
}

// TestAttack_P20_Clone copies a virtual TPM with its keys: two machines with one key
// cannot both run forwards.
func TestAttack_P20_Clone(t *testing.T) {
	w := simulated(t)
	v, kept := newVerifier(t, w.roots()), memory{}
	for _, hierarchy := range []tpm2.TPMHandle{tpm2.TPMRHEndorsement, tpm2.TPMRHOwner} {
		m := w.newMachine(t, simulator.MachineOptions{Name: fmt.Sprint("original ", hierarchy), Hierarchy: hierarchy})
		kept.accept(t, v, quoteOf(t, m, w.nonce))
		clone := m.Clone()
		if err := m.Reboot(); err != nil {
			t.Fatal(err)
		}
		kept.accept(t, v, quoteOf(t, m, w.nonce))
		kept.refuse(t, v, quoteOf(t, clone, w.nonce), evidence.CodeTPMClock)
	}
}

// TestAttack_P21_ResetWhileRunning resets a TPM under a machine that goes on, and
// extends its PCRs as a good boot does. The quote says that it was reset: what ran
// before vouches for nothing any more, and the logs must be complete again.
func TestAttack_P21_ResetWhileRunning(t *testing.T) {
	w := simulated(t)
	v, kept := newVerifier(t, w.roots()), memory{}
	m := w.booted(t, "reset", 3)
	kept.accept(t, v, quoteOf(t, m, w.nonce))
	if err := m.SendIMAFrom(m.IMAEntries()); err != nil {
		t.Fatal(err)
	}
	kept.accept(t, v, quoteOf(t, m, w.nonce))
	if err := m.Reboot(); err != nil { // the same PCRs, by the same events
		t.Fatal(err)
	}
	measure(t, m, 3)
	whole := quoteOf(t, m, w.nonce)
	for name, alter := range map[string]func(*evidence.TPM){
		"without its event log":   func(i *evidence.TPM) { i.EventLog = nil },
		"with an empty event log": func(i *evidence.TPM) { i.EventLog = []byte{} },
		"without its IMA log":     func(i *evidence.TPM) { i.IMALog = nil },
		"with no new IMA entries": func(i *evidence.TPM) { i.IMALog, i.IMAOffset = nil, 4 },
	} {
		t.Run(name, func(t *testing.T) {
			item := *whole
			alter(&item)
			kept.refuse(t, v, &item, evidence.CodeTPMReboot)
		})
	}
	if out := kept.accept(t, v, whole); status(t, out, evidence.CodeTPMReboot) != evidence.Pass {
		t.Errorf("%v", out.Checks)
	}
	if out := kept.accept(t, v, quoteOf(t, m, w.nonce)); status(t, out, evidence.CodeTPMReboot) != evidence.NotApplicable {
		t.Errorf("%v", out.Checks)
	}
}

// TestAttack_P21_Restart: TPM2_Shutdown(STATE) and TPM2_Startup(CLEAR) set PCRs back
// without a reset. Only the restart is counted, as by a resume.
func TestAttack_P21_Restart(t *testing.T) {
	w := simulated(t)
	v, kept := newVerifier(t, w.roots()), memory{}
	m := w.booted(t, "restart", 3)
	kept.accept(t, v, quoteOf(t, m, w.nonce))
	m.Suspend()
	measure(t, m, 1)
	item := quoteOf(t, m, w.nonce)
	item.EventLog = nil
	kept.refuse(t, v, item, evidence.CodeTPMReboot)
	if err := m.SendIMAFrom(4); err != nil {
		t.Fatal(err)
	}
	kept.refuse(t, v, quoteOf(t, m, w.nonce), evidence.CodeTPMReboot)
	if err := m.SendIMAFrom(0); err != nil {
		t.Fatal(err)
	}
	if claims := kept.accept(t, v, quoteOf(t, m, w.nonce)).Claims.TPM; claims.IMA.Entries != 5 || claims.RestartCount != 1 {
		t.Errorf("%+v", claims)
	}
}

// TestAttack_P21_LogsAreNotForgotten leaves logs out of quotes before a reboot.
func TestAttack_P21_LogsAreNotForgotten(t *testing.T) {
	w := simulated(t)
	v, kept := newVerifier(t, w.roots()), memory{}
	m := w.booted(t, "forgotten", 2)
	kept.accept(t, v, quoteOf(t, m, w.nonce))
	bare := func() *evidence.TPM {
		item := quoteOf(t, m, w.nonce)
		item.EventLog, item.IMALog = nil, nil
		return item
	}
	if state := kept.accept(t, v, bare()).KeyState; !state.Logged || state.IMA == nil || state.IMA.Entries != 3 {
		t.Errorf("%+v", state)
	}
	if err := m.Reboot(); err != nil {
		t.Fatal(err)
	}
	kept.refuse(t, v, bare(), evidence.CodeTPMReboot)
}

// TestEarlier shows what is said where there is nothing to compare with, and that
// nothing is looked up for quotes that are refused anyhow.
func TestEarlier(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	item := quoteOf(t, w.machine, w.nonce)
	codes := []evidence.Code{evidence.CodeTPMClock, evidence.CodeTPMReboot}
	for _, code := range append(codes, evidence.CodeTPMAKRevoked) {
		if got := status(t, v.Verify(item, nil, paramsNow), code); got != evidence.NotApplicable {
			t.Errorf("%s: %s", code, got)
		}
	}
	for _, state := range []*tee.KeyState{nil, {}} {
		out := v.Verify(item, nil, tee.Params{Now: simulatedNow, Earlier: func(evidence.Digest) *tee.KeyState { return state }})
		for _, code := range codes {
			if got := status(t, out, code); got != evidence.NotApplicable {
				t.Errorf("%s: %s", code, got)
			}
		}
		if got := status(t, out, evidence.CodeTPMAKRevoked); got != evidence.Pass || !out.Genuine() || out.KeyState == nil {
			t.Errorf("%v", out.Checks)
		}
	}
	forged := *item
	forged.Signature = quoteOf(t, w.machine, []byte("another")).Signature
	out := v.Verify(&forged, nil, tee.Params{Now: simulatedNow, Earlier: func(evidence.Digest) *tee.KeyState {
		t.Error("looked up")
		return nil
	}})
	for _, code := range append(codes, evidence.CodeTPMAKRevoked) {
		if got := status(t, out, code); got != evidence.NotPerformed {
			t.Errorf("%s: %s", code, got)
		}
	}
}

// TestRevokedKey refuses keys that were superseded, whatever vouches for them.
func TestRevokedKey(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	for _, o := range []Options{w.roots(), given(w.machine)} {
		out := newVerifier(t, o).Verify(item, nil, tee.Params{Now: simulatedNow, Earlier: func(ak evidence.Digest) *tee.KeyState {
			if ak != tee.SimulatedID(w.machine.AttestationKey()) {
				t.Errorf("asked for %x", ak)
			}
			return &tee.KeyState{Revoked: true}
		}})
		if out.Genuine() || out.KeyState != nil {
			t.Error("accepted")
		}
		wantFailed(t, out, evidence.CodeTPMAKRevoked)
	}
}

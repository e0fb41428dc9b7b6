package tpm

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

var simulatedNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a vendor and a machine, with what a test needs of them.
type world struct {
	vendor  *simulator.Vendor
	machine *simulator.Machine // ECC
	nonce   []byte
}

var simulatedWorld = sync.OnceValues(func() (*world, error) {
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "attacks", Clock: func() time.Time { return simulatedNow }})
	if err != nil {
		return nil, err
	}
	machine, err := vendor.NewMachine(simulator.MachineOptions{Name: "victim"})
	if err != nil {
		return nil, err
	}
	return &world{vendor, machine, bytes.Repeat([]byte{0xa5}, 32)}, nil
})

// paramsNow are the parameters of an appraisal that compares with nothing.
var paramsNow = tee.Params{Now: simulatedNow}

func simulated(t testing.TB) *world {
	t.Helper()
	w, err := simulatedWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) newMachine(t testing.TB, options simulator.MachineOptions) *simulator.Machine {
	t.Helper()
	m, err := w.vendor.NewMachine(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// roots trusts the vendor's root, given trusts a machine's key by its public area.
func (w *world) roots() Options { return Options{Roots: []tee.Anchor{w.vendor.Anchor()}} }

func given(m *simulator.Machine) Options {
	return Options{Keys: []TrustedKey{{Public: m.Key.Public(), Area: m.Public, Origin: evidence.OriginSimulated}}}
}

func quoteOf(t testing.TB, m *simulator.Machine, nonce []byte) *evidence.TPM {
	t.Helper()
	quote, err := m.Quote(nonce)
	if err != nil {
		t.Fatal(err)
	}
	return quote
}

func sign(t testing.TB, m *simulator.Machine, attest []byte) *evidence.TPM {
	t.Helper()
	quote, err := m.Sign(attest)
	if err != nil {
		t.Fatal(err)
	}
	return quote
}

// mutant signs what the machine would attest, altered.
func (w *world) mutant(t testing.TB, alter func(*tpm2.TPMSAttest)) *evidence.TPM {
	t.Helper()
	attest, err := w.machine.Attestation(w.nonce)
	if err != nil {
		t.Fatal(err)
	}
	alter(&attest)
	return sign(t, w.machine, tpm2.Marshal(attest))
}

func quoteInfoOf(t testing.TB, a *tpm2.TPMSAttest) *tpm2.TPMSQuoteInfo {
	t.Helper()
	info, err := a.Attested.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// refused verifies an item and holds the failed checks to exactly codes.
func refused(t *testing.T, o Options, item *evidence.TPM, codes ...evidence.Code) tee.Outcome {
	t.Helper()
	out := newVerifier(t, o).Verify(item, nil, tee.Params{Now: simulatedNow})
	if out.Genuine() {
		t.Error("genuine")
	}
	if len(codes) == 0 {
		t.Fatal("a refusal has a code")
	}
	wantFailed(t, out, codes...)
	return out
}

func accepted(t *testing.T, o Options, item *evidence.TPM) tee.Outcome {
	t.Helper()
	out := newVerifier(t, o).Verify(item, nil, tee.Params{Now: simulatedNow})
	if !out.Genuine() {
		t.Errorf("refused:\n%v", out.Checks)
	}
	return out
}

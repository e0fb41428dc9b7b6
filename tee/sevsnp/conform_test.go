package sevsnp_test

import (
	"testing"

	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// TestConform holds the verifier to the contract, with machines that send no
// certificates and with one that sends its own.
func TestConform(t *testing.T) {
	bare := newMachine(t, milan(), "conform")
	sending, err := milan().NewMachine(simulator.MachineOptions{Name: "conform sending", Report: milan().Report("conform sending")})
	if err != nil {
		t.Fatal(err)
	}
	trust := func(tb testing.TB) tee.Verifier { return newVerifier(tb, milan().Anchor()) }
	t.Run("Turin", func(t *testing.T) {
		m := newMachine(t, turin(), "conform")
		teetest.Conform(t, teetest.Conformance{
			New:      func(tb testing.TB) tee.Verifier { return newVerifier(tb, turin().Anchor()) },
			Attester: m, Endorsements: published(turin(), m.Certificate), Now: now,
		})
	})
	t.Run("Bare", func(t *testing.T) {
		teetest.Conform(t, teetest.Conformance{
			New: trust, Attester: bare, Endorsements: published(milan(), bare.Certificate), Now: now,
		})
	})
	t.Run("Sending", func(t *testing.T) {
		teetest.Conform(t, teetest.Conformance{
			New: trust, Attester: sending, SelfContained: true, Now: now,
		})
	})
}

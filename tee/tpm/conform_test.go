package tpm

import (
	"testing"

	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// TestConform holds the verifier to the contract, for a key that a certificate
// vouches for.
func TestConform(t *testing.T) {
	w := simulated(t)
	published := &tee.Endorsements{}
	if err := w.vendor.Endorsements(published); err != nil {
		t.Fatal(err)
	}
	teetest.Conform(t, teetest.Conformance{
		New:          func(tb testing.TB) tee.Verifier { return newVerifier(tb, w.roots()) },
		Attester:     w.newMachine(t, simulator.MachineOptions{Name: "conform"}),
		Endorsements: published, SelfContained: true, Now: simulatedNow,
	})
}

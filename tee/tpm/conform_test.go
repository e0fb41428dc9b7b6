package tpm

import (
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// TestConform holds the verifier to the contract, for a key that a certificate
// vouches for, and that certifies another.
func TestConform(t *testing.T) {
	w := simulated(t)
	published := &tee.Endorsements{}
	if err := w.vendor.Endorsements(published); err != nil {
		t.Fatal(err)
	}
	certifying, _ := w.certifying(t, simulator.MachineOptions{Name: "conform"})
	for name, machine := range map[string]*simulator.Machine{
		"quote": w.newMachine(t, simulator.MachineOptions{Name: "conform"}), "quote and certification": certifying,
	} {
		t.Run(name, func(t *testing.T) {
			teetest.Conform(t, teetest.Conformance{
				New:          func(tb testing.TB) tee.Verifier { return newVerifier(tb, w.roots()) },
				Attester:     machine,
				Endorsements: published, SelfContained: true, Now: simulatedNow,
			})
		})
	}
}

// TestAttack_P02_AreaBesideACertificate: the sender puts another public area of
// the certified key into the evidence. The quote does not name that one, so
// nothing follows from it.
func TestAttack_P02_AreaBesideACertificate(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	if claims := accepted(t, w.roots(), item).Claims.TPM; claims.AKRestricted == nil || claims.AKName == nil {
		t.Fatalf("nothing is claimed of the key's own area: %+v", claims)
	}
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](w.machine.Public)
	if err != nil {
		t.Fatal(err)
	}
	area.ObjectAttributes.NoDA = !area.ObjectAttributes.NoDA
	item.AKPublic = tpm2.Marshal(area)
	out := accepted(t, w.roots(), item)
	if claims := out.Claims.TPM; claims.AKRestricted != nil || claims.AKName != nil {
		t.Errorf("claims of an area that nothing vouches for: %+v", claims)
	}
	if check, _ := out.Checks.Get(evidence.CodeTPMAKAttributes); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
	}
}

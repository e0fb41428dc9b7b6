package tpm

import (
	"bytes"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// flipEvery flips each bit pattern of each byte in part, which points into item,
// and holds every mutant to be refused. Byte i is also set to zero and one.
func flipEvery(t *testing.T, v *Verifier, item *evidence.TPM, part []byte, name string) {
	t.Helper()
	p := tee.Params{Now: simulatedNow}
	if out := v.Verify(item, nil, p); !out.Genuine() {
		t.Fatalf("refused unaltered: %v", out.Checks)
	}
	for i, original := range part {
		for _, mask := range []byte{0x01, 0x80, 0xff} {
			part[i] = original ^ mask
			if out := v.Verify(item, nil, p); out.Genuine() {
				t.Errorf("%s: genuine with byte %d ^ %02x", name, i, mask)
			}
		}
		part[i] = original
	}
}

// TestFlips alters every byte that is signed and every byte of the signature.
func TestFlips(t *testing.T) {
	w := simulated(t)
	for _, key := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		m := w.newMachine(t, simulator.MachineOptions{Name: "flips", Key: key, PCRs: []int{0, 7}})
		item := quoteOf(t, m, w.nonce)
		item.Attest, item.Signature = bytes.Clone(item.Attest), bytes.Clone(item.Signature)
		v := newVerifier(t, w.roots())
		flipEvery(t, v, item, item.Attest, "attest")
		flipEvery(t, v, item, item.Signature, "signature")
		flipEvery(t, v, item, item.PCRs["sha256"][7], "PCR 7")
		v = newVerifier(t, given(m))
		flipEvery(t, v, item, item.AKPublic, "public area")
	}
}

// TestFlips_Certificate alters every byte of the key's certificate.
func TestFlips_Certificate(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates[0] = bytes.Clone(item.AKCertificates[0])
	flipEvery(t, newVerifier(t, w.roots()), item, item.AKCertificates[0], "certificate")
}

// TestFlips_Real alters every byte of a quote by real hardware.
func TestFlips_Real(t *testing.T) {
	evidencetest.Dir(t)
	at := slices.IndexFunc(realCases, func(c realCase) bool { return c.genuine && c.bank == "sha256" })
	item, v := realCases[at].load(t)
	flipEvery(t, v, item, item.Attest, "attest")
	flipEvery(t, v, item, item.Signature, "signature")
}

// TestTruncated cuts every structure at every length.
func TestTruncated(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	item := quoteOf(t, w.machine, w.nonce)
	for _, part := range []*[]byte{&item.Attest, &item.Signature, &item.AKPublic, &item.AKCertificates[0]} {
		whole := *part
		for n := range whole {
			*part = whole[:n]
			if n == 0 && part == &item.AKPublic {
				continue // an absent public area is none
			}
			if out := v.Verify(item, nil, tee.Params{Now: simulatedNow}); out.Genuine() {
				t.Errorf("genuine with a structure cut to %d bytes", n)
			}
		}
		*part = whole
	}
}

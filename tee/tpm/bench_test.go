package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// BenchmarkVerify measures a quote's verification beside the one signature that
// cannot be left out: "signature" is that alone, "given" a quote by a given key,
// "warm" one whose chain is remembered, "warm with lists" the same with
// revocation lists, and "cold" one whose chain is new.
func BenchmarkVerify(b *testing.B) {
	w := simulated(b)
	for _, key := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		m := w.newMachine(b, simulator.MachineOptions{Name: "bench", Key: key})
		item := quoteOf(b, m, w.nonce)
		bare := *item
		bare.AKCertificates = nil
		var lists tee.Endorsements
		if err := w.vendor.Endorsements(&lists); err != nil {
			b.Fatal(err)
		}
		b.Run(string(key)+"/signature", func(b *testing.B) { benchmarkSignature(b, m, item.Attest, item.Signature) })
		for _, c := range []struct {
			name    string
			item    *evidence.TPM
			options Options
			e       *tee.Endorsements
			cold    bool
		}{
			{"given", &bare, given(m), nil, false}, {"warm", item, w.roots(), nil, false},
			{"warm with lists", item, w.roots(), &lists, false}, {"cold", item, w.roots(), nil, true},
		} {
			b.Run(string(key)+"/"+c.name, func(b *testing.B) {
				v := newVerifier(b, c.options)
				b.ReportAllocs()
				for b.Loop() {
					if c.cold {
						v.chains = lru.New[digest, *chain](maxChains)
					}
					if out := v.Verify(c.item, c.e, tee.Params{Now: simulatedNow}); !out.Genuine() {
						b.Fatal(out.Checks)
					}
				}
			})
		}
	}
}

// benchmarkSignature verifies a signature by the standard library alone.
func benchmarkSignature(b *testing.B, m *simulator.Machine, attest, signature []byte) {
	sig, err := parseSignature(signature)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		digest := sha256.Sum256(attest)
		ok := false
		switch key := m.Key.Public().(type) {
		case *ecdsa.PublicKey:
			ok = ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig.r), new(big.Int).SetBytes(sig.s))
		case *rsa.PublicKey:
			ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig.rsa) == nil
		}
		if !ok {
			b.Fatal("does not verify")
		}
	}
}

package tdx

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// BenchmarkVerify measures a verification where everything but the quote's own
// signature is remembered, where only the machine is new, and where nothing is
// remembered, beside the bare signature verification that none can do without.
func BenchmarkVerify(b *testing.B) {
	s := newScene(b)
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	item := &evidence.TDX{Quote: s.machine.Quote(reportData)}
	judge := func(b *testing.B, v *Verifier) {
		if out := v.Verify(item, e, tee.Params{Now: clock}); !out.Genuine() {
			b.Fatal(out.Checks.Failed())
		}
	}
	b.Run("P-256", func(b *testing.B) {
		q, err := parseQuote(item.Quote)
		if err != nil {
			b.Fatal(err)
		}
		key := publicKey(q.key)
		for b.Loop() {
			if !verifySignature(key, q.signed, q.signature) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		judge(b, s.verifier)
		for b.Loop() {
			judge(b, s.verifier)
		}
	})
	b.Run("new-machine", func(b *testing.B) {
		b.ReportAllocs()
		judge(b, s.verifier)
		for b.Loop() {
			s.verifier.keys = lru.New[string, attestationKey](maxKeys)
			s.verifier.chains = lru.New[string, *chain](maxKeys)
			judge(b, s.verifier)
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			judge(b, newVerifier(b, s.vendor.Anchor()))
		}
	})
}

// BenchmarkParseQuote measures the parser alone.
func BenchmarkParseQuote(b *testing.B) {
	raw := newScene(b).machine.Quote(reportData)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseQuote(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSimulatedQuote measures how fast a simulated machine quotes.
func BenchmarkSimulatedQuote(b *testing.B) {
	m := simulated.NewVendor(simulated.Options{}).NewMachine(simulated.DefaultMachine())
	for b.Loop() {
		m.Quote(reportData)
	}
}

package sevsnp_test

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// BenchmarkVerify measures a real report: warm, with the chain remembered, as a
// running service has it; with the certificates in the evidence; and cold.
func BenchmarkVerify(b *testing.B) {
	report, e := sample(b)
	params := tee.Params{Now: sampleTime}
	b.Run("warm", func(b *testing.B) {
		v := newVerifier(b)
		for b.Loop() {
			if !v.Verify(report, e, params).Genuine() {
				b.Fatal("not genuine")
			}
		}
	})
	b.Run("warm-with-certificates", func(b *testing.B) {
		v := newVerifier(b)
		carrying := &evidence.SNP{Report: report.Report, Certificates: [][]byte{e.BySubject(vcekSubject(b))[0].Raw}}
		for b.Loop() {
			if !v.Verify(carrying, nil, params).Genuine() {
				b.Fatal("not genuine")
			}
		}
	})
	b.Run("warm-with-list", func(b *testing.B) {
		m := newMachine(b, milan(), "bench")
		v, report, e := trusting(), item(b, m), published(milan())
		for b.Loop() {
			if !v.Verify(report, e, tee.Params{Now: now}).Genuine() {
				b.Fatal("not genuine")
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			if !newVerifier(b).Verify(report, e, params).Genuine() {
				b.Fatal("not genuine")
			}
		}
	})
}

// BenchmarkBareSignature measures the one signature that cannot be left out.
func BenchmarkBareSignature(b *testing.B) {
	report, e := sample(b)
	key := e.BySubject(vcekSubject(b))[0].PublicKey.(*ecdsa.PublicKey)
	r, s := scalar(report.Report[simulator.SignedSize:]), scalar(report.Report[simulator.SignedSize+72:])
	for b.Loop() {
		sum := sha512.Sum384(report.Report[:simulator.SignedSize])
		if !ecdsa.Verify(key, sum[:], r, s) {
			b.Fatal("does not verify")
		}
	}
}

// BenchmarkParse measures reading a report into claims.
func BenchmarkParse(b *testing.B) {
	report, _ := sample(b)
	v := newVerifier(b)
	for b.Loop() {
		if _, err := v.UnverifiedClaims(report); err != nil {
			b.Fatal(err)
		}
	}
}

package sevsnp_test

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/teetest"
)

// BenchmarkVerify measures a report of a machine whose vendor publishes a current
// list: warm, with everything remembered, as a running service has it; with the
// certificates in the evidence; and cold, by a verifier that remembers nothing.
// Each is reported, besides, as a multiple of the signature checks that cannot be
// left out, measured in turns with it: "of-P-384" for the report's alone,
// "of-signatures" for all of them.
func BenchmarkVerify(b *testing.B) {
	real, endorsed := sample(b)
	key := endorsed.BySubject(vcekSubject(b))[0]
	b.Run("real/cold", func(b *testing.B) { // the issuer is part of the build
		bare := signature(b, key.PublicKey.(*ecdsa.PublicKey), real)
		issuer := endorsed.BySubject(key.RawIssuer)[0]
		all := func() {
			bare()
			if err := issuer.CheckSignature(key.SignatureAlgorithm, key.RawTBSCertificate, key.Signature); err != nil {
				b.Fatal(err)
			}
		}
		measure(b, "of-signatures", all, func() *sevsnp.Verifier { return newVerifier(b) }, real, endorsed, tee.Params{Now: sampleTime})
	})
	for _, vendor := range []*simulator.Vendor{milan(), turin()} {
		m := newMachine(b, vendor, "bench")
		report, e, params := item(b, m), published(vendor), tee.Params{Now: now}
		carrying := &evidence.SNP{Report: report.Report, Certificates: [][]byte{m.Certificate.Raw, vendor.ASK().Certificate.Raw}}
		lists := &tee.Endorsements{}
		lists.AddCRL(e.CRLs(vendor.ARK().Certificate.RawSubject)[0])
		bare, all := signature(b, m.Public(), report), signatures(b, vendor, m, report, e)
		v := newVerifier(b, vendor.Anchor())
		line := strings.Fields(m.Certificate.Issuer.CommonName)[0]
		b.Run(line+"/warm", func(b *testing.B) {
			measure(b, "of-P-384", bare, func() *sevsnp.Verifier { return v }, report, e, params)
		})
		b.Run(line+"/warm-with-certificates", func(b *testing.B) {
			measure(b, "of-P-384", bare, func() *sevsnp.Verifier { return v }, carrying, lists, params)
		})
		b.Run(line+"/cold-with-certificates", func(b *testing.B) {
			measure(b, "of-signatures", all, func() *sevsnp.Verifier { return newVerifier(b, vendor.Anchor()) }, carrying, lists, params)
		})
		b.Run(line+"/cold", func(b *testing.B) {
			measure(b, "of-signatures", all, func() *sevsnp.Verifier { return newVerifier(b, vendor.Anchor()) }, report, e, params)
		})
	}
}

// measure verifies in turns with what is unavoidable.
func measure(b *testing.B, unit string, unavoidable func(), verifier func() *sevsnp.Verifier, report *evidence.SNP, e *tee.Endorsements, p tee.Params) {
	var v *sevsnp.Verifier
	teetest.Ratio(b, unit, unavoidable, func() { v = verifier() }, func() {
		if out := v.Verify(report, e, p); !out.Genuine() {
			b.Fatalf("not genuine\n%s", lines(out.Checks))
		}
	})
}

// signature returns a function that checks the report's signature.
func signature(tb testing.TB, key *ecdsa.PublicKey, report *evidence.SNP) func() {
	r, s := scalar(report.Report[simulator.SignedSize:]), scalar(report.Report[simulator.SignedSize+72:])
	return func() {
		sum := sha512.Sum384(report.Report[:simulator.SignedSize])
		if !ecdsa.Verify(key, sum[:], r, s) {
			tb.Fatal("does not verify")
		}
	}
}

// signatures returns a function that checks all signatures: of the report, its
// key's certificate, the issuer's certificate and the list.
func signatures(tb testing.TB, vendor *simulator.Vendor, m *simulator.Machine, report *evidence.SNP, e *tee.Endorsements) func() {
	bare := signature(tb, m.Public(), report)
	root, issuer := vendor.ARK().Certificate, vendor.ASK().Certificate
	crl := e.CRLs(root.RawSubject)[0]
	return func() {
		bare()
		for _, err := range []error{
			root.CheckSignature(issuer.SignatureAlgorithm, issuer.RawTBSCertificate, issuer.Signature),
			root.CheckSignature(crl.SignatureAlgorithm, crl.RawTBSRevocationList, crl.Signature),
			issuer.CheckSignature(m.Certificate.SignatureAlgorithm, m.Certificate.RawTBSCertificate, m.Certificate.Signature),
		} {
			if err != nil {
				tb.Fatal(err)
			}
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

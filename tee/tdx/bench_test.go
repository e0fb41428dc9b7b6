package tdx

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"testing"

	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// BenchmarkVerify measures a verification with everything remembered but the
// quote's own signature ("cached"), of a quote by a new attestation key of a known
// machine ("warm"), of a new machine, and where nothing is remembered ("cold").
// Each is reported, besides, as a multiple of the signature checks that cannot be
// left out, measured in turns with it.
func BenchmarkVerify(b *testing.B) {
	real := newVerifier(b)
	benchmarkVerify(b, "real", func() *Verifier { return newVerifier(b) }, real.anchors[0],
		sampleQuote(b), sampleCollateral(b, testdata.TcbInfoBody), tee.Params{Now: sampleTime})
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version4": func(*simulated.MachineOptions) {},
		"version5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
	} {
		s := newScene(b, alter)
		e := &tee.Endorsements{}
		s.collateral.AddTo(e)
		benchmarkVerify(b, name, func() *Verifier { return newVerifier(b, s.vendor.Anchor()) }, s.verifier.anchors[1],
			s.machine.Quote(reportData), e, tee.Params{Now: clock})
	}
}

func benchmarkVerify(b *testing.B, name string, fresh func() *Verifier, a *anchor, quote []byte, e *tee.Endorsements, p tee.Params) {
	v, item := fresh(), &evidence.TDX{Quote: quote}
	verify := func() {
		if out := v.Verify(item, e, p); !out.Genuine() {
			b.Fatal(out.Checks.Failed())
		}
	}
	verify()
	checks := signatureChecks(b, a, quote, e)
	for _, of := range []struct {
		name, unit string
		signatures int
		forget     func()
	}{
		{"cached", "of-P-256", 1, func() {}},
		{"warm", "of-two-P-256", 2, func() { v.keys = lru.New[string, attestationKey](maxKeys) }},
		{"new-machine", "of-signatures", 4, func() {
			v.keys, v.chains = lru.New[string, attestationKey](maxKeys), lru.New[string, *chain](maxKeys)
		}},
		{"cold", "of-signatures", 9, func() { v = fresh() }},
	} {
		b.Run(name+"/"+of.name, func(b *testing.B) { teetest.Ratio(b, of.unit, checks(of.signatures), of.forget, verify) })
	}
}

// signatureChecks returns functions that check the first n signatures: of the
// quote, the QE report, the PCK certificate, its CA, the two CRLs, the TCB signing
// certificate and the two documents.
func signatureChecks(b *testing.B, a *anchor, raw []byte, e *tee.Endorsements) func(n int) func() {
	q, err := parseQuote(raw)
	if err != nil {
		b.Fatal(err)
	}
	certs, err := parseChain(q.chain)
	if err != nil {
		b.Fatal(err)
	}
	key, signing := publicKey(q.key), e.BySubject(a.signing)[0]
	rootCRL, pckCRL := e.CRLs(a.cert.RawSubject)[0], e.CRLs(certs.ca.RawSubject)[0]
	of := func(issuer *x509.Certificate, signed, signature []byte) func() bool {
		return func() bool { return issuer.CheckSignature(x509.ECDSAWithSHA256, signed, signature) == nil }
	}
	by := func(key any, signed, signature []byte) func() bool {
		return func() bool { return verifySignature(key.(*ecdsa.PublicKey), signed, signature) }
	}
	all := []func() bool{
		by(key, q.signed, q.signature), by(certs.leaf.PublicKey, q.qe, q.qeSig),
		of(certs.ca, certs.leaf.RawTBSCertificate, certs.leaf.Signature), of(a.cert, certs.ca.RawTBSCertificate, certs.ca.Signature),
		of(a.cert, rootCRL.RawTBSRevocationList, rootCRL.Signature), of(certs.ca, pckCRL.RawTBSRevocationList, pckCRL.Signature),
		of(a.cert, signing.RawTBSCertificate, signing.Signature),
	}
	for _, d := range e.AllDocuments() {
		body, signature, err := splitSigned(d.Raw, documentKinds[d.Type].member)
		if err != nil {
			b.Fatal(err)
		}
		raw, _ := hex.DecodeString(signature)
		all = append(all, by(signing.PublicKey, body, raw))
	}
	return func(n int) func() {
		return func() {
			for _, check := range all[:n] {
				if !check() {
					b.Fatal("a signature does not verify")
				}
			}
		}
	}
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

package tdx

import (
	"crypto/x509"
	"encoding/hex"
	"testing"

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
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version4": func(*simulated.MachineOptions) {},
		"version5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
	} {
		s := newScene(b, alter)
		e := &tee.Endorsements{}
		s.collateral.AddTo(e)
		item := &evidence.TDX{Quote: s.machine.Quote(reportData)}
		v := s.verifier
		verify := func() {
			if out := v.Verify(item, e, tee.Params{Now: clock}); !out.Genuine() {
				b.Fatal(out.Checks.Failed())
			}
		}
		verify()
		checks := signatureChecks(b, s, item.Quote)
		b.Run(name+"/cached", func(b *testing.B) {
			teetest.Ratio(b, "of-P-256", checks(1), func() {}, verify)
		})
		b.Run(name+"/warm", func(b *testing.B) {
			teetest.Ratio(b, "of-two-P-256", checks(2), func() { v.keys = lru.New[string, attestationKey](maxKeys) }, verify)
		})
		b.Run(name+"/new-machine", func(b *testing.B) {
			teetest.Ratio(b, "of-signatures", checks(4), func() {
				v.keys, v.chains = lru.New[string, attestationKey](maxKeys), lru.New[string, *chain](maxKeys)
			}, verify)
		})
		b.Run(name+"/cold", func(b *testing.B) {
			teetest.Ratio(b, "of-signatures", checks(9), func() { v = newVerifier(b, s.vendor.Anchor()) }, verify)
		})
	}
}

// signatureChecks returns functions that check the first n signatures: of the
// quote, the QE report, the PCK certificate, its CA, the two CRLs, the TCB signing
// certificate and the two documents.
func signatureChecks(b *testing.B, s *scene, raw []byte) func(n int) func() {
	q, err := parseQuote(raw)
	if err != nil {
		b.Fatal(err)
	}
	key, leaf, ca, root, signing := publicKey(q.key), s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Root.Certificate, s.vendor.Signing.Certificate
	of := func(issuer *x509.Certificate, signed, signature []byte) func() bool {
		return func() bool { return issuer.CheckSignature(x509.ECDSAWithSHA256, signed, signature) == nil }
	}
	all := []func() bool{
		func() bool { return verifySignature(key, q.signed, q.signature) },
		func() bool { return verifySignature(&s.machine.PCKKey().PublicKey, q.qe, q.qeSig) },
		of(ca, leaf.RawTBSCertificate, leaf.Signature), of(root, ca.RawTBSCertificate, ca.Signature),
		of(root, s.collateral.CRLs[0].RawTBSRevocationList, s.collateral.CRLs[0].Signature),
		of(ca, s.collateral.CRLs[1].RawTBSRevocationList, s.collateral.CRLs[1].Signature),
		of(root, signing.RawTBSCertificate, signing.Signature),
	}
	for i, member := range []string{"tcbInfo", "enclaveIdentity"} {
		body, signature, err := splitSigned(s.collateral.Documents[i].Raw, member)
		if err != nil {
			b.Fatal(err)
		}
		sig, _ := hex.DecodeString(signature)
		all = append(all, func() bool { return verifySignature(&s.vendor.Signing.Key.PublicKey, body, sig) })
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

package attacks

import (
	"math/big"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// tdxEnclaveRows put another quoting enclave, or another key, between a trust domain
// and the platform's certificate.
func tdxEnclaveRows() []Row {
	altered := func(name string, want evidence.Code, alter func(p *tdx.Parts)) Case {
		return Case{Name: name, Subject: tdxPlain, Want: codes(want), Try: requoted(func(_ *Attacker, p *tdx.Parts) { alter(p) })}
	}
	enclave := func(name string, alter func(report []byte)) Case {
		return altered(name, evidence.CodeTDXQuotingEnclave, func(p *tdx.Parts) { alter(p.QEReport) })
	}
	return []Row{
		{"T07", "attestation key that no enclave vouches for", []Case{
			altered("first half of the hash", evidence.CodeTDXKeyBinding, func(p *tdx.Parts) { p.QEReport[320] ^= 1 }),
			altered("second half of the report data", evidence.CodeTDXKeyBinding, func(p *tdx.Parts) { p.QEReport[383] ^= 1 }),
			altered("authentication data", evidence.CodeTDXKeyBinding, func(p *tdx.Parts) { p.Auth[0] ^= 1 }),
			{
				Name: "an attestation key of the attacker's", Subject: tdxPlain, Want: codes(evidence.CodeTDXKeyBinding),
				Try: requoted(func(a *Attacker, p *tdx.Parts) { p.AttestationKey = a.World().TDX.NewKey("attacks/own") }),
			},
		}},
		{"T08", "QE report by another key", []Case{{
			Name: "the key of another platform", Subject: tdxPlain, Want: codes(evidence.CodeTDXQESignature),
			Try: requoted(func(a *Attacker, p *tdx.Parts) { p.PCKKey = a.World().TDX.NewKey("attacks/own") }),
		}}},
		{"T09", "another enclave on a genuine processor", []Case{
			enclave("signer", func(r []byte) { r[128] ^= 1 }),
			enclave("product", func(r []byte) { r[256] ^= 1 }),
			enclave("debugged", func(r []byte) { r[48] |= 2 }),
			enclave("MISCSELECT", func(r []byte) { r[16] = 1 }),
			altered("reserved bytes", evidence.CodeTDXReserved, func(p *tdx.Parts) { p.QEReport[100] = 1 }),
		}},
		{"T10", "old quoting enclave", []Case{{
			Name: "older than current", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus, evidence.CodePolicyTDXAdvisories),
			Try: reported(func(o *tdx.MachineOptions) { o.QESVN-- }),
		}}},
		{"T50", "signature in its other form", []Case{{
			Name: "of the quote", Subject: tdxPlain, Proof: ByAcceptance, Why: "both forms are valid, and no cache or record goes by a signature",
			Try: rewrittenQuote(otherForm),
		}}},
	}
}

// otherForm replaces the quote's signature by the other one that verifies: (r, n-s).
func otherForm(quote []byte) []byte {
	const at = quoteHeader + quoteBody + 4 + quoteSignature/2
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16) // P-256 (SEC 2)
	s := new(big.Int).SetBytes(quote[at : at+quoteSignature/2])
	s.Sub(order, s).FillBytes(quote[at : at+quoteSignature/2])
	return quote
}

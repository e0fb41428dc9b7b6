package attacks

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// Sizes in a quote (Intel TDX DCAP quote format, version 4).
const (
	quoteHeader    = 48
	quoteBody      = 584
	quoteSignature = 64
	quoteKey       = 64
)

// tdxFormatRows lie about what a quote is, and how long its parts are.
func tdxFormatRows() []Row {
	const nothing = "there is nothing in it that could be judged"
	parser := func(name, subject string, want evidence.Code, try try) Case {
		return Case{Name: name, Subject: subject, Want: codes(want), Proof: ByParser, Why: nothing, Try: try}
	}
	altered := func(name, subject string, want evidence.Code, alter func(p *tdx.Parts)) Case {
		return parser(name, subject, want, requoted(func(_ *Attacker, p *tdx.Parts) { alter(p) }))
	}
	sized := func(name string, at, width int, value uint32) Case {
		return parser(name, tdxPlain, evidence.CodeTDXQuoteFormat, rewrittenQuote(func(q []byte) []byte {
			if width == 2 {
				binary.LittleEndian.PutUint16(q[at:], uint16(value))
			} else {
				binary.LittleEndian.PutUint32(q[at:], value)
			}
			return q
		}))
	}
	const atData = quoteHeader + quoteBody
	const atOuter = atData + 4 + quoteSignature + quoteKey + 2
	return []Row{
		{"T02", "hostile lengths", []Case{
			sized("no signature data", atData, 4, 0),
			sized("signature data beyond the end", atData, 4, 1<<31),
			sized("all ones for the signature data", atData, 4, 1<<32-1),
			sized("no certification data", atOuter, 4, 0),
			sized("certification data beyond the end", atOuter, 4, 1<<31-1),
			sized("authentication data beyond the end", atOuter+4+384+quoteSignature, 2, 0xffff),
			parser("half a quote", tdxPlain, evidence.CodeTDXQuoteFormat, rewrittenQuote(func(q []byte) []byte { return q[:len(q)/2] })),
			parser("a header alone", tdxPlain, evidence.CodeTDXQuoteFormat, rewrittenQuote(func(q []byte) []byte { return q[:quoteHeader] })),
		}},
		{"T03", "SGX quote as TDX quote", []Case{
			altered("TEE type of SGX", tdxPlain, evidence.CodeTDXTEEType, func(p *tdx.Parts) { p.Header[4] = 0 }),
			altered("version 3", tdxPlain, evidence.CodeTDXQuoteVersion, func(p *tdx.Parts) { p.Header[0] = 3 }),
			altered("version 6", tdxPlain, evidence.CodeTDXQuoteVersion, func(p *tdx.Parts) { p.Header[0] = 6 }),
		}},
		{"T04", "body type and size that disagree", []Case{
			altered("type of 1.0 with the size of 1.5", tdxNewer, evidence.CodeTDXBodyType, func(p *tdx.Parts) { p.Descriptor[0] = 2 }),
			altered("unknown type", tdxNewer, evidence.CodeTDXBodyType, func(p *tdx.Parts) { p.Descriptor[0] = 9 }),
		}},
		{"T05", "attestation key of another type", []Case{
			altered("P-384", tdxPlain, evidence.CodeTDXKeyType, func(p *tdx.Parts) { p.Header[2] = 3 }),
		}},
		{"T06", "quoting enclave of another vendor", []Case{{
			Name: "one bit", Subject: tdxPlain, Want: codes(evidence.CodeTDXQEVendor),
			Try: requoted(func(_ *Attacker, p *tdx.Parts) { p.Header[12] ^= 1 }),
		}}},
		{"T33", "events behind the padding", []Case{{
			Name: "a byte behind the quote's padding", Subject: tdxPlain, Want: codes(evidence.CodeTDXPadding), Proof: ByParser, Why: nothing,
			Try: rewrittenQuote(func(q []byte) []byte { return append(bytes.Clone(q), 0, 0, 1) }),
		}}},
		{"T49", "versions in the header", []Case{{
			Name: "versions of enclave and PCE", Subject: tdxPlain, Proof: ByAcceptance, Why: "nothing rests on them",
			Try: requoted(func(_ *Attacker, p *tdx.Parts) { p.Header[8], p.Header[10] = 0xff, 0xff }),
		}}},
	}
}

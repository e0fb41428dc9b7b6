package attacks

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"math/big"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// Where the two numbers of a signature stand in a report (SEV-SNP ABI, table 23), and
// how many bytes each has, of which 48 count.
const (
	snpR      = 0x2a0
	snpS      = snpR + snpScalar
	snpScalar = 72
)

// snpSignatureRows lie in the signature.
func snpSignatureRows() []Row {
	return []Row{
		{"S12", "unsigned report", unsignedReports()},
		{"S13", "signature out of range", append(signatureFormats(), signatureValues()...)},
		{"S14", "the other byte order", []Case{
			{
				Name: "signature", Subject: snpPlain, Want: codes(evidence.CodeSNPSignature),
				Try: unsigned(func(raw []byte) []byte {
					slices.Reverse(raw[snpR : snpR+48])
					slices.Reverse(raw[snpS : snpS+48])
					return raw
				}),
			},
			{
				Name: "guest policy", Subject: snpPlain, Want: codes(evidence.CodeSNPGuestPolicy), Behind: codes(evidence.CodePolicySNPGuestPolicy),
				Try: edited(func(raw []byte) { slices.Reverse(raw[0x08:0x10]) }),
			},
			{
				Name: "reported TCB", Subject: snpPlain, Want: codes(evidence.CodeSNPTCB), Behind: codes(evidence.CodePolicySNPTCB),
				Try: edited(func(raw []byte) { slices.Reverse(raw[0x180:0x188]) }),
			},
		}},
	}
}

func unsignedReports() []Case {
	cases := []Case{{
		Name: "no signature", Subject: snpPlain, Want: codes(evidence.CodeSNPSignatureFormat),
		Try: unsigned(func(raw []byte) []byte { clear(raw[snpR:]); return raw }),
	}}
	for key := uint8(2); key <= sevsnp.KeyNone; key++ {
		cases = append(cases, Case{
			Name: fmt.Sprintf("signing key %d", key), Subject: snpPlain, Want: codes(evidence.CodeSNPSigningKey),
			Proof: ByParser, Why: "no key is named that could be looked up",
			Try: changed(func(r *sevsnp.Report) { r.SigningKey = key }),
		})
	}
	return cases
}

// signatureFormats are signatures whose numbers are none.
func signatureFormats() []Case {
	n := elliptic.P384().Params().N
	var cases []Case
	for _, x := range []struct {
		name string
		edit func(raw []byte)
	}{
		{"R zero", func(raw []byte) { clear(raw[snpR:snpS]) }},
		{"S zero", func(raw []byte) { clear(raw[snpS : snpS+snpScalar]) }},
		{"R is the order", func(raw []byte) { putScalar(raw[snpR:], n) }},
		{"S is the order", func(raw []byte) { putScalar(raw[snpS:], n) }},
		{"R plus the order", func(raw []byte) { putScalar(raw[snpR:], new(big.Int).Add(scalar(raw[snpR:]), n)) }},
		{"S plus the order", func(raw []byte) { putScalar(raw[snpS:], new(big.Int).Add(scalar(raw[snpS:]), n)) }},
		{"last byte of R", func(raw []byte) { raw[snpS-1] = 1 }},
		{"bit 384 of S", func(raw []byte) { raw[snpS+48] = 1 }},
		{"a byte behind S", func(raw []byte) { raw[snpS+snpScalar] = 1 }},
		{"the last byte", func(raw []byte) { raw[sevsnp.ReportSize-1] = 1 }},
		{"all ones", func(raw []byte) { copy(raw[snpR:], bytes.Repeat([]byte{0xff}, 2*snpScalar)) }},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: snpPlain, Want: codes(evidence.CodeSNPSignatureFormat),
			Try: unsigned(func(raw []byte) []byte { x.edit(raw); return raw }),
		})
	}
	return cases
}

// signatureValues are signatures that are not the key's over the report.
func signatureValues() []Case {
	n := elliptic.P384().Params().N
	cases := []Case{{
		Name: "another report's", Subject: snpPlain, Want: codes(evidence.CodeSNPSignature),
		Try: unsigned(func(raw []byte) []byte { raw[0x140] ^= 1; return raw }),
	}}
	for _, algorithm := range []uint32{0, 2, 0x01000000} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("algorithm %#x", algorithm), Subject: snpPlain, Want: codes(evidence.CodeSNPSignatureAlgorithm),
			Try: changed(func(r *sevsnp.Report) { r.SignatureAlgorithm = algorithm }),
		})
	}
	for _, x := range []struct {
		name string
		edit func(raw []byte)
	}{
		{"R is one", func(raw []byte) { putScalar(raw[snpR:], big.NewInt(1)) }},
		{"S is the order minus one", func(raw []byte) { putScalar(raw[snpS:], new(big.Int).Sub(n, big.NewInt(1))) }},
		{"R and S exchanged", func(raw []byte) {
			r, s := scalar(raw[snpR:]), scalar(raw[snpS:])
			putScalar(raw[snpR:], s)
			putScalar(raw[snpS:], r)
		}},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: snpPlain, Want: codes(evidence.CodeSNPSignature),
			Try: unsigned(func(raw []byte) []byte { x.edit(raw); return raw }),
		})
	}
	return cases
}

// scalar reads a number as the firmware writes it: little-endian, 72 bytes.
func scalar(field []byte) *big.Int {
	number := slices.Clone(field[:snpScalar])
	slices.Reverse(number)
	return new(big.Int).SetBytes(number)
}

func putScalar(field []byte, n *big.Int) {
	number := n.FillBytes(make([]byte, snpScalar))
	slices.Reverse(number)
	copy(field, number)
}

package attacks

import (
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpProductRows lie about which product line the machine is of.
func snpProductRows() []Row {
	asciiName := func(name string) func(*x509.Certificate) {
		return extension(append([]byte{22, byte(len(name))}, name...), 2)
	}
	var named []Case
	for _, name := range []string{"Genoa", "Genoa-B1", "Milano", "milan"} {
		named = append(named, Case{
			Name: "the certificate's product is " + name, Subject: snpMinted, Want: codes(evidence.CodeSNPProductAgreement),
			Try: minted(mint{edit: asciiName(name)}),
		})
	}
	return []Row{
		{"S02", "chain of another product line", append(named,
			Case{
				Name: "the report says Genoa", Subject: snpPlain, Want: codes(evidence.CodeSNPProductAgreement),
				Try: changed(func(r *sevsnp.Report) { r.CPUModel = 0x11 }),
			},
			Case{
				Name: "the report says Turin", Subject: snpPlain,
				Want:   codes(evidence.CodeSNPReserved, evidence.CodeSNPProductAgreement, evidence.CodeSNPTCB),
				Behind: codes(evidence.CodePolicySNPTCB, evidence.CodePolicySNPLaunchTCB),
				Try:    changed(func(r *sevsnp.Report) { r.CPUFamily, r.CPUModel = 0x1a, 0x02 }),
			})},
		{"S03", "a report that names no product", []Case{
			{
				Name: "version 2", Subject: snpPlain, Want: codes(evidence.CodePolicySNPProduct),
				Try: changed(func(r *sevsnp.Report) { r.Version = 2 }),
			},
			{
				Name: "a newer version, with zeros", Subject: snpPlain, Want: codes(evidence.CodeSNPProduct),
				Proof: ByParser, Why: "the product line says how the report is laid out, and which root counts",
				Try: changed(func(r *sevsnp.Report) { r.CPUFamily, r.CPUModel = 0, 0 }),
			},
			{
				Name: "a processor that nobody knows", Subject: snpPlain, Want: codes(evidence.CodeSNPProduct),
				Proof: ByParser, Why: "the product line says how the report is laid out, and which root counts",
				Try: changed(func(r *sevsnp.Report) { r.CPUModel = 0xb0 }),
			},
		}},
	}
}

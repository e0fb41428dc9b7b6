package attacks

import (
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// tdxChainRows vouch for the platform by other certificates.
func tdxChainRows() []Row {
	shape := func(name string, want evidence.Code, chain func(leaf, ca, root *x509.Certificate) []*x509.Certificate) Case {
		return Case{
			Name: name, Subject: tdxPlain, Want: codes(want), Proof: ByParser, Why: "without a chain there is no platform to judge",
			Try: chained(func(a *Attacker, d domain) []*x509.Certificate {
				return chain(d.Certificate(), a.World().TDX.Platform.Certificate, a.World().TDX.Root.Certificate)
			}),
		}
	}
	type certs = []*x509.Certificate
	extension := func(id, title, name string, alter func(all []tdx.Element, platform tdx.Platform) []tdx.Element) Row {
		return Row{id, title, []Case{{
			Name: name, Subject: tdxPlain, Want: codes(evidence.CodeTDXPCKExtensions), Proof: ByParser, Why: "without its extension a certificate names no platform",
			Try: chained(func(a *Attacker, d domain) []*x509.Certificate {
				v, p := a.World().TDX, d.options.Platform
				template := v.PCKTemplate("attacks/"+id, alter(p.Elements(p.TCBElements()), p))
				return certs{v.Issue(template, v.Platform, &d.PCKKey().PublicKey), v.Platform.Certificate, v.Root.Certificate}
			}),
		}}}
	}
	return []Row{
		{"T38", "odd chains", []Case{
			shape("reversed", evidence.CodeTDXTrustAnchor, func(leaf, ca, root *x509.Certificate) []*x509.Certificate { return certs{root, ca, leaf} }),
			shape("two certificates", evidence.CodeTDXChainFormat, func(leaf, ca, _ *x509.Certificate) []*x509.Certificate { return certs{leaf, ca} }),
			shape("four certificates", evidence.CodeTDXChainFormat, func(leaf, ca, root *x509.Certificate) []*x509.Certificate { return certs{leaf, ca, root, root} }),
			shape("none", evidence.CodeTDXChainFormat, func(_, _, _ *x509.Certificate) []*x509.Certificate { return nil }),
			shape("the leaf as its own authority", evidence.CodeTDXChainProfile, func(leaf, _, root *x509.Certificate) []*x509.Certificate { return certs{leaf, leaf, root} }),
			{
				Name: "the other authority", Subject: tdxPlain, Want: codes(evidence.CodeTDXChainProfile), Proof: ByParser, Why: "without a chain there is no platform to judge",
				Try: chained(func(a *Attacker, d domain) []*x509.Certificate {
					return certs{d.Certificate(), a.World().TDX.Processor.Certificate, a.World().TDX.Root.Certificate}
				}),
			},
		}},
		{"T39", "root of the attacker's own", []Case{{
			Name: "with the same names", Subject: tdxPlain, Want: codes(evidence.CodeTDXTrustAnchor), Proof: ByParser,
			Why: "no check of a chain has a meaning under a root that nobody trusts",
			Try: quoted(func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
				own := tdx.NewVendor(tdx.Options{Seed: "attacker", Clock: a.World().Now})
				return own.NewMachine(d.options).Item(data), nil
			}),
		}}},
		extension("T44", "certificate that does not name its machine", "no PPID", func(all []tdx.Element, _ tdx.Platform) []tdx.Element { return all[1:] }),
		extension("T45", "ambiguous certificate extension", "an element twice", func(all []tdx.Element, _ tdx.Platform) []tdx.Element { return append(all, all[3]) }),
	}
}

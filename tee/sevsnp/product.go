package sevsnp

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// product is a product line: the processors that share one AMD root key.
type product struct {
	name string // as the root key's certificate and the key distribution service have it
	// aliases are the names that a key certificate's product-name extension may
	// carry, besides name, for processors of the line (57230: Bergamo and Siena are
	// served under Genoa).
	aliases []string
}

// The product lines whose reports can be verified. Turin (family 1Ah) has
// another TCB layout and another form of chip identifier: it is refused until
// both are covered.
var (
	milan = &product{name: "Milan"}
	genoa = &product{name: "Genoa", aliases: []string{"Bergamo", "Siena"}}
)

var products = []*product{milan, genoa}

// Processor families, as CPUID gives them, base and extended family added.
const (
	zen3and4 = 0x19
	zen5     = 0x1a
)

// productOfCPU returns the product line of a processor by its combined family
// and model as CPUID gives them, or nil if it is none that can be verified.
func productOfCPU(family, model uint8) *product {
	switch {
	case family != zen3and4:
		return nil
	case model <= 0x0f:
		return milan
	case model >= 0x10 && model <= 0x1f:
		return genoa
	case model >= 0xa0 && model <= 0xaf: // Bergamo and Siena, under Genoa's root
		return genoa
	}
	return nil
}

// simulatedSuffix ends every common name of a simulated AMD PKI.
const simulatedSuffix = " SIMULATED"

// names are the common names that the certificates of one chain must have.
type names struct{ root, issuer, key string }

// names returns them for a signing key of the line. suffix is empty or simulatedSuffix.
func (p *product) names(key signingKey, suffix string) names {
	n := names{"ARK-" + p.name + suffix, "SEV-" + p.name + suffix, key.subject() + suffix}
	if key == vlek {
		n.issuer = "SEV-VLEK-" + p.name + suffix
	}
	return n
}

// matches reports whether a key certificate's product-name extension names the
// line: "Milan" or, with a stepping, "Milan-B0". The stepping means nothing:
// AMD has issued certificates with a wrong one.
func (p *product) matches(productName string) bool {
	line, _, _ := strings.Cut(productName, "-")
	return line == p.name || slices.Contains(p.aliases, line)
}

// productOfIssuer returns the line that a key certificate's issuer names, or nil.
func productOfIssuer(cert *x509.Certificate, key signingKey) *product {
	for _, p := range products {
		for _, suffix := range []string{"", simulatedSuffix} {
			if cert.Issuer.CommonName == p.names(key, suffix).issuer {
				return p
			}
		}
	}
	return nil
}

// examineProduct finds the product line in the report. It returns nil where the
// report does not say (version 2) and where the line cannot be verified.
func examineProduct(r *report, checks *evidence.Checks) *product {
	if r.version < 3 {
		return nil
	}
	p := productOfCPU(r.family, r.model)
	got := fmt.Sprintf("family %02xh, model %02xh, stepping %d", r.family, r.model, r.stepping)
	if p == nil {
		checks.Fail(evidence.CodeSNPProduct, "Milan (19h/00h–0Fh) or Genoa (19h/10h–1Fh, A0h–AFh)", got)
		return nil
	}
	checks.Pass(evidence.CodeSNPProduct, p.name+": "+got)
	return p
}

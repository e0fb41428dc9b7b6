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
	layout  *layout
	// oldest is the first version of a report that the line's firmware wrote.
	oldest uint32
	family uint8
	models []modelRange
}

// modelRange is a range of CPU models, both ends included.
type modelRange struct{ from, to uint8 }

// Processor families, as CPUID gives them, base and extended family added.
const (
	zen3and4 = 0x19
	zen5     = 0x1a
)

// The product lines whose reports can be verified. AMD hands out models in blocks
// of sixteen.
var (
	milan = &product{name: "Milan", layout: family19, oldest: 2, family: zen3and4, models: []modelRange{{0x00, 0x0f}}}
	genoa = &product{name: "Genoa", aliases: []string{"Bergamo", "Siena"}, layout: family19, oldest: 2, family: zen3and4,
		models: []modelRange{{0x10, 0x1f}, {0xa0, 0xaf}}} // the latter are Bergamo and Siena
	turin = &product{name: "Turin", layout: family1A, oldest: 3, family: zen5,
		models: []modelRange{{0x00, 0x0f}, {0x10, 0x1f}}} // the latter are Turin Dense
)

var products = []*product{milan, genoa, turin}

const knownProcessors = "Milan (19h/00h–0Fh), Genoa (19h/10h–1Fh, A0h–AFh) or Turin (1Ah/00h–1Fh)"

// productOfCPU returns the product line of a processor by its combined family
// and model as CPUID gives them, or nil if it is none that can be verified.
func productOfCPU(family, model uint8) *product {
	for _, p := range products {
		if p.family == family && slices.ContainsFunc(p.models, func(r modelRange) bool { return r.from <= model && model <= r.to }) {
			return p
		}
	}
	return nil
}

// productNamed returns the product line of exactly this name, or nil.
func productNamed(name string) *product {
	for _, p := range products {
		if p.name == name {
			return p
		}
	}
	return nil
}

// nameless are the lines that wrote reports of version 2, which do not name the processor.
func nameless() []*product {
	return slices.DeleteFunc(slices.Clone(products), func(p *product) bool { return p.oldest > 2 })
}

// names are the common names that the certificates of one chain must have.
type names struct{ root, issuer, key string }

// names returns them for a signing key of the line.
func (p *product) names(key signingKey) names {
	n := names{"ARK-" + p.name, "SEV-" + p.name, key.subject()}
	if key == vlek {
		n.issuer = "SEV-VLEK-" + p.name
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
		if cert.Issuer.CommonName == p.names(key).issuer {
			return p
		}
	}
	return nil
}

// examineProduct reports the product line that the report names. One of version 2
// names none; then the certificate's line is examined.
func examineProduct(r *report, checks *evidence.Checks) {
	if r.version < 3 {
		return
	}
	got := fmt.Sprintf("family %02xh, model %02xh, stepping %d", r.family, r.model, r.stepping)
	if r.line == nil {
		checks.Fail(evidence.CodeSNPProduct, knownProcessors, got)
		return
	}
	checks.Pass(evidence.CodeSNPProduct, r.line.name+": "+got)
}

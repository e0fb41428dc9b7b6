package attacks

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpExtensionRows lie in what the certificate of a key says of chip and firmware.
func snpExtensionRows() []Row {
	chip := make([]byte, 64)
	var cases []Case
	add := func(proof Proof, why string, list []certificateEdit) {
		for _, x := range list {
			cases = append(cases, Case{
				Name: x.name, Subject: snpMinted, Want: codes(evidence.CodeSNPCertificateProfile), Proof: proof, Why: why,
				Try: minted(mint{edit: x.edit}),
			})
		}
	}
	add(ByCheck, "", []certificateEdit{
		{"of a chip and of a provider", extension([]byte{22, 1, 'x'}, 5)},
		{"unknown critical extension of the vendor's", func(c *x509.Certificate) {
			unknown := sevsnp.KDSExtension([]byte{5, 0}, 77)
			unknown.Critical = true
			c.ExtraExtensions = append(c.ExtraExtensions, unknown)
		}},
		{"unknown critical extension", func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true})
		}},
		{"too many extensions", func(c *x509.Certificate) {
			for n := range 40 {
				c.ExtraExtensions = append(c.ExtraExtensions, sevsnp.KDSExtension([]byte{5, 0}, 100, n))
			}
		}},
	})
	add(ByParser, "a certificate that does not say of which chip and TCB its key is has none to go by", []certificateEdit{
		{"chip identifier one byte short", extension(chip[:63], 4)},
		{"chip identifier of another line's size", extension(chip[:8], 4)},
		{"chip identifier with another tag", extension(append([]byte{3, 64}, chip...), 4)},
		{"of no chip and no provider", extension(nil, 4)},
		{"another structure version", extension([]byte{2, 1, 1}, 1)},
		{"no product name", extension(nil, 2)},
		{"product name of another type", extension(append([]byte{12, 5}, "Milan"...), 2)},
		{"product name longer than it is", extension(append([]byte{22, 6}, "Milan"...), 2)},
		{"no SNP level", extension(nil, 3, 3)},
		{"no reserved level", extension(nil, 3, 5)},
		{"negative level", extension([]byte{2, 1, 0x98}, 3, 3)},
		{"level in the long form", extension([]byte{2, 2, 0, 24}, 3, 3)},
		{"level above 255", extension([]byte{2, 2, 1, 24}, 3, 3)},
		{"bytes behind a level", extension([]byte{2, 1, 24, 0}, 3, 3)},
		{"level of another line", extension([]byte{2, 1, 0}, 3, 9)},
	})
	return []Row{{"S38", "ambiguous extensions", cases}}
}

// certificateEdit is a change of a key's certificate before it is issued.
type certificateEdit struct {
	name string
	edit func(*x509.Certificate)
}

// extension replaces the vendor's extension of these arcs, or removes it for no value.
func extension(value []byte, arcs ...int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		added := sevsnp.KDSExtension(value, arcs...)
		c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(x pkix.Extension) bool { return x.Id.Equal(added.Id) })
		if value != nil {
			c.ExtraExtensions = append(c.ExtraExtensions, added)
		}
	}
}

package attacks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"

	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

const noKey = "the certificate of a key is signed with RSA by its issuer, and one that is not cannot be read as such"

// snpChainRows lie in the certificates above the key.
func snpChainRows() []Row {
	return []Row{
		{"S01", "self-made root", []Case{
			{
				Name: "with the names of the trusted one", Subject: snpMinted, Want: codes(evidence.CodeSNPChain),
				Try: minted(mint{issuer: selfMadeASK(plainNames), further: selfMadeARK(plainNames)}),
			},
			{
				Name: "as an endorsement", Subject: snpMinted, Want: codes(evidence.CodeSNPChain),
				Try: minted(mint{issuer: selfMadeASK(plainNames), further: selfMadeARK(plainNames), stapled: true}),
			},
			{
				Name: "with the names of the real vendor", Subject: snpMinted, Want: codes(evidence.CodeSNPChain), Behind: codes(evidence.CodePolicySNPRevocation),
				Try: minted(mint{issuer: selfMadeASK(realNames), further: selfMadeARK(realNames), edit: realNames}),
			},
		}},
		{"S36", "issuer that is none", append(notIssuers(), []Case{
			{
				Name: "a chip's key certifies another", Subject: snpMinted, Want: codes(evidence.CodeSNPCertificateProfile),
				Try: minted(mint{issuer: chipAsIssuer(func(*x509.Certificate, *sevsnp.Vendor) {}), apart: true}), Proof: ByParser, Why: noKey,
			},
			{
				Name: "a chip's key with the name of its issuer certifies another", Subject: snpMinted, Want: codes(evidence.CodeSNPCertificateProfile),
				Try:   minted(mint{issuer: chipAsIssuer(func(c *x509.Certificate, v *sevsnp.Vendor) { c.Subject = v.ASK().Certificate.Subject })}),
				Proof: ByParser, Why: noKey,
			},
			{
				Name: "an authority below the signing key", Subject: snpMinted, Want: codes(evidence.CodeSNPChain),
				Try: minted(mint{issuer: func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
					key, err := intrudersKey(v)
					if err != nil {
						return nil, err
					}
					return issuedBy(v.ASK(), authority(v, 99), key)
				}}),
			},
			{
				Name: "the root certifies the chip's key itself", Subject: snpMinted, Want: codes(evidence.CodeSNPProductAgreement, evidence.CodeSNPChain),
				Try: minted(mint{issuer: func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) { return v.ARK(), nil }}),
			},
			{
				Name: "the signing key of providers certifies a chip's", Subject: snpMinted, Want: codes(evidence.CodeSNPProductAgreement, evidence.CodeSNPChain),
				Try: minted(mint{issuer: (*sevsnp.Vendor).ASVK}),
			},
		}...)},
		{"S37", "weak keys and signatures", weakKeys()},
		{"S39", "certificates out of their time", outOfTime()},
	}
}

// naming gives a certificate a subject before it is issued.
type naming func(c *x509.Certificate)

// plainNames leave the names as the simulated vendor has them.
func plainNames(*x509.Certificate) {}

// realNames are those of AMD's own certificates, to the byte.
func realNames(c *x509.Certificate) {
	c.Subject.CommonName = strings.TrimSuffix(c.Subject.CommonName, " SIMULATED")
	for rest := trust.AskArkMilanVcekBytes; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		if real, err := x509.ParseCertificate(block.Bytes); err == nil && real.Subject.CommonName == c.Subject.CommonName {
			c.RawSubject, c.SubjectKeyId = real.RawSubject, real.SubjectKeyId
		}
	}
}

// selfMadeRoot is a root of the attacker's own.
func selfMadeRoot(v *sevsnp.Vendor, name naming) (*sevsnp.Issuer, error) {
	key, err := intrudersKey(v)
	if err != nil {
		return nil, err
	}
	root := authority(v, 1)
	root.Subject = v.ARK().Certificate.Subject
	name(root)
	root.MaxPathLenZero = false
	root.KeyUsage |= x509.KeyUsageCRLSign
	return issuedBy(&sevsnp.Issuer{Certificate: root, Key: key}, root, key)
}

func selfMadeARK(name naming) func(v *sevsnp.Vendor) ([][]byte, error) {
	return func(v *sevsnp.Vendor) ([][]byte, error) {
		root, err := selfMadeRoot(v, name)
		if err != nil {
			return nil, err
		}
		return [][]byte{root.Certificate.Raw}, nil
	}
}

// selfMadeASK is a signing key under it.
func selfMadeASK(name naming) func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
	return func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
		root, err := selfMadeRoot(v, name)
		if err != nil {
			return nil, err
		}
		below := authority(v, 2)
		name(below)
		return issuedBy(root, below, root.Key)
	}
}

// chipAsIssuer is a chip's key that certifies others.
func chipAsIssuer(edit func(c *x509.Certificate, v *sevsnp.Vendor)) func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
	return func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, err
		}
		r := v.Report(chipName("issuing chip"))
		cert := v.VCEKTemplate(r.ChipID, r.ReportedTCB)
		edit(cert, v)
		return issuedBy(v.ASK(), cert, key)
	}
}

// notIssuers are signing keys whose certificates, of the root's own issuing, are not
// of the form of such.
func notIssuers() []Case {
	var cases []Case
	for _, x := range []struct {
		name string
		edit func(c *x509.Certificate)
	}{
		{"not a CA", func(c *x509.Certificate) { c.IsCA = false; c.MaxPathLenZero = false }},
		{"may not sign certificates", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }},
		{"signed with PKCS #1 v1.5", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA }},
		{"signed with SHA-256", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }},
		{"unknown critical extension", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true}} }},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: snpMinted, Want: codes(evidence.CodeSNPChain),
			Try: minted(mint{issuer: func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
				key, err := intrudersKey(v)
				if err != nil {
					return nil, err
				}
				template := authority(v, 99)
				x.edit(template)
				return issuedBy(v.ARK(), template, key)
			}}),
		})
	}
	return cases
}

// weakKeys are certificates of keys, by the true signing key, that are not of AMD's form.
func weakKeys() []Case {
	var cases []Case
	for _, x := range []struct {
		name   string
		public func(v *sevsnp.Vendor) (crypto.PublicKey, error)
		edit   func(c *x509.Certificate)
	}{
		{"RSA key", func(v *sevsnp.Vendor) (crypto.PublicKey, error) { return v.ASK().Key.Public(), nil }, nil},
		{"P-256 key", func(*sevsnp.Vendor) (crypto.PublicKey, error) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return nil, err
			}
			return key.Public(), nil
		}, nil},
		{"signed with PKCS #1 v1.5", nil, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA }},
		{"signed with SHA-256", nil, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }},
		{"a CA's", nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
		{"may not sign", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }},
	} {
		c := Case{
			Name: x.name, Subject: snpMinted, Want: codes(evidence.CodeSNPCertificateProfile),
			Try: minted(mint{public: x.public, edit: x.edit}),
		}
		if x.public != nil {
			c.Proof, c.Why = ByParser, "the key is none that could have signed a report"
		}
		cases = append(cases, c)
	}
	return cases
}

func outOfTime() []Case {
	// What the vendor issues is valid from some time in the past.
	ended := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.AddDate(0, 0, -2), c.NotBefore.AddDate(0, 0, -1)
	}
	return []Case{
		{
			Name: "the key's has ended", Subject: snpMinted, Want: codes(evidence.CodeSNPValidity), Behind: codes(evidence.CodeIssuingValidity),
			Try: minted(mint{edit: ended}),
		},
		{
			Name: "the key's has not begun", Subject: snpMinted, Want: codes(evidence.CodeSNPValidity),
			Try: minted(mint{edit: func(c *x509.Certificate) { c.NotBefore = c.NotAfter.AddDate(0, 0, -1) }}),
		},
		{
			Name: "the signing key's has ended", Subject: snpMinted, Want: codes(evidence.CodeSNPValidity), Behind: codes(evidence.CodeIssuingValidity),
			Try: minted(mint{issuer: func(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
				key, err := intrudersKey(v)
				if err != nil {
					return nil, err
				}
				template := authority(v, 99)
				ended(template)
				return issuedBy(v.ARK(), template, key)
			}}),
		},
	}
}

package attacks

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// The extensions and usages of a TPM's certificates (TCG OID registry; RFC 5280, 4.2.1.6 and .12).
var (
	oidNames        = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUsage        = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidUnknown      = asn1.ObjectIdentifier{1, 2, 3}
	oidAnyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	oidServer       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidEK           = asn1.ObjectIdentifier{2, 23, 133, 8, 1}
	oidAK           = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	oidInstanceInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 21} // Google Compute Engine's
)

// tpmCertificateRows have their attestation key certified as no CA should.
func tpmCertificateRows() []Row {
	usage := codes(evidence.CodeTPMAKUsage)
	extensions := codes(evidence.CodeTPMAKExtensions)
	ended := codes(evidence.CodeIssuingValidity)
	unlisted := codes(evidence.CodePolicyTPMRevocation)
	return []Row{
		{"P06", "odd certificates and chains", slices.Concat([]Case{
			certificated("an empty list of usages", usage, nil, usages()),
			certificated("no usage", usage, nil, func(_ *Attacker, c *x509.Certificate) { c.UnknownExtKeyUsage = nil }),
			certificated("for endorsement keys", usage, nil, usages(oidEK)),
			certificated("for any use", usage, nil, usages(oidAnyUsage)),
			certificated("for servers", usage, nil, usages(oidServer)),
			certificated("of a CA", usage, nil, func(_ *Attacker, c *x509.Certificate) { c.IsCA = true }),
			certificated("that may sign certificates", usage, nil, func(_ *Attacker, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
			certificated("for encryption", usage, nil, func(_ *Attacker, c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }),
			certificated("with a critical extension that nobody knows", extensions, nil, extended(oidUnknown, []byte{5, 0})),
			certificated("with names of another sort", extensions, nil, extended(oidNames, namesOfBoth())),
			certificated("expired", codes(evidence.CodeTPMAKValidity), ended, func(a *Attacker, c *x509.Certificate) { c.NotAfter = a.World().Now().Add(-time.Minute) }),
			certificated("not valid yet", codes(evidence.CodeTPMAKValidity), nil, func(a *Attacker, c *x509.Certificate) { c.NotBefore = a.World().Now().Add(time.Hour) }),
			certificated("never valid with its issuer's", codes(evidence.CodeTPMAKChain), unlisted, func(_ *Attacker, c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC)
			}),
			{
				Name: "of a weak key", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKKey), Proof: ByParser, Why: "a key that is not accepted verifies nothing",
				Try: beside(func(a *Attacker, item *evidence.TPM) error {
					key, err := largeKey(a)
					if err != nil {
						return err
					}
					weak := *key
					weak.E = 3
					return certifiedAs(a, item, &weak, nil)
				}),
			},
			{
				Name: "with something behind it", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKFormat), Proof: ByParser, Why: undecoded,
				Try: beside(func(_ *Attacker, item *evidence.TPM) error {
					item.AKCertificates[0] = append(item.AKCertificates[0], 1)
					return nil
				}),
			},
		}, oddChains())},
		{"P08", "cloud's extension under another's root", []Case{
			certificated("instance information in place of a usage", usage, nil, func(_ *Attacker, c *x509.Certificate) {
				c.UnknownExtKeyUsage = nil
				c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidInstanceInfo, Value: []byte{0x30, 0}})
			}),
			instanceEndorsement(),
		}},
	}
}

// certificated is a case whose attestation key has a certificate that edit changed before
// the CA signed it.
func certificated(name string, want, behind []evidence.Code, edit func(*Attacker, *x509.Certificate)) Case {
	return Case{
		Name: name, Subject: tpmPlain, Want: want, Behind: behind,
		Try: attested(func(a *Attacker, h host, data []byte) (*evidence.TPM, error) {
			item, err := h.Quote(data)
			if err != nil {
				return nil, err
			}
			return item, certifiedAs(a, item, h.Key.Public(), edit)
		}),
	}
}

// certifiedAs has the CA certify a key, and send that in place of the true certificate. An area
// of another key is left out.
func certifiedAs(a *Attacker, item *evidence.TPM, key crypto.PublicKey, edit func(*Attacker, *x509.Certificate)) error {
	maker := a.World().TPM
	template := maker.AKTemplate(a.subject.Name + "/certified")
	if edit != nil {
		edit(a, template)
	} else {
		item.AKPublic = nil
	}
	cert, err := maker.Intermediate.Issue(template, key)
	if err == nil {
		item.AKCertificates = [][]byte{cert.Raw, maker.Intermediate.Certificate.Raw}
	}
	return err
}

// usages replaces the extended key usage.
func usages(ids ...asn1.ObjectIdentifier) func(*Attacker, *x509.Certificate) {
	der, err := asn1.Marshal(ids)
	return func(_ *Attacker, c *x509.Certificate) {
		if err == nil {
			c.UnknownExtKeyUsage = nil
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidUsage, Value: der})
		}
	}
}

// extended has a critical extension of this identifier, and no other.
func extended(id asn1.ObjectIdentifier, value []byte) func(*Attacker, *x509.Certificate) {
	return func(_ *Attacker, c *x509.Certificate) {
		c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(ext pkix.Extension) bool { return ext.Id.Equal(id) })
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: value})
	}
}

// namesOfBoth is a subject alternative name with an empty directory name, as TPMs have
// one, and an otherName.
func namesOfBoth() []byte {
	return []byte{0x30, 8, 0xa4, 2, 0x30, 0, 0xa0, 2, 0x30, 0}
}

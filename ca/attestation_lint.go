package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// attestationRules say what a certificate of an attestation key may be at all, beside the
// common ones.
var attestationRules = []struct {
	name  string
	holds func(ca *attestationCA, c *x509.Certificate) bool
}{
	{"life of a minute to a week", func(_ *attestationCA, c *x509.Certificate) bool { return lasts(c, maxAttestationTTL) }},
	{"extended key usage 2.23.133.8.3 alone", func(_ *attestationCA, c *x509.Certificate) bool {
		return isForAttestationKeys(c)
	}},
	{"empty subject", func(_ *attestationCA, c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, emptySubject) }},
	{"names: the TPM if it is named, and the endorsement key", func(_ *attestationCA, c *x509.Certificate) bool {
		_, ok := readTPMNames(c)
		return ok
	}},
	{"exactly the profile's extensions, critical as they must be", func(_ *attestationCA, c *x509.Certificate) bool {
		return hasExactExtensions(c)
	}},
	{"a key that a TPM makes, and not the CA's", func(ca *attestationCA, c *x509.Certificate) bool {
		return isAttestationKey(c.PublicKey) && !bytes.Equal(c.RawSubjectPublicKeyInfo, ca.cert.RawSubjectPublicKeyInfo)
	}},
}

// lint returns an *evidence.Error that names the first rule that c breaks.
func (ca *attestationCA) lint(c *x509.Certificate) error {
	if err := lintCommon(ca.cert, c); err != nil {
		return err
	}
	for _, r := range attestationRules {
		if !r.holds(ca, c) {
			return refuseRule(r.name)
		}
	}
	return nil
}

// isForAttestationKeys reports whether the extended key usage is theirs alone.
func isForAttestationKeys(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage) == 0 && slices.EqualFunc(c.UnknownExtKeyUsage, []asn1.ObjectIdentifier{oidAttestationKey}, asn1.ObjectIdentifier.Equal)
}

// says reports whether the parsed certificate says exactly what p decided.
func (p *attestationProfile) says(c *x509.Certificate) bool {
	names, ok := readTPMNames(c)
	return ok && names == p.names && c.SerialNumber.Cmp(p.serial) == 0 &&
		c.NotBefore.Equal(p.notBefore) && c.NotAfter.Equal(p.notAfter) &&
		bytes.Equal(c.RawSubjectPublicKeyInfo, p.spki)
}

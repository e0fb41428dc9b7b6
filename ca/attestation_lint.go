package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// attestationRules say what a certificate of an attestation key may be at all. They
// know nothing of the enrolment, nor of how the certificate was made.
var attestationRules = []struct {
	name  string
	holds func(ca *attestationCA, c *x509.Certificate) bool
}{
	{"serial number of 65 to 159 bits", func(_ *attestationCA, c *x509.Certificate) bool {
		return c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() > 64 && c.SerialNumber.BitLen() <= serialBits
	}},
	{"life of a minute to a week", func(_ *attestationCA, c *x509.Certificate) bool {
		life := c.NotAfter.Sub(c.NotBefore)
		return life >= minTTL && life <= maxAttestationTTL+backdate+1e9 // a second, for rounding
	}},
	{"validity within the CA's", func(ca *attestationCA, c *x509.Certificate) bool {
		return !c.NotBefore.Before(ca.cert.NotBefore) && !c.NotAfter.After(ca.cert.NotAfter)
	}},
	{"key usage digitalSignature alone", func(_ *attestationCA, c *x509.Certificate) bool {
		return c.KeyUsage == x509.KeyUsageDigitalSignature
	}},
	{"extended key usage 2.23.133.8.3 alone", func(_ *attestationCA, c *x509.Certificate) bool {
		return isForAttestationKeys(c)
	}},
	{"no CA", func(_ *attestationCA, c *x509.Certificate) bool {
		return c.BasicConstraintsValid && !c.IsCA && c.MaxPathLen == -1 && !c.MaxPathLenZero
	}},
	{"empty subject", func(_ *attestationCA, c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, emptySubject) }},
	{"names: the TPM if it is named, and the endorsement key", func(_ *attestationCA, c *x509.Certificate) bool {
		_, ok := readTPMNames(c)
		return ok
	}},
	{"subject key identifier of the key", func(_ *attestationCA, c *x509.Certificate) bool {
		return bytes.Equal(c.SubjectKeyId, spkiID(c.RawSubjectPublicKeyInfo))
	}},
	{"exactly the profile's extensions, critical as they must be", func(_ *attestationCA, c *x509.Certificate) bool {
		return hasExactExtensions(c)
	}},
	{"signature ECDSA with SHA-256", func(_ *attestationCA, c *x509.Certificate) bool {
		return c.SignatureAlgorithm == x509.ECDSAWithSHA256
	}},
	{"version 3", func(_ *attestationCA, c *x509.Certificate) bool { return c.Version == 3 }},
	{"issued by the CA", func(ca *attestationCA, c *x509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, ca.cert.RawSubject) && bytes.Equal(c.AuthorityKeyId, ca.cert.SubjectKeyId)
	}},
	{"a key that a TPM makes, and not the CA's", func(ca *attestationCA, c *x509.Certificate) bool {
		return isAttestationKey(c.PublicKey) && !bytes.Equal(c.RawSubjectPublicKeyInfo, ca.cert.RawSubjectPublicKeyInfo)
	}},
}

// lint returns an *evidence.Error that names the first rule that c breaks.
func (ca *attestationCA) lint(c *x509.Certificate) error {
	for _, r := range attestationRules {
		if !r.holds(ca, c) {
			return refuseLint("it breaks the rule %q", r.name)
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

package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// commonRules hold for every certificate that is signed here and is no CA's: of workloads, of attestation
// keys, and of OCSP responders. They know nothing of what was asked for, nor of how it was made.
var commonRules = []struct {
	name  string
	holds func(issuer, c *x509.Certificate) bool
}{
	{"serial number of 65 to 159 bits", func(_, c *x509.Certificate) bool {
		return c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() > 64 && c.SerialNumber.BitLen() <= serialBits
	}},
	{"validity within the CA's", func(issuer, c *x509.Certificate) bool {
		return !c.NotBefore.Before(issuer.NotBefore) && !c.NotAfter.After(issuer.NotAfter)
	}},
	{"key usage digitalSignature alone", func(_, c *x509.Certificate) bool {
		return c.KeyUsage == x509.KeyUsageDigitalSignature
	}},
	{"no CA", func(_, c *x509.Certificate) bool {
		return c.BasicConstraintsValid && !c.IsCA && c.MaxPathLen == -1 && !c.MaxPathLenZero
	}},
	{"subject key identifier of the key", func(_, c *x509.Certificate) bool {
		return bytes.Equal(c.SubjectKeyId, spkiID(c.RawSubjectPublicKeyInfo))
	}},
	{"signature ECDSA with SHA-256", func(_, c *x509.Certificate) bool {
		return c.SignatureAlgorithm == x509.ECDSAWithSHA256
	}},
	{"version 3", func(_, c *x509.Certificate) bool { return c.Version == 3 }},
	{"issued by the CA", func(issuer, c *x509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, issuer.RawSubject) && bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId)
	}},
}

// lintCommon returns an *evidence.Error that names the first common rule that c breaks.
func lintCommon(issuer, c *x509.Certificate) error {
	for _, r := range commonRules {
		if !r.holds(issuer, c) {
			return refuseRule(r.name)
		}
	}
	return nil
}

// lasts reports whether c is valid for a minute at least, and for no longer than most.
func lasts(c *x509.Certificate, most time.Duration) bool {
	life := c.NotAfter.Sub(c.NotBefore)
	return life >= minTTL && life <= most+backdate+time.Second // for rounding
}

// hasExtensions reports whether c has these extensions, each once, and no other.
func hasExtensions(c *x509.Certificate, want ...string) bool {
	var got []string
	for _, e := range c.Extensions {
		got = append(got, extensionName(e.Id, e.Critical))
	}
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

func extensionName(id asn1.ObjectIdentifier, critical bool) string {
	if critical {
		return id.String() + " critical"
	}
	return id.String()
}

func refuseRule(name string) error { return refuseLint("it breaks the rule %q", name) }

func refuseLint(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeIssuingLint, "", "the certificate is not released: %w", fmt.Errorf(format, args...))
}

package tpm

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

var (
	// oidAKCertificate is tcg-kp-AIKCertificate: the extended key usage of an
	// attestation key's certificate (TCG OID Registry, 2.23.133.8).
	oidAKCertificate    = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	// oidInstanceInfo is Google Compute Engine's identification of an instance.
	oidInstanceInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 21}
)

// akCertificate is the certificate of an attestation key, as read from its DER
// and possibly the padding of the NV index that it came from.
type akCertificate struct {
	*x509.Certificate
	padding string // what stood behind the DER, in words; empty if nothing
}

// parseCertificates reads the certificates of an item: the key's first, then
// intermediates.
func parseCertificates(item *evidence.TPM) (leaf akCertificate, extra []*x509.Certificate, err error) {
	for n, der := range item.AKCertificates {
		cert, err := parseCertificate(der)
		if err != nil {
			return leaf, nil, err
		}
		if n == 0 {
			leaf = cert
		} else {
			extra = append(extra, cert.Certificate)
		}
	}
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, func(id asn1.ObjectIdentifier) bool {
		return id.Equal(oidSubjectAltName) && leaf.onlyKnownNames()
	})
	return leaf, extra, nil
}

// parseCertificate reads one certificate. TPMs keep certificates in NV indices
// of fixed size, so zero or FF bytes behind the DER are tolerated.
func parseCertificate(b []byte) (akCertificate, error) {
	if len(b) > evidence.MaxCertificate {
		return akCertificate{}, certificateError("%d bytes, at most %d are read", len(b), evidence.MaxCertificate)
	}
	var element asn1.RawValue
	rest, err := asn1.Unmarshal(b, &element)
	if err != nil {
		return akCertificate{}, certificateError("not DER")
	}
	padding, err := describePadding(rest)
	if err != nil {
		return akCertificate{}, err
	}
	cert, err := x509.ParseCertificate(bytes.Clone(element.FullBytes)) // what is remembered shares nothing
	if err != nil {
		return akCertificate{}, certificateError("%w", err)
	}
	return akCertificate{cert, padding}, nil
}

func certificateError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMAKFormat, "ak_certificates", format, args...)
}

// describePadding accepts bytes that are all zero, or all FF as erased NV memory is.
func describePadding(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	if fill := b[0]; fill != 0 && fill != 0xff || bytes.Count(b, b[:1]) != len(b) {
		return "", certificateError("%d bytes behind the DER that are no padding", len(b))
	}
	return fmt.Sprintf("%d bytes of %02x behind the DER", len(b), b[0]), nil
}

// judgeUsage examines what the certificate is for. It needs the root only for
// certificates without extended key usage; root is nil where it is not known.
func (c akCertificate) judgeUsage(checks *evidence.Checks, root *anchor) {
	const want = "EKU 2.23.133.8.3, digital signatures, not a CA"
	got := c.usage()
	switch {
	case c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0:
		checks.Fail(evidence.CodeTPMAKUsage, want, "a CA's certificate")
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		checks.Fail(evidence.CodeTPMAKUsage, want, "a key that is not for signatures")
	case slices.ContainsFunc(c.UnknownExtKeyUsage, oidAKCertificate.Equal):
		checks.Pass(evidence.CodeTPMAKUsage, got)
	case c.extension(oidExtendedKeyUsage) || !c.extension(oidInstanceInfo):
		checks.Fail(evidence.CodeTPMAKUsage, want, got)
	case root == nil:
		checks.NotPerformed(evidence.CodeTPMAKUsage, want, got+": depends on the root, which is not known")
	default:
		// Google's certificates have no EKU. Under its own root, and only there,
		// the instance information marks the certificate of a vTPM's key.
		checks.Judge(root.provider() == providerGoogle, evidence.CodeTPMAKUsage, want+"; or instance information under Google's EK/AK CA Root", got)
	}
}

// oidTPMUsages is the arc of the key usages of a TPM's certificates: 1 of
// endorsement keys, 3 of attestation keys (TCG OID Registry, tcg-kp).
var oidTPMUsages = asn1.ObjectIdentifier{2, 23, 133, 8}

// mayIssueForTPMs reports whether a CA may issue for TPMs: its extended key usage, if it
// has one, limits what it vouches for. Real CAs of attestation keys name usages
// of a TPM's keys there, though not always that of attestation keys.
func mayIssueForTPMs(ca *x509.Certificate) bool {
	if len(ca.ExtKeyUsage)+len(ca.UnknownExtKeyUsage) == 0 || slices.Contains(ca.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return true
	}
	return slices.ContainsFunc(ca.UnknownExtKeyUsage, func(id asn1.ObjectIdentifier) bool {
		return len(id) > len(oidTPMUsages) && id[:len(oidTPMUsages)].Equal(oidTPMUsages)
	})
}

// usage says in words what the certificate's extended key usage is.
func (c akCertificate) usage() string {
	switch {
	case c.extension(oidExtendedKeyUsage):
		var usages []string
		for _, id := range c.UnknownExtKeyUsage {
			usages = append(usages, id.String())
		}
		for _, usage := range c.ExtKeyUsage {
			usages = append(usages, usage.OID().String())
		}
		return "EKU [" + strings.Join(usages, " ") + "]"
	case c.extension(oidInstanceInfo):
		return "no EKU, but Google Compute Engine's instance information"
	}
	return "no EKU"
}

func (c akCertificate) extension(id asn1.ObjectIdentifier) bool {
	for _, ext := range c.Extensions {
		if ext.Id.Equal(id) {
			return true
		}
	}
	return false
}

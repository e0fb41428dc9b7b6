package tpm

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// oidEKCertificate is tcg-kp-EKCertificate: the extended key usage of an
// endorsement key's certificate (TCG OID Registry, 2.23.133.8).
var oidEKCertificate = asn1.ObjectIdentifier{2, 23, 133, 8, 1}

// judgeUsage examines what the certificate is for. It needs the root only for
// certificates without extended key usage; root is nil where it is not known.
func (c *ekCertificate) judgeUsage(checks *evidence.Checks, root *anchor) {
	const want = "EKU 2.23.133.8.1, key encipherment (RSA) or key agreement (ECC), not a CA"
	named := akCertificate{Certificate: c.Certificate}
	got := named.usage()
	switch {
	case c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0:
		checks.Fail(evidence.CodeTPMEKUsage, want, "a CA's certificate")
	case c.KeyUsage != 0 && c.KeyUsage&c.wantKeyUsage() == 0:
		checks.Fail(evidence.CodeTPMEKUsage, want, "a key that is for something else")
	case slices.ContainsFunc(c.UnknownExtKeyUsage, oidEKCertificate.Equal):
		checks.Pass(evidence.CodeTPMEKUsage, got)
	case named.extension(oidExtendedKeyUsage) || !named.extension(oidInstanceInfo) || c.KeyUsage == 0:
		checks.Fail(evidence.CodeTPMEKUsage, want, got)
	case root == nil:
		checks.NotPerformed(evidence.CodeTPMEKUsage, want, got+": depends on the root, which is not known")
	default:
		// Google's newer certificates have no EKU. Under its own root, and only
		// there, instance information and key usage mark that of a vTPM's endorsement key.
		checks.Judge(root.provider() == providerGoogle, evidence.CodeTPMEKUsage, want+"; or instance information under Google's EK/AK CA Root", got)
	}
}

// wantKeyUsage returns what a key of this type is used for when it protects a secret.
func (c *ekCertificate) wantKeyUsage() x509.KeyUsage {
	if _, ok := c.key.(*ecdsa.PublicKey); ok {
		return x509.KeyUsageKeyAgreement
	}
	return x509.KeyUsageKeyEncipherment
}

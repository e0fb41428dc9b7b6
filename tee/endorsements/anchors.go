package endorsements

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// ReadCertificates returns the certificates in paths, read as [Load] reads
// endorsements, in the order in which they were found; CRLs and documents are
// left alone. It is meant for certificates that travel with evidence.
func ReadCertificates(paths ...string) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	if _, err := read(paths, func(f found) { certificates = append(certificates, f.certificates...) }); err != nil {
		return nil, err
	}
	if len(certificates) == 0 {
		return nil, evidence.Errorf(evidence.CodeEndorsementsNone, "", "there is no certificate in %s", strings.Join(paths, ", "))
	}
	return certificates, nil
}

// LoadCertificates reads trust anchors from paths, as [Load] reads endorsements.
// Every certificate there becomes an anchor, so every one must be a CA
// certificate ([evidence.CodeTrustAnchorUnsuitable] if not); CRLs and documents
// are left alone.
//
// The anchors have [evidence.OriginSimulated]: vendors' TEE roots are pinned in
// this build, and any other is a test PKI's. For TPM roots, which the operator
// has to name because there are so many, see [AsConfigured].
func LoadCertificates(paths ...string) ([]tee.Anchor, error) {
	certificates, err := ReadCertificates(paths...)
	if err != nil {
		return nil, err
	}
	var anchors []tee.Anchor
	for _, cert := range certificates {
		if !cert.BasicConstraintsValid || !cert.IsCA {
			return nil, evidence.Errorf(evidence.CodeTrustAnchorUnsuitable, cert.Subject.String(),
				"not a CA certificate, so it cannot be a trust anchor; keep only roots there and give the rest as endorsements")
		}
		if !slices.ContainsFunc(anchors, func(a tee.Anchor) bool { return bytes.Equal(a.DER, cert.Raw) }) {
			anchors = append(anchors, tee.Anchor{DER: cert.Raw, Origin: evidence.OriginSimulated})
		}
	}
	return anchors, nil
}

// simulatedMark stands in the subject of every root that the project's
// simulators make.
const simulatedMark = "SIMULATED"

// AsConfigured returns anchors as TPM roots that the operator vouches for
// ([evidence.OriginConfigured]). A simulator's root, which has SIMULATED in its
// subject, stays simulated.
func AsConfigured(anchors []tee.Anchor) []tee.Anchor {
	configured := slices.Clone(anchors)
	for i, a := range configured {
		cert, err := x509.ParseCertificate(a.DER)
		if err == nil && !strings.Contains(cert.Subject.String(), simulatedMark) {
			configured[i].Origin = evidence.OriginConfigured
		}
	}
	return configured
}

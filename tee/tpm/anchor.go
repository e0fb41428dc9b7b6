package tpm

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// anchor is a root certificate of attestation keys.
type anchor struct {
	cert   *x509.Certificate
	name   string
	sha256 digest
	origin evidence.Origin
	// enrolment marks a CA of this service, for keys that it enrolled.
	enrolment bool
}

// providerRoots are the SHA-256 of clouds' roots for the keys of their vTPMs. They
// are no trust anchors by themselves: the operator configures them, or does not.
var providerRoots = []struct {
	name   string
	sha256 digest
}{
	// Google Compute Engine, "EK/AK CA Root", valid from 2022 to 2122.
	{providerGoogle, fingerprint("594759594b9b61524f6c8ef668f7177f7b9066bc0674f2f49fe9e052be78beb2")},
	// "Azure Virtual TPM Root Certificate Authority 2023", valid from 2023 to 2048.
	{providerAzure, fingerprint("e6c596b17f8ffefba5c300f714cfb1260c6028704ecf7becc4ab5018efb00e95")},
}

// The clouds by their names in claims.
const (
	providerGoogle = "google"
	providerAzure  = "azure"
)

func fingerprint(text string) (d digest) {
	if n, err := hex.Decode(d[:], []byte(text)); err != nil || n != len(d) {
		panic("tpm: malformed fingerprint")
	}
	return d
}

// provider returns the cloud whose own root a is, or "".
func (a *anchor) provider() string {
	for _, root := range providerRoots {
		if a.sha256 == root.sha256 {
			return root.name
		}
	}
	return ""
}

// newAnchor reads a root that the operator configured.
func newAnchor(a tee.Anchor) (*anchor, error) {
	if err := checkOrigin(a.Origin); err != nil {
		return nil, err
	}
	cert, err := newIssuer(a.DER)
	if err != nil {
		return nil, err
	}
	return &anchor{cert: cert, name: cert.Subject.String(), sha256: sha256.Sum256(cert.Raw), origin: a.Origin}, nil
}

// newIssuer reads the certificate of a CA.
func newIssuer(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("tpm: a configured CA certificate cannot be read: %w", err)
	}
	if !isIssuer(cert) {
		return nil, fmt.Errorf("tpm: %q is no CA certificate with an RSA or ECDSA key that is accepted", cert.Subject)
	}
	return cert, nil
}

// isIssuer reports whether cert may stand above another certificate in a chain.
// It keeps keys away whose use would take absurdly long.
func isIssuer(cert *x509.Certificate) bool {
	return cert.BasicConstraintsValid && cert.IsCA && judgeKey(cert.PublicKey) == nil
}

// checkOrigin refuses origins that no TPM key has: no root is pinned in this build.
func checkOrigin(origin evidence.Origin) error {
	if origin != evidence.OriginConfigured && origin != evidence.OriginSimulated {
		return fmt.Errorf("tpm: a trust anchor of origin %q; it is %q or %q", origin, evidence.OriginConfigured, evidence.OriginSimulated)
	}
	return nil
}

// claim returns the anchor as claims name it.
func (a *anchor) claim() *evidence.TrustAnchor {
	return &evidence.TrustAnchor{Name: a.name, SHA256: slices.Clone(a.sha256[:]), Origin: a.origin}
}

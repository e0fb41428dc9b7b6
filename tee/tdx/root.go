package tdx

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// intelRootPEM is the Intel SGX Root CA, valid 2018-05-21 to 2049-12-31, as
// Intel publishes it under https://certificates.trustedservices.intel.com/.
//
//go:embed intel_sgx_root_ca.pem
var intelRootPEM []byte

// Common names in Intel's provisioning hierarchy (Intel SGX PCK Certificate and
// CRL Profile Specification, revision 1.5, section 1.3).
const (
	cnRoot      = "Intel SGX Root CA"
	cnPlatform  = "Intel SGX PCK Platform CA"
	cnProcessor = "Intel SGX PCK Processor CA"
	cnPCK       = "Intel SGX PCK Certificate"
	cnSigning   = "Intel SGX TCB Signing"
)

// anchor is a root with the names that everything below it must have: the
// root's own subject with only the common name exchanged. So one rule holds for
// Intel's hierarchy, whose organisation is Intel Corporation, and for a
// simulated one, whose organisation says so.
type anchor struct {
	cert      *x509.Certificate
	origin    evidence.Origin
	claim     evidence.TrustAnchor
	platform  []byte // DER subjects
	processor []byte
	pck       []byte
	signing   []byte
}

// intelAnchor returns the pinned root.
func intelAnchor() (*anchor, error) {
	block, _ := pem.Decode(intelRootPEM)
	return newAnchor(block.Bytes, evidence.OriginPinned)
}

// newAnchor reads a root certificate and derives the names below it.
func newAnchor(der []byte, origin evidence.Origin) (*anchor, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, unsuited("it cannot be parsed: %v", err)
	}
	if reason := checkCA(cert); reason != "" {
		return nil, unsuited("%s", reason)
	}
	if cert.MaxPathLenZero {
		return nil, unsuited("its path length allows no CA below it")
	}
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) || signedBy(cert, cert) != nil {
		return nil, unsuited("it is not signed by itself")
	}
	sum := sha256.Sum256(der)
	a := &anchor{cert: cert, origin: origin, claim: evidence.TrustAnchor{
		Name: cert.Subject.String(), SHA256: sum[:], Origin: origin,
	}}
	for name, field := range map[string]*[]byte{
		cnPlatform: &a.platform, cnProcessor: &a.processor, cnPCK: &a.pck, cnSigning: &a.signing,
	} {
		if *field, err = renamed(cert.RawSubject, name); err != nil {
			return nil, unsuited("its subject is not an Intel-shaped name: %v", err)
		}
	}
	return a, nil
}

func unsuited(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTDXTrustAnchorUnsuited, "anchor", format, args...)
}

// matches reports whether cert is this root: the same key under the same name,
// signed by that key. Names alone prove nothing; a root may be reissued under the
// same key, but not altered by others.
func (a *anchor) matches(cert *x509.Certificate) bool {
	if bytes.Equal(a.cert.Raw, cert.Raw) {
		return true
	}
	return bytes.Equal(a.cert.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) &&
		bytes.Equal(a.cert.RawSubject, cert.RawSubject) && signedBy(cert, a.cert) == nil
}

// trustAnchor is how claims name the anchor.
func (a *anchor) trustAnchor() *evidence.TrustAnchor {
	claim := a.claim
	claim.SHA256 = bytes.Clone(claim.SHA256)
	return &claim
}

// IsRoot reports whether a certificate is, by its common name, a root of TDX
// evidence: Intel's own or a simulated one. [New] passes over all other anchors.
func IsRoot(cert *x509.Certificate) bool { return cert.Subject.CommonName == cnRoot }

// isIntelNamed reports whether a further anchor is meant for this technology.
func isIntelNamed(a tee.Anchor) bool {
	cert, err := x509.ParseCertificate(a.DER)
	return err == nil && IsRoot(cert)
}

// attribute keeps a name's value with its string type, so that a derived name
// equals the certificate's byte for byte.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type attributeSET []attribute // the name makes encoding/asn1 treat it as a SET

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// renamed returns the DER name subject with its only common name replaced.
func renamed(subject []byte, commonName string) ([]byte, error) {
	var name []attributeSET
	if rest, err := asn1.Unmarshal(subject, &name); err != nil || len(rest) > 0 {
		return nil, errors.New("malformed name")
	}
	count := 0
	for _, set := range name {
		for i := range set {
			if set[i].Type.Equal(oidCommonName) {
				set[i].Value = asn1.RawValue{Tag: set[i].Value.Tag, Bytes: []byte(commonName)}
				count++
			}
		}
	}
	if count != 1 {
		return nil, fmt.Errorf("%d common names", count)
	}
	return asn1.Marshal(name)
}

// checkCA says why cert cannot be a CA of this hierarchy, or "".
func checkCA(cert *x509.Certificate) string {
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return "it is no CA certificate"
	case cert.KeyUsage&x509.KeyUsageCertSign == 0 || cert.KeyUsage&x509.KeyUsageCRLSign == 0:
		return "its key usage does not cover certificates and CRLs"
	}
	return checkCommon(cert)
}

// checkEndEntity says why cert cannot be a leaf of this hierarchy, or "".
func checkEndEntity(cert *x509.Certificate) string {
	switch {
	case !cert.BasicConstraintsValid || cert.IsCA:
		return "it is not marked as an end entity"
	case cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return "its key usage does not cover signatures"
	}
	return checkCommon(cert)
}

// checkCommon holds what is true of every certificate of the hierarchy.
func checkCommon(cert *x509.Certificate) string {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || key.Curve != elliptic.P256():
		return "its key is not P-256"
	case cert.SignatureAlgorithm != x509.ECDSAWithSHA256:
		return "it is signed with " + cert.SignatureAlgorithm.String()
	case cert.Version != 3:
		return "it is not of X.509 version 3"
	}
	for _, ext := range cert.Extensions {
		if ext.Critical && !ext.Id.Equal(oidBasicConstraints) && !ext.Id.Equal(oidKeyUsage) {
			return "it has a critical extension " + ext.Id.String()
		}
	}
	return ""
}

// The critical extensions of the profile. Any other (name constraints, key
// purposes, policies) limits a certificate in a way that is not looked at here.
var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
)

// signedBy checks cert's signature by issuer's key; both were found to be P-256.
func signedBy(cert, issuer *x509.Certificate) error {
	return issuer.CheckSignature(x509.ECDSAWithSHA256, cert.RawTBSCertificate, cert.Signature)
}

// countExtensions counts the extensions of this type.
func countExtensions(all []pkix.Extension, oid asn1.ObjectIdentifier) int {
	n := 0
	for _, ext := range all {
		if ext.Id.Equal(oid) {
			n++
		}
	}
	return n
}

package tdx

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// Common names of the hierarchy: Intel's own, as verifiers hold to them. That
// the hierarchy is simulated stands in the organisation.
const (
	NameRoot      = "Intel SGX Root CA"
	NamePlatform  = "Intel SGX PCK Platform CA"
	NameProcessor = "Intel SGX PCK Processor CA"
	NamePCK       = "Intel SGX PCK Certificate"
	NameSigning   = "Intel SGX TCB Signing"
	organisation  = "SIMULATED Intel Corporation (Quotary simulator)"
)

// Certificates hold from and until these dates.
var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// crlURL stands in the CRL distribution points, as real certificates have one.
// The domain cannot exist (RFC 6761).
const crlURL = "https://certificates.simulated.invalid/"

// Subject returns the DER name of the hierarchy with this common name, in
// Intel's order and string types.
func Subject(commonName string) []byte {
	attribute := func(arc int, tag int, value string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{
			Type:  asn1.ObjectIdentifier{2, 5, 4, arc},
			Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)},
		}}
	}
	return must(asn1.Marshal(pkix.RDNSequence{
		attribute(3, asn1.TagUTF8String, commonName),
		attribute(10, asn1.TagUTF8String, organisation),
		attribute(7, asn1.TagUTF8String, "Santa Clara"),
		attribute(8, asn1.TagUTF8String, "CA"),
		attribute(6, asn1.TagPrintableString, "US"),
	}))
}

// CATemplate returns the template of a CA certificate.
func (v *Vendor) CATemplate(name string, pathLength int) *x509.Certificate {
	t := v.LeafTemplate(name)
	t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, pathLength, pathLength == 0
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return t
}

// LeafTemplate returns the template of an end entity's certificate.
func (v *Vendor) LeafTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          v.Serial(name),
		RawSubject:            Subject(name),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		BasicConstraintsValid: true,
		CRLDistributionPoints: []string{crlURL + "IntelSGXRootCA.der"},
	}
}

// Serial derives a serial number of 20 bytes, as Intel's are.
func (v *Vendor) Serial(label string) *big.Int {
	serial := make([]byte, 20)
	v.source.Fill(serial, "serial "+label)
	serial[0] &= 0x7f
	return new(big.Int).SetBytes(serial)
}

// Issue signs a certificate for key by issuer; an issuer without a certificate
// yet signs itself. The signature is deterministic (RFC 6979).
func (v *Vendor) Issue(template *x509.Certificate, issuer Issuer, key *ecdsa.PublicKey) *x509.Certificate {
	template.SignatureAlgorithm = x509.ECDSAWithSHA256
	id := sha256.Sum256(must(key.Bytes()))
	template.SubjectKeyId = id[:20]
	parent := issuer.Certificate
	if parent == nil {
		parent = template
	}
	der := must(x509.CreateCertificate(nil, template, parent, key, issuer.Key))
	return must(x509.ParseCertificate(der))
}

// CRL issues a CRL that revokes these serial numbers, dated by the clock.
func (v *Vendor) CRL(issuer Issuer, serials ...*big.Int) *x509.RevocationList {
	return v.numberedCRL(1, issuer, serials)
}

func (v *Vendor) numberedCRL(number int64, issuer Issuer, serials []*big.Int) *x509.RevocationList {
	issued := v.issued()
	template := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: issued, NextUpdate: issued.Add(validity),
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: issued, ReasonCode: 1})
	}
	return v.SignCRL(template, issuer)
}

// SignCRL signs any CRL template.
func (v *Vendor) SignCRL(template *x509.RevocationList, issuer Issuer) *x509.RevocationList {
	der := must(x509.CreateRevocationList(nil, template, issuer.Certificate, issuer.Key))
	return must(x509.ParseRevocationList(der))
}

// validity is how long CRLs and documents hold, as Intel's do.
const validity = 30 * 24 * time.Hour

// issued returns the date of what is issued now.
func (v *Vendor) issued() time.Time { return v.clock().UTC().Add(-time.Hour).Truncate(time.Second) }

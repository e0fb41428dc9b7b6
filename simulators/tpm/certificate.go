package tpm

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
)

// CATemplate returns what a CA's certificate of that name says.
func (v *Vendor) CATemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: v.serial(name), Subject: subject(name),
		NotBefore: notBefore, NotAfter: notAfter,
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// AKTemplate returns what the certificate of a machine's attestation key says:
// an empty subject, the extended key usage tcg-kp-AIKCertificate, and the TPM's
// manufacturer, model and version in a critical subject alternative name.
func (v *Vendor) AKTemplate(machine string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: v.serial("machine/" + machine),
		NotBefore:    notBefore, NotAfter: notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage:    []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
		ExtraExtensions:       []pkix.Extension{tpmName()},
	}
}

// EKTemplate returns what the certificate of a machine's endorsement key says (TCG
// EK Credential Profile, 3.2): an empty subject, the extended key usage
// tcg-kp-EKCertificate, the TPM's identity in a critical subject alternative name, and
// the specification that it follows.
func (v *Vendor) EKTemplate(machine string, ek crypto.PublicKey) *x509.Certificate {
	usage := x509.KeyUsageKeyAgreement
	if _, ok := ek.(*rsa.PublicKey); ok {
		usage = x509.KeyUsageKeyEncipherment
	}
	return &x509.Certificate{
		SerialNumber: v.serial("ek/" + machine),
		NotBefore:    notBefore, NotAfter: notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              usage,
		UnknownExtKeyUsage:    []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}},
		ExtraExtensions:       []pkix.Extension{tpmName(), tpmSpecification()},
	}
}

// tpmSpecification is the subject directory attribute that says which
// specification the TPM follows (TCG EK Credential Profile, 3.1.3).
func tpmSpecification() pkix.Extension {
	type specification struct {
		Family          string `asn1:"utf8"`
		Level, Revision int
	}
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values []specification `asn1:"set"`
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 9}, Value: must(asn1.Marshal([]attribute{{
		Type: asn1.ObjectIdentifier{2, 23, 133, 2, 16}, Values: []specification{{"2.0", 0, 159}},
	}}))}
}

// tpmName is the subject alternative name with the TPM's identity (TCG EK
// Credential Profile, 3.2.9).
func tpmName() pkix.Extension {
	oid := func(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 23, 133, 2, last} }
	name := pkix.RDNSequence{
		{{Type: oid(1), Value: "id:51544E59"}}, // manufacturer "QTNY"
		{{Type: oid(2), Value: "TPM SIMULATED"}},
		{{Type: oid(3), Value: "id:00010000"}},
	}
	const directoryName = 4
	der := must(asn1.Marshal(name))
	names := must(asn1.Marshal([]asn1.RawValue{{
		Class: asn1.ClassContextSpecific, Tag: directoryName, IsCompound: true, Bytes: der,
	}}))
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: names}
}

func subject(name string) pkix.Name {
	return pkix.Name{Organization: []string{"Quotary SIMULATED"}, CommonName: name}
}

// serial derives a serial number, so that it differs from certificate to certificate.
func (v *Vendor) serial(label string) *big.Int {
	b := make([]byte, 12)
	v.source.Fill(b, "serial/"+label)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

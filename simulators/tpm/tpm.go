// Package tpm simulates TPM 2.0s, as far as quoting goes: a vendor that certifies
// attestation keys, and machines with PCRs and a restricted attestation key,
// whose quotes are exact to the byte layout of real ones.
//
// A [Vendor] stands for the CA of a TPM's maker or of a cloud, a [Machine] for
// a computer with its TPM. Nothing here is secret: all keys follow from the
// vendor's seed. Every name in the certificates says SIMULATED, and a verifier
// trusts them only if it was given the vendor's [Vendor.Anchor], which marks
// whatever rests on it. [Machine.Sign] signs any lie, which tests of a verifier
// need. Nothing that is deployed may import this package.
//
// Start at [NewVendor] and [Vendor.NewMachine].
package tpm

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/seed"
	"github.com/quotary/quotary/tee"
)

// Options are what a [Vendor] is made of.
type Options struct {
	// Seed determines every key and certificate. Two vendors with one seed are
	// the same vendor.
	Seed string
	// Clock dates revocation lists and runs in the TPMs; time.Now if nil.
	// Certificates do not depend on it.
	Clock func() time.Time
}

// Vendor is a simulated CA of attestation keys.
type Vendor struct {
	source seed.Source
	clock  func() time.Time

	Root         Issuer
	Intermediate Issuer // issues the certificates of attestation keys
}

// The validity of certificates. TPMs live long.
var (
	notBefore = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
)

// listLife is how long a revocation list is current.
const listLife = 30 * 24 * time.Hour

// NewVendor returns the vendor that opts.Seed determines.
func NewVendor(opts Options) (*Vendor, error) {
	v := &Vendor{source: seed.New("tpm", opts.Seed), clock: opts.Clock}
	if v.clock == nil {
		v.clock = time.Now
	}
	var err error
	v.Root.Key = v.source.ECDSA(elliptic.P384(), "root")
	v.Root.Certificate = v.CATemplate("TPM Root CA SIMULATED")
	if v.Root.Certificate, err = v.Root.Issue(v.Root.Certificate, v.Root.Key.Public()); err != nil {
		return nil, err
	}
	v.Intermediate.Key = v.source.ECDSA(elliptic.P256(), "intermediate")
	template := v.CATemplate("TPM Attestation Key CA SIMULATED")
	if v.Intermediate.Certificate, err = v.Root.Issue(template, v.Intermediate.Key.Public()); err != nil {
		return nil, err
	}
	return v, nil
}

// Anchor returns the vendor's root, marked as simulated.
func (v *Vendor) Anchor() tee.Anchor {
	return tee.Anchor{DER: v.Root.Certificate.Raw, Origin: evidence.OriginSimulated}
}

// Endorsements adds what the vendor publishes: the intermediate's certificate,
// and the revocation lists of root and intermediate, which list nothing and are
// dated by the vendor's clock.
func (v *Vendor) Endorsements(e *tee.Endorsements) error {
	e.AddCertificate(v.Intermediate.Certificate)
	for _, issuer := range []Issuer{v.Root, v.Intermediate} {
		crl, err := issuer.CRL(v.clock())
		if err != nil {
			return err
		}
		e.AddCRL(crl)
	}
	return nil
}

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

// must is for encodings of constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("tpm: %v", err))
	}
	return v
}

// Package tpm simulates TPM 2.0s and the machines around them, exact to the byte
// layout of real ones: quotes, certifications of keys and the activation of
// credentials; PCRs that firmware and kernel extend, and the logs that they keep.
//
// A [Vendor] stands for a maker of TPMs, which certifies endorsement keys, and for
// the CA of a cloud, which certifies attestation keys. A [Machine] is a computer with
// its TPM. Nothing here is secret: all keys follow from the vendor's seed. Every
// name in the certificates says SIMULATED, and a verifier trusts them only if it was
// given [Vendor.Anchor] or [Vendor.EKAnchor], which mark whatever rests on them.
// [Machine.Sign] signs any lie, which tests of a verifier need. Nothing that is
// deployed may import this package.
//
// Start at [NewVendor] and [Vendor.NewMachine].
package tpm

import (
	"crypto/elliptic"
	"fmt"
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

// Vendor is a simulated maker of TPMs, and a CA of attestation keys.
type Vendor struct {
	source seed.Source
	clock  func() time.Time

	Root         Issuer
	Intermediate Issuer // issues the certificates of attestation keys

	EKRoot         Issuer
	EKIntermediate Issuer // issues the certificates of endorsement keys
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
	for _, ca := range []struct {
		issuer, by  *Issuer
		curve       elliptic.Curve
		label, name string
	}{
		{&v.Root, &v.Root, elliptic.P384(), "root", "TPM Root CA SIMULATED"},
		{&v.Intermediate, &v.Root, elliptic.P256(), "intermediate", "TPM Attestation Key CA SIMULATED"},
		{&v.EKRoot, &v.EKRoot, elliptic.P384(), "ek root", "TPM Endorsement Root CA SIMULATED"},
		{&v.EKIntermediate, &v.EKRoot, elliptic.P256(), "ek intermediate", "TPM Endorsement Key CA SIMULATED"},
	} {
		template := v.CATemplate(ca.name)
		ca.issuer.Key = v.source.ECDSA(ca.curve, ca.label)
		if ca.issuer == ca.by {
			ca.issuer.Certificate = template
		}
		cert, err := ca.by.Issue(template, ca.issuer.Key.Public())
		if err != nil {
			return nil, err
		}
		ca.issuer.Certificate = cert
	}
	return v, nil
}

// Anchor returns the root of attestation keys, marked as simulated.
func (v *Vendor) Anchor() tee.Anchor {
	return tee.Anchor{DER: v.Root.Certificate.Raw, Origin: evidence.OriginSimulated}
}

// EKAnchor returns the root of endorsement keys, marked as simulated.
func (v *Vendor) EKAnchor() tee.Anchor {
	return tee.Anchor{DER: v.EKRoot.Certificate.Raw, Origin: evidence.OriginSimulated}
}

// Endorsements adds what the vendor publishes: the intermediates' certificates,
// and the revocation lists of roots and intermediates, which list nothing and are
// dated by the vendor's clock.
func (v *Vendor) Endorsements(e *tee.Endorsements) error {
	e.AddCertificate(v.Intermediate.Certificate)
	e.AddCertificate(v.EKIntermediate.Certificate)
	for _, issuer := range []Issuer{v.Root, v.Intermediate, v.EKRoot, v.EKIntermediate} {
		crl, err := issuer.CRL(v.clock())
		if err != nil {
			return err
		}
		e.AddCRL(crl)
	}
	return nil
}

// must is for encodings of constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("tpm: %v", err))
	}
	return v
}

// Package tdx simulates Intel TDX machines and the provisioning hierarchy that
// endorses them: a vendor with root, PCK and TCB signing certificates, CRLs, TCB
// info and QE identity, and machines that produce quotes of version 4 and 5,
// exact to the byte layout of real ones.
//
// Nothing here is secret: all keys follow from the vendor's seed. The root's
// organisation says SIMULATED, and a verifier accepts it only as a further anchor
// that is marked so. Everything can be altered and signed again, which is what
// tests of a verifier need. No production binary links this package.
//
// Start at [NewVendor] and [Vendor.NewMachine].
package tdx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
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
	// Clock dates CRLs and documents, which are valid for 30 days from an hour
	// before; time.Now if nil. Certificates do not depend on it.
	Clock func() time.Time
}

// Vendor is a simulated Intel: the issuer of everything that endorses a machine.
type Vendor struct {
	source seed.Source
	clock  func() time.Time

	Root      Issuer // Intel SGX Root CA
	Platform  Issuer // Intel SGX PCK Platform CA
	Processor Issuer // Intel SGX PCK Processor CA
	Signing   Issuer // Intel SGX TCB Signing
}

// Issuer is a certificate with its key.
type Issuer struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// NewVendor returns the vendor that opts.Seed determines.
func NewVendor(opts Options) *Vendor {
	v := &Vendor{source: seed.New("tdx", opts.Seed), clock: opts.Clock}
	if v.clock == nil {
		v.clock = time.Now
	}
	v.Root.Key = v.NewKey("root")
	v.Root.Certificate = v.Issue(v.CATemplate(NameRoot, 1), v.Root, &v.Root.Key.PublicKey)
	v.Platform = v.issuer(v.CATemplate(NamePlatform, 0), "platform")
	v.Processor = v.issuer(v.CATemplate(NameProcessor, 0), "processor")
	v.Signing = v.issuer(v.LeafTemplate(NameSigning), "signing")
	return v
}

// issuer issues a certificate under the root for the key of this label.
func (v *Vendor) issuer(template *x509.Certificate, label string) Issuer {
	key := v.NewKey(label)
	return Issuer{v.Issue(template, v.Root, &key.PublicKey), key}
}

// Anchor returns the vendor's root, marked simulated.
func (v *Vendor) Anchor() tee.Anchor {
	return tee.Anchor{DER: v.Root.Certificate.Raw, Origin: evidence.OriginSimulated}
}

// Endorsements adds everything that the vendor publishes for machines with the
// default platform, dated by its clock.
func (v *Vendor) Endorsements(e *tee.Endorsements) { v.Collateral().AddTo(e) }

// NewKey derives a P-256 key from the vendor's seed and a label.
func (v *Vendor) NewKey(label string) *ecdsa.PrivateKey {
	return v.source.ECDSA(elliptic.P256(), label)
}

// must unwraps results that cannot fail for the simulator's own inputs.
func must[T any](value T, err error) T {
	if err != nil {
		panic("simulators/tdx: " + err.Error())
	}
	return value
}

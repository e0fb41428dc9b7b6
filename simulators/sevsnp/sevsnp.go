// Package sevsnp simulates AMD SEV-SNP: a vendor with its own root, signing and
// endorsement keys, and machines that produce reports as the firmware would,
// byte for byte, so that everything behind the hardware can run and be attacked
// without it.
//
// A [Vendor] stands for AMD and its key distribution service, a [Machine] for a
// guest on one chip. The same seed gives the same keys, certificates and reports.
// Every name in the certificates is marked as [Mark] says, and a verifier trusts them
// only if it was given the vendor's [Vendor.Anchor], which marks whatever rests
// on it as simulated. Nothing that is deployed may import this package.
package sevsnp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/seed"
	"github.com/quotary/quotary/tee"
)

// Validity of what a vendor issues, as AMD has it.
const (
	authorityLife = 25 * 365 * 24 * time.Hour
	vcekLife      = 7 * 365 * 24 * time.Hour
	vlekLife      = 365 * 24 * time.Hour
	crlLife       = 365 * 24 * time.Hour
)

// crlURL and a product line stand in the CRL distribution points of roots and issuers,
// as AMD's have them. The domain cannot exist (RFC 6761).
const crlURL = "https://kdsintf.simulated.invalid/vcek/v1/"

// VendorOptions say what a vendor is made of.
type VendorOptions struct {
	Seed      string    // the source of every key
	Product   string    // Milan, Genoa or Turin; empty is Milan
	NotBefore time.Time // from when on roots and issuers are valid
	// Clock dates what is issued to machines, which is valid from the beginning of
	// its month on, and revocation lists, which are issued anew in time. A nil one
	// stands at NotBefore.
	Clock func() time.Time
}

// Vendor is a simulated AMD for one product line. It is safe for concurrent use.
type Vendor struct {
	options VendorOptions
	source  seed.Source
	ark     *Issuer
	ask     *Issuer
	asvk    func() (*Issuer, error) // made when the first VLEK is

	mu     sync.Mutex
	issued []*x509.Certificate // VCEKs, VLEKs, and the ASVK if there are any
	crls   []*x509.RevocationList
}

// NewVendor makes the root and signing keys, which takes about a second: their
// size, RSA-4096, is AMD's and verifiers insist on it.
func NewVendor(options VendorOptions) (*Vendor, error) {
	if options.Product == "" {
		options.Product = Milan
	}
	if _, err := processorOf(options.Product, ""); err != nil {
		return nil, err
	}
	if options.NotBefore.IsZero() {
		return nil, errors.New("sevsnp: a vendor needs the time from which on its certificates are valid")
	}
	options.NotBefore = options.NotBefore.UTC().Truncate(time.Second)
	v := &Vendor{options: options, source: seed.New("sev-snp", options.Seed)}
	var err error
	if v.ark, err = v.newAuthority("ARK-"+options.Product, nil, 0x10000); err != nil {
		return nil, err
	}
	if v.ask, err = v.newAuthority("SEV-"+options.Product, v.ark, 0x10001); err != nil {
		return nil, err
	}
	v.asvk = sync.OnceValues(func() (*Issuer, error) {
		return v.newAuthority("SEV-VLEK-"+options.Product, v.ark, 0x10101)
	})
	from := v.validFrom()
	crl, err := v.ark.CRL(CRLOptions{Number: 1, ThisUpdate: from, NextUpdate: from.Add(crlLife)})
	if err != nil {
		return nil, err
	}
	v.crls = []*x509.RevocationList{crl}
	return v, nil
}

// validFrom is from when on something is valid that is issued now: the beginning of the
// month, so that the same seed gives the same bytes for a while.
func (v *Vendor) validFrom() time.Time {
	if v.options.Clock == nil {
		return v.options.NotBefore
	}
	year, month, _ := v.options.Clock().UTC().Date()
	if begin := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC); begin.After(v.options.NotBefore) {
		return begin
	}
	return v.options.NotBefore
}

// newAuthority makes a signing key and its certificate, self-signed if parent is nil.
func (v *Vendor) newAuthority(name string, parent *Issuer, serial int64) (*Issuer, error) {
	key := rsaKey{v.source.RSA(4096, v.options.Product+"/"+name), v.source}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               distinguishedName(name),
		NotBefore:             v.options.NotBefore,
		NotAfter:              v.options.NotBefore.Add(authorityLife),
		BasicConstraintsValid: true,
		IsCA:                  true,
		KeyUsage:              x509.KeyUsageCertSign,
		CRLDistributionPoints: []string{crlURL + v.options.Product + "/crl"},
	}
	if parent == nil {
		template.KeyUsage |= x509.KeyUsageCRLSign
		parent = &Issuer{Certificate: template, Key: key}
	} else {
		template.MaxPathLenZero = true
	}
	cert, err := parent.Issue(template, key.Public())
	if err != nil {
		return nil, fmt.Errorf("sevsnp: cannot issue %s: %w", name, err)
	}
	return &Issuer{Certificate: cert, Key: key}, nil
}

// Anchor returns the vendor's root key, marked as simulated.
func (v *Vendor) Anchor() tee.Anchor {
	return tee.Anchor{DER: v.ark.Certificate.Raw, Origin: evidence.OriginSimulated}
}

// Product returns the product line that the vendor is of.
func (v *Vendor) Product() string { return v.options.Product }

// ARK returns the vendor's root key.
func (v *Vendor) ARK() *Issuer { return v.ark }

// ASK returns the key that issues VCEKs.
func (v *Vendor) ASK() *Issuer { return v.ask }

// ASVK returns the key that issues VLEKs. The first call makes it.
func (v *Vendor) ASVK() (*Issuer, error) { return v.asvk() }

// Endorsements adds what the vendor publishes: the certificates of its signing
// keys and of every machine made so far, and its revocation lists.
func (v *Vendor) Endorsements(e *tee.Endorsements) {
	v.newestCRL() // issues it, if it is time
	v.mu.Lock()
	defer v.mu.Unlock()
	e.AddCertificate(v.ark.Certificate)
	e.AddCertificate(v.ask.Certificate)
	for _, cert := range v.issued {
		e.AddCertificate(cert)
	}
	for _, crl := range v.crls {
		e.AddCRL(crl)
	}
}

// publish adds certificates to what Endorsements gives out.
func (v *Vendor) publish(certs ...*x509.Certificate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.issued = append(v.issued, certs...)
}

// Issuer is a key that issues certificates and, in the root's case, revocation lists.
type Issuer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Issue signs template with public as its key, in AMD's way: RSA-PSS with SHA-384
// if the issuer's key is RSA, unless the template names another algorithm.
func (i *Issuer) Issue(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	t := *template
	if _, isECDSA := i.Key.Public().(*ecdsa.PublicKey); !isECDSA && t.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		t.SignatureAlgorithm = x509.SHA384WithRSAPSS
	}
	parent := *i.Certificate
	if !t.IsCA {
		parent.SubjectKeyId = nil // AMD's VCEKs carry no authority key identifier
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, &parent, public, i.Key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// CRLOptions say what a revocation list holds.
type CRLOptions struct {
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Revoked    []*x509.Certificate
}

// CRL issues a revocation list.
func (i *Issuer) CRL(options CRLOptions) (*x509.RevocationList, error) {
	template := &x509.RevocationList{
		SignatureAlgorithm: x509.SHA384WithRSAPSS,
		Number:             big.NewInt(options.Number),
		ThisUpdate:         options.ThisUpdate,
		NextUpdate:         options.NextUpdate,
	}
	for _, cert := range options.Revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: options.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.Certificate, i.Key)
	if err != nil {
		return nil, fmt.Errorf("sevsnp: cannot issue a revocation list: %w", err)
	}
	return x509.ParseRevocationList(der)
}

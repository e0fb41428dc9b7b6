package attacks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// mint says how an attacker who owns the vendor's signing keys has a key of their
// own certified, on a chip that nobody knows. The zero mint is what the vendor does.
type mint struct {
	edit  func(cert *x509.Certificate) // of the key's certificate
	csp   string                       // the provider whose key it is, if it is no chip's
	lists []list                       // that are sent as well
	// issuer issues it; nil is the vendor's signing key.
	issuer func(v *sevsnp.Vendor) (*sevsnp.Issuer, error)
	// public is certified in place of the key.
	public func(v *sevsnp.Vendor) (crypto.PublicKey, error)
	// further certificates are sent as well.
	further func(v *sevsnp.Vendor) ([][]byte, error)
	stapled bool // the certificates come as endorsements, not with the report
	apart   bool // all but the key's come as endorsements
}

// made is what was minted.
type made struct {
	key    *ecdsa.PrivateKey
	leaf   *x509.Certificate
	issuer *sevsnp.Issuer
}

// minted attests with a report of the honest machine's image, signed by a minted key.
func minted(how mint) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		t, err := how.attempt(a)
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, t)
	}
}

// attempt makes key, certificates and lists.
func (how mint) attempt(a *Attacker) (Attempt, error) {
	m, err := a.snpMachine()
	if err != nil {
		return Attempt{}, err
	}
	vendor := a.World().SEVSNP
	m.Template.ChipID = vendor.Report(chipName("minted")).ChipID
	if how.csp != "" {
		m.Template.ChipID, m.Template.SigningKey = [64]byte{}, sevsnp.KeyVLEK
	}
	made, err := how.make(vendor, m.Template)
	if err != nil {
		return Attempt{}, err
	}
	certificates := [][]byte{made.leaf.Raw, made.issuer.Certificate.Raw}
	if how.further != nil {
		further, err := how.further(vendor)
		if err != nil {
			return Attempt{}, err
		}
		certificates = append(certificates, further...)
	}
	with := len(certificates) // the report
	switch {
	case how.stapled:
		with = 0
	case how.apart:
		with = 1
	}
	t := snpAttempt(a, func(_ *Attacker, _ *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
		report := m.Template
		report.ReportData = data
		raw, err := sevsnp.SignReport(made.key, report.Marshal())
		return &evidence.SNP{Report: raw, Certificates: certificates[:with]}, err
	})
	t.Endorsements = certificates[with:]
	lists, err := encoded(a.World(), how.lists)
	t.Endorsements = append(t.Endorsements, lists...)
	return t, err
}

// make makes a key and has it certified.
func (how mint) make(vendor *sevsnp.Vendor, report sevsnp.Report) (*made, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	m := &made{key: key, issuer: vendor.ASK()}
	if how.issuer != nil {
		if m.issuer, err = how.issuer(vendor); err != nil {
			return nil, err
		}
	}
	var public crypto.PublicKey = key.Public()
	if how.public != nil {
		if public, err = how.public(vendor); err != nil {
			return nil, err
		}
	}
	cert := vendor.VCEKTemplate(report.ChipID, report.ReportedTCB)
	if how.csp != "" {
		cert = vendor.VLEKTemplate(how.csp, report.ReportedTCB)
	}
	if how.edit != nil {
		how.edit(cert)
	}
	m.leaf, err = m.issuer.Issue(cert, public)
	return m, err
}

// authority is a signing key's certificate of this serial number before it is issued.
func authority(v *sevsnp.Vendor, serial int64) *x509.Certificate {
	like := v.ASK().Certificate
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: like.Subject, NotBefore: like.NotBefore, NotAfter: like.NotAfter,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

// sparedSerial is the serial number of the certificates of issuers that can be revoked
// without harm to anybody.
const sparedSerial = 0x7777

// sparedASK is another signing key of the vendor's.
func sparedASK(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
	key, err := intrudersKey(v)
	if err != nil {
		return nil, err
	}
	return issuedBy(v.ARK(), authority(v, sparedSerial), key)
}

// sparedASVK is another signing key for providers.
func sparedASVK(v *sevsnp.Vendor) (*sevsnp.Issuer, error) {
	asvk, err := v.ASVK()
	if err != nil {
		return nil, err
	}
	template := authority(v, sparedSerial)
	template.Subject = asvk.Certificate.Subject
	return issuedBy(v.ARK(), template, v.ASK().Key)
}

// issuedBy is an issuer with this key and certificate, issued by another.
func issuedBy(by *sevsnp.Issuer, template *x509.Certificate, key crypto.Signer) (*sevsnp.Issuer, error) {
	cert, err := by.Issue(template, key.Public())
	return &sevsnp.Issuer{Certificate: cert, Key: key}, err
}

// intrudersKey is an RSA-4096 key that no root has certified as a signing key of
// VCEKs. It is that of another issuer: to make one takes a second.
func intrudersKey(v *sevsnp.Vendor) (crypto.Signer, error) {
	asvk, err := v.ASVK()
	if err != nil {
		return nil, err
	}
	return asvk.Key, nil
}

package tpm

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// Issuer is a certificate with its key.
type Issuer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Issue signs what template says for a public key.
func (i Issuer) Issue(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(nil, template, i.Certificate, public, i.Key)
	if err != nil {
		return nil, fmt.Errorf("tpm: cannot issue a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// CRL issues a revocation list that is current from an hour before now on, for
// 30 days, and lists the certificates.
func (i Issuer) CRL(now time.Time, revoked ...*x509.Certificate) (*x509.RevocationList, error) {
	template := &x509.RevocationList{
		Number: big.NewInt(now.Unix()), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(listLife),
	}
	for _, cert := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: now.Add(-time.Hour)})
	}
	return i.Sign(template)
}

// Sign issues any revocation list.
func (i Issuer) Sign(template *x509.RevocationList) (*x509.RevocationList, error) {
	der, err := x509.CreateRevocationList(nil, template, i.Certificate, i.Key)
	if err != nil {
		return nil, fmt.Errorf("tpm: cannot issue a revocation list: %w", err)
	}
	return x509.ParseRevocationList(der)
}

package sevsnp

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// PublishCRL makes a revocation list the one that the vendor's service hands out.
// [Vendor.Endorsements] adds it to the earlier ones.
func (v *Vendor) PublishCRL(list *x509.RevocationList) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.crls = append(v.crls, list)
}

// newestCRL returns the list that was published last, or the next one if that is half
// over.
func (v *Vendor) newestCRL() *x509.RevocationList {
	v.mu.Lock()
	last := v.crls[len(v.crls)-1]
	v.mu.Unlock()
	if clock := v.options.Clock; clock != nil && clock().Sub(last.ThisUpdate) > crlLife/2 {
		if next, err := v.successor(last, v.validFrom()); err == nil {
			v.PublishCRL(next)
			return next
		}
	}
	return last
}

// Revoke issues and publishes the next revocation list: with the next number,
// dated at, with what the last one listed and these certificates, if any.
func (v *Vendor) Revoke(at time.Time, certs ...*x509.Certificate) (*x509.RevocationList, error) {
	list, err := v.successor(v.newestCRL(), at, certs...)
	if err != nil {
		return nil, err
	}
	v.PublishCRL(list)
	return list, nil
}

// successor issues the list that comes after last.
func (v *Vendor) successor(last *x509.RevocationList, at time.Time, certs ...*x509.Certificate) (*x509.RevocationList, error) {
	options := CRLOptions{Number: last.Number.Int64() + 1, ThisUpdate: at, NextUpdate: at.Add(crlLife)}
	for _, entry := range last.RevokedCertificateEntries {
		options.Revoked = append(options.Revoked, &x509.Certificate{SerialNumber: entry.SerialNumber})
	}
	options.Revoked = append(options.Revoked, certs...)
	return v.ark.CRL(options)
}

// RotateASK returns the vendor as it goes on after it replaced the key that
// issues VCEKs: with the same root and all that was published so far, and a new
// ASK of the same name, valid from then on. AMD did so for Genoa in October 2022.
func (v *Vendor) RotateASK(from time.Time) (*Vendor, error) {
	next := &Vendor{options: v.options, source: v.source, ark: v.ark, asvk: v.asvk}
	v.mu.Lock()
	next.issued, next.crls = append(next.issued, v.issued...), append(next.crls, v.crls...)
	v.mu.Unlock()
	next.issued = append(next.issued, v.ask.Certificate)

	old := v.ask.Certificate
	serial := new(big.Int).Add(old.SerialNumber, big.NewInt(1))
	key := rsaKey{v.source.RSA(4096, fmt.Sprintf("%s/ASK/%x", v.options.Product, serial)), v.source}
	cert, err := v.ark.Issue(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               old.Subject,
		NotBefore:             from,
		NotAfter:              from.Add(authorityLife),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              old.KeyUsage,
		CRLDistributionPoints: old.CRLDistributionPoints,
	}, key.Public())
	if err != nil {
		return nil, fmt.Errorf("sevsnp: cannot issue another %s: %w", old.Subject.CommonName, err)
	}
	next.ask = &Issuer{Certificate: cert, Key: key}
	return next, nil
}

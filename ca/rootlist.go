package ca

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// parseRootList reads a revocation list in PEM, and judges it by the root that is to have signed it, but not
// by its age.
func parseRootList(data []byte, root *x509.Certificate) (*x509.RevocationList, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemList || len(bytes.TrimSpace(rest)) > 0 {
		return nil, refuseRootList("it is not one PEM block %q", pemList)
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		return nil, refuseRootList("it cannot be decoded: %w", err)
	}
	if !bytes.Equal(list.RawIssuer, root.RawSubject) || list.CheckSignatureFrom(root) != nil {
		return nil, refuseRootList("the root did not sign it")
	}
	if !isWholeList(list) {
		return nil, refuseRootList("it is not a list of everything that the root revoked, with a number and an end")
	}
	return list, nil
}

// isWholeList reports whether a list says nothing that narrows it: it is no part of another and no change
// to one (RFC 5280 §5.2.4, §5.2.5), and takes nobody off.
func isWholeList(list *x509.RevocationList) bool {
	for _, e := range list.Extensions {
		if e.Critical || !e.Id.Equal(oidAuthorityKeyID) && !e.Id.Equal(oidListNumber) {
			return false
		}
	}
	for _, entry := range list.RevokedCertificateEntries {
		const removeFromCRL = 8
		if entry.ReasonCode == removeFromCRL || slices.ContainsFunc(entry.Extensions, func(e pkix.Extension) bool { return e.Critical }) {
			return false
		}
	}
	return list.Number != nil && list.NextUpdate.After(list.ThisUpdate)
}

// RootList says what a root's revocation list is to have.
type RootList struct {
	// Previous is the root's list before, in PEM: what it has, the next has as well, and the number
	// grows. Nil for the first.
	Previous []byte
	// Revoked are certificates of issuing CAs in PEM. Those of other roots are left out.
	Revoked []byte
	// Serials are further serial numbers to revoke.
	Serials []*big.Int
	// Life is how long the list is to hold.
	Life time.Duration
}

// SignRootList signs, with the root whose key and certificate are in these files, the list of
// issuing CAs that it revoked, and returns it in PEM with the number of them.
func SignRootList(keys Keys, rootKey, rootCert string, l RootList, now time.Time) (list []byte, count int, err error) {
	_, root, key, err := openRoot(keys, rootKey, rootCert, 0)
	if err != nil {
		return nil, 0, err
	}
	template := &x509.RevocationList{Number: crlNumber(0, now), ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(l.Life)}
	if l.Previous != nil {
		last, err := parseRootList(l.Previous, root)
		if err != nil {
			return nil, 0, err
		}
		template.RevokedCertificateEntries = carriedOver(last)
		if template.Number.Cmp(last.Number) <= 0 {
			template.Number.Add(last.Number, big.NewInt(1))
		}
	}
	revoked, err := issuedBy(root, l.Revoked)
	if err != nil {
		return nil, 0, err
	}
	for _, serial := range append(revoked, l.Serials...) {
		if serial.Sign() <= 0 || serial.BitLen() > serialBits {
			return nil, 0, refuseRootList("%x is no serial number: these are positive and have 20 octets at most", serial)
		}
		if serial.Cmp(root.SerialNumber) == 0 {
			return nil, 0, refuseRootList("a root does not revoke itself: it is taken out of the trust bundle")
		}
		template.RevokedCertificateEntries = withEntry(template.RevokedCertificateEntries, serial, now)
	}
	der, err := signList(template, root, key)
	return pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: der}), len(template.RevokedCertificateEntries), err
}

// issuedBy are the serial numbers of those certificates in PEM that root signed.
func issuedBy(root *x509.Certificate, data []byte) (serials []*big.Int, err error) {
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil || block.Type != pemCertificate {
			return nil, refuseRootList("what is to be revoked is not certificates in PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refuseRootList("a certificate to revoke cannot be decoded: %w", err)
		}
		if cert.CheckSignatureFrom(root) == nil {
			serials = append(serials, cert.SerialNumber)
		}
		data = rest
	}
	return serials, nil
}

// carriedOver are the entries of a list, for another one.
func carriedOver(list *x509.RevocationList) (entries []x509.RevocationListEntry) {
	for _, e := range list.RevokedCertificateEntries {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode})
	}
	return entries
}

func withEntry(entries []x509.RevocationListEntry, serial *big.Int, at time.Time) []x509.RevocationListEntry {
	if hasEntry(entries, serial) {
		return entries
	}
	return append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: at.UTC().Truncate(time.Second)})
}

func hasEntry(entries []x509.RevocationListEntry, serial *big.Int) bool {
	return slices.ContainsFunc(entries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 })
}

func refuseRootList(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeAuthorityRootList, "", format, args...)
}

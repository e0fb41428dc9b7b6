package tpm

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// revoked is what a revocation list says, once its issuer's signature was verified.
type revoked struct {
	serials    map[string]struct{} // big-endian bytes of serial numbers
	thisUpdate time.Time
	nextUpdate time.Time
}

// judgeRevocation examines each certificate of the chain below the root against
// the lists of its issuer. It returns when the first list that was used ends to
// be current, or the zero time if none was used.
func (v *Verifier) judgeRevocation(checks *evidence.Checks, c *chain, e *tee.Endorsements, now time.Time) (until time.Time) {
	const want = "not revoked"
	below := append([]*x509.Certificate{c.leaf.Certificate}, c.issuers[:len(c.issuers)-1]...)
	covered := 0
	for n, cert := range below {
		next, isRevoked := v.revocationOf(cert, c.issuers[n], e, now)
		if isRevoked {
			checks.Fail(evidence.CodeTPMAKRevocation, want, fmt.Sprintf("certificate %d of the chain, serial %x, is revoked", n+1, cert.SerialNumber))
			return until
		}
		if next.IsZero() {
			continue
		}
		covered++
		if until.IsZero() || next.Before(until) {
			until = next
		}
	}
	got := fmt.Sprintf("current lists for %d of %d certificates", covered, len(below))
	if covered < len(below) {
		checks.NotPerformed(evidence.CodeTPMAKRevocation, want, got)
	} else {
		checks.Pass(evidence.CodeTPMAKRevocation, got)
	}
	return until
}

// revocationOf asks the lists of issuer about cert. next is when the newest
// list that is current at now ends to be so, or zero if there is none. A list
// that is no longer current still revokes: revocation is for good.
func (v *Verifier) revocationOf(cert, issuer *x509.Certificate, e *tee.Endorsements, now time.Time) (next time.Time, isRevoked bool) {
	for _, crl := range e.CRLs(cert.RawIssuer) {
		list := v.list(crl, issuer)
		if list == nil || list.thisUpdate.After(now) {
			continue
		}
		if _, ok := list.serials[string(cert.SerialNumber.Bytes())]; ok {
			return time.Time{}, true
		}
		if now.Before(list.nextUpdate) && list.nextUpdate.After(next) {
			next = list.nextUpdate
		}
	}
	return next, false
}

// list verifies a revocation list, or remembers that it did. It returns nil for a
// list that issuer did not sign, and for one with critical extensions: those
// are partial, or speak for other issuers (RFC 5280, 5.2).
func (v *Verifier) list(crl *x509.RevocationList, issuer *x509.Certificate) *revoked {
	key := digestOf(crl.Raw, issuer.Raw)
	if list, ok := v.lists.get(key); ok {
		return list
	}
	critical := func(ext pkix.Extension) bool { return ext.Critical }
	if !bytes.Equal(crl.RawIssuer, issuer.RawSubject) || slices.ContainsFunc(crl.Extensions, critical) || crl.CheckSignatureFrom(issuer) != nil {
		return nil
	}
	list := &revoked{serials: map[string]struct{}{}, thisUpdate: crl.ThisUpdate, nextUpdate: crl.NextUpdate}
	for _, entry := range crl.RevokedCertificateEntries {
		list.serials[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	v.lists.put(key, list)
	return list
}

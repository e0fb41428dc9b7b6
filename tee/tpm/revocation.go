package tpm

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
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
// the lists of its issuer. It returns when the first of the lists that are current
// ends, or the zero time if none is, whether current lists covered the whole chain,
// and when the first of the newest lists ends, or ended, if there is one for
// each certificate.
func (v *Verifier) judgeRevocation(checks *evidence.Checks, c *chain, e *tee.Endorsements, now time.Time) (until time.Time, whole bool, next time.Time) {
	const want = "not revoked"
	below := append([]*x509.Certificate{c.leaf.Certificate}, c.issuers[:len(c.issuers)-1]...)
	var ends []time.Time
	for n, cert := range below {
		end, err := v.revocationOf(cert, c.issuers[n], e, now)
		if err != nil {
			checks.Fail(evidence.CodeTPMAKRevocation, want, fmt.Sprintf("certificate %d of the chain, serial %x, %s", n+1, cert.SerialNumber, err))
			return until, false, time.Time{}
		}
		if !end.IsZero() {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	if len(ends) == len(below) {
		next = ends[0]
	}
	current := slices.DeleteFunc(ends, func(end time.Time) bool { return !now.Before(end) })
	if len(current) > 0 {
		until = current[0]
	}
	got := fmt.Sprintf("current lists for %d of %d certificates", len(current), len(below))
	if len(current) < len(below) {
		checks.NotPerformed(evidence.CodeTPMAKRevocation, want, got)
		return until, false, next
	}
	checks.Pass(evidence.CodeTPMAKRevocation, got)
	return until, true, next
}

// Why a certificate is refused by the lists of its issuer.
var (
	errRevoked = errors.New("is revoked")
	errFlooded = fmt.Errorf("is listed in more than the %d lists whose signatures are checked", maxUnproven)
)

// revocationOf asks the lists of issuer about cert. next is the end of the newest
// list, or zero if there is none. A list that is no longer current still revokes:
// revocation is for good.
func (v *Verifier) revocationOf(cert, issuer *x509.Certificate, e *tee.Endorsements, now time.Time) (next time.Time, err error) {
	given := e.CRLs(cert.RawIssuer)
	if len(given) > maxUnproven {
		given = tellingFirst(given, cert)
	}
	var newest *revoked
	budget := maxUnproven
	for _, crl := range given {
		if crl.ThisUpdate.After(now) {
			continue
		}
		list, known := v.lists.Get(listKey(crl, issuer))
		switch {
		case known:
		case budget > 0:
			budget--
			list = v.list(crl, issuer)
		case names(crl, cert):
			return time.Time{}, errFlooded
		}
		if list == nil {
			continue
		}
		if _, ok := list.serials[string(cert.SerialNumber.Bytes())]; ok {
			return time.Time{}, errRevoked
		}
		if newest == nil || cmp.Or(list.thisUpdate.Compare(newest.thisUpdate), list.nextUpdate.Compare(newest.nextUpdate)) > 0 {
			newest = list
		}
	}
	if newest == nil {
		return time.Time{}, nil
	}
	return newest.nextUpdate, nil
}

// tellingFirst orders lists so that those come first which would matter most,
// were they genuine: those that name cert, then the newest.
func tellingFirst(crls []*x509.RevocationList, cert *x509.Certificate) []*x509.RevocationList {
	var naming, others []*x509.RevocationList
	for _, crl := range crls {
		if names(crl, cert) {
			naming = append(naming, crl)
		} else {
			others = append(others, crl)
		}
	}
	slices.SortStableFunc(others, func(a, b *x509.RevocationList) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	return append(naming, others...)
}

// names reports whether a list, genuine or not, has cert's serial number.
func names(crl *x509.RevocationList, cert *x509.Certificate) bool {
	return slices.ContainsFunc(crl.RevokedCertificateEntries, func(entry x509.RevocationListEntry) bool {
		return entry.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
}

// listKey is what a verified list is remembered by.
func listKey(crl *x509.RevocationList, issuer *x509.Certificate) digest {
	return digestOf(crl.Raw, issuer.Raw)
}

// weakListAlgorithms are what lists must not be signed with; the standard library
// would still take SHA-1 of them.
var weakListAlgorithms = []x509.SignatureAlgorithm{x509.UnknownSignatureAlgorithm, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}

// list verifies a revocation list and remembers it. It returns nil for a list
// that issuer did not sign, or not well enough, and for one with critical
// extensions: those are partial, or speak for other issuers (RFC 5280, 5.2).
func (v *Verifier) list(crl *x509.RevocationList, issuer *x509.Certificate) *revoked {
	critical := func(ext pkix.Extension) bool { return ext.Critical }
	if !bytes.Equal(crl.RawIssuer, issuer.RawSubject) || slices.ContainsFunc(crl.Extensions, critical) ||
		slices.Contains(weakListAlgorithms, crl.SignatureAlgorithm) || crl.CheckSignatureFrom(issuer) != nil {
		return nil
	}
	list := &revoked{serials: map[string]struct{}{}, thisUpdate: crl.ThisUpdate, nextUpdate: crl.NextUpdate}
	for _, entry := range crl.RevokedCertificateEntries {
		list.serials[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	v.lists.Put(listKey(crl, issuer), list)
	return list
}

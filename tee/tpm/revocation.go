package tpm

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
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

// listed is what revocation lists know a certificate by, and who signs them.
type listed struct {
	rawIssuer []byte
	serial    *big.Int
	issuer    *x509.Certificate // nil if it is not at hand: then nothing is known
}

// listedIn returns what the certificates of a chain below the anchor are known by.
func (c *chain) listedIn() []listed {
	below := append([]*x509.Certificate{c.leaf.Certificate}, c.issuers[:len(c.issuers)-1]...)
	all := make([]listed, len(below))
	for n, cert := range below {
		all[n] = listed{cert.RawIssuer, cert.SerialNumber, c.issuers[n]}
	}
	return all
}

// coverage is what the lists at hand say of the certificates of a chain, if none is refused.
type coverage struct {
	whole bool      // current lists cover all of them
	until time.Time // when the first of the lists that are current ends; zero if none is
	next  time.Time // when the first of the newest lists ends, or ended, if there is one for each
}

// judgeRevocation examines each certificate of a chain below the root against the
// lists of its issuer. What is not known to be refused is covered as far as the check says.
func (v *Verifier) judgeRevocation(checks *evidence.Checks, below []listed, e *tee.Endorsements, now time.Time) (coverage, error) {
	const want = "not revoked"
	var ends []time.Time
	for n, cert := range below {
		end, err := v.revocationOf(cert, e, now)
		if err != nil {
			return coverage{}, fmt.Errorf("certificate %d of the chain, serial %x, %w", n+1, cert.serial, err)
		}
		if !end.IsZero() {
			ends = append(ends, end)
		}
	}
	var c coverage
	slices.SortFunc(ends, time.Time.Compare)
	if len(ends) == len(below) {
		c.next = ends[0]
	}
	current := slices.DeleteFunc(ends, func(end time.Time) bool { return !now.Before(end) })
	if len(current) > 0 {
		c.until = current[0]
	}
	got := fmt.Sprintf("current lists for %d of %d certificates", len(current), len(below))
	if c.whole = len(current) == len(below); c.whole {
		checks.Pass(evidence.CodeTPMAKRevocation, got)
	} else {
		checks.NotPerformed(evidence.CodeTPMAKRevocation, want, got)
	}
	return c, nil
}

// Why a certificate is refused by the lists of its issuer.
var (
	errRevoked = errors.New("is revoked")
	errFlooded = fmt.Errorf("is listed in more than the %d lists whose signatures are checked", maxUnproven)
)

// revocationOf asks the lists of its issuer about a certificate. next is the end of the newest
// list, or zero if there is none. A list that is no longer current still revokes:
// revocation is for good.
func (v *Verifier) revocationOf(cert listed, e *tee.Endorsements, now time.Time) (next time.Time, err error) {
	if cert.issuer == nil {
		return time.Time{}, nil
	}
	given := e.CRLs(cert.rawIssuer)
	if len(given) > maxUnproven {
		given = tellingFirst(given, cert.serial)
	}
	var newest *revoked
	budget := maxUnproven
	for _, crl := range given {
		if crl.ThisUpdate.After(now) {
			continue
		}
		list, known := v.lists.Get(listKey(crl, cert.issuer))
		switch {
		case known:
		case budget > 0:
			budget--
			list = v.list(crl, cert.issuer)
		case names(crl, cert.serial):
			return time.Time{}, errFlooded
		}
		if list == nil {
			continue
		}
		if _, ok := list.serials[string(cert.serial.Bytes())]; ok {
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
// were they genuine: those that have the serial number, then the newest.
func tellingFirst(crls []*x509.RevocationList, serial *big.Int) []*x509.RevocationList {
	var naming, others []*x509.RevocationList
	for _, crl := range crls {
		if names(crl, serial) {
			naming = append(naming, crl)
		} else {
			others = append(others, crl)
		}
	}
	slices.SortStableFunc(others, func(a, b *x509.RevocationList) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	return append(naming, others...)
}

// names reports whether a list, genuine or not, has a serial number.
func names(crl *x509.RevocationList, serial *big.Int) bool {
	return slices.ContainsFunc(crl.RevokedCertificateEntries, func(entry x509.RevocationListEntry) bool {
		return entry.SerialNumber.Cmp(serial) == 0
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

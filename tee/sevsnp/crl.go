package sevsnp

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// provenCRL is a revocation list whose signature by an anchor was verified.
type provenCRL struct {
	list   *x509.RevocationList
	anchor *anchor
}

// examineRevocation looks the chain up in its root's revocation lists. Only
// lists that the root signed count. A listing counts for ever, however old the
// list: a certificate does not recover. Absence counts only while the newest
// list is current; without one the check is not performed, and it is for policy
// to say whether that will do.
//
// AMD gives every VCEK the serial number zero. Their root lists issuers; should
// it ever list zero, every VCEK under it is refused.
func (v *Verifier) examineRevocation(p *path, in *input) {
	genuine, ignored, complete := v.genuineLists(p.chain, in)
	var newest *x509.RevocationList
	for _, list := range genuine {
		if listed := revoked(p.chain, list); listed != nil {
			p.checks.Fail(evidence.CodeSNPRevocation, "no certificate of the chain is listed",
				fmt.Sprintf("%s, serial %x, is revoked by list number %v", listed.Subject.CommonName, listed.SerialNumber, list.Number))
			return
		}
		if newest == nil || isNewer(list, newest) {
			newest = list
		}
	}
	if !complete {
		p.checks.NotPerformed(evidence.CodeSNPRevocation, "a current list", fmt.Sprintf("more lists than the bound of %d name a certificate of the chain", maxCRLs))
		return
	}
	p.conclude(newest, ignored, in.now)
}

// genuineLists returns the lists of the chain's root that count, and why others
// do not. It is not complete if there are so many that one which names a
// certificate of the chain was left out.
func (v *Verifier) genuineLists(c *chain, in *input) (genuine []*x509.RevocationList, ignored []string, complete bool) {
	a := c.issuer.anchor
	given := in.endorsements.CRLs(a.cert.RawSubject)
	if len(given) > maxCRLs {
		given = tellingFirst(given, c)
	}
	complete = true
	future, beyond, budget := 0, 0, maxCRLs
	for _, list := range given {
		switch known := v.remembers(list, a); {
		case in.now.Before(list.ThisUpdate):
			future++
			continue
		case !known && budget == 0:
			beyond++
			complete = complete && revoked(c, list) == nil
			continue
		case !known:
			budget--
		}
		if err := v.proveCRL(list, a); err != nil {
			ignored = append(ignored, err.Error())
			continue
		}
		genuine = append(genuine, list)
	}
	if future > 0 {
		ignored = append(ignored, fmt.Sprintf("%d of the future", future))
	}
	if beyond > 0 {
		ignored = append(ignored, fmt.Sprintf("%d beyond the bound of %d", beyond, maxCRLs))
	}
	return genuine, ignored, complete
}

// tellingFirst orders lists so that those come first which would matter most,
// were they genuine: those that name a certificate of the chain, then the newest.
func tellingFirst(lists []*x509.RevocationList, c *chain) []*x509.RevocationList {
	var naming, others []*x509.RevocationList
	for _, list := range lists {
		if revoked(c, list) != nil {
			naming = append(naming, list)
		} else {
			others = append(others, list)
		}
	}
	slices.SortStableFunc(others, func(x, y *x509.RevocationList) int { return y.ThisUpdate.Compare(x.ThisUpdate) })
	return append(naming, others...)
}

// conclude records what the newest list that counts says, if there is one.
func (p *path) conclude(newest *x509.RevocationList, ignored []string, now time.Time) {
	note := ""
	if len(ignored) > 0 {
		note = "; ignored: " + strings.Join(ignored, "; ")
	}
	if newest == nil {
		p.checks.NotPerformed(evidence.CodeSNPRevocation, "a current list", "there is no revocation list of "+p.chain.issuer.anchor.cert.Subject.CommonName+note)
		return
	}
	p.nextUpdate = newest.NextUpdate
	about := fmt.Sprintf("list number %v of %s, next %s", newest.Number, stamp(newest.ThisUpdate), stamp(newest.NextUpdate))
	if !now.Before(newest.NextUpdate) {
		p.checks.NotPerformed(evidence.CodeSNPRevocation, "a current list", about+", has expired"+note)
		return
	}
	p.checks.Pass(evidence.CodeSNPRevocation, about+note)
	p.covered = true
	if newest.NextUpdate.Before(p.validUntil) {
		p.validUntil = newest.NextUpdate
	}
}

// remembers reports whether it was proved that the anchor issued the list.
func (v *Verifier) remembers(list *x509.RevocationList, a *anchor) bool {
	known, ok := v.crls.Get(sha256.Sum256(list.Raw))
	return ok && known.anchor == a
}

// proveCRL checks that the anchor issued the list, as a complete one.
func (v *Verifier) proveCRL(list *x509.RevocationList, a *anchor) error {
	if v.remembers(list, a) {
		return nil
	}
	if list.SignatureAlgorithm != x509.SHA384WithRSAPSS {
		return fmt.Errorf("a list signed with %v", list.SignatureAlgorithm)
	}
	for _, ext := range list.Extensions {
		if ext.Critical { // a delta list or one of limited scope says nothing about the rest
			return fmt.Errorf("a list with the critical extension %v", ext.Id)
		}
	}
	if err := list.CheckSignatureFrom(a.cert); err != nil {
		return errors.New("a list that the root did not sign")
	}
	v.crls.Put(sha256.Sum256(list.Raw), &provenCRL{list, a})
	return nil
}

// isNewer compares lists of one issuer: by number, and by date where numbers are
// equal or absent.
func isNewer(x, y *x509.RevocationList) bool {
	if x.Number != nil && y.Number != nil {
		if order := x.Number.Cmp(y.Number); order != 0 {
			return order > 0
		}
	}
	return x.ThisUpdate.After(y.ThisUpdate)
}

// revoked returns the first certificate of the chain that the list names.
func revoked(c *chain, list *x509.RevocationList) *x509.Certificate {
	for _, cert := range c.certificates() {
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
				return cert
			}
		}
	}
	return nil
}

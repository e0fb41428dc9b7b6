package sevsnp

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// provenCRL is a revocation list whose signature by an anchor was verified.
type provenCRL struct {
	list   *x509.RevocationList
	anchor *anchor
}

// listed is what revocation lists know a certificate by.
type listed struct {
	name   string
	serial *big.Int
}

// inquiry asks the revocation lists of an anchor about certificates below it.
type inquiry struct {
	anchor       *anchor
	certificates []listed
	endorsements *tee.Endorsements
	now          time.Time
}

// answer is what the lists say. Only lists that the root signed count. A
// listing counts for ever, however old the list: a certificate does not recover.
// Absence counts only while the newest list is current.
type answer struct {
	revoked  string               // which certificate is listed where, or ""
	newest   *x509.RevocationList // that counts, or nil
	complete bool                 // no list that names a certificate was left out
	ignored  []string             // why others do not count
}

// covers reports whether a current list says that no certificate is revoked.
func (a *answer) covers(now time.Time) bool {
	return a.revoked == "" && a.complete && a.newest != nil && now.Before(a.newest.NextUpdate)
}

// examineRevocation looks the chain up in its root's revocation lists. Without a
// current one the check is not performed, and it is for policy to say whether
// that will do.
//
// AMD gives every VCEK the serial number zero. Their root lists issuers; should
// it ever list zero, every VCEK under it is refused.
func (v *Verifier) examineRevocation(p *path, in *input) {
	found := v.ask(inquiry{p.chain.issuer.anchor, p.chain.listed, in.endorsements, in.now})
	p.covered = found.record(p.chain.issuer.anchor, in.now, &p.checks)
	if found.newest != nil && found.revoked == "" && found.complete {
		p.nextUpdate = found.newest.NextUpdate
	}
	if p.covered && p.nextUpdate.Before(p.validUntil) {
		p.validUntil = p.nextUpdate
	}
}

// ask looks certificates up in the lists of their root.
func (v *Verifier) ask(q inquiry) answer {
	genuine, found := v.genuineLists(q)
	for _, list := range genuine {
		if cert := q.namedBy(list); cert != nil {
			found.revoked = fmt.Sprintf("%s, serial %x, is revoked by list number %v", cert.name, cert.serial, list.Number)
			return found
		}
		if found.newest == nil || isNewer(list, found.newest) {
			found.newest = list
		}
	}
	return found
}

// genuineLists returns the lists of the root that count, and an answer without
// them: why others do not, and whether one which names a certificate was left out.
func (v *Verifier) genuineLists(q inquiry) (genuine []*x509.RevocationList, without answer) {
	given := q.endorsements.CRLs(q.anchor.cert.RawSubject)
	if len(given) > maxCRLs {
		given = tellingFirst(given, q)
	}
	without.complete = true
	future, beyond, budget := 0, 0, maxCRLs
	for _, list := range given {
		switch known := v.remembers(list, q.anchor); {
		case q.now.Before(list.ThisUpdate):
			future++
			continue
		case !known && budget == 0:
			beyond++
			without.complete = without.complete && q.namedBy(list) == nil
			continue
		case !known:
			budget--
		}
		if err := v.proveCRL(list, q.anchor); err != nil {
			without.ignored = append(without.ignored, err.Error())
			continue
		}
		genuine = append(genuine, list)
	}
	if future > 0 {
		without.ignored = append(without.ignored, fmt.Sprintf("%d of the future", future))
	}
	if beyond > 0 {
		without.ignored = append(without.ignored, fmt.Sprintf("%d beyond the bound of %d", beyond, maxCRLs))
	}
	return genuine, without
}

// tellingFirst orders lists so that those come first which would matter most,
// were they genuine: those that name a certificate, then the newest.
func tellingFirst(lists []*x509.RevocationList, q inquiry) []*x509.RevocationList {
	var naming, others []*x509.RevocationList
	for _, list := range lists {
		if q.namedBy(list) != nil {
			naming = append(naming, list)
		} else {
			others = append(others, list)
		}
	}
	slices.SortStableFunc(others, func(x, y *x509.RevocationList) int { return y.ThisUpdate.Compare(x.ThisUpdate) })
	return append(naming, others...)
}

// record makes a check of the answer, and reports whether the lists cover the certificates.
func (a *answer) record(of *anchor, now time.Time, checks *evidence.Checks) (covered bool) {
	note := ""
	if len(a.ignored) > 0 {
		note = "; ignored: " + strings.Join(a.ignored, "; ")
	}
	const want = "a current list"
	switch {
	case a.revoked != "":
		checks.Fail(evidence.CodeSNPRevocation, "no certificate of the chain is listed", a.revoked)
		return false
	case !a.complete:
		checks.NotPerformed(evidence.CodeSNPRevocation, want, fmt.Sprintf("more lists than the bound of %d name a certificate of the chain", maxCRLs))
		return false
	case a.newest == nil:
		checks.NotPerformed(evidence.CodeSNPRevocation, want, "there is no revocation list of "+of.cert.Subject.CommonName+note)
		return false
	}
	about := fmt.Sprintf("list number %v of %s, next %s", a.newest.Number, stamp(a.newest.ThisUpdate), stamp(a.newest.NextUpdate))
	if !a.covers(now) {
		checks.NotPerformed(evidence.CodeSNPRevocation, want, about+", has expired"+note)
		return false
	}
	checks.Pass(evidence.CodeSNPRevocation, about+note)
	return true
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

// namedBy returns the first certificate that the list names, or nil.
func (q inquiry) namedBy(list *x509.RevocationList) *listed {
	for i, cert := range q.certificates {
		for _, entry := range list.RevokedCertificateEntries {
			if cert.serial != nil && entry.SerialNumber.Cmp(cert.serial) == 0 {
				return &q.certificates[i]
			}
		}
	}
	return nil
}

package tee

import (
	"crypto/x509"
	"math"
	"time"

	"github.com/quotary/quotary/evidence"
)

// EndorsementName names an endorsement in its vendor's terms.
type EndorsementName struct {
	// Type is "vcek", "vlek", "ask", "asvk", "crl", "tcb-info", "qe-identity", "pck-crl", "root-crl", …
	Type string `json:"type"`
	// ID says which one: product line, chip and TCB; FMSPC; …
	ID string `json:"id"`
}

// String writes the name as "type id".
func (n EndorsementName) String() string { return n.Type + " " + n.ID }

// Endorsed is an endorsement that proved authentic: a chain of signatures leads
// from it to a trust anchor. Exactly one of Certificate, CRL and Document is set.
type Endorsed struct {
	// Provides lists the names that it answers to, at least one.
	Provides    []EndorsementName
	Certificate *x509.Certificate
	CRL         *x509.RevocationList
	Document    *Document
	// Issued and Expires are the signer's own dates (notBefore and notAfter,
	// thisUpdate and nextUpdate, issueDate and nextUpdate).
	Issued, Expires time.Time
	// Sequence never falls from one issue of an endorsement to the next (a CRL's
	// number, Intel's TCB evaluation data number). Zero where the vendor counts nothing.
	Sequence uint64
	// Simulated says that the anchor is a simulated or test root. Under a name of
	// both it must not displace an endorsement that is not.
	Simulated bool
}

// AddTo adds the endorsement to e.
func (d Endorsed) AddTo(e *Endorsements) {
	switch {
	case d.Certificate != nil:
		e.AddCertificate(d.Certificate)
	case d.CRL != nil:
		e.AddCRL(d.CRL)
	case d.Document != nil:
		e.AddDocument(*d.Document)
	}
}

// CRLSequence returns a list's number as [Endorsed.Sequence], as far as 64 bits
// hold it. It is zero where the list has none.
func CRLSequence(list *x509.RevocationList) uint64 {
	switch {
	case list.Number == nil || list.Number.Sign() < 0:
		return 0
	case !list.Number.IsUint64():
		return math.MaxUint64
	}
	return list.Number.Uint64()
}

// Endorser is what a technology knows of its vendor's endorsements: which ones
// there are, where the vendor's service has them, and which are authentic. It is
// as pure as a [Verifier]: fetching and keeping them is for tee/endorsements.
type Endorser interface {
	// Needs names what verifying evidence with these claims draws on, in the order
	// in which one rests on the other. The zero Claims name what every verification
	// of the technology may draw on. The claims may be unverified.
	Needs(claims evidence.Claims) []EndorsementName
	// Locate returns the path, with its query, at which the vendor's service has an
	// endorsement, beginning with "/". It is false for what the service does not hand out
	// and for names that are not well-formed: a name may come from evidence, so
	// nothing of it gets into a path unchecked.
	Locate(name EndorsementName) (path string, ok bool)
	// Admit returns those of found that are authentic, at most one entry for each.
	// Issuers are looked for in found, in held and among the anchors. Validity in
	// time is not judged, but nothing that was issued after now is admitted.
	Admit(found, held *Endorsements, now time.Time) []Endorsed
}

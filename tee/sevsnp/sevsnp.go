// Package sevsnp verifies AMD SEV-SNP attestation reports (SEV-SNP firmware ABI,
// 56860) down to AMD's root keys (57230, key distribution service).
//
// [Verifier.Verify] goes the whole way in one pass: examine the report's bytes,
// find the certificate of the key that signed it, chain that to a root, look for
// revocation, compare chip and TCB, check the signature. Each step reports a
// check, also after another failed.
//
// AMD's roots for Milan, Genoa and Turin are part of the build. Simulated and test
// roots can be added; what rests on them is marked so in its claims. Reports of
// versions 2 to 5 from processors of these lines are covered (Bergamo and Siena are
// Genoa's, Turin Dense is Turin's), signed by VCEK or VLEK; everything else is
// refused with a code of its own. Where the levels of a TCB stand in a report and
// how a chip is named differ by processor family: see layout.
package sevsnp

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	"github.com/quotary/quotary/tee"
)

// Verifier verifies SEV-SNP reports, and knows which endorsements of AMD's that
// takes. It implements [tee.Verifier], [tee.Inspector] and [tee.Endorser] and is
// safe for concurrent use. It remembers certificates,
// chains and revocation lists whose signatures it verified, by the SHA-256 of
// their exact bytes, and no verdict.
type Verifier struct {
	anchors   []*anchor
	anchorIDs map[digest]struct{}

	keys    *lru.Cache[digest, *keyCertificate] // of proven chains
	issuers *lru.Cache[digest, *issuer]
	chains  *lru.Cache[digest, *chain]
	crls    *lru.Cache[digest, *provenCRL]
}

// New returns a Verifier that trusts AMD's root keys and the given further ones.
// An anchor must be marked as simulated, must be a self-signed RSA-4096
// certificate like AMD's, and says by its common name for which product line it
// stands (see [IsRoot]). One that is AMD's own adds nothing. The error of an
// unsuitable anchor has code sev-snp.anchor.
func New(anchors ...tee.Anchor) (*Verifier, error) {
	pinned, err := pinnedAnchors()
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		anchorIDs: map[digest]struct{}{},
		keys:      lru.New[digest, *keyCertificate](maxChains),
		issuers:   lru.New[digest, *issuer](maxProvenIssuers),
		chains:    lru.New[digest, *chain](maxChains),
		crls:      lru.New[digest, *provenCRL](maxProvenCRLs),
	}
	for _, a := range pinned {
		if err := v.trust(a); err != nil {
			return nil, err
		}
	}
	for _, given := range anchors {
		if _, known := v.anchorIDs[sha256.Sum256(given.DER)]; known {
			continue
		}
		a, err := newAnchor(given)
		if err != nil {
			return nil, err
		}
		if err := v.trust(a); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *Verifier) trust(a *anchor) error {
	a.name, a.id = a.cert.Subject.String(), sha256.Sum256(a.cert.Raw)
	for _, key := range []signingKey{vcek, vlek} {
		var err error
		if a.issuer[key], err = subjectLike(a.cert, a.product.names(key).issuer); err != nil {
			return evidence.Errorf(evidence.CodeSNPAnchor, "anchor", "%s: %w", a.name, err)
		}
	}
	v.anchors = append(v.anchors, a)
	v.anchorIDs[a.id] = struct{}{}
	for _, cert := range a.issuers { // so that no report pays for it
		if _, err := v.proveIssuer(cert); err != nil {
			return fmt.Errorf("sevsnp: an embedded issuer: %w", err)
		}
	}
	return nil
}

// Kind returns [evidence.KindSEVSNP].
func (*Verifier) Kind() evidence.Kind { return evidence.KindSEVSNP }

// input is what a verification draws on besides the report.
type input struct {
	endorsements *tee.Endorsements
	supplied     []*x509.Certificate // came with the report
	unreadable   int                 // came too, but do not parse
	now          time.Time
	pooled       bool // the endorsements are for many machines
}

// Verify judges a report; see [tee.Verifier]. A report without the certificate
// of its signing key, or without that of the key's issuer, is undecided.
// Revocation is examined as far as the endorsements have the root's list: the
// check is not performed without one, and Claims.SEVSNP.RevocationChecked says so.
func (v *Verifier) Verify(item evidence.Item, e *tee.Endorsements, p tee.Params) tee.Outcome {
	out := tee.Outcome{Claims: evidence.Claims{Kind: evidence.KindSEVSNP}}
	snp, ok := item.(*evidence.SNP)
	if !ok || snp == nil {
		out.Checks.Fail(evidence.CodeKindUnsupported, string(evidence.KindSEVSNP), "another kind of evidence")
		return out
	}
	bounded := examineSupplied(snp.Certificates, &out.Checks)
	r := examineReport(snp.Report, &out.Checks)
	if r == nil || !bounded {
		notPerformed(&out.Checks, "the evidence could not be decoded", evidence.CodeSNPKeyCertificate, evidence.CodeSNPChain, evidence.CodeSNPSignature)
		return out
	}
	sig := examineSignatureFormat(r, &out.Checks)
	examineProduct(r, &out.Checks)
	claims := r.claims()
	out.Claims.SEVSNP = claims
	out.ReportData = claims.ReportData
	certs, unreadable := v.supplied(snp.Certificates)
	in := &input{e, certs, unreadable, p.Now, p.Pooled}
	v.judge(r, sig, in).into(&out)
	return out
}

// UnverifiedClaims returns what a report says of itself; see [tee.Inspector].
func (v *Verifier) UnverifiedClaims(item evidence.Item) (evidence.Claims, error) {
	snp, ok := item.(*evidence.SNP)
	if !ok || snp == nil {
		return evidence.Claims{}, evidence.Errorf(evidence.CodeKindUnsupported, "evidence", "this is no SEV-SNP report")
	}
	r, err := decode(snp.Report)
	if err != nil {
		return evidence.Claims{}, err
	}
	return evidence.Claims{Kind: evidence.KindSEVSNP, SEVSNP: r.claims()}, nil
}

// notPerformed records for each code why it could not be examined.
func notPerformed(checks *evidence.Checks, why string, codes ...evidence.Code) {
	for _, code := range codes {
		checks.NotPerformed(code, "", why)
	}
}

// digest is the SHA-256 of the exact bytes that a proof was made of.
type digest [sha256.Size]byte

package sevsnp

import (
	"bytes"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Review implements [tee.Reviewer]: whether the root is still trusted, and whether
// its revocation lists name a certificate of the chain.
func (v *Verifier) Review(recorded evidence.Claims, e *tee.Endorsements, p tee.Params) (evidence.Claims, evidence.Checks) {
	c := recorded.Clone()
	var checks evidence.Checks
	if c.SEVSNP == nil || c.TrustAnchor == nil {
		checks.NotPerformed(evidence.CodeReviewClaims, "", "the claims name no root, or are of no report")
		return c, checks
	}
	a := v.anchorOf(c.TrustAnchor)
	if a == nil {
		checks.Fail(evidence.CodeReviewAnchor, "a trusted root", c.TrustAnchor.Name)
		return c, checks
	}
	checks.Pass(evidence.CodeReviewAnchor, a.name)
	c.TrustAnchor, c.Simulated = a.trustAnchor(), a.origin == evidence.OriginSimulated
	if len(c.Certificates) == 0 {
		checks.NotPerformed(evidence.CodeSNPRevocation, "", "the claims name no certificates")
		return c, checks
	}
	found := v.ask(inquiry{a, a.below(c.Certificates), e, p.Now})
	covered := found.record(a, p.Now, &checks)
	if found.revoked != "" || !found.complete || found.newest == nil {
		return c, checks
	}
	// Lists that were current once do not make a machine worse by growing old.
	if next := found.newest.NextUpdate; covered || next.After(c.SEVSNP.RevocationNextUpdate) {
		c.SEVSNP.RevocationNextUpdate = next
	}
	c.SEVSNP.RevocationChecked = c.SEVSNP.RevocationChecked || covered
	return c, checks
}

// anchorOf returns the anchor that claims name, or nil.
func (v *Verifier) anchorOf(claim *evidence.TrustAnchor) *anchor {
	for _, a := range v.anchors {
		if bytes.Equal(a.id[:], claim.SHA256) {
			return a
		}
	}
	return nil
}

// below is what the lists of the root know recorded certificates, and the root, by.
func (a *anchor) below(recorded []evidence.CertificateClaims) []listed {
	var all []listed
	for _, cert := range recorded {
		all = append(all, listed{cert.Subject, cert.SerialNumber()})
	}
	return append(all, listed{a.name, a.cert.SerialNumber})
}

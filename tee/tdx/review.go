package tdx

import (
	"bytes"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// reviewing is one review. What it draws on is found as for a quote, by run, whose
// own checks are of no interest: what is not there, or is forged, says nothing.
type reviewing struct {
	*run
	anchor       *anchor
	certificates []evidence.CertificateClaims
	claims       *evidence.TDXClaims
	found        evidence.Checks
}

// Review implements [tee.Reviewer]: whether the root is still trusted, whether an
// issuer's list names the PCK certificate or its CA, and what the platform's TCB is
// worth by the newest collateral.
func (v *Verifier) Review(recorded evidence.Claims, e *tee.Endorsements, p tee.Params) (evidence.Claims, evidence.Checks) {
	c := recorded.Clone()
	r := &reviewing{
		run:          &run{verifier: v, endorsements: e, now: p.Now, outcome: &tee.Outcome{}, checks: &evidence.Checks{}},
		certificates: c.Certificates, claims: c.TDX,
	}
	if c.TDX == nil || c.TrustAnchor == nil {
		r.found.NotPerformed(evidence.CodeReviewClaims, "", "the claims name no root, or are of no quote")
		return c, r.found
	}
	if r.anchor = v.anchorBy(c.TrustAnchor.SHA256); r.anchor == nil {
		r.found.Fail(evidence.CodeReviewAnchor, "a trusted root", brief(c.TrustAnchor.Name))
		return c, r.found
	}
	r.found.Pass(evidence.CodeReviewAnchor, r.anchor.claim.Name)
	c.TrustAnchor, c.Simulated = r.anchor.trustAnchor(), r.anchor.origin == evidence.OriginSimulated
	r.rootCRLs = r.crl(r.anchor.cert, evidence.CodeTDXRootCRL, rootCRLName())
	r.evaluate()
	r.revocation()
	return c, r.found
}

// anchorBy returns the anchor whose certificate has this digest, or nil.
func (v *Verifier) anchorBy(sha256 []byte) *anchor {
	for _, a := range v.anchors {
		if bytes.Equal(a.claim.SHA256, sha256) {
			return a
		}
	}
	return nil
}

// evaluate evaluates the TCB anew, if all that takes is current, and no older than
// what it was evaluated by before.
func (r *reviewing) evaluate() {
	const code, want = "", "current collateral that is no older than what was recorded"
	t, ok := tcbOf(r.claims)
	if !ok {
		r.found.NotPerformed(evidence.CodeTDXTCBEvaluation, want, "the claims do not say all that a TCB is evaluated by")
		return
	}
	info, identity, isOurs := r.documents(r.anchor, t.platform)
	switch {
	case !isOurs || identity == nil || len(r.rootCRLs) == 0 || !r.isCurrent(info, identity):
		r.found.NotPerformed(evidence.CodeTDXTCBEvaluation, want, "it is not there, or not current")
		return
	case r.isOlder(info, identity):
		r.found.NotPerformed(evidence.CodeTDXTCBEvaluation, want, "evaluation data numbers "+
			numberText(info.info.number)+" and "+numberText(identity.identity.number))
		return
	}
	t.info, t.identity = info.info, identity.identity
	m := module{r.claims.MRSignerSEAM, r.claims.SEAMAttributes}
	if len(m.signer) > 0 && len(m.attributes) == len(t.info.module.mask) {
		m.judge(&r.found, t.info, t.launch, t.now)
	}
	r.claims.TCB = t.claims()
	r.found.Pass(evidence.CodeTDXTCBEvaluation, r.claims.TCB.Status)
}

// isCurrent reports whether the documents, and the root's list that their signers are
// held to, are in force.
func (r *reviewing) isCurrent(documents ...*document) bool {
	return !slices.ContainsFunc(r.collateral, func(w window) bool { return !w.contains(r.now) }) &&
		!slices.ContainsFunc(documents, func(d *document) bool { return !r.inForce(d) })
}

// isOlder reports whether one of the documents states an earlier evaluation than the one
// that the claims are by.
func (r *reviewing) isOlder(info, identity *document) bool {
	known := r.claims.TCB
	return known != nil && (info.info.number < known.TCBInfoEvaluationDataNumber || identity.identity.number < known.QEIdentityEvaluationDataNumber)
}

// tcbOf returns what claims say of a platform's TCB, without collateral. It is false
// if they do not say all.
func tcbOf(c *evidence.TDXClaims) (t tcb, ok bool) {
	p := &platform{fmspc: c.FMSPC, pceID: c.PCEID}
	if c.PCKTCB == nil || c.QEISVSVN == nil || copy(p.components[:], c.PCKTCB.Components) != len(c.PCKTCB.Components) ||
		len(c.PCKTCB.Components) != len(p.components) || len(c.FMSPC) != fmspcSize {
		return tcb{}, false
	}
	p.pceSVN = c.PCKTCB.PCESVN
	t = tcb{platform: p, launch: c.TEETCBSVN, qeSVN: *c.QEISVSVN}
	if len(c.TEETCBSVN2) > 0 {
		t.now = c.TEETCBSVN2
	}
	return t, len(t.launch) == svnSize && (t.now == nil || len(t.now) == svnSize)
}

// revocation looks the recorded certificates up in the lists of their issuers.
func (r *reviewing) revocation() {
	if len(r.certificates) != 2 || r.certificates[0].SerialNumber() == nil || r.certificates[1].SerialNumber() == nil {
		r.found.NotPerformed(evidence.CodeTDXPCKRevocation, "not revoked", "the claims do not name PCK certificate and CA")
		return
	}
	leaf, ca := r.certificates[0], r.certificates[1]
	r.rootCRLs.judge(&r.found, evidence.CodeTDXCARevocation, ca.SerialNumber())
	var lists revocationLists
	if by, ok := r.issuer(leaf.Issuer, ca.SPKISHA256); ok {
		lists = r.crl(by.cert, evidence.CodeTDXPCKCRL, pckCRLName(by.id))
	}
	lists.judge(&r.found, evidence.CodeTDXPCKRevocation, leaf.SerialNumber())
}

// issuer finds the PCK CA of this name and key among the endorsements. That it is the
// right one its key shows, which was verified when the claims were made.
func (r *reviewing) issuer(subject, spki []byte) (issuer, bool) {
	for _, cert := range limited(r.endorsements.BySubject(subject)) {
		by, ok := r.anchor.named(cert)
		if ok && by.typ == typePCKCA && checkCA(cert) == "" && bytes.Equal(evidence.CertificatesOf(cert)[0].SPKISHA256, spki) {
			return by, true
		}
	}
	return issuer{}, false
}

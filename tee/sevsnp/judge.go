package sevsnp

import (
	"fmt"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// judgement is what one key's certificate makes of a report.
type judgement struct {
	checks  evidence.Checks
	missing []tee.EndorsementName
	line    *product // as the certificate has it, where the report does not say
	key     *keyCertificate
	path    *path
}

// isClean reports whether nothing speaks against the report.
func (j *judgement) isClean() bool { return len(j.checks.Failed()) == 0 && len(j.missing) == 0 }

// isFinal reports whether no other certificate could clear the report: this one
// is proven to be that of the one key which the chip has at the TCB, and the
// signature is not that key's, or the chain is revoked.
func (j *judgement) isFinal(r *report) bool {
	if j.path == nil || r.key != vcek || r.chipMasked() || (candidate{key: j.key}).closeness(r) != fits {
		return false
	}
	for _, code := range []evidence.Code{evidence.CodeSNPSignature, evidence.CodeSNPRevocation} {
		if check, _ := j.checks.Get(code); check.Status == evidence.Fail {
			return true
		}
	}
	return false
}

// into adds the judgement to the outcome. A report that fails by itself lacks nothing.
func (j *judgement) into(out *tee.Outcome) {
	if len(out.Checks.Failed()) == 0 {
		out.Missing = j.missing
		out.Lacking = j.lacking()
	}
	out.Checks = append(out.Checks, j.checks...)
	claims := out.Claims.SEVSNP
	if j.line != nil {
		claims.Product, claims.ProductSource = j.line.name, "certificate"
	}
	if j.path == nil {
		return
	}
	a := j.path.chain.issuer.anchor
	claims.CSPID = j.key.cspID
	claims.RevocationChecked = j.path.covered
	claims.RevocationNextUpdate = j.path.nextUpdate
	out.ValidUntil = j.path.validUntil
	out.Claims.TrustAnchor = a.trustAnchor()
	out.Claims.Certificates = evidence.CloneCertificates(j.path.chain.claims)
	out.Claims.Simulated = a.origin == evidence.OriginSimulated
}

// lacking names the revocation list without which revocation is not known.
func (j *judgement) lacking() []tee.EndorsementName {
	if j.path == nil || j.path.covered {
		return nil
	}
	if check, _ := j.path.checks.Get(evidence.CodeSNPRevocation); check.Status == evidence.Fail {
		return nil // known, and for good
	}
	return []tee.EndorsementName{crlName(j.key.kind, j.path.chain.issuer.anchor.product)}
}

// afterKey are the checks that need the certificate of the signing key.
var afterKey = []evidence.Code{
	evidence.CodeSNPCertificateProfile, evidence.CodeSNPProductAgreement, evidence.CodeSNPChipID, evidence.CodeSNPTCB,
	evidence.CodeSNPChain, evidence.CodeSNPValidity, evidence.CodeSNPRevocation, evidence.CodeSNPSignature,
}

// judge judges the report by the certificates that may be its key's: the first
// that clears it counts, or else the first against which nothing speaks but what
// is missing, or else the first of all. If none clears it and there are more than
// are tried, it is undecided.
func (v *Verifier) judge(r *report, sig *signature, in *input) *judgement {
	if !r.isLayoutKnown() || r.key != vcek && r.key != vlek {
		j := &judgement{}
		notPerformed(&j.checks, "the report names no key and product line that could be looked up", append([]evidence.Code{evidence.CodeSNPKeyCertificate}, afterKey...)...)
		return j
	}
	candidates, untried := v.candidates(r, in)
	var best *judgement
	final := false
	for _, c := range candidates {
		j := v.judgeBy(c, r, sig, in)
		if j.isClean() {
			return j
		}
		final = final || j.isFinal(r)
		if best == nil || len(best.checks.Failed()) > 0 && len(j.checks.Failed()) == 0 {
			best = j
		}
	}
	switch {
	case best == nil || untried > 0:
		return v.withoutKey(r, in, len(candidates), untried)
	case final:
		best.missing = nil
	case len(best.checks.Failed()) > 0:
		best.missing = v.wanted(r, in)
	}
	return best
}

// withoutKey reports that the certificate of the signing key is not there, or
// hidden among more than are tried.
func (v *Verifier) withoutKey(r *report, in *input, tried, untried int) *judgement {
	j := &judgement{missing: v.wanted(r, in)}
	got, why := "it is not there", "the signing key's certificate is not there"
	if untried > 0 {
		got = fmt.Sprintf("none of the %d that were tried clears the report, and %d more may be its key's; send the certificate with the report", tried, untried)
		why = "too many certificates may be the signing key's"
	} else if in.unreadable > 0 {
		got += fmt.Sprintf("; %d of the certificates that came with the report cannot be read", in.unreadable)
	}
	j.checks.NotPerformed(evidence.CodeSNPKeyCertificate, "the "+r.key.String()+"'s certificate", got)
	notPerformed(&j.checks, why, afterKey...)
	return j
}

// wanted names what could clear the report: the certificate of the key that
// signed it, behind that of the key's issuer where it is not at hand.
func (v *Verifier) wanted(r *report, in *input) []tee.EndorsementName {
	claims := r.claims()
	var issuers []tee.EndorsementName
	key, lines := signerOf(claims)
	for _, line := range lines {
		if !v.hasIssuer(key, line, in) {
			issuers = append(issuers, issuerName(key, line))
		}
	}
	return append(issuers, keyNames(claims)...)
}

// judgeBy judges the report by one certificate.
func (v *Verifier) judgeBy(c candidate, r *report, sig *signature, in *input) *judgement {
	j := &judgement{key: c.key}
	j.checks.Pass(evidence.CodeSNPKeyCertificate, c.cert.Subject.CommonName)
	if c.key == nil || c.key.kind != r.key {
		got := "the certificate of a key of the other kind"
		if c.key == nil {
			got = c.err.Error()
		}
		j.checks.Fail(evidence.CodeSNPCertificateProfile, "the certificate of a "+r.key.String(), got)
		notPerformed(&j.checks, "the certificate is not of the right form", evidence.CodeSNPProductAgreement, evidence.CodeSNPChipID,
			evidence.CodeSNPTCB, evidence.CodeSNPChain, evidence.CodeSNPValidity, evidence.CodeSNPRevocation, evidence.CodeSNPSignature)
		return j
	}
	profile := fmt.Sprintf("%s for %s", c.key.kind, c.key.product)
	if len(c.key.unknown) > 0 {
		profile += ", with unknown extensions " + strings.Join(c.key.unknown, ", ")
	}
	j.checks.Pass(evidence.CodeSNPCertificateProfile, profile)
	j.examineAgreement(r)
	j.examineChip(r)
	j.checks.Judge(c.key.tcb == r.reported, evidence.CodeSNPTCB, r.reported.String(), c.key.tcb.String())
	j.path, j.missing = v.examineChain(c.key, in, &j.checks)
	if sig == nil {
		notPerformed(&j.checks, "the signature has not the right form", evidence.CodeSNPSignature)
		return j
	}
	j.examineSignature(sig, r)
	return j
}

// examineAgreement compares the product lines that report, issuer and
// certificate name. A report of version 2 names none: then the certificate's counts.
func (j *judgement) examineAgreement(r *report) {
	issuing := productOfIssuer(j.key.cert, j.key.kind)
	want := "a line that made reports of version 2: Milan or Genoa"
	if r.line != nil {
		want = r.line.name
	}
	got := fmt.Sprintf("issuer %q, product name %q, structure version %d", j.key.cert.Issuer.CommonName, j.key.product, j.key.tcb.layout.structVersion)
	ok := issuing != nil && issuing.matches(j.key.product) && issuing.layout == j.key.tcb.layout &&
		(r.line == issuing || r.line == nil && issuing.oldest <= r.version)
	j.checks.Judge(ok, evidence.CodeSNPProductAgreement, want, got)
	if r.version < 3 {
		j.checks.Judge(ok, evidence.CodeSNPProduct, want, got+", by the certificate alone")
		if ok {
			j.line = issuing
		}
	}
}

// examineChip compares the chip. Where the host masks CHIP_ID the signature
// still shows that it is the VCEK's chip, but the report names none, and neither
// do the claims.
func (j *judgement) examineChip(r *report) {
	switch {
	case r.key == vlek:
		j.checks.NotApplicable(evidence.CodeSNPChipID, "a VLEK belongs to a cloud provider, not to a chip")
	case r.chipMasked():
		j.checks.NotApplicable(evidence.CodeSNPChipID, "the host masks CHIP_ID")
	default:
		j.checks.Judge(j.key.isOf(r.chipID), evidence.CodeSNPChipID, fmt.Sprintf("%x", r.chipID), fmt.Sprintf("%x", j.key.hwid))
	}
}

func (j *judgement) examineSignature(sig *signature, r *report) {
	got := "verifies"
	ok := sig.verifies(j.key.public, r)
	if !ok {
		got = "does not verify"
	}
	j.checks.Judge(ok, evidence.CodeSNPSignature, "verifies with the certificate's key", got)
}

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

// into adds the judgement to the outcome.
func (j *judgement) into(out *tee.Outcome) {
	out.Checks = append(out.Checks, j.checks...)
	out.Missing = j.missing
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
	out.ValidUntil = j.path.validUntil
	out.Claims.TrustAnchor = a.trustAnchor()
	out.Claims.Simulated = a.origin == evidence.OriginSimulated
}

// judge judges the report by the certificates that may be its key's: the first
// that clears it counts, or else the first against which nothing speaks but what
// is missing, or else the first of all. If none clears it and there are more than
// are tried, it is undecided.
func (v *Verifier) judge(r *report, line *product, sig *signature, in *input) *judgement {
	rest := []evidence.Code{
		evidence.CodeSNPCertificateProfile, evidence.CodeSNPProductAgreement, evidence.CodeSNPChipID, evidence.CodeSNPTCB,
		evidence.CodeSNPChain, evidence.CodeSNPValidity, evidence.CodeSNPRevocation, evidence.CodeSNPSignature,
	}
	if line == nil && r.version >= 3 || r.key != vcek && r.key != vlek {
		j := &judgement{}
		notPerformed(&j.checks, "the report names no key and product line that could be looked up", append([]evidence.Code{evidence.CodeSNPKeyCertificate}, rest...)...)
		return j
	}
	candidates, untried := v.candidates(r, in)
	if len(candidates) == 0 && untried == 0 {
		j := &judgement{missing: []tee.EndorsementName{missingKey(r, line)}}
		got := "it is not there"
		if in.unreadable > 0 {
			got += fmt.Sprintf("; %d of the certificates that came with the report cannot be read", in.unreadable)
		}
		j.checks.NotPerformed(evidence.CodeSNPKeyCertificate, "the "+r.key.String()+"'s certificate", got)
		notPerformed(&j.checks, "the signing key's certificate is not there", rest...)
		return j
	}
	var best *judgement
	for _, c := range candidates {
		j := v.judgeBy(c, r, line, sig, in)
		if j.isClean() {
			return j
		}
		if best == nil || len(best.checks.Failed()) > 0 && len(j.checks.Failed()) == 0 {
			best = j
		}
	}
	if untried > 0 {
		j := &judgement{missing: []tee.EndorsementName{missingKey(r, line)}}
		j.checks.NotPerformed(evidence.CodeSNPKeyCertificate, "the "+r.key.String()+"'s certificate",
			fmt.Sprintf("none of the %d that were tried clears the report, and %d more may be its key's; send the certificate with the report", len(candidates), untried))
		notPerformed(&j.checks, "too many certificates may be the signing key's", rest...)
		return j
	}
	return best
}

// judgeBy judges the report by one certificate.
func (v *Verifier) judgeBy(c candidate, r *report, line *product, sig *signature, in *input) *judgement {
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
	j.examineAgreement(r, line)
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
func (j *judgement) examineAgreement(r *report, line *product) {
	issuing := productOfIssuer(j.key.cert, j.key.kind)
	want := "Milan or Genoa"
	if line != nil {
		want = line.name
	}
	got := fmt.Sprintf("issuer %q, product name %q", j.key.cert.Issuer.CommonName, j.key.product)
	ok := issuing != nil && issuing.matches(j.key.product) && (line == nil || line == issuing)
	j.checks.Judge(ok, evidence.CodeSNPProductAgreement, want, got)
	if r.version < 3 {
		j.checks.Judge(ok, evidence.CodeSNPProduct, "Milan or Genoa", got+", by the certificate alone")
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
		j.checks.Judge(j.key.hwid == r.chipID, evidence.CodeSNPChipID, fmt.Sprintf("%x", r.chipID), fmt.Sprintf("%x", j.key.hwid))
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

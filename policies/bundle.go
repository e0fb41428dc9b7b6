package policies

import (
	"slices"

	"github.com/quotary/quotary/evidence"
)

// bundle is the claims of one decision, by kind.
type bundle struct {
	snp       *evidence.SNPClaims
	tdx       *evidence.TDXClaims
	tpm       *evidence.TPMClaims
	tpmAnchor *evidence.TrustAnchor
	simulated bool
	found     *findings // the advisories that apply; nil without SEV-SNP
	// paravisor stands between the host and the guest, and paravisorBeside is whose report came through it.
	paravisor       *evidence.ParavisorClaims
	paravisorBeside evidence.Kind
	// ima is what was found of the files of a measurement list, for each requirement.
	ima map[*imaRequirement]*imaFinding
}

// origins are the reasons for which a root is trusted.
var origins = []evidence.Origin{evidence.OriginPinned, evidence.OriginConfigured, evidence.OriginSimulated}

// newBundle sorts claims by kind and refuses those that cannot be what a
// verifier found in genuine evidence. Refusals go to checks.
func newBundle(claims []evidence.Claims, checks *evidence.Checks) (*bundle, bool) {
	b := &bundle{}
	if len(claims) == 0 {
		checks.Fail(evidence.CodePolicyClaims, "claims of at least one kind", "none")
		return nil, false
	}
	for i := range claims {
		c := &claims[i]
		if !b.add(c) {
			*checks = append(*checks, evidence.Check{
				Code: evidence.CodePolicyClaims, Kind: c.Kind, Status: evidence.Fail,
				Want: "one complete set of claims for each kind", Got: "claims of kind " + shownText(string(c.Kind)) + " that are empty, mixed or repeated",
			})
			return nil, false
		}
		if c.TrustAnchor == nil || !slices.Contains(origins, c.TrustAnchor.Origin) {
			*checks = append(*checks, evidence.Check{
				Code: evidence.CodePolicyTrustAnchor, Kind: c.Kind, Status: evidence.Fail, Want: "a root of trust", Got: absent,
			})
			return nil, false
		}
		b.simulated = b.simulated || c.Simulated || c.TrustAnchor.Origin == evidence.OriginSimulated
	}
	return b, true
}

func (b *bundle) add(c *evidence.Claims) bool {
	if b.has(c.Kind) {
		return false
	}
	isSNP, isTDX, isTPM := c.SEVSNP != nil, c.TDX != nil, c.TPM != nil
	if c.Paravisor != nil {
		if isTPM || b.paravisor != nil {
			return false
		}
		b.paravisor, b.paravisorBeside = c.Paravisor, c.Kind
	}
	switch c.Kind {
	case snp:
		b.snp = c.SEVSNP
		return isSNP && !isTDX && !isTPM
	case tdx:
		b.tdx = c.TDX
		return isTDX && !isSNP && !isTPM
	case tpm:
		b.tpm, b.tpmAnchor = c.TPM, c.TrustAnchor
		return isTPM && !isSNP && !isTDX
	}
	return false
}

func (b *bundle) has(kind evidence.Kind) bool {
	return kind == snp && b.snp != nil || kind == tdx && b.tdx != nil || kind == tpm && b.tpm != nil
}

// kinds lists the kinds of evidence that are there, in canonical order.
func (b *bundle) kinds() []string {
	var kinds []string
	for _, kind := range evidence.Kinds() {
		if b.has(kind) {
			kinds = append(kinds, string(kind))
		}
	}
	return kinds
}

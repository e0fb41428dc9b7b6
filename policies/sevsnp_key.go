package policies

import "github.com/quotary/quotary/evidence"

// snpSigningKeys are the keys that sign reports, as claims name them.
var (
	snpSigningKeys = []string{"vcek", "vlek"}
	anySigningKey  = choice{snpSigningKeys, "vcek or vlek"}
)

// readKey reads what is asked of the key that signs the report.
func (q *snpRequirement) readKey(f *fields, a *alternative) {
	q.signingKeys = newChoice(f.words(f.take("signing_keys"), "signing_keys", snpSigningKeys)...)
	allow, deny := f.readTextAccess(f.take("csp_ids"), "csp_ids", f.texts)
	q.csps = newTextAccess(allow, deny)
	q.revocation = f.readRevocation(f.take("revocation"), snp, a)
}

// judgeKey judges the key that signed the report.
func (q *snpRequirement) judgeKey(r *report, c *evidence.SNPClaims) {
	keys := q.signingKeys
	if keys == nil {
		keys = &anySigningKey
	}
	r.member(snp, evidence.CodePolicySNPSigningKey, keys, c.SigningKey)
	r.textAccess(snp, evidence.CodePolicySNPCSP, q.csps, c.CSPID)
	q.revocation.judge(r, revocationState{
		kind: snp, code: evidence.CodePolicySNPRevocation, want: "a chain that the vendor's revocation list covers",
		checked: c.RevocationChecked, end: c.RevocationNextUpdate,
	})
}

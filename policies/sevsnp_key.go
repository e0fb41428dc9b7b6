package policies

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

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
	q.revocation = f.readRevocation(f.take("revocation"), a)
}

// judgeKey judges the key that signed the report.
func (q *snpRequirement) judgeKey(r *report, c *evidence.SNPClaims) {
	keys := q.signingKeys
	if keys == nil {
		keys = &anySigningKey
	}
	r.member(snp, evidence.CodePolicySNPSigningKey, keys, c.SigningKey)
	r.textAccess(snp, evidence.CodePolicySNPCSP, q.csps, c.CSPID)
	q.revocation.judge(r, c)
}

// revocation is what is asked of the vendor's revocation list. The zero value
// requires a current one.
type revocation struct {
	off     bool
	staleOK time.Duration // how long after its end a list will still do
}

// readRevocation reads require, off or {stale_ok: DURATION}.
func (f *fields) readRevocation(n *yaml.Node, a *alternative) revocation {
	if n == nil || n.Kind != yaml.MappingNode {
		switch mode := f.text(n); mode {
		case "", "require":
		case "off":
			a.relax("sev-snp.revocation")
			return revocation{off: true}
		default:
			f.problem(n, evidence.CodePolicyValue, "revocation has no value %q; use require, off or {stale_ok: DURATION}", clip(mode))
		}
		return revocation{}
	}
	m := f.mapping(n, "revocation")
	at := m.need("stale_ok", "say how long after its end a revocation list will still do, such as 24h")
	m.done()
	stale := m.duration(at, "stale_ok", time.Second, MaxStaleRevocation)
	a.relax("sev-snp.revocation.stale")
	return revocation{staleOK: stale}
}

// judge judges whether a revocation list covered the chain. What rests on a list
// that has ended is not valid for longer than the list would do.
func (v revocation) judge(r *report, c *evidence.SNPClaims) {
	const want = "a chain that the vendor's revocation list covers"
	end := c.RevocationNextUpdate
	last := end.Add(v.staleOK)
	stale := !end.IsZero() && !r.now.Before(end) && !r.now.After(last)
	switch {
	case c.RevocationChecked:
		r.judge(true, snp, evidence.CodePolicySNPRevocation, want, func() string { return "covered" })
	case v.off:
	case stale && v.staleOK > 0:
		r.endsBy(last)
		r.judge(true, snp, evidence.CodePolicySNPRevocation, want, func() string {
			return "covered by a list that ended at " + end.UTC().Format(time.RFC3339) + "; it will do until " + last.UTC().Format(time.RFC3339)
		})
	case !end.IsZero():
		r.wait(snp, evidence.CodePolicySNPRevocation, want, "the revocation list for the chain is not a current one: it ends at "+end.UTC().Format(time.RFC3339))
	default:
		r.wait(snp, evidence.CodePolicySNPRevocation, want, "there was no revocation list for the chain")
	}
}

package policies

import (
	"slices"
	"strconv"
	"time"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/quotary/quotary/evidence"
)

// lintRules refuses rules that can never be true beside what their alternative asks
// for anyway, such as sev_snp.vmpl == 1 where vmpl is 0. Load finds those that are so by themselves.
// It warns of those that can never be true again after now, unless that is zero.
func lintRules(documents []document, workloads []*workload, now time.Time, refused, warned *problems) {
	for _, d := range documents {
		if d.kind != kindWorkload {
			continue
		}
		name := d.fields.values["name"].Value
		w := workloads[slices.IndexFunc(workloads, func(w *workload) bool { return w.name == name })]
		for i, n := range d.fields.values["any_of"].Content {
			a := w.alternatives[i]
			known := a.facts(w)
			since := facts{}
			if n, ok := instantOf(now); ok {
				since["now"] = []constraint{{operators.GreaterEquals, []ref.Val{n}}}
			}
			for _, rule := range a.rules {
				switch all := conjuncts(rule.tree, nil); {
				case contradicts(all, since):
					warned.add(d.place(n).with(evidence.CodePolicyContradiction, "the time of rule "+rule.name+" of "+a.label+" is over, so that nothing passes any more"))
				case contradicts(all, known):
					refused.add(d.place(n).with(evidence.CodePolicyContradiction, "rule "+rule.name+" contradicts what "+a.label+" asks for besides, so that nothing passes"))
				}
			}
		}
	}
}

// facts are what holds of claims that an alternative accepts, by the claims as rules name them.
type facts map[string][]constraint

func (f facts) is(claim string, value ref.Val) {
	f[claim] = append(f[claim], constraint{operators.Equals, []ref.Val{value}})
}

func (f facts) atLeast(claim string, least int64) {
	f[claim] = append(f[claim], constraint{operators.GreaterEquals, []ref.Val{types.Int(least)}})
}

func (f facts) among(claim string, words ...string) {
	values := make([]ref.Val, len(words))
	for i, word := range words {
		values[i] = types.String(word)
	}
	f[claim] = append(f[claim], constraint{operators.In, values})
}

// listed says that a claim has one of few values; of many it says nothing.
func (f facts) listed(claim string, wanted *values) {
	if !wanted.pins() {
		return
	}
	var words []string
	for _, list := range wanted.lists() {
		if len(words)+len(list) > maxLintValues {
			return
		}
		for value := range list {
			words = append(words, evidence.Hex(value).String())
		}
	}
	f.among(claim, words...)
}

func (f facts) reaches(claim string, least *floor) {
	if least != nil {
		f.atLeast(claim, int64(least.least)) //nolint:gosec // at most 32 bits
	}
}

// facts returns what the alternative's requirements say of claims.
func (a *alternative) facts(w *workload) facts {
	f := facts{}
	if !w.allowSimulated {
		f.is("simulated", types.False)
	}
	if a.snp != nil {
		a.snp.facts(f)
	}
	if a.tdx != nil {
		a.tdx.facts(f)
	}
	if a.tpm != nil {
		a.tpm.facts(f)
	}
	return f
}

func (q *snpRequirement) facts(f facts) {
	f.is("sev_snp.vmpl", types.Int(q.vmpl))
	if !q.allows(allowDebug) {
		f.is("sev_snp.policy.debug", types.False)
	}
	if q.migrationAgents == nil {
		f.is("sev_snp.policy.migrate_ma", types.False)
	}
	f.among("sev_snp.product", q.products.words...)
	keys := snpSigningKeys
	if q.signingKeys != nil {
		keys = q.signingKeys.words
	}
	f.among("sev_snp.signing_key", keys...)
	f.reaches("sev_snp.guest_svn", q.minimumGuestSVN)
	for claim, floors := range map[string]*tcbFloors{"reported_tcb": q.minimumTCB, "committed_tcb": q.minimumTCB, "launch_tcb": q.minimumLaunchTCB} {
		if floors != nil && floors.single != nil {
			t := &floors.single.SNPTCB
			for part, level := range map[string]uint8{"bootloader": t.Bootloader, "tee": t.TEE, "snp": t.SNP, "microcode": t.Microcode} {
				f.atLeast("sev_snp."+claim+"."+part, int64(level))
			}
		}
	}
	for claim, list := range map[string]*values{
		"measurement": q.measurements, "host_data": q.hostData, "id_key_digest": q.idKeys, "author_key_digest": q.authorKeys, "family_id": q.familyIDs, "image_id": q.imageIDs,
	} {
		f.listed("sev_snp."+claim, list)
	}
}

func (q *tdxRequirement) facts(f facts) {
	for word, claim := range map[string]string{allowDebug: "debug", allowMigratable: "migratable", allowPerfmon: "perfmon"} {
		if !slices.Contains(q.allow, word) {
			f.is("tdx.td_attributes."+claim, types.False)
		}
	}
	if !slices.Contains(q.allow, allowNoSEPTVE) {
		f.is("tdx.td_attributes.sept_ve_disable", types.True)
	}
	var statuses []string
	for _, entry := range q.statuses.entries {
		statuses = append(statuses, entry.status)
	}
	f.among("tdx.tcb.status", statuses...)
	f.reaches("tdx.tcb.evaluation_data_number", q.minimumEvaluation)
	for claim, list := range map[string]*values{
		"mrtd": q.mrtd, "mrseam": q.mrseam, "mrconfigid": q.mrconfigID, "mrowner": q.mrowner, "mrownerconfig": q.mrownerConfig, "xfam": q.xfam, "mrservicetd": q.mrserviceTD,
	} {
		f.listed("tdx."+claim, list)
	}
	for i, list := range q.rtmrs {
		f.listed("tdx."+rtmrKey(i), list)
	}
}

func (q *tpmRequirement) facts(f facts) {
	if q.bank != "" {
		f.is("tpm.bank", types.String(q.bank))
	}
	if !slices.Contains(q.allow, allowUnsafe) {
		f.is("tpm.safe", types.True)
	}
	for _, pcr := range q.pcrs {
		f.listed("tpm.pcrs["+strconv.Quote(strconv.Itoa(pcr.index))+"]", pcr.values)
	}
	f.listed("tpm.ak_sha256", q.key.keys)
	if q.key.sources != nil {
		f.among("tpm.ak_source", q.key.sources.words...)
	}
	if q.key.hierarchy != nil {
		f.among("tpm.ak_hierarchy", q.key.hierarchy.words...)
	}
}

// domainsOf starts with what is known of claims.
func domainsOf(all []ast.Expr, known facts) map[string]*domain {
	domains := map[string]*domain{}
	for _, e := range all {
		claim, _, ok := comparison(e)
		if !ok || domains[claim] != nil {
			continue
		}
		domains[claim] = newDomain()
		for _, c := range known[claim] {
			domains[claim].add(c)
		}
	}
	return domains
}

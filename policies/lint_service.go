package policies

import (
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// lintSize refuses a set that loads and that no service takes.
func lintSize(files []File, refused *problems) {
	total, over := 0, ""
	for _, file := range files {
		if total += len(file.Data); total > MaxAppliedSize && over == "" {
			over = file.Name
		}
	}
	if over != "" {
		refused.add(problem{over, 1, 1, evidence.CodePolicyTooLarge, fmt.Sprintf(
			"the files of the set have %d bytes together, and a service puts at most %d in force; keep reference values that are no longer used apart", total, MaxAppliedSize)})
	}
}

// lintTrustDomain tells of workloads that the service of this trust domain never
// accepts, and refuses a set of no others.
func lintTrustDomain(documents []document, workloads []*workload, domain string, refused, warned *problems) {
	if domain == "" {
		return
	}
	found := warned
	if !slices.ContainsFunc(workloads, func(w *workload) bool { return w.trustDomain == domain }) {
		found = refused
	}
	for _, d := range documents {
		if d.kind != kindWorkload {
			continue
		}
		name := d.fields.values["name"].Value
		i := slices.IndexFunc(workloads, func(w *workload) bool { return w.name == name })
		if w := workloads[i]; w.trustDomain != domain {
			at := mappingOf(d.fields.values["identity"])["spiffe_id"]
			found.add(d.place(at).with(evidence.CodePolicyTrustDomain,
				"workload "+name+" is of trust domain "+w.trustDomain+", and the service of "+domain+" never accepts it; write spiffe_id: spiffe://"+domain+"/…"))
		}
	}
}

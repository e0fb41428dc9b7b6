package policies

import (
	"slices"

	"github.com/quotary/quotary/evidence"
)

// judgeTCB judges what Intel's collateral says of the platform.
func (q *tdxRequirement) judgeTCB(r *report, c *evidence.TDXClaims) {
	t := c.TCB
	if t == nil {
		const why = "no genuine collateral decided the TCB"
		r.wait(tdx, evidence.CodePolicyTDXTCBStatus, q.statuses.want, why)
		r.wait(tdx, evidence.CodePolicyTDXAdvisories, q.advisories.want, why)
		r.wait(tdx, evidence.CodePolicyTDXEvaluation, q.evaluationWant(), why)
		return
	}
	status, advisories := q.statuses.accepts(t.Status), &q.advisories
	if status != nil && status.advisories != nil {
		advisories = status.advisories
	}
	r.judge(status.holds(r) && partsOK(c), tdx, evidence.CodePolicyTDXTCBStatus, q.statuses.want, func() string { return statusText(t) })
	r.judge(advisories.cover(r, t.Advisories), tdx, evidence.CodePolicyTDXAdvisories, advisories.want, func() string { return join(t.Advisories) })
	if !q.evaluationOK(t) && r.isRecord() { // it is the collateral's age, and not the platform's
		r.wait(tdx, evidence.CodePolicyTDXEvaluation, q.evaluationWant(), notRecorded)
		return
	}
	r.judge(q.evaluationOK(t), tdx, evidence.CodePolicyTDXEvaluation, q.evaluationWant(), func() string { return evaluationText(t) })
}

// accepts returns the entry for a status, or nil.
func (l *statusList) accepts(status string) *tcbStatus {
	i := slices.IndexFunc(l.entries, func(s tcbStatus) bool { return s.status == status })
	if i < 0 {
		return nil
	}
	return &l.entries[i]
}

// holds reports whether the status is accepted now; nil is not.
func (s *tcbStatus) holds(r *report) bool {
	if s == nil || !lasts(s.until, r.now) {
		return false
	}
	r.endsBy(s.until)
	return true
}

// cover reports whether all advisories that apply are accepted now.
func (l *advisoryList) cover(r *report, advisories []string) bool {
	for _, id := range advisories {
		i := slices.IndexFunc(l.entries, func(a acceptedAdvisory) bool { return a.id == id })
		if i < 0 || !lasts(l.entries[i].until, r.now) {
			return false
		}
		r.endsBy(l.entries[i].until)
	}
	return true
}

// partsOK reports whether the parts that the status was converged from are known,
// and none of them is one that no policy may accept.
func partsOK(c *evidence.TDXClaims) bool {
	t := c.TCB
	return t.PlatformStatus != "" && t.QEStatus != "" && (t.ModuleStatus != "" || isUnversioned(c.TEETCBSVN) || isUnversioned(c.TEETCBSVN2)) &&
		!slices.Contains(tdxNever, t.PlatformStatus) && !slices.Contains(tdxNever, t.QEStatus) && !slices.Contains(tdxNever, t.ModuleStatus)
}

// isUnversioned reports whether a TEE_TCB_SVN says that the module has no version
// of its own, and so no status.
func isUnversioned(svn evidence.Hex) bool {
	const size, version = 16, 1
	return len(svn) == size && svn[version] == 0
}

func statusText(t *evidence.TDXTCB) string {
	text := shownText(t.Status) + " (platform " + shownText(t.PlatformStatus) + ", quoting enclave " + shownText(t.QEStatus)
	if t.ModuleStatus != "" {
		text += ", module " + t.ModuleStatus
	}
	return text + ")"
}

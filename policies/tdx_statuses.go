package policies

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// statusUpToDate is the one TCB status that is good enough by default.
const statusUpToDate = "UpToDate"

// tdxStatuses are the TCB statuses that a policy may allow, and tdxNever those
// that none may: a revoked platform's keys are known to others, and of an
// unsupported one nothing is known.
var (
	tdxStatuses = []string{
		statusUpToDate, "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
		"OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
	}
	tdxNever = []string{"Revoked", "NotSupported"}
)

// tcbStatus is a status that is accepted, for good or for a while.
type tcbStatus struct {
	status     string
	until      time.Time     // zero: for good
	advisories *advisoryList // those that may apply with this status; nil: those of the requirement
}

// statusList is a closed list of statuses.
type statusList struct {
	entries []tcbStatus
	want    string
}

func newStatusList(entries ...tcbStatus) statusList {
	shown := make([]string, len(entries))
	for i, entry := range entries {
		shown[i] = entry.status + untilText(entry.until)
	}
	return statusList{entries, orList(shown)}
}

// advisoryList is a closed list of advisories that may apply: a status alone
// would let the next advisory through unseen.
type advisoryList struct {
	entries []acceptedAdvisory
	want    string
}

type acceptedAdvisory struct {
	id    string
	until time.Time // zero: for good
}

func newAdvisoryList(entries []acceptedAdvisory) advisoryList {
	var shown []string
	for _, entry := range entries {
		shown = append(shown, entry.id+untilText(entry.until))
	}
	if len(shown) == 0 {
		return advisoryList{want: "none"}
	}
	return advisoryList{entries, "none but " + join(shown)}
}

func untilText(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return " until " + until.Format(time.RFC3339)
}

// lasts reports whether something that is accepted until an instant still is.
func lasts(until, now time.Time) bool {
	return until.IsZero() || !now.IsZero() && !now.After(until)
}

// readTDXStatuses reads the TCB statuses and the advisories that may come with them.
func (s source) readTDXStatuses(f *fields, q *tdxRequirement, a *alternative) {
	var statuses []tcbStatus
	unlisted := false // a status besides UpToDate comes without advisories of its own
	for _, entry := range s.sequence(f.take("tcb_statuses"), "tcb_statuses") {
		status, ok := s.readTDXStatus(entry, a)
		if !ok {
			continue
		}
		if slices.ContainsFunc(statuses, func(other tcbStatus) bool { return other.status == status.status }) {
			s.problem(entry, evidence.CodePolicyValue, "tcb_statuses has %q twice", status.status)
			continue
		}
		unlisted = unlisted || status.status != statusUpToDate && status.advisories == nil
		statuses = append(statuses, status)
	}
	if len(statuses) > 0 {
		q.statuses = newStatusList(statuses...)
	}
	n := f.take("advisories")
	if n == nil && unlisted {
		s.problem(f.at, evidence.CodePolicyMissingKey, "tdx needs advisories: tcb_statuses allows more than UpToDate, so list the advisories that you accept, or write none")
	}
	q.advisories = s.readAdvisoryList(n, a)
}

// readTDXStatus reads STATUS or {status: STATUS, until: TIME, advisories: […]}.
func (s source) readTDXStatus(n *yaml.Node, a *alternative) (tcbStatus, bool) {
	word, status := n, tcbStatus{}
	if n.Kind == yaml.MappingNode {
		f := s.mapping(n, "an entry of tcb_statuses")
		word = f.need("status", "name the status")
		status.until = s.instant(f.take("until"))
		if list := f.take("advisories"); list != nil {
			advisories := s.readAdvisoryList(list, a)
			status.advisories = &advisories
		}
		f.done()
		if word == nil {
			return status, false
		}
	}
	if word.Kind == yaml.ScalarNode && slices.Contains(tdxNever, word.Value) {
		s.problem(word, evidence.CodePolicyUnsafe, "no policy may accept a platform whose TCB status is %s", word.Value)
		return status, false
	}
	status.status = s.word(word, "tcb_statuses", tdxStatuses)
	if status.status != statusUpToDate && status.status != "" {
		a.relax("tdx.tcb-status." + status.status)
	}
	return status, status.status != ""
}

// readAdvisoryList reads none, or a list of ID or {id: ID, until: TIME}.
func (s source) readAdvisoryList(n *yaml.Node, a *alternative) advisoryList {
	if n == nil || n.Kind == yaml.ScalarNode && n.Value == "none" {
		return newAdvisoryList(nil)
	}
	var accepted []acceptedAdvisory
	for _, entry := range s.sequence(n, "advisories") {
		idNode, advisory := entry, acceptedAdvisory{}
		if entry.Kind == yaml.MappingNode {
			f := s.mapping(entry, "an entry of advisories")
			idNode = f.need("id", "name the advisory")
			advisory.until = s.instant(f.take("until"))
			f.done()
		}
		advisory.id = s.text(idNode)
		switch {
		case advisory.id == "":
		case !strings.HasPrefix(advisory.id, "INTEL-"):
			s.problem(idNode, evidence.CodePolicyValue, "%q is no advisory of Intel's, such as INTEL-SA-00837", clip(advisory.id))
		case slices.ContainsFunc(accepted, func(other acceptedAdvisory) bool { return other.id == advisory.id }):
			s.problem(idNode, evidence.CodePolicyValue, "advisories has %q twice", advisory.id)
		default:
			accepted = append(accepted, advisory)
			a.relax("tdx.advisory." + advisory.id)
		}
	}
	return newAdvisoryList(accepted)
}

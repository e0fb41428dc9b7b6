package tdx

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// rtmrs is how many runtime measurement registers a TD has.
const rtmrs = 4

// logOf returns the event log of a TDX item, or nil.
func logOf(item evidence.Item) []byte {
	if t, ok := item.(*evidence.TDX); ok && t != nil {
		return t.EventLog
	}
	return nil
}

// eventLog holds the event log to the RTMRs and draws claims from it, if nothing
// is wrong with the quote: registers that nobody vouches for hold no log to the
// truth, and are not worth the work.
func (r *run) eventLog(raw []byte, b body) {
	codes := []evidence.Code{evidence.CodeTDXEventLog, evidence.CodeTDXEventLogReplay}
	switch {
	case len(raw) == 0:
		for _, code := range codes {
			r.checks.NotApplicable(code, "the evidence has no event log")
		}
		return
	case len(r.checks.Failed()) > 0 || r.outcome.Claims.TrustAnchor == nil:
		notPerformed(r.checks, "the quote that would hold the log to the truth is refused", codes...)
		return
	}
	compared, err := compareLog(raw, b)
	if err != nil {
		r.checks.Fail(evidence.CodeTDXEventLog, "a confidential computing event log of SHA-384", err.Error())
		r.checks.NotPerformed(evidence.CodeTDXEventLogReplay, "", "the event log cannot be read")
		return
	}
	r.checks.Pass(evidence.CodeTDXEventLog, fmt.Sprintf("%d bytes", len(raw)))
	got := registersText(compared)
	if !r.checks.Judge(len(compared.Mismatched) == 0, evidence.CodeTDXEventLogReplay, "what the log's events lead to", got) {
		return // nothing that a log says is worth repeating that lies
	}
	boot, doubts := compared.Claims()
	r.outcome.Claims.TDX.Boot = boot
	*r.checks = append(*r.checks, slices.DeleteFunc(doubts, func(c evidence.Check) bool { return c.Code == evidence.CodeEventLogReplay })...)
}

// compareLog reads a log and holds it against the RTMRs in a TD report. Its
// comparison shares no memory with the report.
func compareLog(raw []byte, b body) (*eventlog.Comparison, error) {
	if len(raw) > maxEventLog {
		return nil, refuse(evidence.CodeEventLogSize, "the log has %d bytes; at most %d are read", len(raw), maxEventLog)
	}
	log, err := eventlog.Parse(raw, eventlog.RTMRs)
	if err != nil {
		return nil, err
	}
	replay, err := log.Replay(eventlog.SHA384)
	if err != nil {
		return nil, err
	}
	quoted := make(eventlog.Values, rtmrs)
	for n := range rtmrs {
		quoted[n] = bytes.Clone(b.rtmr(n))
	}
	return replay.Compare(quoted), nil
}

// registersText says which RTMRs the log accounts for, and how.
func registersText(c *eventlog.Comparison) string {
	var parts []string
	add := func(list []int, what string) {
		for _, n := range list {
			parts = append(parts, fmt.Sprintf("RTMR%d %s", n, what))
		}
	}
	add(c.Mismatched, "holds something else")
	add(c.Reproduced, "reproduced")
	add(c.Unlogged, "without events")
	add(c.Untouched, "untouched")
	return strings.Join(parts, ", ")
}

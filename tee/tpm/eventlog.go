package tpm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// pcrsOfFirmware is how many PCRs nothing but firmware and boot loaders extend, who
// keep the log. The operating system extends those behind them without it.
const pcrsOfFirmware = 8

// judgeEventLog holds the event log to the quoted PCRs and draws claims from it,
// if nothing is wrong with the quote: PCRs that nobody vouches for hold no log to
// the truth, and are not worth the work.
func (x *examination) judgeEventLog() {
	const want = "what the log's events lead to"
	switch {
	case len(x.item.EventLog) == 0:
		x.checks().NotApplicable(evidence.CodeTPMEventLog, "the evidence has no event log")
		x.checks().NotApplicable(evidence.CodeTPMEventLogReplay, "the evidence has no event log")
		return
	case !x.sound():
		x.checks().NotPerformed(evidence.CodeTPMEventLog, "", unsound)
		x.checks().NotPerformed(evidence.CodeTPMEventLogReplay, want, unsound)
		return
	}
	compared, err := compareLog(x.item.EventLog, x.claims.Bank, x.claims.PCRs)
	if err != nil {
		x.checks().Fail(evidence.CodeTPMEventLog, "a TCG event log with digests of the quoted bank, not SHA-1", err.Error())
		x.checks().NotPerformed(evidence.CodeTPMEventLogReplay, want, "the event log cannot be read")
		return
	}
	x.checks().Pass(evidence.CodeTPMEventLog, fmt.Sprintf("%d bytes", len(x.item.EventLog)))
	early := func(n int) bool { return n < pcrsOfFirmware }
	if !x.checks().Judge(!slices.ContainsFunc(compared.Mismatched, early), evidence.CodeTPMEventLogReplay, want, describeCompared(compared)) {
		return // nothing that a log says is worth repeating that lies
	}
	boot, doubts := compared.Claims()
	x.claims.Boot = boot
	replay := func(c evidence.Check) bool { return c.Code == evidence.CodeEventLogReplay } // was told above
	x.out.Checks = append(x.out.Checks, slices.DeleteFunc(doubts, replay)...)
}

// compareLog reads a log and holds it against quoted PCRs. Its comparison shares no
// memory with them.
func compareLog(raw []byte, bank string, pcrs map[int]evidence.Hex) (*eventlog.Comparison, error) {
	if len(raw) > evidence.MaxEventLog {
		return nil, evidence.Errorf(evidence.CodeEventLogSize, "event_log", "the log has %d bytes; at most %d are read", len(raw), evidence.MaxEventLog)
	}
	algorithm, ok := eventlog.ParseAlgorithm(bank)
	if !ok || algorithm == eventlog.SHA1 {
		return nil, evidence.Errorf(evidence.CodeEventLogBank, "event_log", "the quote covers bank %s", bank)
	}
	log, err := eventlog.Parse(raw, eventlog.PCRs)
	if err != nil {
		return nil, err
	}
	replay, err := log.Replay(algorithm)
	if err != nil {
		return nil, err
	}
	quoted := make(eventlog.Values, len(pcrs))
	for n, value := range pcrs {
		quoted[n] = bytes.Clone(value)
	}
	return replay.Compare(quoted), nil
}

// describeCompared says which PCRs the log accounts for, and how.
func describeCompared(c *eventlog.Comparison) string {
	var parts []string
	for _, group := range []struct {
		what string
		list []int
	}{
		{"hold something else", c.Mismatched}, {"reproduced", c.Reproduced}, {"without events", c.Unlogged},
		{"untouched", c.Untouched}, {"resettable", c.Resettable},
	} {
		if len(group.list) > 0 {
			parts = append(parts, fmt.Sprintf("PCRs %v %s", group.list, group.what))
		}
	}
	return strings.Join(parts, "; ")
}

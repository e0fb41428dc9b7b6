package tpm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/ima"
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
	log, err := x.v.explain(x.item.EventLog, x.claims.Bank, x.claims.PCRs)
	if err != nil {
		x.checks().Fail(evidence.CodeTPMEventLog, "a TCG event log with digests of the quoted bank, not SHA-1", err.Error())
		x.checks().NotPerformed(evidence.CodeTPMEventLogReplay, want, "the event log cannot be read")
		return
	}
	x.checks().Pass(evidence.CodeTPMEventLog, strconv.Itoa(len(x.item.EventLog))+" bytes")
	if x.checks().Judge(log.boot != nil, evidence.CodeTPMEventLogReplay, want, log.registers) {
		x.claims.Boot = cloneBoot(log.boot)
		x.out.Checks = append(x.out.Checks, log.doubts...)
	}
}

// explained is what a log says by the PCRs beside it. It is the same whenever the
// same log comes with the same PCRs, as at each renewal until the next boot.
type explained struct {
	registers string // which PCRs the log accounts for, and how
	// boot is nil if a PCR of firmware holds something else: nothing that a log says
	// is worth repeating that lies.
	boot   *evidence.BootClaims
	doubts evidence.Checks
}

// explain reads a log and holds it against quoted PCRs, or remembers both.
func (v *Verifier) explain(raw []byte, bank string, pcrs map[int]evidence.Hex) (explained, error) {
	quoted := withoutIMA(pcrs)
	id := logDigest(raw, bank, quoted)
	if log, ok := v.logs.Get(id); ok {
		return log, nil
	}
	compared, err := compareLog(raw, bank, quoted)
	if err != nil {
		return explained{}, err
	}
	log := explained{registers: describeCompared(compared)}
	if slices.ContainsFunc(compared.Mismatched, func(n int) bool { return n < pcrsOfFirmware }) {
		return log, nil
	}
	boot, doubts := compared.Claims()
	log.boot = cloneBoot(boot)
	// What the log does not lead to is told by a check of its own.
	log.doubts = slices.DeleteFunc(doubts, func(c evidence.Check) bool { return c.Code == evidence.CodeEventLogReplay })
	v.logs.Put(id, log)
	return log, nil
}

// withoutIMA returns the PCRs that an event log accounts for. PCR 10 is the
// kernel's, which keeps a list of its own.
func withoutIMA(pcrs map[int]evidence.Hex) map[int]evidence.Hex {
	pcrs = maps.Clone(pcrs)
	delete(pcrs, ima.PCR)
	return pcrs
}

// logDigest identifies a log beside PCRs of a bank.
func logDigest(raw []byte, bank string, pcrs map[int]evidence.Hex) digest {
	parts := make([][]byte, 0, 2+evidence.MaxPCR+1)
	parts = append(parts, raw, []byte(bank))
	for n := range evidence.MaxPCR + 1 {
		parts = append(parts, pcrs[n]) // none is empty
	}
	return digestOf(parts...)
}

// cloneBoot returns claims that share no memory with b.
func cloneBoot(b *evidence.BootClaims) *evidence.BootClaims {
	return evidence.Claims{TPM: &evidence.TPMClaims{Boot: b}}.Clone().TPM.Boot
}

// compareLog reads a log and holds it against quoted PCRs.
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
	return replay.Compare(pcrs), nil
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

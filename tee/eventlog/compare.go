package eventlog

import (
	"bytes"
	"maps"
	"slices"
)

// The registers of a TPM that behave differently (TPM 2.0 PC Client Platform TPM Profile, table 5).
const (
	pcrUKI                   = 11     // holds the unified kernel image, then the phases of the boot
	pcrDebug, pcrApplication = 16, 23 // any software sets them back at any time
	pcrResettable            = 21     // and 22: a system that was launched dynamically sets them back
	pcrDynamic, pcrDynamicTo = 17, 22 // all ones until a dynamic launch, which sets them to zero
)

// phases are what systemd extends PCR 11 with as a boot goes on, in this order
// (systemd-pcrphase.service). Firmware's log has been closed by then.
var phases = []string{"enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"}

// Comparison says of each quoted register whether the log accounts for it. Each
// list is in ascending order; a quoted register is in exactly one.
type Comparison struct {
	// Reproduced registers hold what the log's events lead to. Only their events
	// happened, in their order, and no others.
	Reproduced []int
	// Untouched registers hold their starting value, and the log has no events for them.
	Untouched []int
	// Unlogged registers were extended, but the log has no events for them. Nothing
	// is known of what they hold.
	Unlogged []int
	// Mismatched registers hold something else than the log's events lead to.
	Mismatched []int
	// Resettable registers may hold whatever software likes, logged or not.
	Resettable []int
	// Unquoted registers have events but no quoted value. Nothing holds these events
	// to the truth.
	Unquoted []int
	// Phases are the phases of the boot that PCR 11 holds beyond the log's events.
	// The register then counts as reproduced.
	Phases []string

	replay *Replay
}

// Compare holds the registers that the log leads to against the quoted ones.
func (r *Replay) Compare(quoted Values) *Comparison {
	c := &Comparison{replay: r}
	for _, n := range slices.Sorted(maps.Keys(quoted)) {
		list := c.list(n, quoted[n])
		*list = append(*list, n)
	}
	for _, n := range slices.Sorted(maps.Keys(r.Values)) {
		if _, ok := quoted[n]; !ok {
			c.Unquoted = append(c.Unquoted, n)
		}
	}
	return c
}

// list returns the list that a quoted register belongs to.
func (c *Comparison) list(n int, quoted []byte) *[]int {
	value, logged := c.replay.Values[n]
	pcrs := c.replay.Log.Registers == PCRs
	switch {
	case pcrs && (n == pcrDebug || n >= pcrResettable && n <= pcrApplication):
		return &c.Resettable
	case logged && bytes.Equal(value, quoted):
		return &c.Reproduced
	case logged && pcrs && n == pcrUKI && c.reachPhase(value, quoted):
		return &c.Reproduced
	case logged:
		return &c.Mismatched
	case c.replay.Log.starting(n, quoted):
		return &c.Untouched
	}
	return &c.Unlogged
}

// reachPhase goes on from the log's last value of PCR 11 phase by phase, until the
// quoted value is reached.
func (c *Comparison) reachPhase(value, quoted []byte) bool {
	value = bytes.Clone(value)
	for i, phase := range phases {
		digest := c.replay.Bank.sum([]byte(phase))
		c.replay.Bank.extend(value, digest.bytes[:digest.size])
		if bytes.Equal(value, quoted) {
			c.Phases = slices.Clone(phases[:i+1])
			return true
		}
	}
	return false
}

// starting reports whether value is what the register holds before anything
// extends it.
func (l *Log) starting(n int, value []byte) bool {
	if l.Registers == PCRs && n >= pcrDynamic && n <= pcrDynamicTo && isAll(value, 0xff) {
		return true
	}
	if last := len(value) - 1; l.Registers == PCRs && n == 0 && last >= 0 && isLocality(value[last]) {
		value = value[:last]
	}
	return isAll(value, 0)
}

func isAll(value []byte, want byte) bool {
	for _, b := range value {
		if b != want {
			return false
		}
	}
	return len(value) > 0
}

package eventlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Claims draws facts from the events of reproduced registers. What it could not
// tell, and why, the checks say: none of them fails, because what a policy depends
// on is for the policy to say. The claims refer to no memory of the log.
func (c *Comparison) Claims() (*evidence.BootClaims, evidence.Checks) {
	e := extraction{Comparison: c, log: c.replay.Log, claims: &evidence.BootClaims{
		Format: c.replay.Log.format(), Bank: c.replay.Bank.String(), Registers: map[int]evidence.BootRegister{},
	}}
	e.report()
	if c.replay.Bank == SHA1 {
		e.doubt(evidence.CodeEventLogWeakBank, "SHA-256 or stronger", "sha1 digests can be made to cover other data as well")
		e.count()
		return e.claims, e.checks
	}
	e.facts()
	e.count()
	e.firmware()
	e.secureBoot()
	e.bootOptions()
	e.images()
	e.exit()
	e.kernel()
	e.mok()
	e.grub()
	e.commandLines()
	e.applications()
	e.measurements()
	return e.claims, e.checks
}

// format names the log's form.
func (l *Log) format() string {
	switch {
	case l.Registers == RTMRs:
		return "ccel"
	case l.Legacy:
		return "tcg1"
	}
	return "tcg2"
}

// extraction draws the claims of one log.
type extraction struct {
	*Comparison
	log    *Log
	claims *evidence.BootClaims
	checks evidence.Checks
	// byRegister holds the facts of the registers that facts are drawn from, in order.
	byRegister map[int][]fact
	// uncovered counts the events of each register whose digest covers nothing.
	uncovered map[int]int
}

// doubt records why something is not claimed.
func (e *extraction) doubt(code evidence.Code, want, got string) {
	e.checks = append(e.checks, evidence.Check{Code: code, Status: evidence.Warn, Want: want, Got: got})
}

// report says which registers the log accounts for.
func (e *extraction) report() {
	for status, list := range map[string][]int{ // in any order: a register is in one list
		evidence.RegisterReproduced: e.Reproduced, evidence.RegisterUntouched: e.Untouched, evidence.RegisterUnlogged: e.Unlogged,
		evidence.RegisterMismatched: e.Mismatched, evidence.RegisterResettable: e.Resettable, evidence.RegisterUnquoted: e.Unquoted,
	} {
		for _, n := range list {
			e.claims.Registers[n] = evidence.BootRegister{Status: status}
		}
	}
	if len(e.Mismatched) > 0 {
		e.doubt(evidence.CodeEventLogReplay, "the quoted values", fmt.Sprintf("other values in registers %v", e.Mismatched))
	} else {
		e.checks.Pass(evidence.CodeEventLogReplay, fmt.Sprintf("registers %v", e.Reproduced))
	}
	if len(e.Unlogged) > 0 {
		e.doubt(evidence.CodeEventLogUnlogged, "events", fmt.Sprintf("none for registers %v", e.Unlogged))
	}
	if len(e.Unquoted) > 0 {
		e.doubt(evidence.CodeEventLogUnquoted, "quoted values", fmt.Sprintf("none for registers %v", e.Unquoted))
	}
}

// facts classifies the events of reproduced registers. A register with a refuted
// event, or with a separator that tells of an error, gives no facts at all.
func (e *extraction) facts() {
	e.byRegister, e.uncovered = make(map[int][]fact, len(e.Reproduced)), map[int]int{}
	var events [maxPCR + 1]int
	for i := range e.log.Events {
		if event := &e.log.Events[i]; event.Extends() {
			events[event.Register]++
		}
	}
	for _, n := range e.Reproduced {
		e.byRegister[n] = make([]fact, 0, events[n])
	}
	c := classifier{e.replay.Bank, constantsOf[e.replay.Bank]}
	for i := range e.log.Events {
		event := &e.log.Events[i]
		facts, wanted := e.byRegister[event.Register]
		if !event.Extends() || !wanted {
			continue
		}
		f := fact{Event: event, digest: e.log.Digest(event, e.replay.Bank), ordinal: len(facts)}
		c.classify(&f)
		e.byRegister[event.Register] = append(facts, f)
	}
	for _, n := range e.Reproduced {
		for _, f := range e.byRegister[n] {
			if f.kind == uncovered || f.kind == image {
				e.uncovered[n]++
			}
		}
		if !e.sound(n) {
			delete(e.byRegister, n)
		}
	}
}

// sound reports whether no event of the register contradicts itself, and the
// firmware's separators are as they must be.
func (e *extraction) sound(register int) bool {
	separators := 0
	for _, f := range e.byRegister[register] {
		switch f.kind {
		case refuted:
			e.doubt(evidence.CodeEventLogType, "what its digest says", fmt.Sprintf("%s as event %d of register %d", f.Type, f.ordinal, register))
			return false
		case separatorError:
			e.doubt(evidence.CodeEventLogSeparator, "no error", fmt.Sprintf("an error in register %d", register))
			return false
		case separator:
			separators++
		}
	}
	if least, most := e.separators(register); separators < least || separators > most {
		e.doubt(evidence.CodeEventLogSeparator, fmt.Sprintf("%d to %d", least, most), fmt.Sprintf("%d in register %d", separators, register))
		return false
	}
	return true
}

// separators says how many separators a register has. An RTMR stands for several
// PCRs: some firmware separates each of them, and some not all.
func (e *extraction) separators(register int) (least, most int) {
	switch {
	case e.log.Registers == RTMRs:
		return 0, [...]int{3, 5, 8, 0}[register]
	case register <= 7:
		return 1, 1
	}
	return 0, 1
}

// count completes what the claims say of each register.
func (e *extraction) count() {
	for i := range e.log.Events {
		event := &e.log.Events[i]
		if register, known := e.claims.Registers[event.Register]; known && event.Extends() {
			register.Events++
			e.claims.Registers[event.Register] = register
		}
	}
	for n, uncovered := range e.uncovered {
		register := e.claims.Registers[n]
		register.Uncovered = uint32(uncovered)
		e.claims.Registers[n] = register
	}
}

// at returns the register that stands for a PCR: in a trust domain RTMR0 stands
// for PCRs 1 and 7, RTMR1 for 2 to 6, and RTMR2 for 8 to 15 (UEFI 2.10, 38.4.1).
// PCR 0 has no register there: firmware is in MRTD.
func (e *extraction) at(pcr int) int {
	switch {
	case e.log.Registers == PCRs:
		return pcr
	case pcr == 1 || pcr == 7:
		return 0
	case pcr >= 2 && pcr <= 6:
		return 1
	case pcr >= 8:
		return 2
	}
	return -1
}

// accounted reports whether nothing can be hidden in a register: its events are
// known and of these kinds, or there are none.
func (e *extraction) accounted(register int, kinds ...kind) bool {
	facts, known := e.byRegister[register]
	return known && closed(facts, kinds...) || slices.Contains(e.Untouched, register)
}

// closed reports whether all of facts are of these kinds.
func closed(facts []fact, kinds ...kind) bool {
	return !slices.ContainsFunc(facts, func(f fact) bool { return !slices.Contains(kinds, f.kind) })
}

// firmware claims the version that the firmware states of itself, if it does once.
func (e *extraction) firmware() {
	var found []fact
	for _, f := range e.byRegister[e.at(0)] {
		if f.kind == firmwareVersion {
			found = append(found, f)
		}
	}
	if len(found) == 1 {
		e.claims.FirmwareVersion = found[0].text
	}
}

// measurements claims what is left: digests that nothing covers.
func (e *extraction) measurements() {
	for _, n := range e.Reproduced {
		for _, f := range e.byRegister[n] {
			if f.kind == uncovered {
				e.claims.Measurements = append(e.claims.Measurements, evidence.BootMeasurement{
					Register: uint32(n), Ordinal: uint32(f.ordinal), Digest: bytes.Clone(f.digest),
				})
			}
		}
	}
}

// applications claims the events of applications, from registers that hold nothing
// else: all of them, or none.
func (e *extraction) applications() {
	var found []evidence.ApplicationEvent
	for _, n := range e.Reproduced {
		facts := e.byRegister[n]
		if !slices.ContainsFunc(facts, func(f fact) bool { return f.kind == application }) {
			continue
		}
		if !closed(facts, application) {
			e.doubt(evidence.CodeEventLogApplication, "events of applications alone", fmt.Sprintf("others too in register %d", n))
			return
		}
		for _, f := range facts {
			found = append(found, evidence.ApplicationEvent{
				Register: uint32(n), Ordinal: uint32(f.ordinal), Name: f.text, Payload: bytes.Clone(f.payload),
			})
		}
	}
	e.claims.Events = found
}

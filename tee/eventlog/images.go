package eventlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// images claims what was loaded, from the registers of drivers and of boot
// applications: all of it, or nothing. Their events are images, or something that
// cannot be one; which image is a driver only the unmeasured type says.
func (e *extraction) images() {
	e.attempts()
	var found []evidence.BootImage
	for _, n := range slices.Compact([]int{e.at(2), e.at(4)}) {
		if !e.accounted(n, image, action, separator, partitions) {
			e.doubt(evidence.CodeEventLogImages, "images, actions, separators and partition tables alone", fmt.Sprintf("not in register %d", n))
			return
		}
		for _, f := range e.byRegister[n] {
			if f.kind == image {
				found = append(found, evidence.BootImage{Register: uint32(n), Ordinal: uint32(f.ordinal), Digest: bytes.Clone(f.digest)})
			}
		}
	}
	e.claims.Images = found
}

// attempts counts how often firmware called a boot option. Whether the first image
// is loaded before or after that depends on where the firmware has it from. The
// first call comes before the separator, where there is one: later, anybody can
// claim to call.
func (e *extraction) attempts() {
	facts := e.byRegister[e.at(4)]
	calls := func(f fact) bool { return f.kind == action && f.text == actionCalling }
	count := uint32(0)
	for _, f := range facts {
		if calls(f) {
			count++
		}
	}
	if count == 0 {
		return
	}
	first, end := slices.IndexFunc(facts, calls), slices.IndexFunc(facts, func(f fact) bool { return f.kind == separator })
	if end >= 0 && end < first {
		e.doubt(evidence.CodeEventLogAttempts, "before the separator", fmt.Sprintf("as event %d of register %d, behind it", facts[first].ordinal, e.at(4)))
		return
	}
	e.claims.BootAttempts = &count
}

// exit claims that the kernel left boot services: it may fail to, and try again,
// but succeeds once.
func (e *extraction) exit() {
	var steps []string
	for _, f := range e.byRegister[e.at(5)] {
		if f.kind == action && (f.text == actionExit || f.text == actionExited || f.text == actionStayed) {
			steps = append(steps, f.text)
		}
	}
	if len(steps) == 0 {
		return
	}
	for i, step := range steps {
		want := actionExit
		if i%2 != 0 {
			want = actionStayed
			if i == len(steps)-1 {
				want = actionExited
			}
		}
		if step != want {
			e.doubt(evidence.CodeEventLogExit, want, step)
			return
		}
	}
	done := len(steps)%2 == 0
	e.claims.ExitedBootServices = &done
}

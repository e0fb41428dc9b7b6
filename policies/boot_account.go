package policies

import (
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// A register is left to the log by holding each of its events against the lists.
// The events are counted: a log can withhold what an event says, but not that it
// happened, since the register was reproduced.

// register names a register in messages.
func (b *bootLayout) register(n int) string { return b.name + strconv.Itoa(n) }

// whyNot says why what a log has of a register proves nothing.
func whyNot(status string) string {
	switch status {
	case evidence.RegisterUntouched:
		return "untouched: nothing was measured into it"
	case evidence.RegisterUnlogged:
		return "unlogged: something was measured into it, but the log has no events for it"
	case evidence.RegisterMismatched:
		return "mismatched: the log's events lead to another value"
	case evidence.RegisterResettable:
		return "resettable: software may set it back at any time"
	case evidence.RegisterUnquoted:
		return "unquoted: the log has events, but no quote vouches for them"
	}
	return "unknown: neither the quote nor the log has it"
}

// vouched reports whether the log accounts for registers: at least one is
// reproduced, and the others are too or hold nothing.
func (v *bootView) vouched(registers []int) finding {
	reproduced := false
	for _, n := range registers {
		switch v.claims.Registers[n].Status {
		case evidence.RegisterReproduced:
			reproduced = true
		case evidence.RegisterUntouched:
			if v.layout.empty > 0 && n < v.layout.empty { // firmware measures into it, if only a separator
				return v.refuse(n)
			}
		default:
			return v.refuse(n)
		}
	}
	if !reproduced {
		return v.refuse(registers[0])
	}
	return finding{ok: true}
}

func (v *bootView) refuse(n int) finding {
	status := v.claims.Registers[n].Status
	found := wrong(v.layout.register(n) + " is " + whyNot(status))
	found.unseen = status == "" || status == evidence.RegisterUnquoted
	return found
}

// isEmpty reports whether a register holds nothing, and may.
func (v *bootView) isEmpty(n int) bool {
	return v.layout.empty > 0 && n >= v.layout.empty && v.claims.Registers[n].Status == evidence.RegisterUntouched
}

// accountAll is account for those of several registers that hold anything.
func (v *bootView) accountAll(registers []int) finding {
	for _, n := range registers {
		if v.claims.Registers[n].Status == evidence.RegisterUntouched {
			continue
		}
		if found := v.account(n); !found.ok {
			return found
		}
	}
	return finding{ok: true, text: "all listed"}
}

// account reports whether a register holds nothing but what is listed.
func (v *bootView) account(n int) finding {
	bare, found := v.bare(n)
	if !found.ok {
		return found.of(v.layout.register(n) + " holds")
	}
	texts, found := v.texts(n)
	if !found.ok {
		return found.of(v.layout.register(n) + " holds")
	}
	register := v.claims.Registers[n]
	complete := int64(bare)+int64(texts) == int64(register.Events)
	if v.pastLog(n) {
		// Of the phases, those behind the log's end are none of its events.
		missing := int64(bare) + int64(texts) - int64(register.Events)
		complete = missing >= 0 && missing <= int64(len(v.claims.UKI.Phases))
	}
	if slices.Contains(v.layout.images, n) {
		// Images are claimed only where every other event is of a form that none of them has.
		complete = len(v.claims.Images) > 0 && int64(bare) == int64(register.Uncovered)
	}
	if !complete {
		return wrong(v.layout.register(n) + " holds events that the claims leave out")
	}
	return finding{ok: true, text: number(register.Events) + " events, all listed"}
}

// pastLog reports whether a register may hold phases of the boot that the log
// does not have: the firmware's is closed when systemd measures them, so that they
// are claimed by the value alone.
func (v *bootView) pastLog(n int) bool {
	return v.layout.empty > 0 && v.claims.UKI != nil && slices.Contains(v.layout.uki, n)
}

// bare counts the events of a register that only have a digest, all of which must
// be listed.
func (v *bootView) bare(n int) (count int, found finding) {
	for i := range v.claims.Images {
		if image := &v.claims.Images[i]; int(image.Register) == n {
			if found := v.listed(image.Digest, v.q.images, v.q.kernels); !found.ok {
				return 0, found
			}
			count++
		}
	}
	for i := range v.claims.Measurements {
		if m := &v.claims.Measurements[i]; int(m.Register) == n {
			if found := v.measured(m.Digest); !found.ok {
				return 0, found
			}
			count++
		}
	}
	return count, finding{ok: true}
}

// measured reports whether any list of digests has one. What a digest is of, the
// lists' own checks say.
func (v *bootView) measured(digest evidence.Hex) finding {
	found := v.listed(digest, v.q.measurements, v.q.loadOptions, v.q.initrds)
	if found.ok || found.code == evidence.CodePolicyReferenceKnownBad || v.q.uki == nil {
		return found
	}
	for _, section := range v.q.uki.sections {
		if inSection := v.listed(digest, section.contents); inSection.ok {
			return inSection
		}
	}
	return found
}

// texts counts the events of a register whose text the claims have, all of which
// must be listed.
func (v *bootView) texts(n int) (count int, found finding) {
	c := v.claims
	for _, lines := range [][]evidence.CommandLine{c.CommandLines, c.UnsettledCommandLines} {
		for i := range lines {
			if int(lines[i].Register) != n {
				continue
			}
			if found := v.listedText(lines[i].Text, v.q.commandLines); !found.ok {
				return 0, found
			}
			count++
		}
	}
	for _, commands := range [][]string{c.GRUBCommands, c.UnsettledGRUBCommands} {
		for _, command := range commands {
			if !slices.Contains(v.layout.grub, n) {
				break
			}
			if found := v.listedText(command, v.q.grubCommands); !found.ok {
				return 0, found
			}
			count++
		}
	}
	if c.UKI != nil && slices.Contains(v.layout.uki, n) {
		if found := v.image(c.UKI); !found.ok {
			return 0, found
		}
		count += len(c.UKI.Sections) + len(c.UKI.Phases)
	}
	for i := range c.Events {
		event := &c.Events[i]
		if int(event.Register) != n {
			continue
		}
		if !slices.ContainsFunc(v.q.events, func(e *eventRequirement) bool { return e.of(event, e.name) }) {
			return 0, finding{text: "an event", name: quoted(event.Name)}
		}
		count++
	}
	return count, finding{ok: true}
}

// image holds a unified kernel image against the requirement, which there must be.
func (v *bootView) image(c *evidence.UKIClaims) finding {
	if v.q.uki == nil {
		return wrong("a unified kernel image")
	}
	if len(c.Phases) > 0 && v.q.phases == nil {
		return wrong("phases of a boot")
	}
	return v.q.uki.find(v)
}

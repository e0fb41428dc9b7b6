package policies

import (
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// eventRequirement is what is asked of an event that an application measures:
// that it was measured exactly once, or at least once, each time with a listed
// payload and before the event that ends the launch. Whoever runs later can add
// events, but cannot put one before that.
type eventRequirement struct {
	name     string
	register int
	payloads *values // nil: any
	repeated bool
	before   string // the event that ends the launch; empty: whenever
	want     string
}

// events reads a list of {name, payloads, before, repeated, register}.
func (b bootReader) events(n *yaml.Node, a *alternative) []*eventRequirement {
	var events []*eventRequirement
	ends := map[*eventRequirement]*yaml.Node{}
	for _, entry := range b.sequence(n, "boot.events") {
		f := b.mapping(entry, "an entry of boot.events")
		if f == nil {
			continue
		}
		e := b.event(f, a)
		if slices.ContainsFunc(events, func(other *eventRequirement) bool { return other.name == e.name && other.register == e.register }) {
			b.problem(entry, evidence.CodePolicyValue, "boot.events has %q twice", clip(e.name))
		}
		ends[e] = f.values["before"]
		events = append(events, e)
	}
	for _, e := range events {
		b.boundary(events, e, ends[e])
	}
	if len(events) > maxBootEvents {
		b.problem(n, evidence.CodePolicyTooLarge, "boot.events has more than %d entries", maxBootEvents)
	}
	return events
}

func (b bootReader) event(f *fields, a *alternative) *eventRequirement {
	e := &eventRequirement{name: b.text(f.need("name", "give the event's name")), register: b.layout.events[0]}
	if n := f.take("register"); n != nil {
		if e.register = int(b.number(n, evidence.MaxPCR)); !slices.Contains(b.layout.events, e.register) {
			b.problem(n, evidence.CodePolicyValue, "applications do not extend %s", b.layout.register(e.register))
		}
	}
	n := f.need("payloads", "list payloads in hex, or write any if the payload does not matter")
	if isAny(n) {
		a.relax(string(b.layout.kind) + ".boot.event." + e.name + ".any")
		e.payloads = b.anyValue(b.layout.spec(listEvents + e.name))
	} else {
		e.payloads = b.readValues(b.source, n, b.layout.spec(listEvents+e.name))
	}
	e.repeated, e.before = b.boolean(f.take("repeated")), b.text(f.take("before"))
	f.done()
	e.want = e.describe(isAny(n))
	return e
}

// boundary refuses a before that names no event which ends the launch: one of
// the same register that is measured exactly once, and not after another one.
func (b bootReader) boundary(events []*eventRequirement, e *eventRequirement, at *yaml.Node) {
	if e.before == "" {
		return
	}
	ok := slices.ContainsFunc(events, func(end *eventRequirement) bool {
		return end != e && end.name == e.before && end.register == e.register && !end.repeated
	})
	if !ok {
		b.problem(at, evidence.CodePolicyValue, "boot.events has no other event %q of %s that is measured once", clip(e.before), b.layout.register(e.register))
	}
}

func (e *eventRequirement) describe(anyPayload bool) string {
	text := quoted(e.name) + " exactly once"
	if e.repeated {
		text = quoted(e.name) + " at least once"
	}
	if !anyPayload && e.payloads != nil {
		text += ", with payload " + e.payloads.want
	}
	if e.before != "" {
		text += ", before " + quoted(e.before)
	}
	return text
}

// find holds the events of a log against the requirement.
func (e *eventRequirement) find(v *bootView) finding {
	end, ends := uint32(0), 0
	for i := range v.claims.Events {
		if event := &v.claims.Events[i]; e.before != "" && e.of(event, e.before) {
			end, ends = event.Ordinal, ends+1
		}
	}
	if e.before != "" && ends != 1 {
		return wrong(fmt.Sprintf("%q %d times", clip(e.before), ends))
	}
	count := 0
	for i := range v.claims.Events {
		event := &v.claims.Events[i]
		if !e.of(event, e.name) {
			continue
		}
		if count++; count > 1 && !e.repeated {
			return wrong("once more, as event " + strconv.FormatUint(uint64(event.Ordinal), 10))
		}
		if e.before != "" && event.Ordinal >= end {
			return wrong("not before " + quoted(e.before))
		}
		if found := v.payload(event.Payload, e.payloads); !found.ok {
			return found
		}
	}
	if count == 0 {
		return wrong("not measured")
	}
	return finding{ok: true, text: strconv.Itoa(count) + " times"}
}

func (e *eventRequirement) of(event *evidence.ApplicationEvent, name string) bool {
	return int(event.Register) == e.register && event.Name == name
}

// payload is listed for what applications measure, which may be nothing.
func (v *bootView) payload(payload evidence.Hex, wanted *values) finding {
	if wanted == nil {
		return finding{ok: true}
	}
	found := v.listed(payload, wanted)
	found.name, found.value = shownPayload(payload), nil
	return found
}

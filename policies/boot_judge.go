package policies

import (
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
)

// bootView is a boot as it is being judged.
type bootView struct {
	q      *bootRequirement
	layout *bootLayout
	claims *evidence.BootClaims
	report *report
}

// judge holds the claims of a boot against the requirement; nil claims mean that
// there was no event log.
func (q *bootRequirement) judge(r *report, c *evidence.BootClaims) {
	if q == nil {
		return
	}
	r.judge(c != nil, q.layout.kind, evidence.CodePolicyBootLog, "an event log", func() string {
		return yesNo(c != nil, "present", "absent: the evidence has none that could be read")
	})
	if c == nil {
		return
	}
	v := &bootView{q, q.layout, c, r}
	q.secureBoot.judge(v)
	if q.sbatLevels != nil {
		v.ask(evidence.CodePolicyBootSbatLevel, q.sbatLevels.want, q.layout.secureBoot, func() finding {
			if c.SbatLevel == "" {
				return unsettled
			}
			return v.listedText(c.SbatLevel, q.sbatLevels)
		})
	}
	q.mok.judge(v)
	q.judgeImages(v)
	q.judgeKernel(v)
	for _, e := range q.events {
		v.ask(evidence.CodePolicyBootEvent, e.want, []int{e.register}, func() finding { return e.find(v) })
	}
	for _, n := range q.complete {
		if v.isEmpty(n) {
			v.report.judge(true, q.layout.kind, evidence.CodePolicyBootRegister, "nothing in "+q.layout.register(n)+" but what the policy lists", func() string { return "nothing at all" })
			continue
		}
		v.ask(evidence.CodePolicyBootRegister, "nothing in "+q.layout.register(n)+" but what the policy lists", []int{n}, func() finding { return v.account(n) })
	}
}

// judgeImages judges what firmware and boot loaders loaded, and how it went.
func (q *bootRequirement) judgeImages(v *bootView) {
	c := v.claims
	if q.images != nil {
		v.ask(evidence.CodePolicyBootImages, "nothing but "+q.images.want, q.layout.images, v.images)
	}
	if q.kernels != nil {
		v.ask(evidence.CodePolicyBootKernel, q.kernels.want, q.layout.images, v.kernel)
	}
	if q.attempts > 0 {
		v.ask(evidence.CodePolicyBootAttempts, "at most "+strconv.FormatUint(q.attempts, 10), q.layout.calls, func() finding {
			if c.BootAttempts == nil {
				return unsettled
			}
			return finding{ok: uint64(*c.BootAttempts) <= q.attempts, text: number(*c.BootAttempts)}
		})
	}
	if q.exited {
		v.ask(evidence.CodePolicyBootExit, "boot services left", q.layout.exit, func() finding {
			if c.ExitedBootServices == nil {
				return unsettled
			}
			return finding{ok: *c.ExitedBootServices, text: yesNo(*c.ExitedBootServices, "left", "not left")}
		})
	}
}

// images reports whether every image that was loaded is listed.
func (v *bootView) images() finding {
	if len(v.claims.Images) == 0 {
		return unsettled
	}
	for i := range v.claims.Images {
		if found := v.listed(v.claims.Images[i].Digest, v.q.images, v.q.kernels); !found.ok {
			return found
		}
	}
	return finding{ok: true, text: strconv.Itoa(len(v.claims.Images)) + " listed"}
}

// kernel reports whether a listed kernel was loaded.
func (v *bootView) kernel() finding {
	if len(v.claims.Images) == 0 {
		return unsettled
	}
	missing := wrong("none of the images")
	for i := range v.claims.Images {
		found := v.listed(v.claims.Images[i].Digest, v.q.kernels)
		if found.ok {
			return found
		}
		if !found.code.IsZero() { // it would be listed, but for an end or a flaw
			missing = found
		}
	}
	return missing
}

// finding is what a log shows of one thing. It is turned into text only where a
// check is told.
type finding struct {
	ok bool
	// unseen says that no quote covers what is asked for.
	unseen bool
	code   evidence.Code // of the check that fails, where it is not the requirement's own
	text   string
	name   string           // what was found, where it is text
	value  evidence.Hex     // what was found, where it is a digest
	from   *referenceValues // that expired, or know the value to be bad
}

// unsettled is the finding where the log leaves something open: absent is not good.
var unsettled = finding{text: "absent: the event log does not say, or leaves it open"}

func wrong(text string) finding { return finding{text: text} }

// of says where something was found.
func (f finding) of(place string) finding {
	if f.text != "" {
		place += " " + f.text
	}
	f.text = place
	return f
}

func (f finding) String() string {
	text := f.text
	add := func(more string) {
		if text != "" && more != "" {
			text += " "
		}
		text += more
	}
	add(f.name)
	if f.value != nil {
		add(f.value.String())
	}
	switch {
	case f.from == nil:
	case f.code == evidence.CodePolicyReferenceKnownBad:
		text += ", which " + f.from.name + " knows to be bad: " + join(f.from.knownBad)
	default:
		text += ", a value of " + f.from.name + ", which expired at " + f.from.notAfter.Format(time.RFC3339)
	}
	return text
}

// ask judges one thing that is drawn from registers: it counts only if the log
// accounts for all of them.
func (v *bootView) ask(code evidence.Code, want string, registers []int, find func() finding) {
	found := v.vouched(registers)
	if found.ok {
		found = find()
	}
	if !found.code.IsZero() {
		code = found.code
	}
	if found.unseen && v.report.isRecord() {
		v.report.wait(v.layout.kind, code, want, notRecorded)
		return
	}
	v.report.judge(found.ok, v.layout.kind, code, want, func() string { return found.String() })
}

// listed reports whether one of the lists has a value; nil lists have none.
func (v *bootView) listed(value evidence.Hex, lists ...*values) finding {
	found := finding{value: value}
	for _, list := range lists {
		if list == nil {
			continue
		}
		if bad := list.knownBad(value); bad != nil {
			return finding{code: evidence.CodePolicyReferenceKnownBad, value: value, from: bad}
		}
		if list.any {
			found.ok = true
			continue
		}
		ok, until, expired := list.match(value, v.report.now)
		switch {
		case ok && !found.ok:
			v.report.endsBy(until)
			found.ok, found.code, found.from = true, evidence.Code{}, nil
		case expired != nil && !found.ok:
			found.code, found.from = evidence.CodePolicyReferenceExpired, expired
		}
	}
	return found
}

// listedText is listed for texts.
func (v *bootView) listedText(text string, lists ...*values) finding {
	found := v.listed(evidence.Hex(text), lists...)
	found.name, found.value = quoted(text), nil
	return found
}

// lacks reports whether a database has every value of a list; nil asks nothing.
func (v *bootView) lacks(have digests, wanted *values) finding {
	if wanted == nil {
		return finding{ok: true}
	}
	missing := 0
	count := func(list digests) {
		for value := range list {
			if _, there := have[value]; !there {
				missing++
			}
		}
	}
	count(wanted.literals)
	for _, ref := range wanted.references {
		if !ref.from.inForce(v.report.now) {
			return finding{code: evidence.CodePolicyReferenceExpired, text: "the list", from: ref.from}
		}
		v.report.endsBy(ref.from.notAfter)
		count(ref.values)
	}
	if missing > 0 {
		return wrong("without " + strconv.Itoa(missing) + " of the listed entries")
	}
	return finding{ok: true}
}

func newDigests(list []evidence.Hex) digests {
	d := make(digests, len(list))
	for _, value := range list {
		d[string(value)] = struct{}{}
	}
	return d
}

package policies

import (
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// ukiSections are the sections of a unified kernel image that are measured (UAPI.5).
var ukiSections = []string{
	".linux", ".initrd", ".cmdline", ".osrel", ".uname", ".sbat", ".ucode", ".splash", ".dtb", ".dtbauto", ".hwids", ".pcrpkey", ".profile", ".efifw",
}

// bootPhases are the phases that systemd measures (systemd-pcrphase.service).
var bootPhases = []string{"enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"}

// ukiRequirement is what a unified kernel image must consist of: each of these
// sections with one of its contents, and no other section.
type ukiRequirement struct {
	sections []ukiSection // in the order of ukiSections
	want     string
}

type ukiSection struct {
	name     string
	contents *values
}

func (b bootReader) uki(n *yaml.Node) *ukiRequirement {
	f := b.mapping(n, "boot.uki")
	if f == nil {
		return nil
	}
	q := &ukiRequirement{}
	var names []string
	for _, name := range ukiSections {
		if contents := b.readValues(b.source, f.take(name), b.layout.spec(listUKI+name)); contents != nil {
			q.sections = append(q.sections, ukiSection{name, contents})
			names = append(names, name)
		}
	}
	if len(f.values) == 0 {
		b.problem(n, evidence.CodePolicyMissingKey, "boot.uki is empty; list the sections, such as .linux")
	}
	f.done()
	q.want = "the listed contents of " + join(names) + ", and no other section"
	return q
}

// contents returns the list of a section, or nil.
func (q *ukiRequirement) contents(name string) *values {
	if q == nil {
		return nil
	}
	i := slices.IndexFunc(q.sections, func(s ukiSection) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return q.sections[i].contents
}

// judge holds an image against the requirement. What its kernel's stub measured
// behind it into the same register must be listed too: where the one ends and the
// other begins, only labels say, and a command line from outside, which an image's
// stub measures as well, could be given either.
func (q *ukiRequirement) judge(v *bootView) finding {
	found := q.find(v)
	if !found.ok || !slices.Equal(v.layout.uki, v.layout.stub) {
		return found
	}
	for _, digest := range []evidence.Hex{v.claims.LoadOptions, v.claims.Initrd} {
		if len(digest) == 0 {
			continue
		}
		if behind := v.measured(digest); !behind.ok {
			return behind.of("behind the image")
		}
	}
	return found
}

// find holds an image against the requirement.
func (q *ukiRequirement) find(v *bootView) finding {
	c := v.claims.UKI
	if c == nil {
		return unsettled
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sections)) {
		wanted := q.contents(name)
		if wanted == nil {
			return wrong("a section " + quoted(name) + " that is not listed")
		}
		if found := v.listed(c.Sections[name], wanted); !found.ok {
			return found.of(name)
		}
	}
	for _, section := range q.sections {
		if len(c.Sections[section.name]) == 0 {
			return wrong("no section " + section.name)
		}
	}
	return finding{ok: true, text: "as listed"}
}

// judgeKernel judges the kernel and what it was started with.
func (q *bootRequirement) judgeKernel(v *bootView) {
	c := v.claims
	if q.commandLines != nil {
		v.ask(evidence.CodePolicyBootCommandLine, q.commandLines.want, q.layout.commandLines, v.commandLines)
	}
	if q.grubCommands != nil {
		v.ask(evidence.CodePolicyBootGRUB, "nothing but "+q.grubCommands.want, q.layout.grub, v.grubCommands)
	}
	v.stub(evidence.CodePolicyBootLoadOptions, q.loadOptions, c.LoadOptions)
	v.stub(evidence.CodePolicyBootInitrd, q.initrds, c.Initrd)
	if q.uki != nil {
		v.ask(evidence.CodePolicyBootUKI, q.uki.want, q.layout.uki, func() finding { return q.uki.judge(v) })
	}
	if q.phases != nil {
		v.ask(evidence.CodePolicyBootPhases, join(q.phases.words), q.layout.uki, func() finding {
			if c.UKI == nil {
				return unsettled
			}
			return finding{ok: slices.Equal(c.UKI.Phases, q.phases.words), text: join(c.UKI.Phases)}
		})
	}
}

// stub judges a digest that the kernel's EFI stub measures, where it is asked for.
func (v *bootView) stub(code evidence.Code, wanted *values, value evidence.Hex) {
	if wanted == nil {
		return
	}
	v.ask(code, wanted.want, v.layout.stub, func() finding {
		c := v.claims
		switch {
		case len(value) > 0:
			return v.listed(value, wanted)
		case c.UKI != nil || len(c.LoadOptions)+len(c.Initrd) > 0:
			return unsettled // the log tells what is whose, and this is not there
		}
		if wanted == v.q.initrds {
			if found := v.oneKernelOfGRUB(); !found.ok {
				return found
			}
		}
		return v.unsettledStub(wanted)
	})
}

// sourceGRUB is the source of command lines that GRUB measured.
const sourceGRUB = "grub"

// oneKernelOfGRUB reports whether GRUB loaded one kernel at most: for the next one
// it forgets the RAM disk. It measures a command line whenever it loads a kernel.
// Where these have a register of their own, its log must say.
func (v *bootView) oneKernelOfGRUB() finding {
	count := 0
	for _, lines := range [][]evidence.CommandLine{v.claims.CommandLines, v.claims.UnsettledCommandLines} {
		for i := range lines {
			if lines[i].Source == sourceGRUB {
				count++
			}
		}
	}
	if count > 1 {
		return wrong("several kernels of GRUB's, which forgets the RAM disk of one for the next")
	}
	for _, n := range v.layout.grub {
		if slices.Contains(v.layout.stub, n) || v.isEmpty(n) {
			continue
		}
		if found := v.vouched([]int{n}); !found.ok {
			return found
		}
		if count != 1 {
			return wrong("in " + v.layout.register(n) + ", no single kernel of GRUB's")
		}
	}
	return finding{ok: true}
}

// unsettledStub reports whether a listed digest was measured where the log does not
// tell which one is the stub's, because boot loaders measured into the register as
// well. Then all that it holds must be listed: what the stub measured is among it.
func (v *bootView) unsettledStub(wanted *values) finding {
	for i := range v.claims.Measurements {
		m := &v.claims.Measurements[i]
		if !slices.Contains(v.layout.stub, int(m.Register)) {
			continue
		}
		if found := v.listed(m.Digest, wanted); found.ok || !found.code.IsZero() {
			if account := v.accountAll(v.layout.stub); !account.ok {
				return account
			}
			return found
		}
	}
	return unsettled
}

// commandLines reports whether there are command lines, all of them listed. Where
// something else could be another one, all of it must be listed too.
func (v *bootView) commandLines() finding {
	c := v.claims
	if len(c.CommandLines)+len(c.UnsettledCommandLines) == 0 {
		return unsettled
	}
	for _, lines := range [][]evidence.CommandLine{c.CommandLines, c.UnsettledCommandLines} {
		for i := range lines {
			if found := v.listedText(lines[i].Text, v.q.commandLines); !found.ok {
				return found
			}
		}
	}
	if len(c.UnsettledCommandLines) > 0 {
		return v.accountAll(v.layout.commandLines)
	}
	return finding{ok: true, text: strconv.Itoa(len(c.CommandLines)) + " listed"}
}

// grubCommands is commandLines for what GRUB ran.
func (v *bootView) grubCommands() finding {
	c := v.claims
	if len(c.GRUBCommands)+len(c.UnsettledGRUBCommands) == 0 {
		return unsettled
	}
	for _, commands := range [][]string{c.GRUBCommands, c.UnsettledGRUBCommands} {
		for _, command := range commands {
			if found := v.listedText(command, v.q.grubCommands); !found.ok {
				return found
			}
		}
	}
	if len(c.UnsettledGRUBCommands) > 0 {
		return v.accountAll(v.layout.grub)
	}
	return finding{ok: true, text: strconv.Itoa(len(c.GRUBCommands)) + " listed"}
}

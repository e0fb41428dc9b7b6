package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// bootLayout says which registers of a technology hold what of a boot. What an
// event log says counts only where these registers vouch for it.
type bootLayout struct {
	kind   evidence.Kind
	name   string // what a register is called
	digest int    // size of the registers' digests in bytes
	// digests are sizes that reference values may have besides, where they are not of one bank.
	digests []int
	// empty is the first of the registers that may hold nothing: firmware measures
	// separators into those before it. 0: none may.
	empty int

	secureBoot   []int
	images       []int // these hold nothing else that the log could not cover
	calls        []int // of boot options
	exit         []int // from boot services
	commandLines []int
	grub         []int
	stub         []int // what the kernel's EFI stub measures
	uki          []int
	measurements []int // digests of files and the like, by boot loaders
	mok          []int // the machine owner's key lists; nil: they are not claimed
	events       []int // of applications; the first is meant where a document names none
}

// tdxBoot follows the virtual firmware's mapping of PCRs to RTMRs (UEFI 2.10, 38.4.1).
var tdxBoot = &bootLayout{
	kind: tdx, name: "RTMR", digest: tdxRegisterSize,
	secureBoot: []int{0}, images: []int{1}, calls: []int{1}, exit: []int{1},
	commandLines: []int{2}, grub: []int{2}, stub: []int{2}, uki: []int{2}, measurements: []int{2}, events: []int{3, 2},
}

// bootRequirement is what an event log must show of a boot. Nil values ask
// nothing; a nil requirement asks for no log.
type bootRequirement struct {
	layout *bootLayout

	secureBoot   *secureBoot
	sbatLevels   *values
	mok          *mokRequirement
	images       *values // every image must be one of these, or of kernels
	kernels      *values // one of these must have been loaded
	attempts     uint64  // at most; 0 asks nothing
	exited       bool
	commandLines *values
	loadOptions  *values
	initrds      *values
	noInitrd     bool // the kernel needs none: what it starts follows from the command line
	grubCommands *values
	uki          *ukiRequirement
	phases       *choice // exactly these
	measurements *values // these account for digests that no other list has
	events       []*eventRequirement

	// complete are the registers that hold nothing but what the requirement lists.
	complete []int
}

// readBoot reads boot; a nil node gives nil.
func (l *loader) readBoot(s source, n *yaml.Node, layout *bootLayout, a *alternative) *bootRequirement {
	f := s.mapping(n, "boot")
	if f == nil {
		return nil
	}
	b := bootReader{l, f, layout}
	q := &bootRequirement{
		layout: layout, secureBoot: b.secureBoot(f.take("secure_boot")), sbatLevels: b.values("sbat_levels"),
		images: b.values("images"), kernels: b.values("kernels"), exited: b.required("exited_boot_services"),
		commandLines: b.values("command_lines"), loadOptions: b.values("load_options"),
		grubCommands: b.values("grub_commands"), uki: b.uki(f.take("uki")), measurements: b.values("measurements"),
		phases: newChoice(s.words(f.take("phases"), "boot.phases", bootPhases)...), events: b.events(f.take("events"), a),
	}
	if q.initrds, q.noInitrd = b.initrds(); q.noInitrd {
		a.relax(string(layout.kind) + ".boot.initrds.none")
	}
	if layout.mok != nil {
		q.mok = b.mok(f.take("mok"))
	}
	if n := f.take("maximum_boot_attempts"); n != nil {
		q.attempts = b.positive(n, "boot.maximum_boot_attempts")
	}
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "boot is empty; say what the event log must show")
	}
	f.done()
	if q.measurements != nil {
		q.complete = slices.Clone(layout.measurements)
	}
	return q
}

// bootReader reads the keys of boot.
type bootReader struct {
	*loader
	*fields
	layout *bootLayout
}

// values reads a list that may refer to reference values of the same name.
func (b bootReader) values(key string) *values {
	return b.readValues(b.source, b.take(key), b.layout.spec(key))
}

// initrds reads a list, or none.
func (b bootReader) initrds() (list *values, none bool) {
	const key = "initrds"
	if n := b.fields.values[key]; n != nil && n.Kind == yaml.ScalarNode && n.Value == "none" {
		b.take(key)
		return nil, true
	}
	return b.values(key), false
}

// required reads a key that takes the word required alone.
func (b bootReader) required(key string) bool {
	return b.word(b.take(key), "boot."+key, []string{bitRequired}) != ""
}

// positive reads a number of at least 1: 0 would ask nothing, or what no machine has.
func (b bootReader) positive(n *yaml.Node, what string) uint64 {
	before := len(b.problems.list)
	value := b.number(n, 1<<32-1)
	if value == 0 && len(b.problems.list) == before {
		b.problem(n, evidence.CodePolicyValue, "%s is at least 1", what)
	}
	return value
}

// leave says that everything in a register must be accounted for.
func (q *bootRequirement) leave(register int) {
	if !slices.Contains(q.complete, register) {
		q.complete = append(q.complete, register)
	}
}

// asks reports whether anything is drawn from a register.
func (q *bootRequirement) asks(register int) bool {
	layout := q.layout
	for _, part := range []struct {
		asked     bool
		registers []int
	}{
		{q.secureBoot != nil || q.sbatLevels != nil, layout.secureBoot},
		{q.mok != nil, layout.mok},
		{q.images != nil || q.kernels != nil, layout.images},
		{q.attempts > 0, layout.calls},
		{q.exited, layout.exit},
		{q.commandLines != nil, layout.commandLines},
		{q.grubCommands != nil, layout.grub},
		{q.loadOptions != nil || q.initrds != nil, layout.stub},
		{q.uki != nil || q.phases != nil, layout.uki},
		{true, q.complete},
	} {
		if part.asked && slices.Contains(part.registers, register) {
			return true
		}
	}
	return slices.ContainsFunc(q.events, func(e *eventRequirement) bool { return e.register == register })
}

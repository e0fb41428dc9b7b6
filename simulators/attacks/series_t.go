package attacks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tdx"
)

// tdxRows are the attacks on TDX.
func tdxRows() []Row {
	return slices.Concat(tdxFormatRows(), tdxEnclaveRows(), tdxDomainRows(), tdxPlatformRows(), tdxChainRows(), tdxCollateralRows(), tdxDocumentRows(), tdxLogRows())
}

// The subjects of the attacks on TDX.
const (
	tdxPlain    = "tdx"          // asks for no more than must be asked for
	tdxNewer    = "tdx-15"       // has quotes of version 5 with TD reports 1.5
	tdxPinned   = "tdx-pinned"   // asks for this very platform, and for its configuration
	tdxBooted   = "tdx-booted"   // asks for what its event log shows
	tdxUnlisted = "tdx-unlisted" // is at a service without endorsements, and sends its own
)

// tdxSubjects are what the attacks on TDX are tried on.
func tdxSubjects(w *simulators.World) ([]Subject, error) {
	plain := newDomain(w, tdxPlain, nil)
	newer := newDomain(w, tdxNewer, func(o *tdx.MachineOptions) { o.Version, o.TD15 = 5, true })
	pinned := newDomain(w, tdxPinned, func(o *tdx.MachineOptions) {
		copy(o.MROwner[:], digestOf(tdxPinned, "owner"))
	})
	booted := newDomain(w, tdxBooted, func(o *tdx.MachineOptions) {
		boot := tdx.DefaultBoot()
		o.Boot = &boot
	})
	owner := pinned.options.MROwner
	ppid := w.TDX.PPID(pinned.options.Name)
	subjects := []Subject{
		plain.subject(tdxPlain, plain.registers()),
		newer.subject(tdxNewer, newer.registers()),
		pinned.subject(tdxPinned, pinned.registers(), "mrowner: ["+hexed(owner[:])+"]", "mrownerconfig: [\""+strings.Repeat("0", 96)+"\"]",
			"ppids: {allow: ["+hexed(ppid[:])+"]}", "fmspcs: {allow: ["+hexed(pinned.options.FMSPC[:])+"]}", "minimum_evaluation_data_number: 20", "xfam: ["+hexed(pinned.options.XFAM[:])+"]"),
		booted.subject(tdxBooted, booted.registers()[:1], "rtmr1: any", "rtmr2: any", "boot: {secure_boot: required}"),
	}
	unlisted := Subject{Name: tdxUnlisted, Machine: plain, Honest: unendorsed(collateral(nil))}
	return append(subjects, unlisted), nil
}

// domain is a trust domain, and what it was made of.
type domain struct {
	*tdx.Machine
	options tdx.MachineOptions
}

// newDomain makes the trust domain of a subject. Its firmware and configuration are its own.
func newDomain(w *simulators.World, name string, change func(*tdx.MachineOptions)) domain {
	o := tdx.DefaultMachine()
	o.Name = "attacks/" + name
	copy(o.MRTD[:], digestOf(name, "firmware"))
	copy(o.MRConfigID[:], digestOf(name, "configuration"))
	for i := range 3 {
		copy(o.RTMR[i][:], digestOf(name, fmt.Sprint("register ", i)))
	}
	if change != nil {
		change(&o)
	}
	return domain{w.TDX.NewMachine(o), o}
}

// registers are the lines of a requirement that pin the RTMRs.
func (d domain) registers() []string {
	var lines []string
	for i, value := range d.RTMR() {
		lines = append(lines, fmt.Sprintf("rtmr%d: [%s]", i, hexed(value[:])))
	}
	return lines
}

// subject requires the domain's firmware, configuration and these lines.
func (d domain) subject(name string, registers []string, lines ...string) Subject {
	all := slices.Concat([]string{"mrtd: [" + hexed(d.options.MRTD[:]) + "]", "mrconfigid: [" + hexed(d.options.MRConfigID[:]) + "]"}, registers, lines)
	if len(registers) == 1 {
		all = append(all, "rtmr3: any")
	}
	return Subject{Name: name, Machine: d, Requires: "tdx:\n    " + strings.Join(all, "\n    ")}
}

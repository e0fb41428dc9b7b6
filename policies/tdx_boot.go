package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// bootWord leaves a register to the event log: in place of its value, everything
// that was measured into it is held against what boot lists.
const bootWord = "boot"

// tdxLogged are the registers that can be left to the log. RTMR0 cannot: it holds
// the host's hardware tables and variables, in forms that a host can make pass
// for each other.
var tdxLogged = []string{"rtmr1", "rtmr2", "rtmr3"}

func isBoot(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.ScalarNode && n.Value == bootWord
}

// judgeTDXBoot refuses documents whose boot leaves open what they rely on. Each
// register is extended by what the one before it measures: MRTD has the firmware,
// which measures boot loaders into RTMR1, which measure kernels, command lines
// and RAM disks into RTMR2, and what then runs measures into RTMR3.
func judgeTDXBoot(f *fields, q *tdxRequirement) {
	for i, key := range tdxLogged {
		n, register := f.values[key], i+1
		if !isBoot(n) {
			continue
		}
		if q.boot == nil {
			f.problem(n, evidence.CodePolicyMissingKey, "%s: boot leaves the register to the event log, so boot must say what it may hold", key)
			continue
		}
		q.boot.leave(register)
		if missing := q.boot.leftOpen(register); missing != "" {
			f.problem(n, evidence.CodePolicyUnsafe, "%s: boot leaves open %s", key, missing)
		}
	}
	if q.boot == nil {
		return
	}
	if b := q.boot; b.initrds != nil && b.commandLines == nil && b.loadOptions == nil && b.uki.contents(".cmdline") == nil {
		f.problem(f.values["boot"], evidence.CodePolicyUnsafe, "boot.initrds leaves open the command line, which can name another initial RAM disk; list it too")
	}
	for register := 2; register < tdxRTMRs; register++ {
		if !q.boot.asks(register) {
			continue
		}
		for before := 1; before < register; before++ {
			if n := f.values[rtmrKey(before)]; isOpen(n) {
				f.problem(n, evidence.CodePolicyUnsafe, "%s: %s accepts software that can measure into RTMR%d whatever boot asks for; list values, or write boot", rtmrKey(before), openWord(n), register)
			}
		}
	}
}

// leftOpen says what of a register that is left to the log nothing pins, or "".
func (q *bootRequirement) leftOpen(register int) string {
	switch register {
	case 1:
		if q.images == nil && q.kernels == nil {
			return "which images may be loaded; list them in boot.images"
		}
	case 2:
		if q.commandLines == nil && q.loadOptions == nil && q.uki.contents(".cmdline") == nil {
			return "the kernel's command line; list it in boot.command_lines, boot.load_options or boot.uki"
		}
		return q.initrdLeftOpen()
	case 3:
		if !slices.ContainsFunc(q.events, func(e *eventRequirement) bool { return e.register == register }) {
			return "which events it holds; list them in boot.events"
		}
	}
	return ""
}

// initrdLeftOpen says why the initial RAM disk is not pinned. That it may have been
// read (boot.measurements) does not say that it was: without one, the kernel starts
// what the host has on its disk. Where the command line names it, the kernel loads
// it from such a disk, and nobody measures it.
func (q *bootRequirement) initrdLeftOpen() string {
	switch {
	case q.uki.contents(".initrd") != nil:
		return ""
	case q.initrds == nil && !q.noInitrd:
		return "the initial RAM disk; list it in boot.initrds or boot.uki, or write none if the command line pins what a kernel without one starts"
	case q.commandLines != nil && q.commandLines.containText("initrd="):
		return "the initial RAM disk that a command line names (initrd=), which nobody measures"
	}
	return ""
}

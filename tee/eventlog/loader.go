package eventlog

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// The sources of command lines.
const (
	sourceGRUB = "grub"
	sourceEFI  = "efi"
)

// grub claims the commands that GRUB ran, as settled if their register holds
// nothing but what GRUB writes there.
func (e *extraction) grub() {
	facts := e.byRegister[e.at(8)]
	var commands []string
	for _, f := range facts {
		if f.kind == grubText && !isPath(f.text) {
			commands = append(commands, f.text)
		}
	}
	if closed(facts, grubText) {
		e.claims.GRUBCommands = commands
	} else {
		e.claims.UnsettledGRUBCommands = commands
	}
}

// isPath reports whether a text of GRUB's begins with a file's path, as the
// command lines of kernels and modules do and no command does.
func isPath(text string) bool { return strings.HasPrefix(text, "/") || strings.HasPrefix(text, "(") }

// commandLines claims the kernel's command lines that boot loaders measured as
// text, as settled if neither of their registers can hold another one.
func (e *extraction) commandLines() {
	var lines []evidence.CommandLine
	settled := true
	registers := slices.Compact([]int{e.at(8), e.at(12)}) // one and the same in a trust domain
	for _, n := range registers {
		lines = append(lines, linesOf(n, e.byRegister[n])...)
		settled = settled && (e.accounted(n, grubText) || e.accounted(n, wideText)) && !slices.ContainsFunc(e.byRegister[n], isBroken)
	}
	switch {
	case len(lines) == 0:
	case !settled:
		e.claims.UnsettledCommandLines = lines
		e.doubt(evidence.CodeEventLogCommandLine, "command lines and commands alone", fmt.Sprintf("what could be others in registers %v", registers))
	case contradictory(lines):
		e.doubt(evidence.CodeEventLogCommandLine, "one from GRUB", "several")
	default:
		e.claims.CommandLines = lines
	}
}

// isBroken reports whether a text of GRUB's would be a command line if it were
// one line.
func isBroken(f fact) bool { return f.kind == grubText && isPath(f.text) && !isLine(f.text) }

// linesOf returns the command lines among a register's texts.
func linesOf(register int, facts []fact) []evidence.CommandLine {
	var lines []evidence.CommandLine
	for _, f := range facts {
		line := evidence.CommandLine{Register: uint32(register), Ordinal: uint32(f.ordinal), Text: f.text}
		switch {
		case f.kind == wideText:
			line.Source = sourceEFI
		case f.kind == grubText && isPath(f.text) && isLine(f.text):
			line.Source = sourceGRUB
		default:
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// contradictory reports whether GRUB measured several command lines: which of
// them the kernel has, or whether one belongs to a module, nothing says.
func contradictory(lines []evidence.CommandLine) bool {
	var first *evidence.CommandLine
	for i := range lines {
		if lines[i].Source != sourceGRUB {
			continue
		}
		if first != nil && first.Text != lines[i].Text {
			return true
		}
		first = &lines[i]
	}
	return false
}

// The labels of shim's lists, in its order.
var mokLabels = []string{"MokList", "MokListX", "MokListTrusted"}

// mok claims the machine owner's key lists. Only their order says which is which,
// so they must be all that the register holds. Loaded again, shim measures the
// same again.
func (e *extraction) mok() {
	if e.log.Registers != PCRs {
		return // the register holds other things as well
	}
	const register = 14
	facts := e.byRegister[register]
	if len(facts) == 0 || facts[0].label() != mokLabels[0] {
		return // not shim's: other systems use the register for other things
	}
	digests := make([][]byte, len(mokLabels))
	next := 0
	for _, f := range facts {
		label := f.label()
		if label == mokLabels[0] && next >= 2 {
			next = 0 // loaded again
		}
		if f.Type != IPL || next == len(mokLabels) || label != mokLabels[next] || digests[next] != nil && !bytes.Equal(digests[next], f.digest) {
			e.doubt(evidence.CodeEventLogMok, "the lists in shim's order, and the same each time", fmt.Sprintf("%q as event %d", shorten(label), f.ordinal))
			return
		}
		digests[next] = f.digest
		next++
	}
	if digests[1] == nil {
		e.doubt(evidence.CodeEventLogMok, mokLabels[1], "none")
		return
	}
	e.claims.Mok = &evidence.MokClaims{List: bytes.Clone(digests[0]), ListX: bytes.Clone(digests[1]), Trusted: bytes.Clone(digests[2])}
}

// shorten keeps what a log says in messages short.
func shorten(s string) string { return s[:min(len(s), maxQuoted)] }

package machines

import (
	"encoding/binary"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
)

// imaFaults are in the files that the kernel measured, or in the list of them.
func imaFaults() []fault {
	measuring := func(name, title string, code evidence.Code) Fault {
		f := tpmFault("ima-"+name, title, []Technology{TPM}, code)
		f.Measuring = true
		return f
	}
	return []fault{
		{Fault: measuring("file", "a file was read that no policy lists", evidence.CodePolicyIMAFiles),
			launch: func(s *Spec) { s.IMA = append(s.IMA, File{Path: "/usr/local/bin/unknown"}) }},
		{Fault: measuring("changed", "a file has other contents", evidence.CodePolicyIMAFiles),
			launch: func(s *Spec) { s.IMA[0].Content = "SIMULATED other contents" }},
		{Fault: measuring("violation", "a file was open for writing while it was measured", evidence.CodePolicyIMAViolations),
			build: func(_ *simulators.World, p *plan) error {
				p.violated = append(p.violated, p.spec.IMA[0].Path)
				return nil
			}},
		{Fault: measuring("removed", "the list of files lacks an entry", evidence.CodeTPMIMAReplay),
			send: sentItem(func(item *evidence.TPM) {
				second := entrySize(item.IMALog)
				third := second + entrySize(item.IMALog[second:])
				item.IMALog = slices.Concat(item.IMALog[:second], item.IMALog[third:])
			})},
	}
}

// entrySize returns the size of the first entry of a list: PCR, digest, and the template's
// name and data, each with its length (kernel documentation, security/IMA-templates).
func entrySize(list []byte) int {
	size := 4 + 20
	for range 2 {
		size += 4 + int(binary.LittleEndian.Uint32(list[size:]))
	}
	return size
}

package attacks

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
)

// tpmCommandRows start another kernel than the policy's, or another's files.
func tpmCommandRows() []Row {
	line := codes(evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootRegister)
	options := func(text string) func(*simulated.Builder) {
		return func(log *simulated.Builder) {
			n := at(log, pcrKernel, eventlog.EventTag)
			remeasure(log, n, append(simulated.UTF16(text), 0, 0), log.Entries[n].Data)
		}
	}
	initrd := func(content []byte) func(*simulated.Builder) {
		return func(log *simulated.Builder) {
			n := at(log, pcrKernel, eventlog.EventTag) + 1
			remeasure(log, n, content, log.Entries[n].Data)
		}
	}
	const honest = "console=ttyS0 ro"
	cases := []Case{
		bootCase("another option", line, options(honest+" init=/bin/sh")),
		bootCase("an option twice", line, options(honest+" ro")),
		bootCase("with a line's end", line, options(honest+"\n")),
		bootCase("with a zero inside", line, options(honest+"\x00init=/bin/sh")),
		bootCase("another RAM disk", codes(evidence.CodePolicyBootInitrd, evidence.CodePolicyBootRegister), initrd([]byte("another"))),
		bootCase("a RAM disk of nothing", codes(evidence.CodePolicyBootInitrd, evidence.CodePolicyBootRegister), initrd(nil)),
		bootCase("another kernel", codes(evidence.CodePolicyBootImages, evidence.CodePolicyBootRegister), func(log *simulated.Builder) {
			n := at(log, pcrLoader, eventlog.EFIApplication)
			remeasure(log, n, []byte("another"), log.Entries[n].Data)
		}),
		bootCase("a command line beside the image", codes(evidence.CodePolicyBootRegister), func(log *simulated.Builder) {
			text := append(simulated.UTF16("init=/bin/sh"), 0, 0)
			log.Add(pcrUnused, eventlog.IPL, text, text)
		}),
	}
	return []Row{{"P34", "command lines and measured files", append(cases, measuredFiles()...)}}
}

// measuredFiles were read that no policy lists, or in a way that nobody can tell.
func measuredFiles() []Case {
	files := codes(evidence.CodePolicyIMAFiles)
	return []Case{
		measuring("a file that is not listed", files, func(m *tpm.Machine) error { return m.MeasureFile("/usr/bin/evil", fileDigest("/usr/bin/evil")) }),
		measuring("a listed file's name", files, func(m *tpm.Machine) error { return m.MeasureFile(filePath(1), fileDigest("/usr/bin/evil")) }),
		measuring("a name with a line's end", files, func(m *tpm.Machine) error { return m.MeasureFile(filePath(1)+"\n", fileDigest("/usr/bin/evil")) }),
		measuring("a file signed by nobody whose key is listed", files, func(m *tpm.Machine) error {
			return m.MeasureSignedFile("/usr/bin/evil", fileDigest("/usr/bin/evil"), bytes.Repeat([]byte{3, 2, 4}, 30))
		}),
		measuring("a file open for writing", codes(evidence.CodePolicyIMAViolations), func(m *tpm.Machine) error { return m.Violate("/usr/bin/evil") }),
		measuring("an entry in another form", codes(evidence.CodePolicyIMAUnread), func(m *tpm.Machine) error { return m.MeasureEntry("other", []byte("x")) }),
		listed("another file's name", codes(evidence.CodeTPMIMAReplay), func(list []byte) []byte { return bytes.Replace(list, []byte(filePath(3)), []byte("/usr/bin/x"), 1) }),
		listed("another file's digest", codes(evidence.CodeTPMIMAReplay), func(list []byte) []byte {
			return bytes.Replace(list, fileDigest(filePath(3)), fileDigest("x"), 1)
		}),
	}
}

// measuring attests as a machine whose kernel measured something more.
func measuring(name string, want []evidence.Code, more func(m *tpm.Machine) error) Case {
	return Case{
		Name: name, Subject: tpmFiles, Want: want,
		Try: attested(func(a *Attacker, _ host, data []byte) (*evidence.TPM, error) {
			m, err := a.another()
			if err != nil {
				return nil, err
			}
			if err := more(m); err != nil {
				return nil, err
			}
			return m.Quote(data)
		}),
	}
}

// listed sends another list than the kernel's, where a policy asks for it.
func listed(name string, want []evidence.Code, edit func(list []byte) []byte) Case {
	return Case{
		Name: name, Subject: tpmFiles, Want: want, Behind: codes(evidence.CodePolicyIMALog),
		Try: beside(func(_ *Attacker, item *evidence.TPM) error { item.IMALog = edit(item.IMALog); return nil }),
	}
}

// entries cuts a list after so many entries: PCR, digest, and the template's name and data,
// each with its length (kernel documentation, security/IMA-templates).
func entries(list []byte, n int) int {
	size := 0
	for range n {
		size += 4 + 20
		for range 2 {
			size += 4 + int(binary.LittleEndian.Uint32(list[size:]))
		}
	}
	return size
}

// strippedLists lack entries, or cannot be held to the truth.
func strippedLists() []Case {
	form, replay, offset := codes(evidence.CodeTPMIMALog), codes(evidence.CodeTPMIMAReplay), codes(evidence.CodeTPMIMAOffset)
	return []Case{
		listed("an entry of the list left out", replay, func(list []byte) []byte {
			return append(bytes.Clone(list[:entries(list, 1)]), list[entries(list, 2):]...)
		}),
		listed("its beginning alone", replay, func(list []byte) []byte { return list[:entries(list, 1)] }),
		listed("all but its beginning", form, func(list []byte) []byte { return list[entries(list, 1):] }),
		{
			Name: "no list", Subject: tpmFiles, Want: codes(evidence.CodePolicyIMALog),
			Try: beside(func(_ *Attacker, item *evidence.TPM) error { item.IMALog = nil; return nil }),
		},
		{
			Name: "a list from an entry on that nobody judged", Subject: tpmFiles, Want: offset, Proof: ByParser, Why: "nothing says where such a list goes on from",
			Try: attested(func(a *Attacker, _ host, data []byte) (*evidence.TPM, error) {
				m, err := a.another()
				if err != nil {
					return nil, err
				}
				if err := m.SendIMAFrom(2); err != nil {
					return nil, err
				}
				return m.Quote(data)
			}),
		},
		{
			Name: "a list from a later entry than was judged", Subject: tpmFiles, Want: offset, Behind: codes(evidence.CodePolicyIMALog),
			Try: afterwards(func(ctx context.Context, a *Attacker, m *tpm.Machine) (Got, error) {
				if err := m.MeasureFile("/usr/bin/evil", fileDigest("/usr/bin/evil")); err != nil {
					return Got{}, err
				}
				if err := m.SendIMAFrom(m.IMAEntries()); err != nil {
					return Got{}, err
				}
				return a.Attest(ctx, tpmAttempt(m.Quote))
			}),
		},
	}
}

// vastLists have lengths beyond what is there.
func vastLists() []Case {
	form := codes(evidence.CodeTPMIMALog)
	put := func(offset int) func(list []byte) []byte {
		return func(list []byte) []byte {
			binary.LittleEndian.PutUint32(list[offset:], 0xffffffff)
			return list
		}
	}
	return []Case{
		listed("a vast name of a template", form, put(24)),
		listed("a vast entry", form, put(24+4+len("ima-ng"))),
		listed("half an entry", form, func(list []byte) []byte { return list[:len(list)-1] }),
		listed("a list of text", form, func([]byte) []byte { return []byte("10 none") }),
	}
}

// otherAggregates belong to another boot, or to registers that no quote covers.
func otherAggregates() []Case {
	return []Case{{
		Name: "a list whose beginning is of another boot", Subject: tpmFiles, Want: codes(evidence.CodePolicyIMABootAggregate, evidence.CodePolicyTPMPCR),
		Try: attested(func(a *Attacker, _ host, data []byte) (*evidence.TPM, error) {
			m, err := a.another()
			if err != nil {
				return nil, err
			}
			if err := m.Measure(pcrKernel, []byte("another kernel, behind the log")); err != nil {
				return nil, err
			}
			return m.Quote(data)
		}),
	}}
}

// uncoveredLists are beside quotes of other registers than theirs.
func uncoveredLists() []Case {
	return []Case{{
		Name: "a list of files beside a quote without their register", Subject: tpmFiles, Want: codes(evidence.CodeTPMIMALog), Behind: codes(evidence.CodePolicyIMALog),
		Try: otherTPM(func(o *tpm.MachineOptions) { o.PCRs = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9} }, func(m *tpm.Machine, item *evidence.TPM) error {
			item.PCRs = m.PCRs()
			return nil
		}),
	}}
}

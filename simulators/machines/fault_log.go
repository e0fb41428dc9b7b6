package machines

import (
	"bytes"
	"slices"

	simulated "github.com/quotary/quotary/simulators/eventlog"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// logFaults are in the event log beside a quote.
func logFaults() []fault {
	var all []fault
	for _, edit := range []struct {
		name, title string
		alter       func(*simulated.Builder)
	}{
		{"log-removed", "an event is missing in its event log", removed},
		{"log-reordered", "two events of its log are in another order", reordered},
		{"log-payload", "an event of its log says something else than was measured", rewritten},
		{"log-added", "its event log has an event more", added},
	} {
		all = append(all,
			fault{Fault: tpmFault(edit.name, edit.title, withTPM, evidence.CodeTPMEventLogReplay), inside: true, send: sentModuleLog(edit.alter)},
			fault{Fault: Fault{Name: "tdx-" + edit.name, Title: edit.title, Technologies: withTDXLog, Code: evidence.CodeTDXEventLogReplay}, send: sentDomainLog(edit.alter)},
		)
	}
	for _, without := range []struct {
		name, title string
		code        evidence.Code
		send        sending
	}{
		{"log-unlogged", "its event log lacks all events of a PCR that a policy asks about", evidence.CodePolicyBootLoadOptions, sentModuleLog(unlogged)},
		{"log-dropped", "it sends no event log although a policy asks what was booted", evidence.CodePolicyBootLog,
			sentItem(func(item *evidence.TPM) { item.EventLog = nil })},
	} {
		f := tpmFault(without.name, without.title, []Technology{TPM}, without.code)
		f.Measuring = true
		all = append(all, fault{Fault: f, inside: true, send: without.send})
	}
	cut := func(log []byte) []byte { return log[:len(log)-1] }
	const title = "its event log ends amid an event"
	return append(all,
		fault{Fault: tpmFault("log-truncated", title, withTPM, evidence.CodeTPMEventLog), inside: true,
			send: sentItem(func(item *evidence.TPM) { item.EventLog = cut(item.EventLog) })},
		fault{Fault: Fault{Name: "tdx-log-truncated", Title: title, Technologies: withTDXLog, Code: evidence.CodeTDXEventLog},
			send: altered(func(_ *Machine, item *evidence.TDX) (*evidence.TDX, error) {
				changed := *item
				changed.EventLog = cut(item.EventLog)
				return &changed, nil
			})},
	)
}

// images are where the events of images are in a log: the first two.
func images(b *simulated.Builder) (first, second int) {
	isImage := func(e simulated.Entry) bool { return e.Type == eventlog.EFIApplication }
	first = slices.IndexFunc(b.Entries, isImage)
	return first, first + 1 + slices.IndexFunc(b.Entries[first+1:], isImage)
}

// unlogged leaves out what the kernel's EFI stub measured.
func unlogged(b *simulated.Builder) {
	const pcrKernel = 9
	b.Entries = slices.DeleteFunc(b.Entries, func(e simulated.Entry) bool { return e.Register == pcrKernel })
}

func removed(b *simulated.Builder) {
	_, at := images(b)
	b.Entries = slices.Delete(b.Entries, at, at+1)
}

func reordered(b *simulated.Builder) {
	first, second := images(b)
	b.Entries[first], b.Entries[second] = b.Entries[second], b.Entries[first]
}

// rewritten has the variable SecureBoot be another, with its digests.
func rewritten(b *simulated.Builder) {
	at := slices.IndexFunc(b.Entries, func(e simulated.Entry) bool { return e.Type == eventlog.EFIVariableConfig })
	data := bytes.Clone(b.Entries[at].Data)
	data[len(data)-1] ^= 1
	again := simulated.New(b.Registers, b.Banks...)
	again.Measure(b.Entries[at].Register, b.Entries[at].Type, data)
	b.Entries[at] = again.Entries[0]
}

func added(b *simulated.Builder) {
	first, _ := images(b)
	b.Entries = slices.Insert(b.Entries, first, b.Entries[first])
}

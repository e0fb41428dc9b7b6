// Package eventlog reads the event logs of measured boots: what firmware, boot
// loader and kernel say that they extended the registers of a TPM or a trust
// domain with. It knows the TCG's logs (the crypto-agile form, and the SHA-1 form
// of TPM 1.2) and the confidential computing log of UEFI (CCEL).
//
// Nothing in a log is authentic: it comes from the machine that is under
// judgement. Only the registers are, in a signed quote, and they hold a log to
// its digests and their order. So the way from a log to facts has three steps:
//
//   - [Parse] takes it apart, strictly and within bounds;
//   - [Log.Replay] computes what registers it leads to, and [Values.Compare] holds
//     them against the quoted ones;
//   - [Log.Claims] draws facts from the events of reproduced registers, and only
//     where the digest of an event covers the fact. Neither the type of an event nor
//     most of the data in logs is covered.
//
// docs/eventlog.md lists the facts and what each rests on.
package eventlog

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// Registers says which machine's registers a log is about.
type Registers uint8

// The two kinds of registers.
const (
	PCRs  Registers = iota // of a TPM, 0 to 23
	RTMRs                  // of a trust domain, 0 to 3: a CC measurement register less one
)

// Log is a parsed event log. Its parts refer to the bytes that it was parsed
// from, which must not be changed meanwhile.
type Log struct {
	Registers Registers
	// Legacy says that the log has TPM 1.2's form: SHA-1 digests only.
	Legacy bool
	// Algorithms are those of the log's digests, in the order of its header.
	Algorithms []Algorithm
	// Events are all events but the header of a crypto-agile log.
	Events []Event
	// Size is that of header and events in bytes, without the padding behind them.
	Size int

	sizes []int // of the digests, by the index of their algorithm
}

// Event is one entry of a log (TCG_PCR_EVENT2, or TCG_PCClientPCREvent).
type Event struct {
	// Register is the PCR or RTMR that the event extended. An event of type
	// [NoAction] extended nothing, whatever its register.
	Register int
	Type     EventType
	// Data is what the machine says of the event. Whether the digest covers it
	// depends on the event.
	Data []byte
	// Offset is where the event begins, in bytes from the start of the log.
	Offset int

	digests []byte // algorithm and digest, one after the other; a legacy log's digest alone
}

// Extends reports whether the event changed its register.
func (e *Event) Extends() bool { return e.Type != NoAction }

// Digest returns the event's digest of this algorithm, or nil if the log has none.
func (l *Log) Digest(e *Event, a Algorithm) []byte {
	if l.Legacy {
		if a == SHA1 {
			return e.digests
		}
		return nil
	}
	for c := (cursor.LittleEndian{Rest: e.digests}); len(c.Rest) > 0; {
		id := Algorithm(c.U16())
		value := c.Take(l.size(id))
		if id == a {
			return value
		}
	}
	return nil
}

// size returns the size in bytes of digests of this algorithm, or -1 if the
// log has none.
func (l *Log) size(a Algorithm) int {
	if i := slices.Index(l.Algorithms, a); i >= 0 {
		return l.sizes[i]
	}
	return -1
}

// Parse takes a log apart. It refuses whatever is not exactly a log, with an
// [*evidence.Error]. It does not copy: besides raw it holds some 80 bytes an event.
func Parse(raw []byte, registers Registers) (*Log, error) {
	if len(raw) == 0 || len(raw) > maxLog {
		return nil, evidence.Errorf(evidence.CodeEventLogSize, "", "the log has %d bytes; at most %d are read", len(raw), maxLog)
	}
	p := parser{LittleEndian: cursor.LittleEndian{Rest: raw}, raw: raw, log: &Log{Registers: registers}}
	if err := p.header(); err != nil {
		return nil, err
	}
	if err := p.events(); err != nil {
		return nil, err
	}
	p.log.Size = p.offset()
	return p.log, nil
}

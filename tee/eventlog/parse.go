package eventlog

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// signature03 begins the header of a crypto-agile log (PFP, 10.4.5.1).
var signature03 = []byte("Spec ID Event03\x00")

// parser takes a log apart from its start.
type parser struct {
	cursor.LittleEndian
	raw []byte
	log *Log
}

// offset is how far the parser has come.
func (p *parser) offset() int { return len(p.raw) - len(p.Rest) }

// header decides which form the log has, and reads the header of a crypto-agile one.
func (p *parser) header() error {
	c := p.LittleEndian
	register, typ := c.U32(), EventType(c.U32())
	c.Take(20)
	data := c.Sized(uint64(c.U32()))
	if c.Short {
		return evidence.Errorf(evidence.CodeEventLogHeader, "", "the first event is not complete")
	}
	if typ == NoAction && bytes.HasPrefix(data, signature03) {
		// Firmware of trust domains states its header for register 1.
		if register != 0 && (p.log.Registers != RTMRs || register != 1) {
			return evidence.Errorf(evidence.CodeEventLogHeader, "", "the header is for register %d", register)
		}
		p.LittleEndian = c
		return p.specID(data[len(signature03):])
	}
	if p.log.Registers == RTMRs {
		return evidence.Errorf(evidence.CodeEventLogHeader, "", "a confidential computing log begins with a Spec ID event of version 2")
	}
	p.log.Legacy, p.log.Algorithms, p.log.sizes = true, []Algorithm{SHA1}, []int{algorithms[SHA1].size}
	return nil
}

// specID reads TCG_EfiSpecIdEvent behind its signature. Class, version and size
// of integers do not change the log's form.
func (p *parser) specID(data []byte) error {
	c := cursor.LittleEndian{Rest: data}
	c.Take(4 + 1 + 1 + 1 + 1)
	count := c.U32()
	if count == 0 || count > maxAlgorithms {
		return evidence.Errorf(evidence.CodeEventLogAlgorithms, "", "the header lists %d algorithms; 1 to %d are read", count, maxAlgorithms)
	}
	for range count {
		a, size := Algorithm(c.U16()), int(c.U16())
		known, ok := algorithms[a]
		if slices.Contains(p.log.Algorithms, a) || size == 0 || size > maxDigest || ok && size != known.size {
			return evidence.Errorf(evidence.CodeEventLogAlgorithms, "", "the header lists %s with digests of %d bytes, or lists it twice", a, size)
		}
		p.log.Algorithms, p.log.sizes = append(p.log.Algorithms, a), append(p.log.sizes, size)
	}
	c.Take(int(c.U8())) // what the firmware's vendor likes to add
	if !c.Done() {
		return evidence.Errorf(evidence.CodeEventLogHeader, "", "the header's lengths do not agree with its size")
	}
	return nil
}

// events reads all events and what is behind the last one.
func (p *parser) events() error {
	for len(p.Rest) > 0 {
		if p.log.Registers == RTMRs && p.padded() {
			return p.padding()
		}
		if len(p.log.Events) == maxEvents {
			return evidence.Errorf(evidence.CodeEventLogSize, "", "the log has more than %d events", maxEvents)
		}
		event, err := p.event()
		if err != nil {
			return err
		}
		if p.log.Events == nil {
			p.log.Events = make([]Event, 0, p.guess(p.offset()-event.Offset))
		}
		p.log.Events = append(p.log.Events, event)
	}
	return nil
}

// guess says for how many events to make room: a log's events are as large as
// its first on average or larger, and 128 suffice for most.
func (p *parser) guess(first int) int { return min(len(p.raw)/first+1, 128) }

// event reads one event of the log's form.
func (p *parser) event() (Event, error) {
	start := p.offset()
	c := &p.LittleEndian
	register, typ := c.U32(), EventType(c.U32())
	digests, err := p.digests(start)
	if err != nil {
		return Event{}, err
	}
	size := c.U32()
	data := c.Sized(uint64(size))
	if c.Short {
		return Event{}, evidence.Errorf(evidence.CodeEventLogEvent, "", "the event at byte %d is not complete", start)
	}
	if size > maxEventData {
		return Event{}, evidence.Errorf(evidence.CodeEventLogSize, "", "the event at byte %d has %d bytes of data; at most %d are read", start, size, maxEventData)
	}
	event := Event{Type: typ, Data: data, Offset: start, digests: digests}
	var ok bool
	if event.Register, ok = p.register(register); !ok && event.Extends() {
		return Event{}, evidence.Errorf(evidence.CodeEventLogRegister, "", "the event at byte %d is for register %d", start, register)
	}
	return event, nil
}

// register translates an event's register: the same number for a PCR, one less
// for an RTMR, because CC measurement register 0 is MRTD, which nothing extends
// once the domain runs (UEFI 2.10, 38.4.1).
func (p *parser) register(n uint32) (int, bool) {
	if p.log.Registers == RTMRs {
		if n == 0 || n > maxRTMR+1 {
			return -1, false
		}
		return int(n) - 1, true
	}
	if n > maxPCR {
		return -1, false
	}
	return int(n), true
}

// digests reads the digests of an event: the header's algorithms, each once.
func (p *parser) digests(start int) ([]byte, error) {
	if p.log.Legacy {
		return p.Take(p.log.sizes[0]), nil
	}
	count := p.U32()
	if !p.Short && count != uint32(len(p.log.Algorithms)) {
		return nil, evidence.Errorf(evidence.CodeEventLogDigests, "", "the event at byte %d has %d digests; the header lists %d algorithms", start, count, len(p.log.Algorithms))
	}
	from := p.Rest
	var seen uint32 // a bit for each of at most maxAlgorithms
	for range p.log.Algorithms {
		a := Algorithm(p.U16())
		i := slices.Index(p.log.Algorithms, a)
		if p.Short {
			break
		}
		if i < 0 || seen&(1<<i) != 0 {
			return nil, evidence.Errorf(evidence.CodeEventLogDigests, "", "the event at byte %d has a second %s digest, or the header does not list it", start, a)
		}
		seen |= 1 << i
		p.Take(p.log.sizes[i])
	}
	size := len(from) - len(p.Rest)
	return from[:size:size], nil
}

// padded reports whether a confidential computing log ends here: its area is
// filled up with FF or 00, and neither begins an event that extends an RTMR.
func (p *parser) padded() bool {
	if len(p.Rest) < 12 {
		return true
	}
	register, typ := binary.LittleEndian.Uint32(p.Rest), binary.LittleEndian.Uint32(p.Rest[4:])
	return register == 0xffff_ffff || register == 0 && typ == 0
}

// padding refuses anything but FF and 00 behind the last event.
func (p *parser) padding() error {
	for i, b := range p.Rest {
		if b != 0x00 && b != 0xff {
			return evidence.Errorf(evidence.CodeEventLogPadding, "", "the padding from byte %d on holds other data at byte %d", p.offset(), p.offset()+i)
		}
	}
	return nil
}

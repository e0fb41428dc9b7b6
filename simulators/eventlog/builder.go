// Package eventlog writes event logs of boots that never happened: in the form of
// the TCG's crypto-agile logs, of TPM 1.2's, and of a trust domain's CCEL. A
// [Builder] takes event by event, or a [Boot] as a whole, and says what the
// registers then hold.
package eventlog

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // the digests of the banks
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// Entry is one event of a log.
type Entry struct {
	Register int // PCR, or RTMR
	Type     eventlog.EventType
	Digests  map[eventlog.Algorithm][]byte
	Data     []byte
}

// Builder writes a log. Its entries may be changed before they are encoded.
type Builder struct {
	Registers eventlog.Registers
	Banks     []eventlog.Algorithm
	Entries   []Entry
	// Legacy writes TPM 1.2's form, which has SHA-1 digests alone.
	Legacy bool
}

// New starts a log with digests for these banks. A trust domain has SHA-384 alone.
func New(registers eventlog.Registers, banks ...eventlog.Algorithm) *Builder {
	if len(banks) == 0 {
		banks = []eventlog.Algorithm{eventlog.SHA384}
		if registers == eventlog.PCRs {
			banks = []eventlog.Algorithm{eventlog.SHA256}
		}
	}
	return &Builder{Registers: registers, Banks: banks}
}

// hashes are the hash functions of the banks.
var hashes = map[eventlog.Algorithm]crypto.Hash{
	eventlog.SHA1: crypto.SHA1, eventlog.SHA256: crypto.SHA256, eventlog.SHA384: crypto.SHA384, eventlog.SHA512: crypto.SHA512,
}

func hash(bank eventlog.Algorithm, parts ...[]byte) []byte {
	h := hashes[bank].New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// Add adds an event whose digests are those of measured, and whose data may say
// something else.
func (b *Builder) Add(register int, typ eventlog.EventType, measured, data []byte) {
	digests := map[eventlog.Algorithm][]byte{}
	for _, bank := range b.Banks {
		digests[bank] = hash(bank, measured)
	}
	b.Entries = append(b.Entries, Entry{Register: register, Type: typ, Digests: digests, Data: data})
}

// Measure adds an event whose digests are those of its data.
func (b *Builder) Measure(register int, typ eventlog.EventType, data []byte) {
	b.Add(register, typ, data, data)
}

// State adds an event that extends nothing; its digests are zero.
func (b *Builder) State(register int, data []byte) {
	digests := map[eventlog.Algorithm][]byte{}
	for _, bank := range b.Banks {
		digests[bank] = make([]byte, hashes[bank].Size())
	}
	b.Entries = append(b.Entries, Entry{Register: register, Type: eventlog.NoAction, Digests: digests, Data: data})
}

// Encode writes the log.
func (b *Builder) Encode() []byte {
	var raw []byte
	if !b.Legacy {
		raw = b.header()
	}
	for _, entry := range b.Entries {
		raw = b.append(raw, entry)
	}
	return raw
}

// header writes the Spec ID event (PC Client Platform Firmware Profile, 10.4.5.1).
func (b *Builder) header() []byte {
	le := binary.LittleEndian
	spec := append([]byte("Spec ID Event03\x00"), 0, 0, 0, 0, 0, 2, 0, 2)
	spec = le.AppendUint32(spec, uint32(len(b.Banks)))
	for _, bank := range b.Banks {
		spec = le.AppendUint16(spec, uint16(bank))
		spec = le.AppendUint16(spec, uint16(hashes[bank].Size()))
	}
	spec = append(spec, 0)
	raw := le.AppendUint32(nil, 0)
	raw = le.AppendUint32(raw, uint32(eventlog.NoAction))
	raw = append(raw, make([]byte, 20)...)
	raw = le.AppendUint32(raw, uint32(len(spec)))
	return append(raw, spec...)
}

func (b *Builder) append(raw []byte, entry Entry) []byte {
	le := binary.LittleEndian
	register := uint32(entry.Register)
	if b.Registers == eventlog.RTMRs {
		register++ // CC measurement register 0 is MRTD
	}
	raw = le.AppendUint32(raw, register)
	raw = le.AppendUint32(raw, uint32(entry.Type))
	if b.Legacy {
		raw = append(raw, entry.Digests[eventlog.SHA1]...)
	} else {
		raw = le.AppendUint32(raw, uint32(len(b.Banks)))
		for _, bank := range b.Banks {
			raw = le.AppendUint16(raw, uint16(bank))
			raw = append(raw, entry.Digests[bank]...)
		}
	}
	raw = le.AppendUint32(raw, uint32(len(entry.Data)))
	return append(raw, entry.Data...)
}

// Values returns what the registers hold after the log's events in one bank, if
// they start at zero.
func (b *Builder) Values(bank eventlog.Algorithm) eventlog.Values {
	values := eventlog.Values{}
	for _, entry := range b.Entries {
		if entry.Type == eventlog.NoAction {
			continue
		}
		if values[entry.Register] == nil {
			values[entry.Register] = make(evidence.Hex, hashes[bank].Size())
		}
		values[entry.Register] = hash(bank, values[entry.Register], entry.Digests[bank])
	}
	return values
}

// Clone returns a builder whose entries can be changed without changing b's.
func (b *Builder) Clone() *Builder {
	c := *b
	c.Entries = make([]Entry, len(b.Entries))
	for i, entry := range b.Entries {
		c.Entries[i] = Entry{Register: entry.Register, Type: entry.Type, Data: bytes.Clone(entry.Data), Digests: map[eventlog.Algorithm][]byte{}}
		for bank, digest := range entry.Digests {
			c.Entries[i].Digests[bank] = bytes.Clone(digest)
		}
	}
	return &c
}

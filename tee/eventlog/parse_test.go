package eventlog_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// edit returns a copy of raw with bytes replaced at an offset.
func edit(raw []byte, at int, with ...byte) []byte {
	raw = bytes.Clone(raw)
	copy(raw[at:], with)
	return raw
}

// The offsets in a log of one bank: the header is 32 bytes and its data.
const (
	offsetHeaderSize = 28
	offsetCount      = 32 + 24 // number of algorithms
	offsetAlgorithm  = 32 + 28
	offsetEvent      = 32 + 33
)

// TestParseRefuses alters one field at a time.
func TestParseRefuses(t *testing.T) {
	b := simulated.New(eventlog.PCRs)
	b.Measure(0, eventlog.Separator, make([]byte, 4))
	raw := b.Encode()
	if _, err := eventlog.Parse(raw, eventlog.PCRs); err != nil {
		t.Fatal(err)
	}
	two := simulated.New(eventlog.PCRs, eventlog.SHA1, eventlog.SHA256)
	two.Measure(0, eventlog.Separator, make([]byte, 4))
	dupe := edit(two.Encode(), 32+37+12, byte(eventlog.SHA256)) // the first digest's algorithm
	for name, c := range map[string]struct {
		raw  []byte
		code evidence.Code
	}{
		"nothing":             {nil, evidence.CodeEventLogSize},
		"too much":            {make([]byte, 4<<20+1), evidence.CodeEventLogSize},
		"a cut header":        {raw[:31], evidence.CodeEventLogHeader},
		"a cut spec":          {raw[:60], evidence.CodeEventLogHeader},
		"a longer spec":       {edit(raw, offsetHeaderSize, 34), evidence.CodeEventLogHeader},
		"another register":    {edit(raw, 0, 1), evidence.CodeEventLogHeader},
		"no algorithm":        {edit(raw, offsetCount, 0), evidence.CodeEventLogAlgorithms},
		"17 algorithms":       {edit(raw, offsetCount, 17), evidence.CodeEventLogAlgorithms},
		"too many algorithms": {edit(raw, offsetCount, 0xff, 0xff, 0xff, 0xff), evidence.CodeEventLogAlgorithms},
		"another size":        {edit(raw, offsetAlgorithm+2, 20), evidence.CodeEventLogAlgorithms},
		"no size":             {edit(raw, offsetAlgorithm, 0x99, 0, 0, 0), evidence.CodeEventLogAlgorithms},
		"a vast size":         {edit(raw, offsetAlgorithm, 0x99, 0, 65, 0), evidence.CodeEventLogAlgorithms},
		"a cut event":         {raw[:len(raw)-1], evidence.CodeEventLogEvent},
		"a cut event header":  {raw[:offsetEvent+3], evidence.CodeEventLogEvent},
		"another PCR":         {edit(raw, offsetEvent, 24), evidence.CodeEventLogRegister},
		"no digest":           {edit(raw, offsetEvent+8, 0), evidence.CodeEventLogDigests},
		"two digests":         {edit(raw, offsetEvent+8, 2), evidence.CodeEventLogDigests},
		"another algorithm":   {edit(raw, offsetEvent+12, byte(eventlog.SHA384)), evidence.CodeEventLogDigests},
		"one twice":           {dupe, evidence.CodeEventLogDigests},
		"more data than log":  {edit(raw, offsetEvent+12+2+32, 0xff, 0xff, 0xff, 0xff), evidence.CodeEventLogEvent},
		"zeros behind":        {append(bytes.Clone(raw), make([]byte, 64)...), evidence.CodeEventLogDigests},
		"ones behind":         {append(bytes.Clone(raw), bytes.Repeat([]byte{0xff}, 64)...), evidence.CodeEventLogDigests},
		"a byte behind":       {append(bytes.Clone(raw), 0), evidence.CodeEventLogEvent},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.raw, eventlog.PCRs, c.code) })
	}
	t.Run("no CCEL", func(t *testing.T) {
		legacy := simulated.New(eventlog.PCRs, eventlog.SHA1)
		legacy.Legacy = true
		legacy.Measure(0, eventlog.Separator, make([]byte, 4))
		refused(t, legacy.Encode(), eventlog.RTMRs, evidence.CodeEventLogHeader)
		refused(t, edit(raw, 0, 2), eventlog.RTMRs, evidence.CodeEventLogHeader)
	})
}

// TestParseBounds meets the bounds on events and on the data of one.
func TestParseBounds(t *testing.T) {
	b := simulated.New(eventlog.PCRs)
	b.Measure(9, eventlog.IPL, make([]byte, 1<<20))
	if _, err := eventlog.Parse(b.Encode(), eventlog.PCRs); err != nil {
		t.Error(err)
	}
	b.Measure(9, eventlog.IPL, make([]byte, 1<<20+1))
	refused(t, b.Encode(), eventlog.PCRs, evidence.CodeEventLogSize)

	b = simulated.New(eventlog.PCRs)
	for range 20_000 {
		b.Measure(9, eventlog.IPL, nil)
	}
	if _, err := eventlog.Parse(b.Encode(), eventlog.PCRs); err != nil {
		t.Error(err)
	}
	b.Measure(9, eventlog.IPL, nil)
	refused(t, b.Encode(), eventlog.PCRs, evidence.CodeEventLogSize)
}

// TestUnknownTypes keeps types that nobody defined as numbers.
func TestUnknownTypes(t *testing.T) {
	b := simulated.New(eventlog.PCRs)
	for _, typ := range []eventlog.EventType{2, 0x1234_5678, 0xffff_ffff} {
		b.Measure(5, typ, []byte("x"))
	}
	log := parse(t, b)
	if len(log.Events) != 3 || log.Events[2].Type != 0xffff_ffff || log.Events[1].Type.String() != "0x12345678" || eventlog.IPL.String() != "EV_IPL" {
		t.Errorf("got %v", log.Events)
	}
}

// TestParseIsTheReverseOfBuilding parses whatever a builder writes, and finds what
// was put in.
func TestParseIsTheReverseOfBuilding(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := randomLog(r)
		raw := b.Encode()
		padding := 0
		if b.Registers == eventlog.RTMRs {
			padding = rapid.IntRange(0, 64).Draw(r, "padding")
			raw = append(raw, bytes.Repeat([]byte{rapid.SampledFrom([]byte{0, 0xff}).Draw(r, "with")}, padding)...)
		}
		log, err := eventlog.Parse(raw, b.Registers)
		if err != nil {
			r.Fatal(err)
		}
		if log.Legacy != b.Legacy || !slices.Equal(log.Algorithms, b.Banks) || len(log.Events) != len(b.Entries) {
			r.Fatalf("got %+v", log)
		}
		for i, entry := range b.Entries {
			event := &log.Events[i]
			if event.Register != entry.Register || event.Type != entry.Type || !bytes.Equal(event.Data, entry.Data) {
				r.Fatalf("event %d: got %+v, want %+v", i, event, entry)
			}
			if binary.LittleEndian.Uint32(raw[event.Offset+4:]) != uint32(entry.Type) {
				r.Fatalf("event %d is not at %d", i, event.Offset)
			}
			for _, bank := range b.Banks {
				if !bytes.Equal(log.Digest(event, bank), entry.Digests[bank]) {
					r.Fatalf("event %d: other digests", i)
				}
			}
			if log.Digest(event, eventlog.SHA512) != nil && !slices.Contains(b.Banks, eventlog.SHA512) {
				r.Fatal("a digest that is not there")
			}
		}
		for _, bank := range b.Banks {
			replay, err := log.Replay(bank)
			if err != nil {
				r.Fatal(err)
			}
			want := b.Values(bank)
			if c := replay.Compare(want); len(replay.Values) != len(want) || len(c.Mismatched)+len(c.Unlogged) > 0 {
				r.Fatalf("%s: got %v, want %v", bank, replay.Values, want)
			}
		}
	})
}

// randomLog draws a log of any form.
func randomLog(r *rapid.T) *simulated.Builder {
	all := []eventlog.Algorithm{eventlog.SHA1, eventlog.SHA256, eventlog.SHA384, eventlog.SHA512}
	registers := rapid.SampledFrom([]eventlog.Registers{eventlog.PCRs, eventlog.RTMRs}).Draw(r, "registers")
	banks := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 4, rapid.ID[eventlog.Algorithm]).Draw(r, "banks")
	highest, least := 23, 0
	if registers == eventlog.RTMRs {
		highest = 3
	}
	legacy := registers == eventlog.PCRs && rapid.Bool().Draw(r, "legacy")
	if legacy {
		banks, least = []eventlog.Algorithm{eventlog.SHA1}, 1 // without a header, no event is no log
	}
	b := simulated.New(registers, banks...)
	b.Legacy = legacy
	for range rapid.IntRange(least, 12).Draw(r, "events") {
		typ := rapid.SampledFrom([]eventlog.EventType{eventlog.Separator, eventlog.IPL, eventlog.EFIVariableConfig, eventlog.EFIApplication, 0xdead_beef}).Draw(r, "type")
		data := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "data")
		measured := data
		if rapid.Bool().Draw(r, "something else") {
			measured = []byte("something else")
		}
		b.Add(rapid.IntRange(0, highest).Draw(r, "register"), typ, measured, data)
	}
	return b
}

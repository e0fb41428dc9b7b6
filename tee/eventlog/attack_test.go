package eventlog_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// TestAttack_P30_HashesInVendorHeader puts hashes where a signature list has its
// vendor's header, and sizes that ask for memory.
func TestAttack_P30_HashesInVendorHeader(t *testing.T) {
	le := binary.LittleEndian
	list := func(size, header, entry uint32, rest []byte) []byte {
		b := simulated.GUID(simulated.GUIDSHA256)
		b = le.AppendUint32(b, size)
		b = le.AppendUint32(b, header)
		b = le.AppendUint32(b, entry)
		return append(b, rest...)
	}
	for name, dbx := range map[string][]byte{
		"a header":               list(28+48+48, 48, 48, make([]byte, 96)),
		"only a header":          list(28+48, 48, 48, make([]byte, 48)),
		"a vast entry":           list(28, 0, 0xffff_ffff, nil),
		"a vast list":            list(0xffff_ffff, 0, 48, make([]byte, 48)),
		"a vast header":          list(28, 0xffff_ffff, 48, nil),
		"no entry size":          list(28+48, 0, 0, make([]byte, 48)),
		"an owner alone":         list(28+16, 0, 16, make([]byte, 16)),
		"another entry size":     list(28+64, 0, 64, make([]byte, 64)),
		"half an entry":          list(28+50, 0, 48, make([]byte, 50)),
		"less than its header":   list(27, 0, 48, make([]byte, 48)),
		"something behind":       append(list(28+48, 0, 48, make([]byte, 48)), 0),
		"a cut list":             list(28+48, 0, 48, make([]byte, 48))[:60],
		"a header, unknown type": append(simulated.GUID(simulated.GUIDOwner), list(28+48, 16, 16+16, make([]byte, 48))[16:]...),
	} {
		t.Run(name, func(t *testing.T) {
			boot := testBoot()
			boot.DBX = dbx
			got, checks := claims(t, boot.Log(eventlog.PCRs))
			if got.SecureBoot != nil {
				t.Errorf("claimed %+v", got.SecureBoot.DBX)
			}
			doubted(t, checks, evidence.CodeEventLogVariable)
		})
	}
}

// TestAttack_P26_EventStripping leaves a register's events out. Its quoted
// value then has no explanation, and nothing is claimed from it.
func TestAttack_P26_EventStripping(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		bank := bankOf(b.Registers)
		quoted := b.Values(bank)
		for n := range quoted {
			stripped := b.Clone()
			stripped.Entries = slices.DeleteFunc(stripped.Entries, func(e simulated.Entry) bool { return e.Register == n })
			c := compare(t, parse(t, stripped), bank, quoted)
			if !slices.Equal(c.Unlogged, []int{n}) || slices.Contains(c.Reproduced, n) {
				t.Errorf("register %d: %+v", n, c)
			}
			got, checks := c.Claims()
			if got.Registers[n].Status != evidence.RegisterUnlogged || n == register(b, 7) && got.SecureBoot != nil {
				t.Errorf("register %d: %+v", n, got)
			}
			doubted(t, checks, evidence.CodeEventLogUnlogged)
		}
	})
}

// TestAttack_P09_UnquotedRegisters offers events of registers that no quote covers.
func TestAttack_P09_UnquotedRegisters(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		bank := bankOf(b.Registers)
		quoted := b.Values(bank)
		delete(quoted, register(b, 7))
		got, checks := compare(t, parse(t, b), bank, quoted).Claims()
		if got.SecureBoot != nil || got.Registers[register(b, 7)].Status != evidence.RegisterUnquoted {
			t.Errorf("got %+v", got)
		}
		doubted(t, checks, evidence.CodeEventLogUnquoted)
	})
}

// TestAttack_T31_NoLog is a log without events: no register is explained by it.
func TestAttack_T31_NoLog(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		bank := bankOf(b.Registers)
		c := compare(t, parse(t, simulated.New(b.Registers, b.Banks...)), bank, b.Values(bank))
		if got, _ := c.Claims(); len(c.Reproduced) > 0 || len(c.Unlogged) != len(b.Values(bank)) || got.SecureBoot != nil || got.Images != nil {
			t.Errorf("got %+v", c)
		}
	})
}

// TestAttack_T32_RegisterIndexes uses indexes that stand for no RTMR: MRTD (0),
// and those beyond RTMR3. Index 1 is RTMR0, and so on.
func TestAttack_T32_RegisterIndexes(t *testing.T) {
	b := simulated.New(eventlog.RTMRs)
	for n := range 4 {
		b.Measure(n, eventlog.Separator, []byte{byte(n), 1, 2, 3})
	}
	raw := b.Encode()
	log := parse(t, b)
	for n := range 4 {
		event := &log.Events[n]
		if index := binary.LittleEndian.Uint32(raw[event.Offset:]); int(index) != n+1 || event.Register != n {
			t.Errorf("index %d is register %d", index, event.Register)
		}
	}
	for _, index := range []byte{0, 5, 6, 255} {
		refused(t, edit(raw, log.Events[2].Offset, index), eventlog.RTMRs, evidence.CodeEventLogRegister)
	}
}

// TestAttack_T33_EventsBehindPadding hides events behind the padding of a CCEL.
func TestAttack_T33_EventsBehindPadding(t *testing.T) {
	b := testBoot().Log(eventlog.RTMRs)
	raw := b.Encode()
	more := simulated.New(eventlog.RTMRs)
	more.Measure(2, eventlog.IPL, []byte("hidden"))
	hidden := more.Encode()[len(simulated.New(eventlog.RTMRs).Encode()):]
	for _, fill := range []byte{0x00, 0xff} {
		for _, n := range []int{1, 11, 12, 64, 4096} {
			padding := bytes.Repeat([]byte{fill}, n)
			log, err := eventlog.Parse(slices.Concat(raw, padding), eventlog.RTMRs)
			if err != nil || len(log.Events) != len(b.Entries) {
				t.Fatalf("%d bytes of %02x: %v", n, fill, err)
			}
			if n >= 12 {
				refused(t, slices.Concat(raw, padding, hidden), eventlog.RTMRs, evidence.CodeEventLogPadding)
				refused(t, slices.Concat(raw, padding, []byte{1}), eventlog.RTMRs, evidence.CodeEventLogPadding)
			}
		}
	}
}

// TestAttack_T34_PayloadNotCovered gives an application's event another payload,
// another name or another rule than its digest has.
func TestAttack_T34_PayloadNotCovered(t *testing.T) {
	honest := func() *simulated.Builder {
		b := simulated.New(eventlog.RTMRs)
		b.Measure(3, eventlog.EventTag, simulated.Tagged(0x4141454c, []byte("app image sha256:aa")))
		b.Add(3, eventlog.RuntimeEvent, append([]byte{1, 0, 0, 8, ':'}, "app-id:\xaa"...), []byte("app-id:\xaa"))
		return b
	}
	if got, _ := claims(t, honest()); len(got.Events) != 2 {
		t.Fatalf("got %v", got.Events)
	}
	for name, alter := range map[string]func(b *simulated.Builder){
		"payload": func(b *simulated.Builder) {
			b.Entries[0].Data = simulated.Tagged(0x4141454c, []byte("app image sha256:bb"))
		},
		"runtime":      func(b *simulated.Builder) { b.Entries[1].Data = []byte("app-id:\xbb") },
		"another rule": func(b *simulated.Builder) { b.Entries[1].Type = eventlog.EventTag },
		"another tag": func(b *simulated.Builder) {
			b.Entries[0].Data = simulated.Tagged(0x4141454d, []byte("app image sha256:aa"))
		},
		"another type":  func(b *simulated.Builder) { b.Entries[0].Type = eventlog.IPL },
		"an extra byte": func(b *simulated.Builder) { b.Entries[0].Data = append(b.Entries[0].Data, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			b := honest()
			alter(b)
			got, checks := claims(t, b)
			if got.Events != nil {
				t.Errorf("claimed %v", got.Events)
			}
			doubted(t, checks, evidence.CodeEventLogApplication)
		})
	}
}

// TestAttack_T35_EventsBehindBoundary adds a second event of a name: both are
// claimed, in their order, so that a policy sees that there are two.
func TestAttack_T35_EventsBehindBoundary(t *testing.T) {
	b := simulated.New(eventlog.RTMRs)
	for _, text := range []string{"os key 1", "os system-ready -", "os key 2", "os system-ready -"} {
		b.Measure(3, eventlog.EventTag, simulated.Tagged(0x4141454c, []byte(text)))
	}
	got, _ := claims(t, b)
	var names []string
	for i, event := range got.Events {
		if event.Ordinal != uint32(i) {
			t.Errorf("event %d has ordinal %d", i, event.Ordinal)
		}
		names = append(names, event.Name)
	}
	if !slices.Equal(names, []string{"os key", "os system-ready", "os key", "os system-ready"}) {
		t.Errorf("got %q", names)
	}
	// Hidden under another type, the second one takes all of them along.
	b.Entries[3].Type, b.Entries[3].Data = eventlog.IPL, []byte("nothing")
	if got, _ := claims(t, b); got.Events != nil {
		t.Errorf("claimed %v", got.Events)
	}
}

// TestAttack_P25_DataNotCovered changes the data of each event, its digest kept.
// No claim changes: it stays as it is, or is gone.
func TestAttack_P25_DataNotCovered(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		truth, _ := claims(t, b)
		for i := range b.Entries {
			forged := b.Clone()
			forged.Entries[i].Data = append(forged.Entries[i].Data, 'x')
			got, _ := claims(t, forged)
			withholds(t, truth, got)
		}
	})
}

// TestAttack_P27_LateStartupLocality states the startup locality where it is not
// believed, and twice.
func TestAttack_P27_LateStartupLocality(t *testing.T) {
	locality := func(n byte) []byte { return append([]byte("StartupLocality\x00"), n) }
	for name, c := range map[string]struct {
		build func(b *simulated.Builder)
		ok    bool
	}{
		"first":           {func(b *simulated.Builder) { b.State(0, locality(3)); b.Measure(0, eventlog.IPL, nil) }, true},
		"behind PCR 7":    {func(b *simulated.Builder) { b.Measure(7, eventlog.IPL, nil); b.State(0, locality(0)) }, true},
		"late":            {func(b *simulated.Builder) { b.Measure(0, eventlog.IPL, nil); b.State(0, locality(3)) }, false},
		"twice":           {func(b *simulated.Builder) { b.State(0, locality(3)); b.State(0, locality(3)) }, false},
		"in another PCR":  {func(b *simulated.Builder) { b.State(1, locality(3)) }, false},
		"another one":     {func(b *simulated.Builder) { b.State(0, locality(1)) }, false},
		"longer":          {func(b *simulated.Builder) { b.State(0, append(locality(3), 0)) }, false},
		"none of its own": {func(b *simulated.Builder) { b.State(0, []byte("StartupLocality\x00")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			c.build(b)
			if _, err := parse(t, b).Replay(eventlog.SHA256); (err == nil) != c.ok || !c.ok && evidence.CodeOf(err) != evidence.CodeEventLogLocality {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAttack_P27_ClaimsFromNoAction hides events by a type that extends nothing,
// or claims with it.
func TestAttack_P27_ClaimsFromNoAction(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		bank := bankOf(b.Registers)
		quoted := b.Values(bank)
		hidden := b.Clone()
		i := indexOf(t, hidden, register(b, 7), eventlog.EFIVariableConfig)
		hidden.Entries[i].Type = eventlog.NoAction
		if c := compare(t, parse(t, hidden), bank, quoted); !slices.Contains(c.Mismatched, register(b, 7)) {
			t.Errorf("an event was hidden: %+v", c)
		}
		stated := simulated.New(b.Registers, b.Banks...)
		for _, entry := range b.Entries {
			stated.State(entry.Register, entry.Data)
		}
		got, _ := compare(t, parse(t, stated), bank, eventlog.Values{}).Claims()
		if got.SecureBoot != nil || got.Images != nil || got.UKI != nil {
			t.Errorf("claimed %+v", got)
		}
	})
}

// TestAttack_P28_Separators leaves a separator out, repeats it, or reports an error with it.
func TestAttack_P28_Separators(t *testing.T) {
	for name, alter := range map[string]func(b *simulated.Builder, i int){
		"missing":      func(b *simulated.Builder, i int) { b.Entries = slices.Delete(b.Entries, i, i+1) },
		"twice":        func(b *simulated.Builder, _ int) { b.Measure(7, eventlog.Separator, make([]byte, 4)) },
		"an error":     func(b *simulated.Builder, i int) { replace(b, i, []byte{1, 0, 0, 0}, []byte{1, 0, 0, 0}) },
		"told error":   func(b *simulated.Builder, i int) { replace(b, i, []byte{1, 0, 0, 0}, []byte("out of memory")) },
		"other data":   func(b *simulated.Builder, i int) { replace(b, i, []byte("WBCL"), []byte("WBCL")) },
		"another size": func(b *simulated.Builder, i int) { replace(b, i, make([]byte, 5), make([]byte, 5)) },
		"untrue data":  func(b *simulated.Builder, i int) { b.Entries[i].Data = []byte{0xff, 0xff, 0xff, 0xff} },
		"late events":  func(b *simulated.Builder, i int) { b.Entries[i], b.Entries[i-1] = b.Entries[i-1], b.Entries[i] },
	} {
		t.Run(name, func(t *testing.T) {
			b := testBoot().Log(eventlog.PCRs)
			alter(b, indexOf(t, b, 7, eventlog.Separator))
			if got, _ := claims(t, b); got.SecureBoot != nil {
				t.Errorf("claimed %+v", got.SecureBoot)
			}
		})
	}
	b := testBoot().Log(eventlog.PCRs)
	replace(b, indexOf(t, b, 7, eventlog.Separator), []byte{0xff, 0xff, 0xff, 0xff}, []byte{0xff, 0xff, 0xff, 0xff})
	if got, _ := claims(t, b); got.SecureBoot == nil {
		t.Error("the other separator is refused")
	}
}

// replace gives an entry other digests and other data.
func replace(b *simulated.Builder, i int, measured, data []byte) {
	entry := b.Entries[i]
	c := simulated.New(b.Registers, b.Banks...)
	c.Add(entry.Register, entry.Type, measured, data)
	b.Entries[i] = c.Entries[0]
}

// TestAttack_P29_SwappedTypes gives separators and actions other types, and other
// events theirs.
func TestAttack_P29_SwappedTypes(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		for i, entry := range b.Entries {
			if entry.Type == eventlog.Separator || entry.Type == eventlog.EFIAction {
				for _, typ := range []eventlog.EventType{0x0000_0001, eventlog.IPL, eventlog.EFIApplication, eventlog.EventTag, 0xdead_beef} {
					forged := b.Clone()
					forged.Entries[i].Type = typ
					_, checks := claims(t, forged)
					doubted(t, checks, evidence.CodeEventLogType)
				}
				continue
			}
			for _, typ := range []eventlog.EventType{eventlog.Separator, eventlog.EFIAction} {
				forged := b.Clone()
				forged.Entries[i].Type = typ
				_, checks := claims(t, forged)
				doubted(t, checks, evidence.CodeEventLogType)
			}
		}
	})
}

// TestAttack_P30_SecureBootVariables lies about the variables of secure boot.
func TestAttack_P30_SecureBootVariables(t *testing.T) {
	state := func(value ...byte) []byte { return simulated.Variable(simulated.GUIDGlobal, "SecureBoot", value) }
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		n := register(b, 7)
		first := indexOf(t, b, n, eventlog.EFIVariableConfig)
		end := indexOf(t, b, n, eventlog.Separator)
		measure := func(data []byte) func(*simulated.Builder) {
			return func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableConfig, data) }
		}
		for name, alter := range map[string]func(b *simulated.Builder){
			"on, then off": func(b *simulated.Builder) { insert(b, first+1, measure(state(0))) },
			"on twice":     func(b *simulated.Builder) { insert(b, end, measure(state(1))) },
			"2":            func(b *simulated.Builder) { replace(b, first, state(2), state(2)) },
			"two bytes":    func(b *simulated.Builder) { replace(b, first, state(1, 0), state(1, 0)) },
			"missing":      func(b *simulated.Builder) { b.Entries = slices.Delete(b.Entries, first, first+1) },
			"no dbx":       func(b *simulated.Builder) { b.Entries = slices.Delete(b.Entries, first+4, first+5) },
			"behind a separator": func(b *simulated.Builder) {
				insert(b, first, func(b *simulated.Builder) { b.Measure(n, eventlog.Separator, make([]byte, 4)) })
			},
			"another vendor": func(b *simulated.Builder) {
				data := simulated.Variable(simulated.GUIDShim, "SecureBoot", []byte{1})
				replace(b, first, data, data)
			},
			"another case": func(b *simulated.Builder) {
				data := simulated.Variable(simulated.GUIDGlobal, "secureboot", []byte{1})
				replace(b, first, data, data)
			},
			"value alone covered": func(b *simulated.Builder) { replace(b, first, []byte{1}, state(1)) },
			"uncovered among": func(b *simulated.Builder) {
				insert(b, first+2, func(b *simulated.Builder) { b.Add(n, 1, []byte("?"), nil) })
			},
			"an authority among": func(b *simulated.Builder) {
				insert(b, first+2, func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableAuthority, state(0)) })
			},
			"covered among": func(b *simulated.Builder) {
				insert(b, first+2, func(b *simulated.Builder) { b.Measure(n, 1, state(0)) })
			},
			"a longer name": func(b *simulated.Builder) { data := state(1); data[16]++; replace(b, first, data, data) },
		} {
			t.Run(name, func(t *testing.T) {
				forged := b.Clone()
				alter(forged)
				got, checks := claims(t, forged)
				if got.SecureBoot != nil {
					t.Errorf("claimed %+v", got.SecureBoot)
				}
				if len(checks) < 2 {
					t.Errorf("nothing says why: %v", checks)
				}
			})
		}
		// An empty variable says that there is no secure boot to be on or off.
		empty := b.Clone()
		replace(empty, first, state(), state())
		if got, _ := claims(t, empty); got.SecureBoot == nil || got.SecureBoot.Enabled != nil {
			t.Errorf("got %+v", got.SecureBoot)
		}
		// Behind the separator, software can say what it likes: it changes nothing.
		later := b.Clone()
		later.Measure(n, eventlog.EFIVariableConfig, state(0))
		if got, _ := claims(t, later); got.SecureBoot == nil || !*got.SecureBoot.Enabled {
			t.Errorf("got %+v", got.SecureBoot)
		}
	})
}

// TestAttack_P30_ShimThatVerifiesNothing has shim told to load whatever it finds, which it
// measures into PCR 7 as a variable and into PCR 14 between its lists.
func TestAttack_P30_ShimThatVerifiesNothing(t *testing.T) {
	state := func(value ...byte) []byte { return simulated.Variable(simulated.GUIDShim, "MokSBState", value) }
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		n := register(b, 7)
		for name, c := range map[string]struct {
			add  func(*simulated.Builder)
			want *bool
		}{
			"not told":        {func(*simulated.Builder) {}, new(bool)},
			"told not to":     {func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableAuthority, state(0)) }, new(bool)},
			"told":            {func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableAuthority, state(1)) }, yes()},
			"as another type": {func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableConfig, state(1)) }, yes()},
			"oddly":           {func(b *simulated.Builder) { b.Measure(n, eventlog.EFIVariableAuthority, state(1, 0)) }, yes()},
			"twice": {func(b *simulated.Builder) {
				b.Measure(n, eventlog.EFIVariableAuthority, state(1))
				b.Measure(n, eventlog.EFIVariableAuthority, state(0))
			}, yes()},
			"hidden":             {func(b *simulated.Builder) { b.Add(n, eventlog.EFIVariableAuthority, state(1), state(0)) }, nil},
			"hidden as an image": {func(b *simulated.Builder) { b.Add(n, eventlog.EFIApplication, state(1), nil) }, nil},
			"hidden as a tag":    {func(b *simulated.Builder) { b.Measure(n, eventlog.EventTag, state(1)) }, nil},
		} {
			told := b.Clone()
			c.add(told)
			got, _ := claims(t, told)
			if is := got.ShimInsecure; (is == nil) != (c.want == nil) || is != nil && *is != *c.want {
				t.Errorf("%s: %v", name, is)
			}
		}
	})
}

func yes() *bool { b := true; return &b }

// TestAttack_P31_VastLengths asks for more than there is, everywhere.
func TestAttack_P31_VastLengths(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		raw := b.Encode()
		for at := 0; at+4 <= len(raw) && at < 600; at++ {
			vast := edit(raw, at, 0xff, 0xff, 0xff, 0x7f)
			allocated := testing.AllocsPerRun(1, func() { _, _ = eventlog.Parse(vast, b.Registers) })
			if allocated > 64 {
				t.Fatalf("byte %d: %v allocations", at, allocated)
			}
		}
	})
}

// TestAttack_P32_DigestsOfEvents leaves the chosen bank's digest out of an event.
func TestAttack_P32_DigestsOfEvents(t *testing.T) {
	b := simulated.New(eventlog.PCRs, eventlog.SHA1, eventlog.SHA256)
	b.Measure(0, eventlog.IPL, []byte("a"))
	raw := b.Encode()
	at := len(raw) - 1 - 4 - (2 + 32) - (2 + 20) - 4
	for _, count := range []byte{0, 1, 3, 255} {
		refused(t, edit(raw, at, count), eventlog.PCRs, evidence.CodeEventLogDigests)
	}
	if _, err := parse(t, b).Replay(eventlog.SHA384); evidence.CodeOf(err) != evidence.CodeEventLogBank {
		t.Errorf("got %v", err)
	}
	b.Banks = []eventlog.Algorithm{eventlog.SHA256}
	if _, err := parse(t, b).Replay(0x0012); evidence.CodeOf(err) != evidence.CodeEventLogBank {
		t.Errorf("got %v", err)
	}
}

// TestAttack_P33_OtherBank forges the digests of a bank beside the quoted one.
func TestAttack_P33_OtherBank(t *testing.T) {
	b := testBoot().Log(eventlog.PCRs, eventlog.SHA256, eventlog.SHA384)
	truth := b.Values(eventlog.SHA256)
	i := indexOf(t, b, 7, eventlog.EFIVariableConfig)
	forged := b.Clone()
	off := simulated.Variable(simulated.GUIDGlobal, "SecureBoot", []byte{0})
	replace(forged, i, off, off)
	forged.Entries[i].Digests[eventlog.SHA256] = b.Entries[i].Digests[eventlog.SHA256]
	got, _ := compare(t, parse(t, forged), eventlog.SHA256, truth).Claims()
	if got.Registers[7].Status != evidence.RegisterReproduced || got.SecureBoot != nil {
		t.Errorf("the other bank counted: %+v", got.SecureBoot)
	}
}

// TestAttack_P34_CommandLines hides, doubles and disguises kernel command lines.
func TestAttack_P34_CommandLines(t *testing.T) {
	add := func(prefix, text string) func(*simulated.Builder) {
		return func(b *simulated.Builder) {
			b.Add(8, eventlog.IPL, []byte(text), []byte(prefix+text+"\x00"))
		}
	}
	const good, bad = "/vmlinuz ro", "/vmlinuz init=/bin/sh"
	honest := simulated.New(eventlog.PCRs)
	add("kernel_cmdline: ", good)(honest)
	if got, _ := claimsBesideUntouched(t, honest); len(got.CommandLines) != 1 {
		t.Fatalf("got %v", got)
	}
	if got, _ := claims(t, honest); got.CommandLines != nil || len(got.UnsettledCommandLines) != 1 {
		t.Error("nothing is known of PCR 12, and that settles it")
	}
	for name, steps := range map[string][]func(*simulated.Builder){
		"a second one":           {add("kernel_cmdline: ", bad), add("kernel_cmdline: ", good)},
		"the first as a command": {add("grub_cmd: ", bad), add("kernel_cmdline: ", good)},
		"the first as a module":  {add("module_cmdline: ", bad), add("kernel_cmdline: ", good)},
		"in parentheses":         {add("grub_cmd: ", "(hd0)"+bad), add("kernel_cmdline: ", good)},
		"new line":               {add("kernel_cmdline: ", good+"\ninit=/bin/sh")},
		"a null":                 {add("kernel_cmdline: ", good+"\x00init=/bin/sh")},
		"without prefix":         {add("", bad), add("kernel_cmdline: ", good)},
		"uncovered": {add("kernel_cmdline: ", good), func(b *simulated.Builder) {
			b.Add(8, eventlog.IPL, []byte(bad), []byte("/file\x00"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			for _, step := range steps {
				step(b)
			}
			if got, _ := claimsBesideUntouched(t, b); got.CommandLines != nil {
				t.Errorf("claimed %v", got.CommandLines)
			}
		})
	}
}

// TestAttack_P34_InitrdOfNothing measures an initial RAM disk that is empty, adds one
// later, or swaps it with the load options.
func TestAttack_P34_InitrdOfNothing(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		last := len(b.Entries) - 3 // before the two steps out of boot services
		empty := b.Clone()
		replace(empty, last, nil, empty.Entries[last].Data)
		got, checks := claims(t, empty)
		if got.Initrd != nil || got.LoadOptions == nil {
			t.Errorf("claimed %v", got.Initrd)
		}
		doubted(t, checks, evidence.CodeEventLogInitrd)

		more := b.Clone()
		insert(more, last, func(more *simulated.Builder) {
			more.Add(register(b, 9), eventlog.EventTag, []byte("another"), b.Entries[last].Data)
		})
		swapped := b.Clone()
		swapped.Entries[last].Data, swapped.Entries[last-1].Data = swapped.Entries[last-1].Data, swapped.Entries[last].Data
		for _, forged := range []*simulated.Builder{more, swapped} {
			if got, _ := claims(t, forged); got.Initrd != nil || got.LoadOptions != nil {
				t.Errorf("claimed %v %v", got.LoadOptions, got.Initrd)
			}
		}
	})
}

package attacks

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
)

// tpmLogRows tell of another boot than the one that was measured, and boot what others
// may mistake for a good boot. Logs are not signed: whoever sends one writes what they like.
func tpmLogRows() []Row {
	secure := codes(evidence.CodePolicyBootSecureBoot, evidence.CodePolicyBootDB)
	return []Row{
		{"P25", "event whose digest does not cover what it says", []Case{
			toldCase("secure boot said to be off", secure, func(log *simulated.Builder) {
				last(log.Entries[at(log, pcrSecureBoot, eventlog.EFIVariableConfig)].Data)
			}),
			toldCase("another list of keys", secure, func(log *simulated.Builder) {
				n := at(log, pcrSecureBoot, eventlog.EFIVariableConfig) + 3
				log.Entries[n].Data = simulated.Variable(simulated.GUIDSecurity, "db", signatures("another"))
			}),
			toldCase("load options said to be something else", codes(evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootInitrd), func(log *simulated.Builder) {
				n := at(log, pcrKernel, eventlog.EventTag)
				log.Entries[n].Data = simulated.Tagged(1, []byte("something else"))
			}),
		}},
		{"P26", "log without the events of a register", slices.Concat(strippedLogs(), strippedLists())},
		{"P27", "events that extend nothing", []Case{
			loggedCase("an event hidden by its type", evidence.CodeTPMEventLogReplay, func(log *simulated.Builder) []byte {
				log.Entries[at(log, pcrSecureBoot, eventlog.EFIVariableConfig)].Type = eventlog.NoAction
				return log.Encode()
			}),
			toldCase("all events of secure boot told by one that extends nothing", secure, func(log *simulated.Builder) {
				for n, e := range log.Entries {
					if e.Register == pcrSecureBoot {
						log.Entries[n].Type = eventlog.NoAction
					}
				}
			}),
			loggedCase("a startup's locality behind events", evidence.CodeTPMEventLog, func(log *simulated.Builder) []byte {
				log.State(pcrFirmware, append([]byte("StartupLocality\x00"), 3))
				return log.Encode()
			}),
			loggedCase("a startup's locality that is none", evidence.CodeTPMEventLog, func(log *simulated.Builder) []byte {
				locality := simulated.New(log.Registers, log.Banks...)
				locality.State(pcrFirmware, append([]byte("StartupLocality\x00"), 1))
				log.Entries = slices.Insert(log.Entries, 0, locality.Entries[0])
				return log.Encode()
			}),
		}},
		{"P28", "separators", separators(secure)},
		{"P29", "event under another type", []Case{
			toldCase("the exit of boot services as a separator", codes(evidence.CodePolicyBootExit), func(log *simulated.Builder) {
				log.Entries[len(log.Entries)-1].Type = eventlog.Separator
			}),
			toldCase("a separator as an action", secure, func(log *simulated.Builder) {
				log.Entries[at(log, pcrSecureBoot, eventlog.Separator)].Type = eventlog.EFIAction
			}),
			bootCase("no exit of boot services, but an event of its text", codes(evidence.CodePolicyBootExit), func(log *simulated.Builder) {
				n := len(log.Entries) - 1
				remeasure(log, n, []byte("something else"), log.Entries[n].Data)
			}),
		}},
		{"P30", "variables of secure boot", variables(secure)},
		{"P31", "hostile lengths in logs", slices.Concat(vastLogs(), vastLists())},
		{"P32", "digests of other banks than the header has", []Case{
			loggedCase("an event without the quoted bank's", evidence.CodeTPMEventLog, func(log *simulated.Builder) []byte {
				delete(log.Entries[3].Digests, eventlog.SHA256)
				return log.Encode()
			}),
			loggedCase("an event with a digest more", evidence.CodeTPMEventLog, func(log *simulated.Builder) []byte {
				raw := log.Encode()
				binary.LittleEndian.PutUint32(raw[firstEvent(raw)+8:], 3)
				return raw
			}),
			loggedCase("a header that lists a bank twice", evidence.CodeTPMEventLog, func(log *simulated.Builder) []byte {
				log.Banks = append(log.Banks, eventlog.SHA256)
				return log.Encode()
			}),
		}},
		{"P33", "true log of one bank, forged of another", []Case{
			loggedCase("a log of SHA-1 alone", evidence.CodeTPMEventLog, func(*simulated.Builder) []byte { return theBoot(tpmLogged).Log(eventlog.PCRs, eventlog.SHA1).Encode() }),
			loggedCase("a log of TPM 1.2's form", evidence.CodeTPMEventLog, func(*simulated.Builder) []byte {
				log := theBoot(tpmLogged).Log(eventlog.PCRs, eventlog.SHA1)
				log.Legacy = true
				return log.Encode()
			}),
			loggedCase("a log of a bank that was not quoted", evidence.CodeTPMEventLog, func(*simulated.Builder) []byte {
				return theBoot(tpmLogged).Log(eventlog.PCRs, eventlog.SHA384).Encode()
			}),
			loggedCase("the other bank's digests true, the quoted bank's forged", evidence.CodeTPMEventLogReplay, func(log *simulated.Builder) []byte {
				last(log.Entries[at(log, pcrLoader, eventlog.EFIApplication)].Digests[eventlog.SHA256])
				return log.Encode()
			}),
			{
				Name: "the quoted bank's digests true, the other bank's forged", Subject: tpmLogged, Proof: ByAcceptance, Why: "the other bank is nobody's business", Alone: true,
				Try: telling(func(log *simulated.Builder) {
					for _, e := range log.Entries {
						last(e.Digests[eventlog.SHA384])
					}
				}),
			},
		}},
	}
}

// last changes the last bit of something.
func last(b []byte) {
	if len(b) > 0 {
		b[len(b)-1] ^= 1
	}
}

// firstEvent is where a log has its first event behind the header.
func firstEvent(raw []byte) int { return 32 + int(binary.LittleEndian.Uint32(raw[28:])) }

// loggedCase tells the subject's service of another boot, though it need not tell any.
func loggedCase(name string, want evidence.Code, write func(log *simulated.Builder) []byte) Case {
	return Case{Name: name, Subject: tpmLogged, Want: codes(want), Try: tellingRaw(write)}
}

// toldCase tells of the honest boot in another way, where the policy asks for it.
func toldCase(name string, want []evidence.Code, edit func(log *simulated.Builder)) Case {
	return Case{Name: name, Subject: tpmBooted, Want: want, Try: telling(edit)}
}

// bootCase boots otherwise, where the policy asks what was booted.
func bootCase(name string, want []evidence.Code, edit func(log *simulated.Builder)) Case {
	return Case{Name: name, Subject: tpmBooted, Want: want, Try: booting(edit)}
}

// strippedLogs lack events, or have one more.
func strippedLogs() []Case {
	of := func(register int) func(e simulated.Entry) bool {
		return func(e simulated.Entry) bool { return e.Register == register }
	}
	replay := evidence.CodeTPMEventLogReplay
	return []Case{
		loggedCase("an event left out", replay, func(log *simulated.Builder) []byte {
			n := at(log, pcrLoader, eventlog.EFIApplication)
			log.Entries = slices.Delete(log.Entries, n, n+1)
			return log.Encode()
		}),
		loggedCase("an event added", replay, func(log *simulated.Builder) []byte {
			log.Measure(pcrLoader, eventlog.EFIApplication, []byte("never happened"))
			return log.Encode()
		}),
		loggedCase("two events in another order", replay, func(log *simulated.Builder) []byte {
			n := at(log, pcrSecureBoot, eventlog.EFIVariableConfig)
			log.Entries[n], log.Entries[n+1] = log.Entries[n+1], log.Entries[n]
			return log.Encode()
		}),
		{
			Name: "a bank that firmware did not extend, with a log", Subject: tpmLogged, Want: codes(evidence.CodeTPMEventLog), Behind: codes(evidence.CodePolicyTPMPCR),
			Try: otherTPM(func(o *tpm.MachineOptions) { o.Banks = []string{tpm.SHA384} }),
		},
		{
			Name: "no log", Subject: tpmBooted, Want: codes(evidence.CodePolicyBootLog), Try: tellingRaw(func(*simulated.Builder) []byte { return nil }),
		},
		toldCase("without what started the kernel", codes(evidence.CodePolicyBootLoadOptions, evidence.CodePolicyBootInitrd, evidence.CodePolicyBootRegister), withoutEvents(of(pcrKernel))),
		toldCase("without what was loaded", codes(evidence.CodePolicyBootImages, evidence.CodePolicyBootAttempts, evidence.CodePolicyBootRegister), withoutEvents(of(pcrLoader))),
		toldCase("without the variables of secure boot", codes(evidence.CodePolicyBootSecureBoot, evidence.CodePolicyBootDB), withoutEvents(of(pcrSecureBoot))),
		{
			Name: "a register extended behind the log", Subject: tpmBooted, Want: codes(evidence.CodePolicyBootRegister),
			Try: booting(func(log *simulated.Builder) { log.Measure(pcrUnused, eventlog.IPL, []byte("another command line")) }, func(log *simulated.Builder) {
				log.Entries = log.Entries[:len(log.Entries)-1]
			}),
		},
	}
}

// separators are missing, doubled, or say that firmware failed.
func separators(secure []evidence.Code) []Case {
	edit := func(change func(log *simulated.Builder, n int)) func(*simulated.Builder) {
		return func(log *simulated.Builder) { change(log, at(log, pcrSecureBoot, eventlog.Separator)) }
	}
	return []Case{
		bootCase("none", secure, edit(func(log *simulated.Builder, n int) { log.Entries = slices.Delete(log.Entries, n, n+1) })),
		bootCase("two", secure, edit(func(log *simulated.Builder, _ int) { log.Measure(pcrSecureBoot, eventlog.Separator, make([]byte, 4)) })),
		bootCase("an error", secure, edit(func(log *simulated.Builder, n int) { remeasure(log, n, []byte{1, 0, 0, 0}, []byte{1, 0, 0, 0}) })),
		bootCase("an error, told in words", secure, edit(func(log *simulated.Builder, n int) { remeasure(log, n, []byte{1, 0, 0, 0}, []byte("out of memory")) })),
		bootCase("of another size", secure, edit(func(log *simulated.Builder, n int) { remeasure(log, n, make([]byte, 5), make([]byte, 5)) })),
		bootCase("before the variables", secure, edit(func(log *simulated.Builder, n int) {
			log.Entries[n], log.Entries[n-1] = log.Entries[n-1], log.Entries[n]
		})),
		bootCase("a boot option behind it", codes(evidence.CodePolicyBootAttempts), func(log *simulated.Builder) {
			action := []byte("Calling EFI Application from Boot Option")
			log.Add(pcrLoader, eventlog.EFIAction, action, action)
		}),
	}
}

// variables say that secure boot is on, in ways that nobody should believe.
func variables(secure []evidence.Code) []Case {
	on := func(value ...byte) []byte { return simulated.Variable(simulated.GUIDGlobal, "SecureBoot", value) }
	enabled := codes(evidence.CodePolicyBootSecureBoot)
	first := func(change func(log *simulated.Builder, n int)) func(*simulated.Builder) {
		return func(log *simulated.Builder) { change(log, at(log, pcrSecureBoot, eventlog.EFIVariableConfig)) }
	}
	replaced := func(data []byte) func(*simulated.Builder) {
		return first(func(log *simulated.Builder, n int) { remeasure(log, n, data, data) })
	}
	db := func(value []byte) func(*simulated.Builder) {
		return first(func(log *simulated.Builder, n int) {
			data := simulated.Variable(simulated.GUIDSecurity, "db", value)
			remeasure(log, n+3, data, data)
		})
	}
	more := func(data []byte) func(*simulated.Builder) {
		return first(func(log *simulated.Builder, n int) {
			insertEvent(log, n+1, pcrSecureBoot, eventlog.EFIVariableConfig, data, data)
		})
	}
	own := theBoot(tpmBooted).DB
	return []Case{
		bootCase("off", enabled, replaced(on(0))),
		bootCase("empty", enabled, replaced(on())),
		bootCase("on, then off", secure, more(on(0))),
		bootCase("on, twice", secure, more(on(1))),
		bootCase("two", secure, replaced(on(2))),
		bootCase("another vendor's variable", secure, replaced(simulated.Variable(simulated.GUIDShim, "SecureBoot", []byte{1}))),
		bootCase("in small letters", secure, replaced(simulated.Variable(simulated.GUIDGlobal, "secureboot", []byte{1}))),
		bootCase("only the value measured", secure, first(func(log *simulated.Builder, n int) { remeasure(log, n, []byte{1}, on(1)) })),
		bootCase("no dbx", secure, first(func(log *simulated.Builder, n int) { log.Entries = slices.Delete(log.Entries, n+4, n+5) })),
		bootCase("a key more", codes(evidence.CodePolicyBootDB), db(slices.Concat(own, signatures("another")))),
		bootCase("another's key", codes(evidence.CodePolicyBootDB), db(signatures("another"))),
		bootCase("a hash", codes(evidence.CodePolicyBootDB), db(slices.Concat(own, simulated.SignatureList(simulated.GUIDSHA256, fileDigest("evil"))))),
		bootCase("entries in a list's header", secure, db(inHeader(own))),
		bootCase("shim told to verify nothing", enabled, func(log *simulated.Builder) {
			log.Measure(pcrSecureBoot, eventlog.EFIVariableAuthority, simulated.Variable(simulated.GUIDShim, "MokSBState", []byte{1}))
		}),
	}
}

// inHeader is a list whose header holds what looks like another entry.
func inHeader(list []byte) []byte {
	entry := bytes.Clone(list[28:])
	header := slices.Concat(list[:28], entry, entry)
	binary.LittleEndian.PutUint32(header[16:], uint32(len(header)))
	binary.LittleEndian.PutUint32(header[20:], uint32(len(entry)))
	return header
}

// vastLogs have lengths beyond what is there.
func vastLogs() []Case {
	const vast = 0xffffffff
	put := func(offset func(raw []byte) int, value uint32) func(*simulated.Builder) []byte {
		return func(log *simulated.Builder) []byte {
			raw := log.Encode()
			binary.LittleEndian.PutUint32(raw[offset(raw):], value)
			return raw
		}
	}
	form := evidence.CodeTPMEventLog
	return []Case{
		loggedCase("a vast event", form, put(func(raw []byte) int { return firstEvent(raw) + 12 + 2 + 32 + 2 + 48 }, vast)),
		loggedCase("a vast number of digests", form, put(func(raw []byte) int { return firstEvent(raw) + 8 }, vast)),
		loggedCase("a vast number of algorithms", form, put(func([]byte) int { return 32 + 24 }, vast)),
		loggedCase("a vast header", form, put(func([]byte) int { return 28 }, vast)),
		loggedCase("a register that is none", form, put(firstEvent, 24)),
		loggedCase("cut amid an event", form, func(log *simulated.Builder) []byte { raw := log.Encode(); return raw[:len(raw)-1] }),
		loggedCase("a byte", form, func(*simulated.Builder) []byte { return []byte{0} }),
		loggedCase("events behind padding", form, func(log *simulated.Builder) []byte { return append(append(log.Encode(), make([]byte, 64)...), 1) }),
	}
}

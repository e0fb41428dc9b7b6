package tdx

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	logs "github.com/quotary/quotary/simulators/eventlog"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
)

// statuses returns the statuses of the two checks on event logs.
func statuses(out tee.Outcome) [2]evidence.Status {
	log, _ := out.Checks.Get(evidence.CodeTDXEventLog)
	replay, _ := out.Checks.Get(evidence.CodeTDXEventLogReplay)
	return [2]evidence.Status{log.Status, replay.Status}
}

// TestBootOfMachines judges machines of every kind with their logs.
func TestBootOfMachines(t *testing.T) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4":            func(*simulated.MachineOptions) {},
		"version 5":            func(o *simulated.MachineOptions) { o.Version = 5 },
		"version 5, report1.5": func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
		"no secure boot":       func(o *simulated.MachineOptions) { o.Boot.SecureBoot = false },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, func(o *simulated.MachineOptions) { *o = simulated.BootedMachine(); alter(o) })
			out := s.withLog(s.machine.EventLog()) // with its padding
			boot := bootOf(t, out)
			if *boot.SecureBoot.Enabled != (name != "no secure boot") || boot.UKI == nil || boot.Format != "ccel" || boot.Bank != "sha384" {
				t.Errorf("%+v", boot)
			}
			for _, check := range out.Checks {
				if check.Status != evidence.Pass || check.Code == evidence.CodeEventLogReplay {
					t.Errorf("%v", check)
				}
			}
		})
	}
}

// TestDoubtsAreNoRefusal: what a log does not tell is a warning, for policy to judge.
func TestDoubtsAreNoRefusal(t *testing.T) {
	s := booted(t)
	if err := s.machine.Announce("app", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.machine.Measure(3, eventlog.IPL, []byte("file"), []byte("its name")); err != nil {
		t.Fatal(err)
	}
	out := s.withLog(s.machine.EventLog())
	boot := bootOf(t, out)
	check, _ := out.Checks.Get(evidence.CodeEventLogApplication)
	if len(boot.Events) > 0 || check.Status != evidence.Warn {
		t.Errorf("events %+v, %v", boot.Events, check)
	}
}

// TestNoWorkOnRefusedQuotes: the log of a quote that is refused is not looked at.
func TestNoWorkOnRefusedQuotes(t *testing.T) {
	s := booted(t)
	notPerformed := [2]evidence.Status{evidence.NotPerformed, evidence.NotPerformed}
	for name, alter := range map[string]func(*simulated.Parts){
		"signature": func(p *simulated.Parts) { p.AttestationKey = s.vendor.NewKey("another") },
		"QE report": func(p *simulated.Parts) { p.PCKKey = s.vendor.NewKey("another") },
		"no chain":  func(p *simulated.Parts) { p.Chain = nil },
		"enclave":   func(p *simulated.Parts) { p.QEReport[128] ^= 1 },
	} {
		p := s.machine.Parts(reportData)
		alter(p)
		for _, log := range [][]byte{s.machine.EventLog(), []byte("no log")} {
			e := &tee.Endorsements{}
			s.collateral.AddTo(e)
			out := s.verifier.Verify(&evidence.TDX{Quote: p.Assemble(), EventLog: log}, e, tee.Params{Now: s.now})
			if statuses(out) != notPerformed || out.Claims.TDX.Boot != nil || out.Genuine() {
				t.Errorf("%s: %v, %+v", name, statuses(out), out.Claims.TDX.Boot)
			}
		}
	}
}

// TestLogBesideMissingCollateral: a lie is refused before anybody is asked for
// collateral, and a log that holds leaves the verdict open as it was.
func TestLogBesideMissingCollateral(t *testing.T) {
	s := booted(t)
	s.collateral = simulated.Collateral{}
	if out := s.withLog(s.machine.EventLog()); !out.Undecided() || out.Claims.TDX.Boot == nil {
		t.Errorf("undecided %v, failed %v", out.Undecided(), out.Checks.Failed())
	}
	if err := s.machine.Extend(2, [48]byte{1}); err != nil {
		t.Fatal(err)
	}
	out := s.withLog(s.machine.EventLog())
	refusedWith(t, out, evidence.CodeTDXEventLogReplay)
	if len(out.Missing) > 0 {
		t.Errorf("missing %v", out.Missing)
	}
	if check, _ := out.Checks.Get(evidence.CodeTDXEventLogReplay); !strings.HasPrefix(check.Got, "RTMR2 holds something else, RTMR0 reproduced") {
		t.Errorf("%v", check)
	}
}

// TestCutLogs cuts a log everywhere. It is refused, unless whole registers are cut
// away, of which nothing is claimed then.
func TestCutLogs(t *testing.T) {
	s := booted(t)
	log := s.machine.Item(reportData).EventLog
	whole := bootOf(t, s.withLog(log)).Registers
	for n := 1; n < len(log); n++ {
		out := s.withLog(log[:n])
		if !out.Genuine() {
			continue
		}
		for i, r := range out.Claims.TDX.Boot.Registers {
			if i < 3 && r.Status != evidence.RegisterUnlogged && r != whole[i] {
				t.Errorf("cut to %d: RTMR%d is %+v", n, i, r)
			}
		}
	}
}

// TestFlippedLogs flips a bit in every byte of a log. What is still accepted says
// what it said before, or nothing.
func TestFlippedLogs(t *testing.T) {
	s := booted(t)
	if err := s.machine.Announce("app", []byte("started")); err != nil {
		t.Fatal(err)
	}
	log := s.machine.Item(reportData).EventLog
	want := reflect.ValueOf(*bootOf(t, s.withLog(log)))
	accepted := 0
	for i := range log {
		log[i] ^= 1 << (i % 8)
		out := s.withLog(log)
		log[i] ^= 1 << (i % 8)
		if !out.Genuine() {
			continue
		}
		accepted++
		boot := *out.Claims.TDX.Boot
		for n := range boot.BootOptions {
			boot.BootOptions[n].Number = 0 // as NumberCovered says
		}
		got := reflect.ValueOf(boot)
		for n := range got.NumField() {
			switch name := got.Type().Field(n).Name; {
			case name == "Registers" || name == "Measurements": // count what nothing covers: more, if anything
			case !got.Field(n).IsZero() && !reflect.DeepEqual(got.Field(n).Interface(), want.Field(n).Interface()):
				t.Errorf("byte %d flipped: %s is %+v, was %+v", i, name, got.Field(n), want.Field(n))
			}
		}
	}
	t.Logf("%d of %d flips are of what no digest covers", accepted, len(log))
}

// TestAttack_D06_HostileLogs holds the memory for logs of the largest size to a
// few times that size, and larger ones to none.
func TestAttack_D06_HostileLogs(t *testing.T) {
	small := logs.New(eventlog.RTMRs)
	for len(small.Entries) < maxEventLog/70 {
		small.Entries = append(small.Entries, logs.Entry{Register: 3, Type: eventlog.RuntimeEvent, Digests: map[eventlog.Algorithm][]byte{eventlog.SHA384: make([]byte, 48)}})
	}
	texts := logs.New(eventlog.RTMRs)
	for texts.Measure(2, eventlog.IPL, []byte("/"+strings.Repeat("a", 60)+"\x00")); len(texts.Encode()) < maxEventLog-400; {
		texts.Entries = append(texts.Entries, slices.Repeat(texts.Entries[:1], 3)...)
	}
	blob := logs.New(eventlog.RTMRs)
	blob.Measure(3, eventlog.IPL, make([]byte, maxEventLog-200))
	for name, b := range map[string]*logs.Builder{"small events": small, "texts": texts, "one event": blob} {
		log := b.Encode()
		if len(log) > maxEventLog || len(log) < maxEventLog/2 {
			t.Fatalf("%s: %d bytes", name, len(log))
		}
		s := logged(t, b)
		bootOf(t, s.withLog(log))
		quote := s.machine.Quote(reportData)
		e := &tee.Endorsements{}
		s.collateral.AddTo(e)
		got := allocated(func() { s.verifier.Verify(&evidence.TDX{Quote: quote, EventLog: log}, e, tee.Params{Now: s.now}) })
		if got > 16*maxEventLog {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
	s := booted(t)
	refusedWith(t, s.withLog(append(s.machine.EventLog(), bytes.Repeat([]byte{0xff}, maxEventLog)...)), evidence.CodeTDXEventLog)
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestUnverifiedBoot shows what a log says by the registers beside it, and nothing
// of what is no log.
func TestUnverifiedBoot(t *testing.T) {
	s := booted(t)
	item := s.machine.Item(reportData)
	claims, err := s.verifier.UnverifiedClaims(item)
	if err != nil || claims.TDX.Boot == nil || claims.TDX.Boot.UKI == nil {
		t.Errorf("%+v, %v", claims.TDX, err)
	}
	item.EventLog = []byte("no log")
	if claims, err := s.verifier.UnverifiedClaims(item); err != nil || claims.TDX.Boot != nil {
		t.Errorf("%+v, %v", claims.TDX, err)
	}
	if err := s.machine.Extend(2, [48]byte{1}); err != nil {
		t.Fatal(err)
	}
	if claims, err := s.verifier.UnverifiedClaims(s.machine.Item(reportData)); err != nil || claims.TDX.Boot.UKI != nil || claims.TDX.Boot.Registers[2].Status != evidence.RegisterMismatched {
		t.Errorf("%+v, %v", claims.TDX, err)
	}
}

package tdx

import (
	"bytes"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	logs "github.com/quotary/quotary/simulators/eventlog"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
)

// The attacks of this file are told in event logs beside genuine quotes: logs are
// not signed, and whoever sends one can write what they like.

// booted is a scene whose machine has an event log.
func booted(tb testing.TB) *scene {
	return newScene(tb, func(o *simulated.MachineOptions) { *o = simulated.BootedMachine() })
}

// logged is a scene whose machine quotes what a log leads to.
func logged(tb testing.TB, log *logs.Builder) *scene {
	return newScene(tb, func(o *simulated.MachineOptions) {
		o.RTMR = [4][48]byte{}
		for n, value := range log.Values(eventlog.SHA384) {
			o.RTMR[n] = [48]byte(value)
		}
	})
}

// withLog judges a genuine quote beside this log.
func (s *scene) withLog(log []byte) tee.Outcome {
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	return s.verifier.Verify(&evidence.TDX{Quote: s.machine.Quote(reportData), EventLog: log}, e, tee.Params{Now: s.now})
}

// bootOf demands a genuine outcome with claims of the boot.
func bootOf(tb testing.TB, out tee.Outcome) *evidence.BootClaims {
	tb.Helper()
	requireGenuine(tb, out)
	if out.Claims.TDX.Boot == nil {
		tb.Fatal("no claims of the boot")
	}
	return out.Claims.TDX.Boot
}

// TestAttack_T31_NoLog leaves the log at home, or sends one that says nothing. The
// quote is as genuine as it was, and nothing is claimed that only a log can say.
func TestAttack_T31_NoLog(t *testing.T) {
	s := booted(t)
	for name, log := range map[string][]byte{"nil": nil, "empty": {}} {
		out := s.withLog(log)
		requireGenuine(t, out)
		check, _ := out.Checks.Get(evidence.CodeTDXEventLogReplay)
		if out.Claims.TDX.Boot != nil || check.Status != evidence.NotApplicable {
			t.Errorf("%s: %+v, %v", name, out.Claims.TDX.Boot, check)
		}
	}
	header := logs.New(eventlog.RTMRs)
	boot := bootOf(t, s.withLog(header.Encode()))
	for n, want := range []string{evidence.RegisterUnlogged, evidence.RegisterUnlogged, evidence.RegisterUnlogged, evidence.RegisterUntouched} {
		if boot.Registers[n].Status != want {
			t.Errorf("RTMR%d is %s", n, boot.Registers[n].Status)
		}
	}
	if boot.SecureBoot != nil || boot.UKI != nil || boot.Images != nil || boot.Measurements != nil || boot.ExitedBootServices != nil {
		t.Errorf("claims without events: %+v", boot)
	}
}

// TestAttack_T32_RegisterIndexes logs events for registers that are no RTMRs, or
// for the ones beside theirs: CC measurement register 0 is MRTD.
func TestAttack_T32_RegisterIndexes(t *testing.T) {
	for _, register := range []int{-1, 4, 5, 255} {
		log := simulated.DefaultBoot().Log(eventlog.RTMRs)
		s := logged(t, log)
		log.Measure(register, eventlog.IPL, []byte("stray"))
		refusedWith(t, s.withLog(log.Encode()), evidence.CodeTDXEventLog)
	}
	for _, shift := range []int{1, -1} {
		log := simulated.DefaultBoot().Log(eventlog.RTMRs)
		s := logged(t, log)
		for i := range log.Entries {
			log.Entries[i].Register = (log.Entries[i].Register + shift + 3) % 3
		}
		refusedWith(t, s.withLog(log.Encode()), evidence.CodeTDXEventLogReplay)
	}
	// The log of a machine whose MRTD has what its log says of RTMR0.
	s := newScene(t, func(o *simulated.MachineOptions) {
		values := simulated.DefaultBoot().Log(eventlog.RTMRs).Values(eventlog.SHA384)
		o.MRTD, o.RTMR = [48]byte(values[0]), [4][48]byte{[48]byte(values[1]), [48]byte(values[2])}
	})
	refusedWith(t, s.withLog(simulated.DefaultBoot().Log(eventlog.RTMRs).Encode()), evidence.CodeTDXEventLogReplay)
}

// TestAttack_T33_EventsBehindPadding hides events and other things behind the end.
func TestAttack_T33_EventsBehindPadding(t *testing.T) {
	s := booted(t)
	item := s.machine.Item(reportData)
	more := logs.New(eventlog.RTMRs)
	more.Measure(2, eventlog.IPL, []byte("hidden"))
	hidden := more.Encode()[len(logs.New(eventlog.RTMRs).Encode()):]
	pad := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	want := bootOf(t, s.withLog(item.EventLog))
	for name, tail := range map[string][]byte{
		"FF": pad(0xff, 1000), "00": pad(0, 1000), "one FF": pad(0xff, 1), "FF, then 00": append(pad(0xff, 64), pad(0, 64)...),
	} {
		if got := bootOf(t, s.withLog(slices.Concat(item.EventLog, tail))); len(got.Measurements) != len(want.Measurements) {
			t.Errorf("%s: other claims", name)
		}
	}
	for name, tail := range map[string][]byte{
		"an event behind FF": append(pad(0xff, 64), hidden...), "an event behind 00": append(pad(0, 64), hidden...),
		"text": []byte("more"), "a byte behind FF": append(pad(0xff, 4096), 1), "a byte behind 00": append(pad(0, 64), 1, 0),
		"a second log": item.EventLog, "half an event": hidden[:len(hidden)-1],
	} {
		t.Run(name, func(t *testing.T) {
			refusedWith(t, s.withLog(slices.Concat(item.EventLog, tail)), evidence.CodeTDXEventLog)
		})
	}
	refusedWith(t, s.withLog(slices.Concat(item.EventLog, hidden)), evidence.CodeTDXEventLogReplay)
}

// TestAttack_T34_PayloadNotCovered changes what events say without their digests.
func TestAttack_T34_PayloadNotCovered(t *testing.T) {
	s := booted(t)
	if err := s.machine.Announce("image", []byte("sha256:aaaa")); err != nil {
		t.Fatal(err)
	}
	item := s.machine.Item(reportData)
	if events := bootOf(t, s.withLog(item.EventLog)).Events; len(events) != 1 || events[0].Name != "image" || string(events[0].Payload) != "sha256:aaaa" {
		t.Fatalf("events %+v", events)
	}
	for from, to := range map[string]string{"sha256:aaaa": "sha256:bbbb", "image:sha": "images:ha", ":aaaa": ":aaa:"} {
		boot := bootOf(t, s.withLog(bytes.Replace(item.EventLog, []byte(from), []byte(to), 1)))
		if len(boot.Events) > 0 || !slices.ContainsFunc(boot.Measurements, func(m evidence.BootMeasurement) bool { return m.Register == 3 }) {
			t.Errorf("%q for %q: events %+v", to, from, boot.Events)
		}
	}
	// By another rule, which is not known: the digest covers the payload alone.
	s = booted(t)
	if err := s.machine.Measure(3, eventlog.RuntimeEvent, []byte("sha256:aaaa"), []byte("image:sha256:aaaa")); err != nil {
		t.Fatal(err)
	}
	if events := bootOf(t, s.withLog(s.machine.Item(reportData).EventLog)).Events; len(events) > 0 {
		t.Errorf("by an unknown rule: %+v", events)
	}
	// The command line in the log is not the one that was measured.
	s = booted(t)
	log := s.machine.Item(reportData).EventLog
	boot := bootOf(t, s.withLog(log))
	for _, label := range []string{"LOADED_IMAGE::LoadOptions", "Linux initrd"} {
		other := bootOf(t, s.withLog(bytes.Replace(log, []byte(label), bytes.Repeat([]byte{'x'}, len(label)), 1)))
		if len(boot.LoadOptions) == 0 || len(other.LoadOptions) > 0 && len(other.Initrd) > 0 {
			t.Errorf("without its label %s: %+v", label, other)
		}
	}
}

// TestAttack_T35_EventsBehindBoundary adds events of a name that was there before:
// all are claimed, in order, and none of them can be left out.
func TestAttack_T35_EventsBehindBoundary(t *testing.T) {
	s := booted(t)
	for _, name := range []string{"gpu", "system-ready", "gpu", "system-ready"} {
		if err := s.machine.Announce(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	log := s.machine.Item(reportData).EventLog
	var got []string
	for i, e := range bootOf(t, s.withLog(log)).Events {
		if int(e.Ordinal) != i || e.Register != 3 {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Name)
	}
	if !slices.Equal(got, []string{"gpu", "system-ready", "gpu", "system-ready"}) {
		t.Errorf("events %v", got)
	}
	parsed, err := eventlog.Parse(log, eventlog.RTMRs)
	if err != nil {
		t.Fatal(err)
	}
	last := parsed.Events[len(parsed.Events)-2:]
	refusedWith(t, s.withLog(log[:last[1].Offset]), evidence.CodeTDXEventLogReplay)
	swapped := slices.Concat(log[:last[0].Offset], log[last[1].Offset:], log[last[0].Offset:last[1].Offset])
	refusedWith(t, s.withLog(swapped), evidence.CodeTDXEventLogReplay)
	// What extends the register without an event refutes the log.
	if err := s.machine.Extend(3, [48]byte{1}); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, s.withLog(log), evidence.CodeTDXEventLogReplay)
}

package eventlog_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// material are bytes that a forger has at hand: what was really measured, what
// the log says of it, and what other events say.
func material(b *simulated.Builder) [][]byte {
	boot := testBoot()
	all := [][]byte{
		nil, {0}, make([]byte, 4), {1, 0, 0, 0}, boot.Image, boot.Kernel, boot.Initrd, []byte(boot.CommandLine),
		append(simulated.UTF16(boot.CommandLine), 0, 0), simulated.UTF16(boot.CommandLine), simulated.UTF16(".linux"),
		simulated.Tagged(0, []byte("LOADED_IMAGE::LoadOptions\x00")), simulated.Tagged(0, []byte("Linux initrd\x00")),
		[]byte("grub_cmd: " + boot.CommandLine), []byte("kernel_cmdline: " + boot.CommandLine), simulated.LoadOption("Simulated Disk"),
	}
	for _, entry := range b.Entries {
		all = append(all, entry.Data)
	}
	for _, text := range append(grubTexts, grubLine, "/vmlinuz init=/bin/sh") {
		all = append(all, []byte(text), []byte("grub_cmd: "+text), []byte("kernel_cmdline: "+text), []byte("module_cmdline: "+text), simulated.UTF16(text))
	}
	for _, value := range all[:16] { // each as the value of a variable, too
		all = append(all, simulated.Variable(simulated.GUIDGlobal, "BootOrder", value), simulated.Variable(simulated.GUIDGlobal, "Boot0007", value))
	}
	return all
}

// types are those that rules look at, and one that none does.
var types = []eventlog.EventType{
	eventlog.Separator, eventlog.EventTag, eventlog.SCRTMVersion, eventlog.IPL, eventlog.EFIVariableConfig, eventlog.EFIVariableBoot,
	eventlog.EFIApplication, eventlog.EFIBootDriver, eventlog.EFIAction, eventlog.EFIGPT, eventlog.EFIVariableAuthority, eventlog.RuntimeEvent, 1,
}

// richLog is the log of a boot to which GRUB, shim and applications have added.
func richLog(registers eventlog.Registers) *simulated.Builder {
	b := testBoot().Log(registers)
	application := 3
	if registers == eventlog.PCRs {
		application = 15
		for _, text := range grubTexts {
			b.Add(8, eventlog.IPL, []byte(text), []byte("grub_cmd: "+text+"\x00"))
		}
		b.Add(8, eventlog.IPL, []byte(grubLine), []byte("kernel_cmdline: "+grubLine+"\x00"))
		for _, name := range []string{"MokList", "MokListX", "MokListTrusted"} {
			b.Add(14, eventlog.IPL, []byte("content of "+name), []byte(name+"\x00"))
		}
		b.Measure(12, eventlog.IPL, append(simulated.UTF16("debug"), 0, 0))
	}
	b.Measure(application, eventlog.EventTag, simulated.Tagged(0x4141454c, []byte("app image 1")))
	b.Measure(application, eventlog.EventTag, simulated.Tagged(0x4141454c, []byte("app image 2")))
	return b
}

const grubLine = "/vmlinuz ro"

var grubTexts = []string{"set timeout=1", "linux " + grubLine}

// TestNoRelabelChangesAClaim rewrites types and data of any events, with whatever
// a forger knows, and keeps the digests: no claim becomes another.
func TestNoRelabelChangesAClaim(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		honest := richLog(b.Registers)
		truth, _ := claims(t, honest)
		if truth.SecureBoot == nil || truth.Images == nil || truth.UKI == nil || truth.Initrd == nil || truth.Events == nil || truth.BootAttempts == nil ||
			b.Registers == eventlog.PCRs && (truth.CommandLines == nil || truth.GRUBCommands == nil || truth.Mok == nil) {
			t.Fatalf("nothing to change in %+v", truth)
		}
		known := material(honest)
		rapid.Check(t, func(r *rapid.T) {
			forged := honest.Clone()
			for range rapid.IntRange(1, 4).Draw(r, "changes") {
				relabel(r, forged, known)
			}
			got, _ := claims(t, forged)
			withholds(r, truth, got)
		})
	})
}

// relabel gives one event another type, other data, or both.
func relabel(r *rapid.T, b *simulated.Builder, known [][]byte) {
	i := rapid.IntRange(0, len(b.Entries)-1).Draw(r, "event")
	if rapid.Bool().Draw(r, "type too") {
		b.Entries[i].Type = rapid.SampledFrom(types).Draw(r, "type")
	}
	b.Entries[i].Data = bytes.Clone(rapid.SampledFrom(known).Draw(r, "data"))
}

// TestNoLaterEventChangesAClaim does the same, and also extends registers as
// whoever runs after the boot can. What was measured before cannot be claimed away.
func TestNoLaterEventChangesAClaim(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		honest := richLog(b.Registers)
		truth, _ := claims(t, honest)
		known := material(honest)
		rapid.Check(t, func(r *rapid.T) {
			forged := honest.Clone()
			for range rapid.IntRange(1, 3).Draw(r, "later events") {
				entry := rapid.SampledFrom(honest.Entries).Draw(r, "like")
				forged.Add(entry.Register, rapid.SampledFrom(types).Draw(r, "type"),
					rapid.SampledFrom(known).Draw(r, "measured"), rapid.SampledFrom(known).Draw(r, "data"))
			}
			for range rapid.IntRange(0, 3).Draw(r, "changes") {
				relabel(r, forged, known)
			}
			got, _ := claims(t, forged)
			outlasts(r, truth, got)
		})
	})
}

// outlasts reports claims that contradict the truth before later events.
func outlasts(t reporter, truth, got *evidence.BootClaims) {
	t.Helper()
	if s := got.SecureBoot; s != nil && (s.Enabled == nil || !*s.Enabled || !bytes.Equal(s.DBX.SHA256, truth.SecureBoot.DBX.SHA256)) {
		t.Errorf("secure boot %+v", s)
	}
	for i, image := range truth.Images {
		same := func(g evidence.BootImage) bool {
			return g.Register == image.Register && bytes.Equal(g.Digest, image.Digest)
		}
		if got.Images != nil && !slices.ContainsFunc(got.Images, same) {
			t.Errorf("image %d is gone: %v", i, got.Images)
		}
	}
	if got.LoadOptions != nil && !bytes.Equal(got.LoadOptions, truth.LoadOptions) || got.Initrd != nil && !bytes.Equal(got.Initrd, truth.Initrd) {
		t.Errorf("kernel %v %v", got.LoadOptions, got.Initrd)
	}
	if got.UKI != nil {
		for name, content := range truth.UKI.Sections {
			if !bytes.Equal(got.UKI.Sections[name], content) {
				t.Errorf("UKI %v", got.UKI)
			}
		}
	}
	if got.BootAttempts != nil && *got.BootAttempts < *truth.BootAttempts || got.ExitedBootServices != nil && !*got.ExitedBootServices {
		t.Errorf("attempts %v, exit %v", got.BootAttempts, got.ExitedBootServices)
	}
	for _, line := range truth.CommandLines {
		if got.CommandLines != nil && !slices.Contains(got.CommandLines, line) {
			t.Errorf("command lines %v", got.CommandLines)
		}
	}
	if got.Mok != nil && !bytes.Equal(got.Mok.List, truth.Mok.List) {
		t.Errorf("Mok %v", got.Mok)
	}
}

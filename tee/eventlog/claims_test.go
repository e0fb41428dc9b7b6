package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// digestOf returns the digest in the bank of a machine.
func digestOf(b *simulated.Builder, data []byte) evidence.Hex {
	if b.Registers == eventlog.RTMRs {
		sum := sha512.Sum384(data)
		return sum[:]
	}
	sum := sha256.Sum256(data)
	return sum[:]
}

// TestClaims draws everything that there is to draw from a simulated boot.
func TestClaims(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		boot := testBoot()
		got, checks := claims(t, b)
		for _, check := range checks {
			if check.Status != evidence.Pass {
				t.Errorf("%v", check)
			}
		}
		if s := got.SecureBoot; s == nil || s.Enabled == nil || !*s.Enabled || s.SetupMode || len(s.DB.Certificates) != 1 || len(s.DBX.Hashes) != 2 {
			t.Fatalf("secure boot %+v", s)
		}
		if owner := got.SecureBoot.DBX.Hashes[1]; !bytes.Equal(owner, bytes.Repeat([]byte{2}, 32)) {
			t.Errorf("dbx %v", got.SecureBoot.DBX.Hashes)
		}
		want := map[string]evidence.Hex{
			".linux": digestOf(b, boot.Kernel), ".cmdline": digestOf(b, []byte(boot.CommandLine)), ".initrd": digestOf(b, boot.Initrd),
		}
		if got.UKI == nil || !cmp.Equal(got.UKI.Sections, want) {
			t.Errorf("UKI %v, want %v", got.UKI, want)
		}
		if !bytes.Equal(got.Initrd, digestOf(b, boot.Initrd)) || !bytes.Equal(got.LoadOptions, eventlog.LoadOptionsDigest(bankOf(b.Registers), boot.CommandLine)) {
			t.Errorf("kernel %v %v", got.LoadOptions, got.Initrd)
		}
		if len(got.Images) != 2 || !bytes.Equal(got.Images[0].Digest, digestOf(b, boot.Image)) || !bytes.Equal(got.Images[1].Digest, digestOf(b, boot.Kernel)) {
			t.Errorf("images %v", got.Images)
		}
		if got.BootAttempts == nil || *got.BootAttempts != 1 || got.ExitedBootServices == nil || !*got.ExitedBootServices {
			t.Errorf("attempts %v, exit %v", got.BootAttempts, got.ExitedBootServices)
		}
		if !slices.Equal(got.BootOrder, []uint16{0}) || len(got.BootOptions) != 1 || got.BootOptions[0].Description != "Simulated Disk" || got.BootOptions[0].NumberCovered {
			t.Errorf("boot options %v %v", got.BootOrder, got.BootOptions)
		}
		if b.Registers == eventlog.PCRs && got.FirmwareVersion != "Simulated Firmware 1" {
			t.Errorf("firmware %q", got.FirmwareVersion)
		}
	})
}

// TestClaimsOfGRUB draws commands and the command line from PCR 8, and not
// settled where other things share the register.
func TestClaimsOfGRUB(t *testing.T) {
	const line = "/vmlinuz root=/dev/vda1 ro"
	grub := func(b *simulated.Builder) {
		for _, text := range []string{"set timeout=1", "linux " + line} {
			b.Add(register(b, 8), eventlog.IPL, []byte(text), []byte("grub_cmd: "+text+"\x00"))
		}
		b.Add(register(b, 9), eventlog.IPL, []byte("the kernel"), []byte("/vmlinuz\x00"))
		b.Add(register(b, 8), eventlog.IPL, []byte(line), []byte("kernel_cmdline: "+line+"\x00"))
	}
	pcrs, rtmrs := simulated.New(eventlog.PCRs), simulated.New(eventlog.RTMRs)
	grub(pcrs)
	grub(rtmrs)
	got, _ := claimsBesideUntouched(t, pcrs)
	if !slices.Equal(got.GRUBCommands, []string{"set timeout=1", "linux " + line}) {
		t.Errorf("commands %q", got.GRUBCommands)
	}
	if len(got.CommandLines) != 1 || got.CommandLines[0] != (evidence.CommandLine{Source: "grub", Register: 8, Ordinal: 2, Text: line}) {
		t.Errorf("command lines %v", got.CommandLines)
	}
	got, checks := claims(t, rtmrs)
	if got.CommandLines != nil || len(got.UnsettledCommandLines) != 1 || got.UnsettledCommandLines[0].Text != line || got.GRUBCommands != nil || len(got.Measurements) != 1 {
		t.Errorf("got %+v", got)
	}
	doubted(t, checks, evidence.CodeEventLogCommandLine)
}

// TestClaimsOfCommandLines reads what systemd's boot loader and stub measure into PCR 12.
func TestClaimsOfCommandLines(t *testing.T) {
	for name, c := range map[string]struct{ measured, data []byte }{
		"as it is":            {simulated.UTF16("quiet"), simulated.UTF16("quiet")},
		"with a null":         {append(simulated.UTF16("quiet"), 0, 0), append(simulated.UTF16("quiet"), 0, 0)},
		"without the null":    {simulated.UTF16("quiet"), append(simulated.UTF16("quiet"), 0, 0)},
		"half a null is lost": {append(simulated.UTF16("quiet"), 0, 0), append(simulated.UTF16("quiet"), 0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			b.Add(12, eventlog.IPL, c.measured, c.data)
			if got, _ := claimsBesideUntouched(t, b); len(got.CommandLines) != 1 || got.CommandLines[0] != (evidence.CommandLine{Source: "efi", Register: 12, Text: "quiet"}) {
				t.Errorf("got %v", got.CommandLines)
			}
		})
	}
}

// TestClaimsOfMok reads shim's lists, loaded once or twice.
func TestClaimsOfMok(t *testing.T) {
	list := func(b *simulated.Builder, names ...string) {
		for _, name := range names {
			b.Add(14, eventlog.IPL, []byte("content of "+name), []byte(name+"\x00"))
		}
	}
	all := []string{"MokList", "MokListX", "MokListTrusted"}
	for name, c := range map[string]struct {
		names []string
		ok    bool
	}{
		"once":        {all, true},
		"twice":       {append(slices.Clone(all), all...), true},
		"without":     {all[:2], true},
		"first alone": {all[:1], false},
		"disordered":  {[]string{"MokList", "MokListTrusted", "MokListX"}, false},
		"more":        {append(slices.Clone(all), "MokPolicy"), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			list(b, c.names...)
			got, checks := claims(t, b)
			if (got.Mok != nil) != c.ok {
				t.Fatalf("got %v", got.Mok)
			}
			if !c.ok {
				doubted(t, checks, evidence.CodeEventLogMok)
			} else if !bytes.Equal(got.Mok.ListX, digestOf(b, []byte("content of MokListX"))) {
				t.Errorf("got %v", got.Mok)
			}
		})
	}
}

// TestClaimsOfApplications reads both forms of applications' events.
func TestClaimsOfApplications(t *testing.T) {
	b := simulated.New(eventlog.RTMRs)
	b.Measure(3, eventlog.EventTag, simulated.Tagged(0x4141454c, []byte("example.org start image=a b")))
	b.Add(3, eventlog.RuntimeEvent, append([]byte{1, 0, 0, 8, ':'}, "ready:\x01\x02:"...), []byte("ready:\x01\x02:"))
	got, _ := claims(t, b)
	want := []evidence.ApplicationEvent{
		{Register: 3, Ordinal: 0, Name: "example.org start", Payload: []byte("image=a b")},
		{Register: 3, Ordinal: 1, Name: "ready", Payload: []byte("\x01\x02:")},
	}
	if diff := cmp.Diff(want, got.Events); diff != "" {
		t.Error(diff)
	}
}

// TestClaimsOfPhases goes on from the log to the phases that only the register shows.
func TestClaimsOfPhases(t *testing.T) {
	b := testBoot().Log(eventlog.PCRs)
	before := parse(t, b)
	for _, phase := range []string{"enter-initrd", "leave-initrd", "sysinit"} {
		b.Measure(11, eventlog.IPL, []byte(phase))
	}
	quoted := b.Values(eventlog.SHA256)
	got, _ := compare(t, before, eventlog.SHA256, quoted).Claims()
	if got.UKI == nil || !slices.Equal(got.UKI.Phases, []string{"enter-initrd", "leave-initrd", "sysinit"}) || got.Registers[11].Status != evidence.RegisterReproduced {
		t.Errorf("got %+v", got.UKI)
	}
	if logged, _ := claims(t, b); logged.UKI == nil || !slices.Equal(logged.UKI.Phases, got.UKI.Phases) {
		t.Errorf("from a log with phases: %+v", logged.UKI)
	}
	b.Measure(11, eventlog.IPL, []byte("final"))
	if c := compare(t, before, eventlog.SHA256, b.Values(eventlog.SHA256)); !slices.Equal(c.Mismatched, []int{11}) {
		t.Errorf("phases out of order: %+v", c)
	}
}

// TestFirmwareOrders accepts both orders of the call of a boot option and the load
// of its image, and counts further attempts.
func TestFirmwareOrders(t *testing.T) {
	load := func(b *simulated.Builder) { b.Add(4, eventlog.EFIApplication, []byte("image"), nil) }
	call := func(b *simulated.Builder) {
		b.Measure(4, eventlog.EFIAction, []byte("Calling EFI Application from Boot Option"))
	}
	back := func(b *simulated.Builder) {
		b.Measure(4, eventlog.EFIAction, []byte("Returning from EFI Application from Boot Option"))
	}
	separate := func(b *simulated.Builder) { b.Measure(4, eventlog.Separator, make([]byte, 4)) }
	for name, c := range map[string]struct {
		steps    []func(*simulated.Builder)
		attempts uint32
	}{
		"loaded first":   {[]func(*simulated.Builder){load, call, separate}, 1},
		"called first":   {[]func(*simulated.Builder){call, separate, load}, 1},
		"called twice":   {[]func(*simulated.Builder){call, separate, back, call, load}, 2},
		"never called":   {[]func(*simulated.Builder){separate, load}, 0},
		"called at last": {[]func(*simulated.Builder){separate, load, call}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			for _, step := range c.steps {
				step(b)
			}
			got, _ := claimsBesideUntouched(t, b)
			if len(got.Images) != 1 {
				t.Errorf("images %v", got.Images)
			}
			if (got.BootAttempts != nil) != (c.attempts > 0) || c.attempts > 0 && *got.BootAttempts != c.attempts {
				t.Errorf("attempts %v", got.BootAttempts)
			}
		})
	}
}

// TestExitBootServices accepts failed attempts before the one that succeeds.
func TestExitBootServices(t *testing.T) {
	const exit, success, failure = "Exit Boot Services Invocation", "Exit Boot Services Returned with Success", "Exit Boot Services Returned with Failure"
	yes, no := true, false
	for name, c := range map[string]struct {
		steps []string
		want  *bool
	}{
		"once":          {[]string{exit, success}, &yes},
		"again":         {[]string{exit, failure, exit, success}, &yes},
		"under way":     {[]string{exit}, &no},
		"failed":        {[]string{exit, failure}, nil},
		"twice":         {[]string{exit, success, exit, success}, nil},
		"never":         {nil, nil},
		"never invoked": {[]string{success}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			b.Measure(5, eventlog.Separator, make([]byte, 4))
			for _, step := range c.steps {
				b.Measure(5, eventlog.EFIAction, []byte(step))
			}
			if got, _ := claims(t, b); !cmp.Equal(got.ExitedBootServices, c.want) {
				t.Errorf("got %v", got.ExitedBootServices)
			}
		})
	}
}

// TestBootVariablesMeasuredWhole says of newer firmware that it measures names too.
func TestBootVariablesMeasuredWhole(t *testing.T) {
	b := simulated.New(eventlog.PCRs)
	b.Measure(1, eventlog.EFIVariableBoot2, simulated.Variable(simulated.GUIDGlobal, "BootOrder", []byte{0x0a, 0, 1, 0}))
	b.Measure(1, eventlog.EFIVariableBoot2, simulated.Variable(simulated.GUIDGlobal, "Boot000A", simulated.LoadOption("Disk")))
	b.Measure(1, eventlog.Separator, make([]byte, 4))
	got, _ := claims(t, b)
	if !slices.Equal(got.BootOrder, []uint16{10, 1}) || len(got.BootOptions) != 1 || got.BootOptions[0].Number != 10 || !got.BootOptions[0].NumberCovered || !got.BootOptions[0].Active {
		t.Errorf("got %v %v", got.BootOrder, got.BootOptions)
	}
	b.Measure(1, eventlog.EFIVariableBoot2, simulated.Variable(simulated.GUIDGlobal, "Boot000A", simulated.LoadOption("Other")))
	got, checks := claims(t, b)
	if got.BootOrder != nil || got.BootOptions != nil {
		t.Errorf("a contradiction was resolved: %v", got.BootOptions)
	}
	doubted(t, checks, evidence.CodeEventLogBoot)
}

// TestWeakBank draws no facts from SHA-1 digests.
func TestWeakBank(t *testing.T) {
	b := testBoot().Log(eventlog.PCRs, eventlog.SHA1)
	got, checks := compare(t, parse(t, b), eventlog.SHA1, b.Values(eventlog.SHA1)).Claims()
	if got.SecureBoot != nil || got.Images != nil || got.Registers[7].Status != evidence.RegisterReproduced || got.Registers[7].Events != 6 {
		t.Errorf("got %+v", got)
	}
	doubted(t, checks, evidence.CodeEventLogWeakBank)
}

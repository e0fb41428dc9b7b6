package draft

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// log says which registers of a kind hold what of a boot, as policies draw on them.
type log struct {
	kind         evidence.Kind
	measurements []int // beside what other lists have
	events       []int // of applications; the first needs no mention
}

var (
	tdxLog = log{kind: tdx, measurements: []int{2}, events: []int{3, 2}}
	tpmLog = log{kind: tpm, measurements: []int{9, 11, 12, 13, 14}, events: []int{15, 14, 13}}
)

// boot writes what the event log must show, as far as the plan leaves registers to it.
func (w *page) boot(c *evidence.BootClaims, l log) {
	switch {
	case c == nil:
		w.say("boot is left out: the evidence has no event log. With one, registers can be left to what was booted, which changes less often than their values.")
		return
	case w.plan.boot == bootValues:
		w.say("boot is left out: the event log does not account for enough to replace the registers' values.")
		return
	case w.plan.boot == bootImages:
		w.say("Of the event log, only what was loaded can be asked for: what was loaded with it is pinned by the registers' values. Where a boot loader read the RAM disk, say which digest it has.")
	}
	w.open("boot", "What the event log must show. Only what the quoted registers vouch for counts.")
	if w.plan.secure {
		w.key("secure_boot", "required", "Secure boot was on. To say by whose keys as well, list the certificates of db and the least revocations of dbx.")
	} else {
		w.warn("secure_boot is left out: the event log does not show that secure boot was on. What may be loaded is then what images lists, and nothing else guards it.")
	}
	w.say("Everything that firmware and boot loaders loaded (%d), by its Authenticode digest. An update of any is another value.", len(c.Images))
	var images []evidence.Hex
	for i := range c.Images {
		images = append(images, c.Images[i].Digest)
	}
	w.bootList("images", l, images...)
	if c.BootAttempts != nil && *c.BootAttempts > 0 {
		w.key("maximum_boot_attempts", fmt.Sprint(*c.BootAttempts), "How many boot options firmware may call: of more, one ran and came back.")
	}
	if c.ExitedBootServices != nil && *c.ExitedBootServices {
		w.key("exited_boot_services", "required", "The kernel took over from the firmware.")
	}
	if w.plan.boot == bootAll {
		w.bootSystem(c, l)
	}
	w.close()
}

func (w *page) bootList(name string, l log, values ...evidence.Hex) {
	w.hexes(name, l.kind, []string{"boot", name}, values...)
}

// bootSystem writes what the kernel was started with.
func (w *page) bootSystem(c *evidence.BootClaims, l log) {
	var lines []string
	for _, list := range [][]evidence.CommandLine{c.CommandLines, c.UnsettledCommandLines} {
		for i := range list {
			lines = append(lines, list[i].Text)
		}
	}
	if len(lines) > 0 {
		w.say("Every kernel command line. It decides what is started (init=) and what the kernel guards, so look at each word.")
		w.list("command_lines", l.kind, []string{"boot", "command_lines"}, lines...)
	}
	if commands := slices.Concat(c.GRUBCommands, c.UnsettledGRUBCommands); len(commands) > 0 {
		w.say("Every command that GRUB ran.")
		w.list("grub_commands", l.kind, []string{"boot", "grub_commands"}, commands...)
	}
	listed := map[string]bool{}
	if len(c.LoadOptions) > 0 {
		listed[string(c.LoadOptions)] = true
		w.say("The command line of the kernel's EFI stub, by its digest.")
		w.bootList("load_options", l, c.LoadOptions)
	}
	w.bootInitrds(c, l, listed)
	w.bootUKI(c.UKI, l, listed)
	var rest []evidence.Hex
	for i := range c.Measurements {
		m := &c.Measurements[i]
		if slices.Contains(l.measurements, int(m.Register)) && !listed[string(m.Digest)] {
			rest = append(rest, m.Digest)
		}
	}
	if len(rest) > 0 {
		w.say("What else was measured: files that boot loaders read, and lists of keys. The log does not tell which is which.")
		w.bootList("measurements", l, rest...)
	}
	w.bootEvents(c, l)
}

func (w *page) bootInitrds(c *evidence.BootClaims, l log, listed map[string]bool) {
	disks := slices.Clone(w.options.InitialRAMDisks)
	if len(c.Initrd) > 0 {
		disks = []evidence.Hex{c.Initrd}
	}
	if len(disks) == 0 {
		return
	}
	for _, disk := range disks {
		listed[string(disk)] = true
	}
	w.say("The initial RAM disk: the first programs that run.")
	w.bootList("initrds", l, disks...)
}

func (w *page) bootUKI(c *evidence.UKIClaims, l log, listed map[string]bool) {
	if c == nil {
		return
	}
	w.open("uki", "The unified kernel image: these sections and no others.")
	for _, name := range slices.Sorted(maps.Keys(c.Sections)) {
		listed[string(c.Sections[name])] = true
		w.hexes(word(name), l.kind, []string{"boot", "uki", name}, c.Sections[name])
	}
	w.close()
	if len(c.Phases) > 0 {
		w.key("phases", quotedFlow(c.Phases), "How far the boot had gone when the evidence was made. A machine that attests earlier or later shows other phases.")
	}
}

// bootEvents writes what applications measured.
func (w *page) bootEvents(c *evidence.BootClaims, l log) {
	type place struct {
		register int
		name     string
	}
	var order []place
	payloads := map[place][]string{}
	for i := range c.Events {
		e := &c.Events[i]
		at := place{int(e.Register), e.Name}
		if !slices.Contains(l.events, at.register) {
			continue
		}
		if payloads[at] == nil {
			order = append(order, at)
		}
		payloads[at] = append(payloads[at], e.Payload.String())
	}
	if len(order) == 0 {
		return
	}
	w.say("What applications measured, each with the payloads that this machine has. To keep later programs from adding such events, name the one that ends the launch in before.")
	w.line("events:")
	w.indent += 2
	for _, at := range order {
		w.line("- name: %s", quote(at.name))
		w.indent += 2
		if at.register != l.events[0] {
			w.line("register: %d", at.register)
		}
		if len(payloads[at]) > 1 {
			w.line("repeated: true")
		}
		path := []string{"boot", "events", at.name}
		w.list("payloads", l.kind, path, payloads[at]...)
		w.indent -= 2
	}
	w.indent -= 2
}

// hasEvents reports whether applications measured anything into a register.
func hasEvents(c *evidence.BootClaims, register int) bool {
	return slices.ContainsFunc(c.Events, func(e evidence.ApplicationEvent) bool { return int(e.Register) == register })
}

// paravisor writes what stands between the host and the guest.
func (w *page) paravisor(c *evidence.ParavisorClaims) {
	w.open("paravisor", "A paravisor stands between the host and the guest. The report above is of it, and the TPM is of the guest.")
	for _, s := range []struct {
		name  string
		value *bool
		want  want
	}{{"secure_boot", c.SecureBoot, wanted}, {"tpm_enabled", c.TPMEnabled, wanted}, {"tpm_persisted", c.TPMPersisted, unwanted}, {"console", c.Console, unwanted}} {
		if s.value == nil {
			w.short(s.name, "any", "the paravisor does not say")
			continue
		}
		w.bits(bit{s.name, *s.value, s.want})
	}
	if id := strings.TrimSpace(c.VMID); id != "" {
		w.tighter("vm_ids", "{allow: "+flow(quote(c.VMID))+"}", "Any guest will do. To accept this one alone:")
	}
	w.close()
}

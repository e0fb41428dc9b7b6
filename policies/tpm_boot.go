package policies

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// tpmBoot follows the use of PCRs by firmware, boot loaders and kernels (TCG PC
// Client Platform Firmware Profile, 3.3.4; UAPI.7). digest is the size of the bank's digests.
func tpmBoot(digest int) *bootLayout {
	return &bootLayout{
		kind: tpm, name: "PCR ", digest: digest, empty: firstLatePCR,
		secureBoot: []int{7}, images: []int{2, 4}, calls: []int{4}, exit: []int{5}, mok: []int{14},
		commandLines: []int{8, 12}, grub: []int{8}, stub: []int{9}, uki: []int{11}, measurements: []int{9}, events: []int{15, 14, 13},
	}
}

// tpmReferenceBoot is tpmBoot for reference values, which may be of several banks.
func tpmReferenceBoot() *bootLayout {
	layout := tpmBoot(pcrBanks["sha256"])
	layout.digests = strongerDigests
	return layout
}

// strongerDigests are the sizes of digests beside SHA-256's.
var strongerDigests = []int{pcrBanks["sha384"], pcrBanks["sha512"]}

// PCRs with a part in what a policy leaves open.
const (
	pcrFirmware  = 0
	pcrLoaders   = 4
	pcrSecure    = 7
	pcrGRUB      = 8
	pcrKernel    = 9 // what boot loaders and the kernel's stub read
	pcrIMA       = 10
	pcrUKI       = 11
	pcrLines     = 12 // command lines, credentials
	pcrSystem    = 13 // system extensions
	pcrOwner     = 14
	firstLatePCR = 8 // from here on, whatever was loaded extends them
)

// tpmLogged are the PCRs that can be left to the log. The others hold the host's
// hardware and settings, in forms that firmware decides on, or what no log has.
var tpmLogged = []int{2, pcrLoaders, pcrGRUB, pcrKernel, pcrUKI, pcrLines, pcrSystem, pcrOwner, 15}

// pcrMode is what a document says of a PCR.
type pcrMode struct {
	node                *yaml.Node
	pinned, logged, any bool
}

func (q *tpmRequirement) pins(pcr int) bool { return q.modes[pcr].pinned }

// accounts reports whether the document says of a PCR what it may hold, or that
// it does not matter.
func (q *tpmRequirement) accounts(pcr int) bool { return q.modes[pcr].node != nil }

// judgeTPMBoot refuses documents that leave open what they rely on. Firmware
// measures itself into PCR 0 and boot loaders into PCR 4; whatever was loaded can
// extend PCRs 8 to 15, so that these mean something only if that is known.
func judgeTPMBoot(f *fields, q *tpmRequirement, a *alternative) {
	for pcr := range q.modes {
		judgeLoggedPCR(f, q, pcr)
	}
	if q.boot == nil && q.ima == nil {
		return
	}
	at := f.values["boot"]
	if at == nil {
		at = f.values["ima"]
	}
	refuse := func(format string, args ...any) { f.problem(at, evidence.CodePolicyUnsafe, format, args...) }
	if !q.accounts(pcrFirmware) && a.snp == nil && a.tdx == nil {
		refuse("tpm leaves open the firmware, whose word a boot's measurements are; list values of PCR 0, or write any")
	}
	if (q.ima != nil || q.boot.asksFrom(firstLatePCR)) && !q.pinsLoaders() {
		refuse("tpm leaves open what may be loaded, which can extend PCRs 8 to 15 at will; list values of PCR 4 or boot.images, or ask for boot.secure_boot and list values of PCR 7, or its db and boot.mok")
	}
	if (q.ima != nil || q.boot.asksEvents()) && !q.pinsSystem() {
		refuse("tpm leaves open the kernel's command line and initial RAM disk, which say what is measured later; ask for them in boot, or list values of PCRs 8 and 9, or of 11 to 13")
	}
	if missing := q.boot.systemLeftOpen(q); missing != "" {
		refuse("boot leaves open %s", missing)
	}
}

// judgeLoggedPCR refuses a PCR that is left to a log which may hold anything there.
func judgeLoggedPCR(f *fields, q *tpmRequirement, pcr int) {
	mode := q.modes[pcr]
	if !mode.logged {
		return
	}
	refuse := func(code evidence.Code, format string, args ...any) {
		f.problem(mode.node, code, "PCR "+strconv.Itoa(pcr)+": boot "+format, args...)
	}
	switch {
	case !slices.Contains(tpmLogged, pcr):
		refuse(evidence.CodePolicyUnsafe, "is for PCRs 2, 4, 8, 9 and 11 to 15; list values, write any, or leave it to what boot asks")
		return
	case q.boot == nil:
		refuse(evidence.CodePolicyMissingKey, "leaves the PCR to the event log, so boot must say what it may hold")
		return
	}
	q.boot.leave(pcr)
	switch pcr {
	case pcrLoaders:
		if q.boot.images == nil && q.boot.kernels == nil {
			refuse(evidence.CodePolicyUnsafe, "leaves open which images may be loaded; list them in boot.images")
		}
	case pcrGRUB, pcrKernel, pcrUKI, pcrLines:
		if !q.boot.asksLine() {
			refuse(evidence.CodePolicyUnsafe, "leaves open the kernel's command line; list it in boot.command_lines, boot.load_options or boot.uki")
		} else if !q.boot.asksInitrd() {
			refuse(evidence.CodePolicyUnsafe, "leaves open the initial RAM disk; list it in boot.initrds or boot.uki, or write none if the command line pins what a kernel without one starts")
		}
	case 15:
		if !q.boot.asksEvents() {
			refuse(evidence.CodePolicyUnsafe, "leaves open which events it holds; list them in boot.events")
		}
	}
}

// pinsLoaders reports whether nothing runs before the kernel but what is listed, or
// what secure boot lets run. A value of PCR 7 has its keys and those of shim that were
// used, but may be of secure boot that is off; db has none of shim's.
func (q *tpmRequirement) pinsLoaders() bool {
	switch {
	case q.pins(pcrLoaders), q.modes[pcrLoaders].logged, q.boot != nil && q.boot.images != nil:
		return true
	case q.boot == nil || q.boot.secureBoot == nil:
		return false
	case q.pins(pcrSecure):
		return true
	}
	return q.boot.secureBoot.db != nil && (q.accounts(pcrOwner) || q.boot.mok != nil && q.boot.mok.list != nil)
}

// pinsSystem reports whether the kernel's command line and its initial RAM disk
// are known. Where one register has the files, another has the command line.
func (q *tpmRequirement) pinsSystem() bool {
	return q.pins(pcrKernel) && q.accounts(pcrGRUB) || q.pins(pcrUKI) && q.accounts(pcrLines) && q.accounts(pcrSystem) ||
		q.boot != nil && q.boot.asksLine() && q.boot.asksInitrd()
}

// asksFrom reports whether anything is drawn from PCRs from least on.
func (q *bootRequirement) asksFrom(least int) bool {
	for pcr := least; q != nil && pcr <= evidence.MaxPCR; pcr++ {
		if q.asks(pcr) && pcr != pcrOwner {
			return true
		}
	}
	return false
}

func (q *bootRequirement) asksEvents() bool { return q != nil && len(q.events) > 0 }

func (q *bootRequirement) asksLine() bool {
	return q.commandLines != nil || q.loadOptions != nil || q.uki.contents(".cmdline") != nil
}

func (q *bootRequirement) asksInitrd() bool {
	return q.initrds != nil || q.noInitrd || q.uki.contents(".initrd") != nil
}

// systemLeftOpen says what can replace what the requirement asks of a kernel and its
// initial RAM disk, or "".
func (q *bootRequirement) systemLeftOpen(t *tpmRequirement) string {
	switch {
	case q == nil:
	case q.initrds != nil && !q.asksLine():
		return "the command line, which can name another initial RAM disk; list it beside boot.initrds"
	case (q.initrds != nil || q.noInitrd) && q.commandLines != nil && q.commandLines.containAny(namesInitrd):
		return "the initial RAM disk that a command line of GRUB's names (initrd=), which nobody measures"
	case (q.commandLines != nil || q.uki != nil || q.asksEvents() || t.ima != nil) && !q.keepsLoader(t):
		return "whether the boot loader ran at all that measures PCRs 8, 11 and 12: firmware can start a kernel itself, which then extends them; list boot.load_options and boot.initrds, which the kernel measures, or the db of boot.secure_boot, or values of PCR 4"
	case q.commandLines != nil && q.grubCommands == nil && !t.pins(pcrGRUB) && q.commandLines.containAny(isGRUBLine):
		return "what else GRUB runs, which can start a kernel with a command line that reads like a command; list boot.grub_commands, or values of PCR 8"
	case q.uki.contents(".cmdline") != nil || q.uki.contents(".initrd") != nil:
		// An image's stub takes command lines, credentials and extensions from beside it.
		if !t.accounts(pcrLines) && q.commandLines == nil || !t.accounts(pcrSystem) {
			return "what may lie beside the unified kernel image and is added to it; write 12: boot and 13: boot below pcrs, list values, or write any"
		}
	}
	return ""
}

// keepsLoader reports whether no kernel that is listed, or in a listed image, can be started
// without its boot loader and pass for one that was not: by what it measures itself, by the
// keys that firmware goes by, or by the sequence of all that was loaded.
func (q *bootRequirement) keepsLoader(t *tpmRequirement) bool {
	keys := q.secureBoot != nil && (q.secureBoot.db != nil || t.pins(pcrSecure))
	measured := q.loadOptions != nil && (q.initrds != nil || q.noInitrd || q.uki.contents(".initrd") == nil)
	return t.pins(pcrLoaders) || keys || measured
}

// namesInitrd reports whether a command line from GRUB names an initial RAM disk.
// From others it does so in vain: their RAM disk comes through the firmware.
func namesInitrd(line string) bool { return isGRUBLine(line) && strings.Contains(line, "initrd=") }

// isGRUBLine reports whether a command line begins with the kernel's path, as GRUB's do.
func isGRUBLine(line string) bool {
	return strings.HasPrefix(line, "/") || strings.HasPrefix(line, "(")
}

package draft

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
)

const tpm = evidence.KindTPM

// pcrHolds says what PCRs hold (TCG PC Client Platform Firmware Profile, 3.3.4; UAPI.7).
var pcrHolds = map[int]string{
	0: "the firmware's code, on whose word the others are", 1: "the firmware's settings, which differ from machine to machine", 2: "drivers of cards",
	3: "settings of such drivers", 4: "boot loaders and kernels", 5: "the partition table and boot loaders' settings; differs with each disk",
	6: "the manufacturer's", 7: "secure boot: its keys, and those that were used", 8: "GRUB's commands and kernel command lines", 9: "files that boot loaders and the kernel's stub read",
	11: "the unified kernel image and the phases of the boot", 12: "command lines and credentials from beside the image", 13: "extensions from beside the image",
	14: "the machine owner's keys", 15: "what the system's services measured",
}

const (
	pcrIMA     = 10
	lastStatic = 15 // later ones are reset by others than a restart
)

// resettable PCRs can be set back by the running system.
var resettable = []int{16, 21, 22, 23}

// tpm writes what a TPM's quote like this one must show.
func (w *page) tpm(c *evidence.TPMClaims, anchor *evidence.TrustAnchor) {
	w.open("tpm", "What the TPM's quote must show. Everything that is not mentioned has its strict default.")
	w.pcrs(c)
	w.boot(c.Boot, tpmLog)
	w.ima(c)
	w.attestationKey(c, anchor)
	w.tpmState(c)
	w.close()
}

func (w *page) pcrs(c *evidence.TPMClaims) {
	w.open("pcrs", "The PCRs of the one bank that the quote covers. Delete those that tell nothing of the workload and differ from machine to machine, 1 and 5 first; or write {warn_only: …} around their values, to be told of others and not to deny them.")
	w.line("%s:", word(c.Bank))
	w.indent += 2
	for _, i := range slices.Sorted(maps.Keys(c.PCRs)) {
		holds := pcrHolds[i]
		if holds != "" {
			holds = ": " + holds
		}
		switch value := c.PCRs[i]; {
		case w.leaves(c, i):
			w.say("PCR %d%s. It is left to what boot lists below.", i, holds)
			w.line("%d: boot", i)
		case i == pcrIMA:
			w.say("PCR 10 is left out: it holds what was read since, in the order of the reading, so that no value lasts.")
		case slices.Contains(resettable, i):
			w.say("PCR %d is left out: the running system can set it back.", i)
		case !filled(value) && i > lastStatic:
			w.say("PCR %d is left out: nothing was measured into it, and nothing that boots would.", i)
		case !filled(value):
			w.say("PCR %d has no value here: nothing was measured into it. A rule below asks for that.", i)
			w.empty = append(w.empty, emptyPCR{i, value.String()})
		default:
			w.say("PCR %d%s.", i, holds)
			w.hexes(strconv.Itoa(i), tpm, []string{"pcrs", c.Bank, strconv.Itoa(i)}, value)
		}
	}
	w.indent -= 2
	w.close()
}

// pinned reports whether a PCR's value says something of what was booted.
func pinned(pcr int, value evidence.Hex) bool {
	return pcr != pcrIMA && !slices.Contains(resettable, pcr) && filled(value)
}

// measuresBoot reports whether a quote shows anything of what was booted.
func measuresBoot(c *evidence.TPMClaims) bool {
	for pcr, value := range c.PCRs {
		if pinned(pcr, value) {
			return true
		}
	}
	return false
}

// withoutMeasurement says why a quote shows nothing of what was booted, and what to do.
func withoutMeasurement(c *evidence.TPMClaims) string {
	var empty []string
	for _, pcr := range slices.Sorted(maps.Keys(c.PCRs)) {
		if pcr != pcrIMA && !slices.Contains(resettable, pcr) {
			empty = append(empty, strconv.Itoa(pcr))
		}
	}
	if len(empty) == 0 {
		return "the TPM's quote covers no PCR with a value that lasts; quote what firmware and boot loaders measure too, PCRs 0 to 9 and 11 to 14"
	}
	return "nothing was measured into the PCRs that the TPM's quote covers (bank " + c.Bank + ": " + strings.Join(empty, ", ") + "), so that any machine shows the same; " +
		"quote more PCRs, 0, 4 and 7 first. If those are empty as well, firmware measures into another bank, which is to be quoted then, or its measured boot is off"
}

// leaves reports whether the plan leaves a PCR to the event log, which accounts for it.
func (w *page) leaves(c *evidence.TPMClaims, pcr int) bool {
	var left []int
	switch {
	case c.Boot == nil:
	case w.plan.boot == bootAll:
		left = []int{2, 4, 8, 9, 11, 12, 13, 14}
		if hasEvents(c.Boot, 15) {
			left = append(left, 15)
		}
	case w.plan.boot == bootImages:
		left = []int{2, 4}
	}
	if !slices.Contains(left, pcr) {
		return false
	}
	status := c.Boot.Registers[pcr].Status
	const firstLate = 8 // before it, firmware measures into each
	return status == evidence.RegisterReproduced || status == evidence.RegisterUntouched && pcr >= firstLate
}

// ima writes what the kernel measured since.
func (w *page) ima(c *evidence.TPMClaims) {
	list := c.IMA
	switch {
	case list == nil:
		w.say("ima is left out: the evidence has no measurement list, so that what ran since the boot is not known.")
		return
	case len(list.Files) == 0 && !list.FilesOmitted && list.Offset == 0:
		w.say("ima is left out: the measurement list names no file. Where the kernel measures what is run, ask for it.")
		return
	case !w.plan.ima || list.FilesOmitted || list.Offset > 0:
		w.warn("ima is left out: the measurement list (%d files) is not complete, or what came before it is not pinned.", len(list.Files))
		return
	}
	w.open("ima", "What the kernel measured since the boot: %d entries, %d files. Every file must be listed or signed; most lists come from packages and not from a machine.", list.Entries, len(list.Files))
	var digests []evidence.Hex
	for i := range list.Files {
		digests = append(digests, list.Files[i].Digest)
	}
	w.hexes("files", tpm, []string{"ima", "files"}, digests...)
	if list.Violations > 0 {
		w.waive("violations", "allow", "%d files were open for writing while they were measured, so that what was read is not known.", list.Violations)
	}
	if list.Unread > 0 {
		w.waive("unread", "allow", "%d entries are of forms that name no file.", list.Unread)
	}
	if list.BootAggregate == nil || !*list.BootAggregate {
		w.waive("boot_aggregate", "any", "the list does not begin with the digest of the quoted PCRs 0 to 9, so that it may be of another boot. Quote all of them.")
	}
	w.close()
}

// attestationKey writes why the key that signed is trusted.
func (w *page) attestationKey(c *evidence.TPMClaims, anchor *evidence.TrustAnchor) {
	w.open("ak", "Why the attestation key is trusted.")
	source := map[string]string{
		evidence.AKSourceCertificate: "it has a certificate under a root that the service was given",
		evidence.AKSourceGiven:       "the service was given the key itself",
		evidence.AKSourceEnrolled:    "it was enrolled with the service by its TPM's endorsement key",
		evidence.AKSourceTEE:         "the report or quote beside it vouches for it",
	}[c.AKSource]
	w.key("sources", flow(quote(c.AKSource)), "It is trusted because %s.", source)
	switch c.AKSource {
	case evidence.AKSourceGiven:
		w.say("The key: this TPM and no other.")
		w.hexes("sha256", tpm, nil, c.AKSHA256)
	case evidence.AKSourceCertificate:
		w.say("The root of its certificate: %s.", anchor.Name)
		w.hexes("anchors", tpm, nil, anchor.SHA256)
		w.say("If the service itself gave the certificate (quotary tpm enrol), it knows the key as one that it enrolled: write sources: [enrolled], and leave anchors out.")
	}
	if c.AKProvider != "" && c.AKSource != evidence.AKSourceTEE {
		w.waive("providers", flow(quote(c.AKProvider)), "the TPM is software that the cloud provider %s runs: what it quotes is the provider's word.", c.AKProvider)
	}
	switch c.AKHierarchy {
	case "endorsement", "platform", "owner":
		w.key("hierarchy", c.AKHierarchy, "The hierarchy that the key is a primary key of.")
	}
	if len(c.EKSHA256) == 32 && c.AKSource == evidence.AKSourceEnrolled {
		w.tighter("eks", "{allow: "+flow(quote(c.EKSHA256.String()))+"}", "Any enrolled TPM will do. To accept this one alone, by its endorsement key:")
	}
	w.close()
	if c.AKSource == evidence.AKSourceCertificate && !c.RevocationChecked {
		w.waive("revocation", "off", "no current revocation lists covered the chain of the key's certificate, so that this evidence stays undecided. Fetch the lists rather than do without them.")
	}
}

// tpmState writes what else the quote says of the TPM.
func (w *page) tpmState(c *evidence.TPMClaims) {
	if c.CertifiedKey != nil {
		w.key("key", "tpm", "The workload's own key lives in this TPM and cannot leave it.")
	} else {
		w.say("key is left out: the TPM certified no key of the workload's, so that the identity's key may lie in a file and be copied. key: tpm asks for one in the TPM.")
	}
	if plain := c.AKHierarchy == "endorsement" || c.AKHierarchy == "platform"; plain && filled(c.FirmwareVersion) {
		w.key("minimum_firmware", quote(c.FirmwareVersion.String()), "The least firmware of the TPM: what this one has. Versions of other makes do not compare.")
	}
	var allow []string
	if !c.Safe {
		allow = append(allow, "clock-unsafe")
		w.warn("the TPM's clock may have run backwards, after a loss of power for instance; it is safe again after some time without one.")
	}
	switch {
	case c.AKRestricted == nil && c.AKSource == evidence.AKSourceGiven:
		allow = append(allow, "ak-attributes-unknown")
		w.warn("the evidence does not have the attestation key's public area, so that it may be a key that signs anything. Send the public area.")
	case c.AKRestricted != nil && !*c.AKRestricted:
		w.warn("the attestation key is not restricted: it signs whatever it is given; no policy accepts that.")
	}
	if len(allow) > 0 {
		w.line("#allow: %s", flow(allow...))
	}
}

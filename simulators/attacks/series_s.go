package attacks

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpRows are the attacks on SEV-SNP.
func snpRows() []Row {
	return slices.Concat(snpChainRows(), snpExtensionRows(), snpProductRows(), snpFormatRows(), snpSignatureRows(), snpKeyRows(),
		snpGuestRows(), snpFirmwareRows(), snpMachineRows(), snpRevocationRows(), snpFreshnessRows(), snpImageRows())
}

// The subjects of the attacks on SEV-SNP.
const (
	snpPlain    = "snp"           // asks for no more than must be asked for
	snpMinted   = "snp-minted"    // the same, on a chip whose key the attacker certified
	snpHardened = "snp-hardened"  // asks for everything that can be
	snpProvider = "snp-provider"  // a cloud provider's key signs
	snpPatched  = "snp-patched"   // no security bulletin may apply to it
	snpDenied   = "snp-deny-list" // may run on any chip but one
	snpOwnKey   = "snp-own-key"   // only a chip's own key may sign
	snpSpared   = "snp-spared"    // under a signing key that can be revoked; and its policy does not care
	// The same of a provider's key; and its policy does.
	snpSparedProvider = "snp-spared-provider"
)

const (
	snpCSP  = "CN=cloud.example"
	snpEvil = "CN=evil.example"
)

// snpSubjects are what the attacks on SEV-SNP are tried on.
func snpSubjects(w *simulators.World) ([]Subject, error) {
	all, err := snpAll(w, []snpGuest{
		{name: snpPlain},
		{name: snpHardened, change: hardened, lines: hardenedLines},
		{name: snpProvider, csp: snpCSP, lines: lines("csp_ids: {allow: [" + snpCSP + "]}")},
		{name: snpPatched, change: patched, lines: lines("advisories: deny", `minimum_mitigation: {current: "0000000000000012"}`), tcb: "{bootloader: 0, tee: 0, snp: 0, microcode: 0}"},
		{name: snpDenied, lines: func(*sevsnp.Report) []string { return []string{"chip_ids: {deny: [" + hexed(leakedChip(w)) + "]}"} }},
		{name: snpOwnKey, lines: lines("signing_keys: [vcek]")},
		{name: snpSpared, lines: lines("revocation: off")},
	})
	if err != nil {
		return nil, err
	}
	plain := &all[0]
	plain.Documents = []policies.File{{Name: "attacks-snp-known-bad.yaml", Data: fmt.Appendf(nil, knownBad, hexed(digestOf(snpPlain, "known to be bad")))}}
	all[len(all)-1].Honest = minted(mint{issuer: sparedASK})
	return append(all,
		Subject{Name: snpMinted, Machine: plain.Machine, Honest: minted(mint{})},
		Subject{Name: snpSparedProvider, Machine: plain.Machine, Honest: minted(mint{csp: snpCSP, issuer: sparedASVK})},
		unlistedSubject(*plain)), nil
}

// snpGuest is a subject before it is made.
type snpGuest struct {
	name   string
	csp    string                        // whose VLEK signs, if any
	change func(*sevsnp.Report)          // of a healthy report
	lines  func(*sevsnp.Report) []string // of its requirement, beside those that all have
	tcb    string                        // the minimum; empty is the machine's own
}

func snpAll(w *simulators.World, guests []snpGuest) ([]Subject, error) {
	var all []Subject
	for _, g := range guests {
		s, err := g.subject(w)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// subject makes the guest's machine and requirement. Measurement and host data are its own.
func (g snpGuest) subject(w *simulators.World) (Subject, error) {
	r := w.SEVSNP.Report(chipName(g.name))
	copy(r.Measurement[:], digestOf(g.name, "launched"))
	r.HostData = sha256.Sum256([]byte(g.name + "/host data"))
	if g.change != nil {
		g.change(r)
	}
	m, err := w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: chipName(g.name), Report: r, CSPID: g.csp})
	if err != nil {
		return Subject{}, err
	}
	if g.tcb == "" {
		t := r.ReportedTCB
		g.tcb = fmt.Sprintf("{bootloader: %d, tee: %d, snp: %d, microcode: %d}", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	}
	all := []string{
		"measurements: [" + hexed(r.Measurement[:]) + "]", "host_data: [" + hexed(r.HostData[:]) + "]", "minimum_tcb: " + g.tcb,
	}
	if g.lines != nil {
		all = append(all, g.lines(r)...)
	}
	return Subject{Name: g.name, Machine: m, Requires: "sev_snp:\n    " + strings.Join(all, "\n    ")}, nil
}

// chipName is what the simulated vendor knows a subject's chip by.
func chipName(subject string) string { return "attacks/" + subject }

// leakedChip identifies the chip that no policy trusts any more.
func leakedChip(w *simulators.World) []byte {
	r := w.SEVSNP.Report(chipName("leaked"))
	return r.ChipID[:]
}

// digestOf is a digest of 48 bytes that stands for something of a subject.
func digestOf(subject, what string) []byte {
	first := sha256.Sum256([]byte(subject + "/" + what))
	second := sha256.Sum256(first[:])
	return append(first[:], second[:16]...)
}

// hexed is a value as policies have it.
func hexed(value []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", value)) }

// lines are the same for every report.
func lines(list ...string) func(*sevsnp.Report) []string {
	return func(*sevsnp.Report) []string { return list }
}

// hardened makes a report that of a guest with an ID block, on a platform with every
// protection.
func hardened(r *sevsnp.Report) {
	r.Version = 5
	r.Policy = 1<<17 | 1<<20 | 1<<22 | 1<<23 | 1<<24 | 1<<25
	r.PlatformInfo = 1<<2 | 1<<3 | 1<<4 | 1<<5
	r.LaunchMitVector, r.CurrentMitVector = 0x17, 0x17
	r.IDKeyDigest, r.AuthorKeyDigest, r.AuthorKeyEnabled = [48]byte{1}, [48]byte{2}, true
	r.FamilyID, r.ImageID, r.GuestSVN = [16]byte{3}, [16]byte{4}, 7
}

// hardenedLines ask for all of it.
func hardenedLines(r *sevsnp.Report) []string {
	return []string{
		"id_key_digests: [" + hexed(r.IDKeyDigest[:]) + "]", "author_key_digests: [" + hexed(r.AuthorKeyDigest[:]) + "]",
		"family_id: [" + hexed(r.FamilyID[:]) + "]", "image_id: [" + hexed(r.ImageID[:]) + "]", "minimum_guest_svn: 7",
		"products: [Milan]", `minimum_mitigation: {launch: "0000000000000012", current: "0000000000000012"}`,
		"guest_policy: {smt: forbidden, single_socket: required, aes_256_xts: required, rapl_disabled: required, ciphertext_hiding: required, page_swap_disabled: required}",
		"platform: {smt: forbidden, tsme: forbidden, ecc: required, rapl_disabled: required, ciphertext_hiding: required, alias_check_complete: required}",
		"signing_keys: [vcek]", "chip_ids: {allow: [" + hexed(r.ChipID[:]) + "]}",
	}
}

// patched has firmware that is newer than any security bulletin asks for.
func patched(r *sevsnp.Report) {
	hardened(r)
	tcb := sevsnp.TCB{Bootloader: 40, TEE: 40, SNP: 40, Microcode: 250}
	r.ReportedTCB, r.CurrentTCB, r.CommittedTCB, r.LaunchTCB = tcb, tcb, tcb, tcb
	r.Current, r.Committed = sevsnp.Firmware{Major: 1, Minor: 60}, sevsnp.Firmware{Major: 1, Minor: 60}
}

// knownBad flags an image that nobody should run any more. That does not end with the
// values.
const knownBad = `apiVersion: quotary.dev/v1
kind: ReferenceValues
name: attacks-snp-known-bad
technology: sev-snp
provenance: {source: an image, created_by: a build, created_at: 2020-01-01T00:00:00Z}
known_bad: [BadAML]
not_after: 2020-07-01T00:00:00Z
values: {measurements: [%s]}
`

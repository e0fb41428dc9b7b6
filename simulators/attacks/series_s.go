package attacks

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpRows are the attacks on SEV-SNP.
func snpRows() []Row {
	return snpReportRows()
}

// The subjects of the attacks on SEV-SNP.
const (
	snpPlain    = "snp"          // asks for no more than must be asked for
	snpHardened = "snp-hardened" // asks for everything that can be
)

// snpSubjects are what the attacks on SEV-SNP are tried on.
func snpSubjects(w *simulators.World) ([]Subject, error) {
	return snpAll(w, []snpGuest{
		{name: snpPlain},
		{name: snpHardened, change: hardened, lines: hardenedLines},
	})
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
	r := w.SEVSNP.Report("attacks/" + g.name)
	copy(r.Measurement[:], digestOf(g.name, "launched"))
	r.HostData = [32]byte(digestOf(g.name, "host data"))
	if g.change != nil {
		g.change(r)
	}
	m, err := w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "attacks/" + g.name, Report: r, CSPID: g.csp})
	if err != nil {
		return Subject{}, err
	}
	if g.tcb == "" {
		t := r.ReportedTCB
		g.tcb = fmt.Sprintf("{bootloader: %d, tee: %d, snp: %d, microcode: %d}", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	}
	lines := []string{"minimum_tcb: " + g.tcb, "host_data: [" + hexed(r.HostData[:]) + "]"}
	if g.lines != nil {
		lines = append(lines, g.lines(r)...)
	}
	lines = append(lines, "measurements: ["+hexed(r.Measurement[:])+"]")
	return Subject{Name: g.name, Machine: m, Requires: "sev_snp:\n    " + strings.Join(lines, "\n    ")}, nil
}

// digestOf is a digest of 48 bytes that stands for something of a subject.
func digestOf(subject, what string) []byte {
	first := sha256.Sum256([]byte(subject + "/" + what))
	second := sha256.Sum256(first[:])
	return append(first[:], second[:16]...)
}

// hexed is a value as policies have it.
func hexed(value []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", value)) }

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

package draft

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

const snp = evidence.KindSEVSNP

// sevsnp writes what a report like this one must show.
func (w *page) sevsnp(c *evidence.SNPClaims, advisories []policies.Advisory) {
	w.open("sev_snp", "What the processor's report must show (AMD SEV-SNP). Everything that is not mentioned has its strict default.")
	w.snpImage(c)
	w.snpFirmware(c, advisories)
	w.snpPolicy(c)
	w.snpPlatform(c)
	w.snpKey(c)
	w.close()
}

func (w *page) snpImage(c *evidence.SNPClaims) {
	w.say("The launch measurement: the guest's firmware, and the kernel, RAM disk and command line if they were launched with it. An update of these is another value: list both while it rolls out.")
	w.hexes("measurements", snp, []string{"measurements"}, c.Measurement)
	if c.VMPL <= 3 {
		w.key("vmpl", fmt.Sprint(c.VMPL), "The privilege level that asked for the report. 0 is the guest's most privileged software.")
	} else {
		w.warn("the host asked for this report (VMPL %#x), and not the guest; no policy accepts that.", c.VMPL)
	}
	w.say("HOST_DATA: 32 bytes that the host chose at launch, such as the digest of a configuration. Zeros are a value too. Leave the key out if they tell nothing of the workload.")
	w.hexes("host_data", snp, nil, c.HostData)
	signed := filled(c.IDKeyDigest)
	if signed {
		w.say("The key that signed the ID block: whoever has it decides on the identity below.")
		w.hexes("id_key_digests", snp, nil, c.IDKeyDigest)
	}
	if c.AuthorKeyEnabled && filled(c.AuthorKeyDigest) {
		signed = true
		w.say("The author key, which signed the ID key.")
		w.hexes("author_key_digests", snp, nil, c.AuthorKeyDigest)
	}
	if !signed {
		w.say("family_id, image_id and minimum_guest_svn are left out: no key signed an ID block, so the host chose them.")
		return
	}
	w.say("The ID block, by the word of the key above.")
	w.hexes("family_id", snp, nil, c.FamilyID)
	w.hexes("image_id", snp, nil, c.ImageID)
	w.key("minimum_guest_svn", fmt.Sprint(c.GuestSVN), "The guest's security version; raise it with every fix.")
}

// snpFirmware writes the least firmware: what the machine has.
func (w *page) snpFirmware(c *evidence.SNPClaims, advisories []policies.Advisory) {
	least := lower(c.ReportedTCB, c.CommittedTCB)
	w.say("The least firmware: what this machine reports (%s). Every component must be reached by what is reported and by what is committed. Raise it when the fleet is updated; a lower one accepts flaws that are known.", tcb(c.ReportedTCB))
	if tcb(least) != tcb(c.ReportedTCB) {
		w.say("What is committed is less (%s), so this is the lower of both.", tcb(c.CommittedTCB))
	}
	ids := w.bulletins(advisories)
	if better := suggested(least, advisories); tcb(better) != tcb(least) {
		w.say("Once the fleet has what they ask for, write %s.", tcb(better))
	}
	w.line("minimum_tcb: %s", tcb(least))
	if at := lower(least, c.LaunchTCB); tcb(at) != tcb(least) {
		w.waive("minimum_launch_tcb", tcb(at), "the guest was launched by older firmware (%s), which may have measured anything. Launch it again, or accept it with this line.", tcb(c.LaunchTCB))
	} else {
		w.say("minimum_launch_tcb is left out: the firmware at launch must reach minimum_tcb as well.")
	}
	w.snpAdvisories(advisories, ids)
	vectors := mitigation("launch", c.LaunchMitVector) + mitigation("current", c.CurrentMitVector)
	if vectors != "" {
		w.key("minimum_mitigation", "{"+strings.TrimPrefix(vectors, ", ")+"}", "Mitigations that were in force at launch and are now: every bit of these.")
	}
}

// bulletins says what each bulletin asks for, and returns their IDs.
func (w *page) bulletins(advisories []policies.Advisory) []string {
	var ids []string
	demands := map[string][]string{}
	for _, a := range advisories {
		if demands[a.ID] == nil {
			ids = append(ids, a.ID)
			demands[a.ID] = []string{a.ID + " (" + a.Title + ") asks for"}
		}
		demands[a.ID] = append(demands[a.ID], a.Component+" "+a.Need+" (this machine: "+a.Have+"),")
	}
	for _, id := range ids {
		w.say("%s", strings.TrimSuffix(strings.Join(demands[id], " "), ",")+".")
	}
	return ids
}

// suggested is the least TCB with what bulletins ask for.
func suggested(least evidence.SNPTCB, advisories []policies.Advisory) evidence.SNPTCB {
	for _, a := range advisories {
		need, err := strconv.ParseUint(a.Need, 10, 8)
		if err != nil {
			continue
		}
		level := uint8(need)
		switch a.Component {
		case "reported_tcb.bootloader":
			least.Bootloader = max(least.Bootloader, level)
		case "reported_tcb.tee":
			least.TEE = max(least.TEE, level)
		case "reported_tcb.snp":
			least.SNP = max(least.SNP, level)
		case "reported_tcb.microcode":
			least.Microcode = max(least.Microcode, level)
		case "reported_tcb.fmc":
			if least.FMC != nil && *least.FMC < level {
				least.FMC = &level
			}
		}
	}
	return least
}

func (w *page) snpAdvisories(advisories []policies.Advisory, ids []string) {
	switch {
	case len(advisories) == 0:
		w.key("advisories", "deny", "No known bulletin applies to this machine, so one that does denies. A later build knows more bulletins: write warn to be told and not denied.")
	case len(ids) > 0 && !slices.ContainsFunc(advisories, func(a policies.Advisory) bool { return a.ID == policies.UnknownPlatform }):
		w.warnings = append(w.warnings, "security bulletins apply to this machine: "+strings.Join(ids, ", ")+"; the draft's default is to warn of them")
		w.tighter("advisories", "{deny_except: "+flow(ids...)+"}", "Security bulletins apply to this machine (above). The default warns; this line denies for all but these:")
	default:
		w.warn("no advisory knows this product line or processor, so nothing can be said of its flaws; the default warns of that.")
	}
}

func mitigation(name string, vector evidence.Hex) string {
	if !filled(vector) {
		return ""
	}
	return ", " + name + ": " + quote(vector.String())
}

// bit is a setting of a register and what the draft makes of it.
type bit struct {
	name string
	set  bool
	want want
}

type want int

const (
	wanted   want = iota // stricter if set
	unwanted             // stricter if clear
	refused              // denied if set, unless a document says otherwise
)

func (w *page) bits(bits ...bit) {
	for _, b := range bits {
		switch {
		case b.want == wanted && b.set:
			w.short(b.name, "required", "set on this machine")
		case b.want == wanted:
			w.short(b.name, "any", "not set on this machine; required is stricter")
		case !b.set:
			w.short(b.name, "forbidden", "not set on this machine")
		case b.want == unwanted:
			w.short(b.name, "any", "set on this machine; forbidden is stricter")
		default:
			w.waive(b.name, "any", "%s is set, which lets others than the processor into what the guest uses; it is denied unless this line allows it.", b.name)
		}
	}
}

// snpPolicy writes what the guest's owner asked for at launch.
func (w *page) snpPolicy(c *evidence.SNPClaims) {
	p := &c.Policy
	w.open("guest_policy", "What the guest's owner asked of the firmware at launch, which holds the host to it.")
	w.bits(bit{"smt", p.SMT, unwanted}, bit{"single_socket", p.SingleSocket, wanted}, bit{"cxl", p.CXL, refused}, bit{"aes_256_xts", p.AES256XTS, wanted},
		bit{"rapl_disabled", p.RAPLDisabled, wanted}, bit{"ciphertext_hiding", p.CiphertextHiding, wanted}, bit{"page_swap_disabled", p.PageSwapDisabled, wanted})
	w.close()
	var allow []string
	if p.Debug {
		allow = append(allow, "debug")
		w.warn("the guest's policy lets the host debug it, which is to read it. Launch it without: no service puts a policy with this line in force.")
	}
	if tcb(c.CurrentTCB) != tcb(c.CommittedTCB) || c.CurrentVersion != c.CommittedVersion || c.CurrentVersion == "" {
		allow = append(allow, "provisional-firmware")
		w.warn("the firmware is not committed: the host can roll it back to %s. Have it committed.", c.CommittedVersion)
	}
	if len(allow) > 0 {
		w.line("#allow: %s", flow(allow...))
	}
	switch {
	case len(c.ReportIDMA) == 32 && !isAll(c.ReportIDMA, 0xff):
		w.waive("migration_agents", flow(quote(c.ReportIDMA.String())), "a migration agent is bound to the guest and reads all of it; its own evidence must have been judged elsewhere.")
	case p.MigrateMA:
		w.warn("the guest's policy lets a migration agent be bound to it, and none is; no policy accepts that. Launch it without.")
	default:
		w.say("migration_agents is left out: no migration agent is bound, and none may be.")
	}
}

// snpPlatform writes what the machine says of itself.
func (w *page) snpPlatform(c *evidence.SNPClaims) {
	p := &c.PlatformInfo
	w.key("products", flow(quote(c.Product)), "The product line, which the levels above are of.")
	w.open("platform", "What the machine says of itself. A fleet may have machines with other settings.")
	w.bits(bit{"smt", p.SMT, unwanted}, bit{"tsme", p.TSME, wanted}, bit{"ecc", p.ECC, wanted}, bit{"rapl_disabled", p.RAPLDisabled, wanted},
		bit{"ciphertext_hiding", p.CiphertextHiding, wanted}, bit{"alias_check_complete", p.AliasCheckComplete, wanted},
		bit{"iommu_write_safe", p.IOMMUWriteSafe, wanted}, bit{"tio", p.TIO, refused})
	w.close()
	if filled(c.ChipID) {
		w.tighter("chip_ids", "{allow: "+flow(quote(c.ChipID.String()))+"}", "Any machine of the product line will do. To accept this one alone:")
	} else {
		w.say("chip_ids is left out: the host masks the chip's ID.")
	}
}

// snpKey writes which key signs reports.
func (w *page) snpKey(c *evidence.SNPClaims) {
	w.key("signing_keys", flow(quote(c.SigningKey)), "Whose key signed the report: the chip's (vcek) or the cloud provider's (vlek).")
	if c.CSPID != "" {
		w.key("csp_ids", "{allow: "+flow(quote(c.CSPID))+"}", "The cloud provider in the key's certificate.")
	}
	if c.RevocationChecked {
		w.say("revocation is left out: a current revocation list must cover the chain.")
		return
	}
	w.waive("revocation", "off", "no current revocation list covered the chain, so that this evidence stays undecided. Fetch the list rather than do without it.")
}

// lower is the least TCB that both reach.
func lower(a, b evidence.SNPTCB) evidence.SNPTCB {
	least := evidence.SNPTCB{
		Bootloader: min(a.Bootloader, b.Bootloader), TEE: min(a.TEE, b.TEE), SNP: min(a.SNP, b.SNP), Microcode: min(a.Microcode, b.Microcode), FMC: a.FMC,
	}
	if a.FMC != nil && b.FMC != nil && *b.FMC < *a.FMC {
		least.FMC = b.FMC
	}
	return least
}

func tcb(t evidence.SNPTCB) string {
	text := fmt.Sprintf("{bootloader: %d, tee: %d, snp: %d, microcode: %d", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	if t.FMC != nil {
		text += fmt.Sprintf(", fmc: %d", *t.FMC)
	}
	return text + "}"
}

// filled reports whether a field holds something: neither zeros nor ones, which
// are what fields hold that nobody filled.
func filled(h evidence.Hex) bool { return len(h) > 0 && !isAll(h, 0) && !isAll(h, 0xff) }

func isAll(h evidence.Hex, with byte) bool { return bytes.Count(h, []byte{with}) == len(h) }

package draft

import (
	"fmt"
	"strings"

	"github.com/quotary/quotary/evidence"
)

const tdx = evidence.KindTDX

const upToDate = "UpToDate"

// tdxRegister is a register with what it holds.
type tdxRegister struct {
	name  string
	value evidence.Hex
	holds string
}

// tdx writes what a quote like this one must show.
func (w *page) tdx(c *evidence.TDXClaims) {
	w.open("tdx", "What the trust domain's quote must show (Intel TDX). Everything that is not mentioned has its strict default.")
	w.say("The initial contents of the trust domain: its firmware, on whose word all other measurements rest.")
	w.hexes("mrtd", tdx, []string{"mrtd"}, c.MRTD)
	logged := map[string]bool{
		"rtmr1": c.Boot != nil && w.plan.boot >= bootImages,
		"rtmr2": c.Boot != nil && w.plan.boot >= bootAll,
		"rtmr3": c.Boot != nil && w.plan.boot >= bootAll && hasEvents(c.Boot, 3),
	}
	for _, r := range []tdxRegister{
		{"rtmr0", c.RTMR0, "the firmware's settings, its secure boot and the host's hardware tables, so that it differs with the machine's size. Where that is a burden, list the values of each size; or write {warn_only: …} around them, to be told of others and not to deny them."},
		{"rtmr1", c.RTMR1, "boot loaders and kernels, and the partition table."},
		{"rtmr2", c.RTMR2, "the kernel's command line and RAM disk, and what boot loaders read."},
		{"rtmr3", c.RTMR3, "what applications measured. Zeros mean that none did: then none may."},
	} {
		w.say("%s: %s", strings.ToUpper(r.name), r.holds)
		if logged[r.name] {
			w.say("It is left to the event log: any value will do to which events lead that boot lists below.")
			w.line("%s: boot", r.name)
			continue
		}
		w.hexes(r.name, tdx, []string{r.name}, r.value)
	}
	w.boot(c.Boot, tdxLog)
	w.tdxOwner(c)
	w.tdxAttributes(&c.Attributes)
	w.tdxTCB(c.TCB)
	w.tdxPlatform(c)
	w.close()
}

// tdxOwner writes what the host said at the launch.
func (w *page) tdxOwner(c *evidence.TDXClaims) {
	for _, r := range []tdxRegister{
		{"mrconfigid", c.MRConfigID, "The configuration that the host named at launch. Zeros are a value too. Leave the key out if it tells nothing of the workload."},
		{"mrowner", c.MROwner, "The owner that the host named at launch; likewise."},
		{"mrownerconfig", c.MROwnerConfig, "The owner's configuration that the host named at launch; likewise."},
	} {
		if len(r.value) == 0 || isAll(r.value, 0xff) {
			continue
		}
		w.say("%s", r.holds)
		w.hexes(r.name, tdx, nil, r.value)
	}
	if filled(c.XFAM) {
		w.say("The processor features that the trust domain may use.")
		w.hexes("xfam", tdx, nil, c.XFAM)
	}
}

func (w *page) tdxAttributes(at *evidence.TDXAttributes) {
	const named = 1<<0 | 1<<28 | 1<<29 | 1<<30 | 1<<31 | 1<<63
	var allow []string
	ask := func(needed bool, word, why string) {
		if needed {
			allow = append(allow, word)
			w.warn("%s", why)
		}
	}
	ask(at.Debug || at.TUD, "debug", "the host can debug or profile the trust domain, which is to read it. Launch it without: no service puts a policy with this line in force.")
	ask(at.Migratable, "migratable", "the trust domain can be migrated by whoever serves its migration.")
	ask(!at.SEPTVEDisable, "no-sept-ve-disable", "the host can inject exceptions by unmapping pages (SEPT_VE_DISABLE is off), which not every kernel withstands.")
	ask(at.Perfmon, "perfmon", "the trust domain uses performance monitoring.")
	raw := uint64(0)
	for i, b := range at.Raw {
		raw |= uint64(b) << (8 * (i & 7))
	}
	ask(raw&^uint64(named) != 0, "unknown-attributes", "the trust domain has attributes that this build does not know.")
	if len(allow) > 0 {
		w.line("#allow: %s", flow(allow...))
		return
	}
	w.say("allow is left out: the trust domain cannot be debugged, profiled or migrated.")
}

// tdxTCB writes how old the platform may be.
func (w *page) tdxTCB(t *evidence.TDXTCB) {
	if t == nil {
		w.warn("no collateral decided the platform's TCB, so that this evidence stays undecided. Fetch Intel's collateral.")
		return
	}
	w.key("minimum_evaluation_data_number", fmt.Sprint(t.EvaluationDataNumber),
		"The least evaluation of Intel's that the collateral is of: this machine's. Without it, old collateral that is still in force will do.")
	behind := "none"
	var entries []string
	for _, id := range t.Advisories {
		entries = append(entries, "{id: "+quote(id)+", until: "+w.options.until()+"}")
	}
	if len(entries) > 0 {
		behind = flow(entries...)
	}
	for _, s := range t.Behind {
		w.say("Behind: %s %s has %d and needs %d.", s.Component, s.Part, s.Have, s.Need)
	}
	switch {
	case t.Status == upToDate && len(t.Advisories) == 0:
		w.say("tcb_statuses and advisories are left out: the platform is UpToDate, and no advisory applies. One that falls behind is denied; to let it pass for a while, write tcb_statuses with until.")
	case t.Status == upToDate:
		w.waive("advisories", behind, "the platform is UpToDate, but advisories apply (%s). Read them before you accept them, for a while.", strings.Join(t.Advisories, ", "))
	case t.Status == "Revoked" || t.Status == "NotSupported":
		w.warn("the platform's TCB status is %s; no policy accepts that.", t.Status)
	default:
		w.waive("tcb_statuses", "[UpToDate, {status: "+quote(t.Status)+", until: "+w.options.until()+", advisories: "+behind+"}]",
			"the platform's TCB status is %s (%s). Update it, or accept it for a while.", t.Status, strings.Join(t.Advisories, ", "))
	}
}

// tdxPlatform writes who made the module and which platforms will do.
func (w *page) tdxPlatform(c *evidence.TDXClaims) {
	if filled(c.MRSEAM) {
		w.tighter("mrseam", flow(quote(c.MRSEAM.String())), "The TDX module is judged by its TCB status, which its updates keep. To accept this version alone:")
	}
	if filled(c.MRSignerSEAM) {
		w.waive("mrsigner_seam", flow(quote(c.MRSignerSEAM.String())), "the TDX module is not signed by Intel.")
	}
	if filled(c.MRServiceTD) {
		w.waive("mrservicetd", flow(quote(c.MRServiceTD.String())), "a service TD is bound to the trust domain, and can read it.")
	}
	if len(c.SEAMAttributes) > 0 && !isAll(c.SEAMAttributes, 0) {
		w.warn("the TDX module is none for production (SEAM attributes %s); no policy accepts that.", c.SEAMAttributes)
	}
	if len(c.FMSPC) > 0 && !isAll(c.FMSPC, 0xff) {
		w.tighter("fmspcs", "{allow: "+flow(quote(c.FMSPC.String()))+"}", "Any model of processor will do. To accept this one alone:")
	}
	if filled(c.PPID) {
		w.tighter("ppids", "{allow: "+flow(quote(c.PPID.String()))+"}", "Any platform will do. To accept this one alone, as against keys that were taken out of another:")
	}
}

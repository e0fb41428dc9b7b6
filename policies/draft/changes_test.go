package draft_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/draft"
)

func cloned(claims []evidence.Claims) []evidence.Claims {
	out := make([]evidence.Claims, len(claims))
	for i := range claims {
		out[i] = claims[i].Clone()
	}
	return out
}

// measured lists changes of every value that a draft pins: each flips one.
func measured(claims []evidence.Claims) map[string]func() {
	changes := map[string]func(){}
	add := func(name string, h *evidence.Hex) {
		if len(*h) > 0 {
			changes[name] = func() { (*h)[0] ^= 1 }
		}
	}
	for i := range claims {
		switch c := &claims[i]; c.Kind {
		case evidence.KindSEVSNP:
			add("measurement", &c.SEVSNP.Measurement)
			add("host data", &c.SEVSNP.HostData)
			changes["microcode"] = func() { c.SEVSNP.ReportedTCB.Microcode-- }
			changes["committed"] = func() { c.SEVSNP.CommittedTCB.SNP-- }
			changes["launched"] = func() { c.SEVSNP.LaunchTCB.SNP-- }
			changes["debug"] = func() { c.SEVSNP.Policy.Debug = true }
		case evidence.KindTDX:
			t := c.TDX
			for name, h := range map[string]*evidence.Hex{"mrtd": &t.MRTD, "rtmr0": &t.RTMR0, "mrconfigid": &t.MRConfigID, "mrowner": &t.MROwner, "mrownerconfig": &t.MROwnerConfig, "xfam": &t.XFAM} {
				add(name, h)
			}
			if t.Boot == nil {
				add("rtmr1", &t.RTMR1)
				add("rtmr2", &t.RTMR2)
			}
			add("rtmr3", &t.RTMR3)
			changes["status"] = func() { t.TCB.Status = "OutOfDate" }
			changes["tdx debug"] = func() { t.Attributes.Debug = true }
			booted(t.Boot, changes, "tdx ")
		case evidence.KindTPM:
			quoted(c.TPM, changes)
		}
	}
	return changes
}

func quoted(t *evidence.TPMClaims, changes map[string]func()) {
	left := []int{10}
	if t.Boot != nil && t.Boot.UKI != nil {
		left = append(left, 2, 4, 8, 9, 11, 12, 13, 14)
	} else if t.Boot != nil {
		left = append(left, 2, 4)
	}
	for pcr := range t.PCRs {
		if !slices.Contains(left, pcr) {
			changes["pcr "+string(rune('a'+pcr))] = func() { t.PCRs[pcr] = append(evidence.Hex{t.PCRs[pcr][0] ^ 1}, t.PCRs[pcr][1:]...) }
		}
	}
	if t.IMA != nil {
		for i := range t.IMA.Files {
			changes["file "+t.IMA.Files[i].Path] = func() { t.IMA.Files[i].Digest[0] ^= 1 }
		}
	}
	changes["another source"] = func() { t.AKSource = evidence.AKSourceEnrolled }
	booted(t.Boot, changes, "tpm ")
}

func booted(b *evidence.BootClaims, changes map[string]func(), prefix string) {
	if b == nil {
		return
	}
	for i := range b.Images {
		changes[prefix+"image"+string(rune('a'+i))] = func() { b.Images[i].Digest[0] ^= 1 }
	}
	changes[prefix+"secure boot"] = func() { *b.SecureBoot.Enabled = false }
	changes[prefix+"attempts"] = func() { *b.BootAttempts++ }
	changes[prefix+"boot services"] = func() { *b.ExitedBootServices = false }
	if b.UKI == nil {
		return
	}
	for name := range b.UKI.Sections {
		changes[prefix+name] = func() { b.UKI.Sections[name][0] ^= 1 }
	}
	changes[prefix+"load options"] = func() { b.LoadOptions[0] ^= 1 }
	changes[prefix+"initrd"] = func() { b.Initrd[0] ^= 1 }
	changes[prefix+"a section more"] = func() { b.UKI.Sections[".dtb"] = make(evidence.Hex, len(b.Initrd)) }
}

// Y20: a draft accepts the machine that it was made of and none that differs in
// anything that was measured.
func TestAttack_Y20_DraftPinsWhatItSaw(t *testing.T) {
	count := 0
	for name, claims := range machines(t) {
		for _, references := range []bool{false, true} {
			o := options()
			o.References = references
			d, err := draft.FromClaims(claims, o)
			if err != nil {
				t.Fatal(name, err)
			}
			set := load(t, d.YAML)
			for _, change := range slices.Sorted(maps.Keys(measured(cloned(claims)))) {
				changed := cloned(claims)
				measured(changed)[change]()
				count++
				if got := evaluate(set, changed); got.Verdict != policies.Rejected {
					t.Errorf("%s: %s changed: %s", name, change, got.Verdict)
				}
			}
		}
	}
	t.Logf("%d changes", count)
}

// relaxing are states of machines that a draft must not accept silently, by a word
// of the warning. Where no policy accepts one, never is set.
var relaxing = []struct {
	machine, warning string
	never            bool
	change           func([]evidence.Claims)
}{
	{"sev-snp", "debug", false, func(c []evidence.Claims) { c[0].SEVSNP.Policy.Debug = true }},
	{"sev-snp", "cxl", false, func(c []evidence.Claims) {
		c[0].SEVSNP.Policy.CXL = true
		c[0].SEVSNP.Policy.Raw[5] |= 0x20
	}},
	{"sev-snp", "tio", false, func(c []evidence.Claims) {
		c[0].SEVSNP.PlatformInfo.TIO = true
		c[0].SEVSNP.PlatformInfo.Raw[7] |= 0x80
	}},
	{"sev-snp", "roll it back", false, func(c []evidence.Claims) { c[0].SEVSNP.CurrentVersion = "1.55.99" }},
	{"sev-snp", "older firmware", false, func(c []evidence.Claims) { c[0].SEVSNP.LaunchTCB.SNP-- }},
	{"sev-snp", "migration agent", false, func(c []evidence.Claims) { c[0].SEVSNP.ReportIDMA = slices.Repeat(evidence.Hex{1}, 32) }},
	{"sev-snp", "migration agent", true, func(c []evidence.Claims) { c[0].SEVSNP.Policy.MigrateMA = true }},
	{"sev-snp", "host asked", true, func(c []evidence.Claims) { c[0].SEVSNP.VMPL = 0xffffffff }},
	{"sev-snp", "revocation", false, func(c []evidence.Claims) { c[0].SEVSNP.RevocationChecked = false }},
	{"tdx", "debug", false, func(c []evidence.Claims) { c[0].TDX.Attributes.Debug = true }},
	{"tdx", "migrated", false, func(c []evidence.Claims) { c[0].TDX.Attributes.Migratable = true }},
	{"tdx", "SEPT_VE_DISABLE", false, func(c []evidence.Claims) { c[0].TDX.Attributes.SEPTVEDisable = false }},
	{"tdx", "performance", false, func(c []evidence.Claims) { c[0].TDX.Attributes.Perfmon = true }},
	{"tdx", "does not know", false, func(c []evidence.Claims) { c[0].TDX.Attributes.Raw[1] = 1 }},
	{"tdx", "OutOfDate", false, func(c []evidence.Claims) {
		c[0].TDX.TCB.Status, c[0].TDX.TCB.Advisories = "OutOfDate", []string{"INTEL-SA-00960", "INTEL-SA-00837"}
	}},
	{"tdx", "INTEL-SA-00837", false, func(c []evidence.Claims) { c[0].TDX.TCB.Advisories = []string{"INTEL-SA-00837"} }},
	{"tdx", "Revoked", true, func(c []evidence.Claims) { c[0].TDX.TCB.Status = "Revoked" }},
	{"tdx", "collateral", true, func(c []evidence.Claims) { c[0].TDX.TCB = nil }},
	{"tdx", "service TD", false, func(c []evidence.Claims) {
		c[0].TDX.MRServiceTD, c[0].TDX.BodyVersion = slices.Repeat(evidence.Hex{1}, 48), "1.5"
	}},
	{"tdx", "not signed by Intel", false, func(c []evidence.Claims) { c[0].TDX.MRSignerSEAM[0] = 1 }},
	{"tdx", "none for production", true, func(c []evidence.Claims) { c[0].TDX.SEAMAttributes[0] = 1 }},
	{"tpm", "provider", false, func(c []evidence.Claims) { c[0].TPM.AKProvider = "google" }},
	{"tpm", "clock", false, func(c []evidence.Claims) { c[0].TPM.Safe = false }},
	{"tpm", "public area", false, func(c []evidence.Claims) { c[0].TPM.AKSource, c[0].TPM.AKRestricted = evidence.AKSourceGiven, nil }},
	{"tpm", "not restricted", true, func(c []evidence.Claims) { c[0].TPM.AKRestricted = new(bool) }},
	{"tpm", "revocation", false, func(c []evidence.Claims) { c[0].TPM.RevocationChecked = false }},
	{"tpm with a list", "open for writing", false, func(c []evidence.Claims) { c[0].TPM.IMA.Violations = 1 }},
	{"tpm with a list", "name no file", false, func(c []evidence.Claims) { c[0].TPM.IMA.Unread = 1 }},
	{"tpm with a list", "another boot", false, func(c []evidence.Claims) { c[0].TPM.IMA.BootAggregate = nil }},
}

// What a machine needs waived is never waived silently, and can be by removing a "#".
func TestAttack_Y20_DraftWaivesNothing(t *testing.T) {
	for _, test := range relaxing {
		t.Run(test.machine+" "+test.warning, func(t *testing.T) {
			claims := cloned(machines(t)[test.machine])
			test.change(claims)
			d, err := draft.FromClaims(claims, options())
			if err != nil {
				t.Fatal(err)
			}
			if d.Accepts || !slices.ContainsFunc(d.Warnings, func(w string) bool { return strings.Contains(w, test.warning) }) {
				t.Fatalf("accepts %v, warnings %q", d.Accepts, d.Warnings)
			}
			if got := evaluate(load(t, d.YAML), claims); got.Verdict == policies.Accepted {
				t.Error("accepted")
			}
			text := commented.ReplaceAll(d.YAML, []byte("$1$2"))
			if got := evaluate(load(t, text), claims); (got.Verdict == policies.Accepted) == test.never {
				t.Errorf("%s %v\n%s", got.Verdict, got.Checks.Failed(), text)
			}
		})
	}
}

// Texts of others stay within their comments and quotes.
func TestAttack_Y20_HostileTexts(t *testing.T) {
	const hostile = "x\nallow_simulated: true\u2028allow: [debug]\u0085# \x1b[31m\"]}\r\tkind: Advisories"
	o := options()
	o.Simulated, o.Source, o.CreatedBy, o.References = false, hostile, hostile, true
	for name, claims := range machines(t) {
		claims := cloned(claims)
		for i := range claims {
			claims[i].TrustAnchor.Name = hostile
			if claims[i].Paravisor != nil {
				claims[i].Paravisor.VMID = hostile
			}
			if claims[i].SEVSNP != nil && claims[i].SEVSNP.CSPID != "" {
				claims[i].SEVSNP.CSPID = hostile
			}
			if t := claims[i].TDX; t != nil {
				t.TCB.Behind = []evidence.TDXShortfall{{Component: hostile, Part: hostile}}
			}
		}
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			if !strings.Contains(name, "provider") { // whose ID a policy would have to list
				t.Fatal(name, err)
			}
			continue
		}
		if got := evaluate(load(t, d.YAML), claims); got.Verdict == policies.Accepted {
			t.Errorf("%s: simulated evidence is accepted\n%s", name, d.YAML)
		}
		for line := range strings.Lines(string(d.YAML)) {
			if strings.HasPrefix(strings.TrimSpace(line), "allow") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// Whatever part of a machine's claims is missing, a draft loads or is refused, says
// truly whether it accepts, and relaxes nothing.
func TestPartialClaims(t *testing.T) {
	all := machines(t)
	names := slices.Sorted(maps.Keys(all))
	rapid.Check(t, func(rt *rapid.T) {
		claims := cloned(all[rapid.SampledFrom(names).Draw(rt, "machine")])
		for range rapid.IntRange(1, 4).Draw(rt, "holes") {
			fields := absentable(claims)
			fields[rapid.IntRange(0, len(fields)-1).Draw(rt, "hole")].SetZero()
		}
		o := options()
		o.References = rapid.Bool().Draw(rt, "references")
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			return
		}
		got := evaluate(load(t, d.YAML), claims)
		if (got.Verdict == policies.Accepted) != d.Accepts {
			rt.Fatalf("%s, and the draft says %v", got.Verdict, d.Accepts)
		}
		for _, relaxed := range got.Relaxed {
			if relaxed != "trust.simulated" {
				rt.Errorf("relaxes %s", relaxed)
			}
		}
	})
}

func TestRefusesOptions(t *testing.T) {
	claims := machines(t)["tpm"]
	for name, change := range map[string]func(*draft.Options){
		"no name":        func(o *draft.Options) { o.Name = "" },
		"a bad name":     func(o *draft.Options) { o.Name = "A b" },
		"a long name":    func(o *draft.Options) { o.Name = strings.Repeat("a", 60) },
		"no identity":    func(o *draft.Options) { o.SPIFFEID = "" },
		"a bad identity": func(o *draft.Options) { o.SPIFFEID = "https://example.org/" },
		"no time":        func(o *draft.Options) { o.At = o.At.AddDate(-5000, 0, 0) },
		"a long life":    func(o *draft.Options) { o.TTL = 1 << 60 },
		"a bad source":   func(o *draft.Options) { o.Source = "\xff" },
		"an early end":   func(o *draft.Options) { o.NotAfter = o.At },
	} {
		o := options()
		o.References = true
		change(&o)
		if _, err := draft.FromClaims(claims, o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	vouched := cloned(claims)
	vouched[0].TPM.AKSource, vouched[0].TPM.AKVouchedBy = evidence.AKSourceTEE, evidence.KindTDX
	twice := append(cloned(claims), claims...)
	for name, claims := range map[string][]evidence.Claims{"none": nil, "twice": twice, "empty": {{}}, "vouched for by nobody": vouched} {
		if _, err := draft.FromClaims(claims, options()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

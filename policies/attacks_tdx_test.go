package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func TestAttack_T19_WeakStatusByDefault(t *testing.T) {
	status := func(s string) func(*evidence.Claims) { return func(c *evidence.Claims) { c.TDX.TCB.Status = s } }
	var attacks []attack
	for _, s := range []string{"SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded", "Revoked", "NotSupported", "", "uptodate"} {
		attacks = append(attacks, attack{"default " + s, tdxWith(), status(s), evidence.CodePolicyTDXTCBStatus})
	}
	lax := tdxWith("tcb_statuses: [UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded]", "advisories: none")
	attacks = append(attacks,
		attack{"revoked", lax, status("Revoked"), evidence.CodePolicyTDXTCBStatus},
		attack{"not supported", lax, status("NotSupported"), evidence.CodePolicyTDXTCBStatus},
		attack{"revoked part", lax, func(c *evidence.Claims) { c.TDX.TCB.QEStatus = "Revoked" }, evidence.CodePolicyTDXTCBStatus},
		attack{"part unknown", lax, func(c *evidence.Claims) { c.TDX.TCB.PlatformStatus = "" }, evidence.CodePolicyTDXTCBStatus},
	)
	runAttacks(t, goodTDX, attacks)
	for _, s := range []string{"Revoked", "NotSupported"} {
		if text := loadErr(t, tdxWith("tcb_statuses: [UpToDate, "+s+"]")); !strings.Contains(text, "policy.unsafe") {
			t.Error(text)
		}
	}
}

func TestAttack_T20_NewAdvisory(t *testing.T) {
	hardening := func() evidence.Claims {
		c := goodTDX()
		c.TDX.TCB.Status, c.TDX.TCB.Advisories = "SWHardeningNeeded", []string{"INTEL-SA-00837"}
		return c
	}
	policy := tdxWith("tcb_statuses: [SWHardeningNeeded]", "advisories: [INTEL-SA-00837]")
	runAttacks(t, hardening, []attack{
		{"one more", policy, func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-SA-00837", "INTEL-SA-99999"} }, evidence.CodePolicyTDXAdvisories},
		{"another", policy, func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-SA-99999"} }, evidence.CodePolicyTDXAdvisories},
	})
	d := evaluate(load(t, policy), hardening())
	if want := "tdx.advisory.INTEL-SA-00837 tdx.rtmr3.any tdx.tcb-status.SWHardeningNeeded"; strings.Join(d.Relaxed, " ") != want {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	if text := loadErr(t, tdxWith("tcb_statuses: [SWHardeningNeeded]")); !strings.Contains(text, "needs advisories") {
		t.Error(text)
	}
}

// What is accepted for a while, is not for longer, and a certificate does not outlast it.
func TestAttack_T19_AcceptedForEver(t *testing.T) {
	const ends = "2026-12-24T00:00:00Z"
	behind := func(at time.Time, advisories ...string) policies.Input {
		c := goodTDX()
		c.TDX.TCB.Status, c.TDX.TCB.Advisories = "OutOfDate", advisories
		return policies.Input{Claims: []evidence.Claims{c}, Now: at}
	}
	end, err := time.Parse(time.RFC3339, ends)
	if err != nil {
		t.Fatal(err)
	}
	for policy, code := range map[string]evidence.Code{
		tdxWith("tcb_statuses: [{status: OutOfDate, until: "+ends+"}]", "advisories: [INTEL-SA-00001]"):                   evidence.CodePolicyTDXTCBStatus,
		tdxWith("tcb_statuses: [{status: OutOfDate, until: " + ends + ", advisories: [INTEL-SA-00001]}]"):                 evidence.CodePolicyTDXTCBStatus,
		tdxWith("tcb_statuses: [OutOfDate]", "advisories: [{id: INTEL-SA-00001, until: "+ends+"}]"):                       evidence.CodePolicyTDXAdvisories,
		tdxWith("tcb_statuses: [{status: OutOfDate, advisories: [{id: INTEL-SA-00001, until: " + ends + "}]}, UpToDate]"): evidence.CodePolicyTDXAdvisories,
	} {
		set := load(t, policy)
		for _, at := range []time.Time{now, end} {
			d := set.Evaluate(behind(at, "INTEL-SA-00001"))
			if wantVerdict(t, d, policies.Accepted, code); !d.ValidUntil.Equal(end) {
				t.Errorf("valid until %s", d.ValidUntil)
			}
		}
		for _, at := range []time.Time{end.Add(1), {}} {
			wantVerdict(t, set.Evaluate(behind(at, "INTEL-SA-00001")), policies.Rejected, code)
		}
		d := set.Evaluate(behind(end.Add(1), "INTEL-SA-00001"))
		if check, _ := d.Checks.Get(code); !strings.Contains(check.Want, "until "+ends) {
			t.Errorf("check %s", check)
		}
		wantVerdict(t, set.Evaluate(behind(now, "INTEL-SA-00002")), policies.Rejected, evidence.CodePolicyTDXAdvisories)
	}
}

// An advisory is accepted with the status that it is listed with, and no other.
func TestAttack_T20_AdvisoryOfAnotherStatus(t *testing.T) {
	set := load(t, tdxWith("tcb_statuses: [UpToDate, {status: SWHardeningNeeded, advisories: [INTEL-SA-00001]}, {status: OutOfDate, advisories: [INTEL-SA-00002]}, {status: ConfigurationNeeded, advisories: none}]"))
	for status, accepted := range map[string]string{"UpToDate": "", "SWHardeningNeeded": "INTEL-SA-00001", "OutOfDate": "INTEL-SA-00002", "ConfigurationNeeded": ""} {
		for _, id := range []string{"", "INTEL-SA-00001", "INTEL-SA-00002"} {
			c := goodTDX()
			if c.TDX.TCB.Status = status; id != "" {
				c.TDX.TCB.Advisories = []string{id}
			}
			want := policies.Rejected
			if id == "" || id == accepted {
				want = policies.Accepted
			}
			wantVerdict(t, evaluate(set, c), want, evidence.CodePolicyTDXAdvisories)
		}
	}
	loadErr(t, tdxWith("tcb_statuses: [{status: SWHardeningNeeded, advisories: [INTEL-SA-00001]}, OutOfDate]"))
	for _, odd := range []string{"{}", "{status: Revoked, until: 2027-01-01T00:00:00Z}", "{until: 2027-01-01T00:00:00Z}", "{status: OutOfDate, advisories: []}", "{status: OutOfDate, advisories: none, until: tomorrow}"} {
		loadErr(t, tdxWith("tcb_statuses: ["+odd+"]"))
	}
}

// The ends of servicing (INTEL-DOC-10000 and 10001) come as advisories, and deny
// as any other does.
func TestAttack_T21_EndOfServicing(t *testing.T) {
	listed := tdxWith("tcb_statuses: [UpToDate, {status: OutOfDate, advisories: [INTEL-SA-00001]}]")
	runAttacks(t, goodTDX, []attack{
		{"T21 extended servicing", tdxWith(), func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-DOC-10000"} }, evidence.CodePolicyTDXAdvisories},
		{"T21 beside a listed one", listed, func(c *evidence.Claims) {
			c.TDX.TCB.Status, c.TDX.TCB.Advisories = "OutOfDate", []string{"INTEL-DOC-10001", "INTEL-SA-00001"}
		}, evidence.CodePolicyTDXAdvisories},
		{"advisory of an up-to-date platform", tdxWith(), func(c *evidence.Claims) { c.TDX.TCB.Advisories = []string{"INTEL-DOC-10001"} }, evidence.CodePolicyTDXAdvisories},
	})
}

func TestAttack_T16_OlderEvaluation(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"one less", tdxWith("minimum_evaluation_data_number: 18"), func(c *evidence.Claims) { c.TDX.TCB.EvaluationDataNumber = 17 }, evidence.CodePolicyTDXEvaluation},
		{"two evaluations", tdxWith(), func(c *evidence.Claims) { c.TDX.TCB.QEIdentityEvaluationDataNumber = 17 }, evidence.CodePolicyTDXEvaluation},
	})
}

func TestAttack_T22_ForeignModule(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"signer", tdxWith(), func(c *evidence.Claims) { c.TDX.MRSignerSEAM = fill(1, 48) }, evidence.CodePolicyTDXSEAMSigner},
		{"no signer", tdxWith(), func(c *evidence.Claims) { c.TDX.MRSignerSEAM = nil }, evidence.CodePolicyTDXSEAMSigner},
		{"mrseam", tdxWith(`mrseam: ["` + strings.Repeat("21", 48) + `"]`), func(c *evidence.Claims) { c.TDX.MRSEAM = fill(1, 48) }, evidence.CodePolicyTDXMRSEAM},
		{"T23 debug module", tdxWith(), func(c *evidence.Claims) { c.TDX.SEAMAttributes[0] = 1 }, evidence.CodePolicyTDXSEAMAttributes},
		{"T23 no attributes", tdxWith(), func(c *evidence.Claims) { c.TDX.SEAMAttributes = nil }, evidence.CodePolicyTDXSEAMAttributes},
	})
}

// T24 to T27: attributes of the TD.
func TestAttack_T24_Attributes(t *testing.T) {
	raw := func(bit uint, set bool) func(*evidence.Claims) {
		return func(c *evidence.Claims) {
			at := &c.TDX.Attributes
			if at.Raw[bit/8] &^= 1 << (bit % 8); set {
				at.Raw[bit/8] |= 1 << (bit % 8)
			}
			at.TUD = at.Raw[0] != 0
			switch bit {
			case 0:
				at.Debug = set
			case 28:
				at.SEPTVEDisable = set
			case 29:
				at.Migratable = set
			case 63:
				at.Perfmon = set
			}
		}
	}
	everything := tdxWith("allow: [migratable, no-sept-ve-disable, perfmon, unknown-attributes]")
	runAttacks(t, goodTDX, []attack{
		{"T24 debug", tdxWith(), raw(0, true), evidence.CodePolicyTDXDebug},
		{"T24 debug, all else allowed", everything, raw(0, true), evidence.CodePolicyTDXDebug},
		{"T25 SEPT_VE_DISABLE", tdxWith(), raw(28, false), evidence.CodePolicyTDXSEPTVE},
		{"T26 migratable", tdxWith(), raw(29, true), evidence.CodePolicyTDXMigratable},
		{"T24 profiling, all else allowed", everything, raw(5, true), evidence.CodePolicyTDXDebug},
		{"T27 perfmon", tdxWith(), raw(63, true), evidence.CodePolicyTDXPerfmon},
		{"T27 bit 16", tdxWith(), raw(16, true), evidence.CodePolicyTDXAttributes},
		{"T27 bit 27", tdxWith(), raw(27, true), evidence.CodePolicyTDXAttributes},
		{"T27 bit 62", tdxWith(), raw(62, true), evidence.CodePolicyTDXAttributes},
	})
	c := goodTDX()
	for bit, set := range map[uint]bool{29: true, 28: false, 63: true, 16: true} {
		raw(bit, set)(&c)
	}
	wantVerdict(t, evaluate(load(t, everything), c), policies.Accepted, evidence.Code{})
	c.TDX.Attributes.Raw = nil
	wantVerdict(t, evaluate(load(t, everything), c), policies.Rejected, evidence.CodePolicyTDXDebug)
}

func TestAttack_T26_ServiceTD(t *testing.T) {
	newer := func() evidence.Claims {
		c := goodTDX()
		c.TDX.BodyVersion, c.TDX.MRServiceTD = "1.5", fill(0, 48)
		return c
	}
	runAttacks(t, newer, []attack{
		{"bound", tdxWith(), func(c *evidence.Claims) { c.TDX.MRServiceTD = fill(1, 48) }, evidence.CodePolicyTDXServiceTD},
		{"absent", tdxWith(), func(c *evidence.Claims) { c.TDX.MRServiceTD = nil }, evidence.CodePolicyTDXServiceTD},
		{"no version", tdxWith(), func(c *evidence.Claims) { c.TDX.BodyVersion, c.TDX.MRServiceTD = "", nil }, evidence.CodePolicyTDXServiceTD},
	})
}

func TestAttack_T28_XFAM(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"another", tdxWith("xfam: [e700060000000000]"), func(c *evidence.Claims) { c.TDX.XFAM[1] = 2 }, evidence.CodePolicyTDXXFAM},
	})
}

func TestAttack_T29_KernelSwapped(t *testing.T) {
	runAttacks(t, goodTDX, []attack{
		{"MRTD", tdxWith(), func(c *evidence.Claims) { c.TDX.MRTD[0]++ }, evidence.CodePolicyTDXMRTD},
		{"RTMR0", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR0[0]++ }, evidence.CodePolicyTDXRTMR0},
		{"RTMR1", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR1[0]++ }, evidence.CodePolicyTDXRTMR1},
		{"RTMR2", tdxWith(), func(c *evidence.Claims) { c.TDX.RTMR2 = nil }, evidence.CodePolicyTDXRTMR2},
		{"RTMR3", replace(tdxWith(), "rtmr3: any", `rtmr3: ["`+strings.Repeat("00", 48)+`"]`), func(c *evidence.Claims) { c.TDX.RTMR3[9]++ }, evidence.CodePolicyTDXRTMR3},
	})
}

// A register that is left out is a mistake, not a wildcard.
func TestAttack_T30_SparseRegisters(t *testing.T) {
	for _, line := range []string{
		`      mrtd: ["` + m22 + "\"]\n", `      rtmr0: ["` + m30 + "\"]\n", `      rtmr1: ["` + m31 + "\"]\n",
		`      rtmr2: ["` + m32 + "\"]\n", "      rtmr3: any\n",
	} {
		if text := loadErr(t, replace(tdxWith(), line, "")); !strings.Contains(text, "policy.missing-key") {
			t.Error(text)
		}
	}
	for _, value := range []string{"", "null", "[]", "[any]", "[null]", "ANY", "'*'", "[{}]"} {
		loadErr(t, replace(tdxWith(), "rtmr3: any", "rtmr3: "+value))
	}
}

// Zero is a value as any other: it neither matches everything nor nothing.
func TestAttack_T37_ZeroConfiguration(t *testing.T) {
	configured := func() evidence.Claims {
		c := goodTDX()
		c.TDX.MRConfigID, c.TDX.MROwner, c.TDX.MROwnerConfig = fill(1, 48), fill(2, 48), fill(3, 48)
		return c
	}
	policy := tdxWith(`mrconfigid: ["`+strings.Repeat("01", 48)+`"]`, `mrowner: ["`+strings.Repeat("02", 48)+`"]`, `mrownerconfig: ["`+strings.Repeat("03", 48)+`"]`)
	runAttacks(t, configured, []attack{
		{"mrconfigid", policy, func(c *evidence.Claims) { c.TDX.MRConfigID = fill(0, 48) }, evidence.CodePolicyTDXMRConfigID},
		{"mrowner", policy, func(c *evidence.Claims) { c.TDX.MROwner = fill(0, 48) }, evidence.CodePolicyTDXMROwner},
		{"mrownerconfig", policy, func(c *evidence.Claims) { c.TDX.MROwnerConfig = nil }, evidence.CodePolicyTDXMROwnerConfig},
	})
	zero := tdxWith(`mrconfigid: ["` + strings.Repeat("00", 48) + `"]`)
	wantVerdict(t, evaluate(load(t, zero), goodTDX()), policies.Accepted, evidence.CodePolicyTDXMRConfigID)
	wantVerdict(t, evaluate(load(t, zero), configured()), policies.Rejected, evidence.CodePolicyTDXMRConfigID)
}

func TestAttack_T44_PlatformIdentityAbsent(t *testing.T) {
	ppid := func(key string, b string) string {
		return tdxWith("ppids: {" + key + `: ["` + strings.Repeat(b, 16) + `"]}`)
	}
	runAttacks(t, goodTDX, []attack{
		{"FMSPC absent", tdxWith("fmspcs: {allow: [00806f050000]}"), func(c *evidence.Claims) { c.TDX.FMSPC = nil }, evidence.CodePolicyTDXFMSPC},
		{"FMSPC denied", tdxWith("fmspcs: {deny: [90c06f000000]}"), func(c *evidence.Claims) { c.TDX.FMSPC = evidence.Hex{0x90, 0xc0, 0x6f, 0, 0, 0} }, evidence.CodePolicyTDXFMSPC},
		{"PPID absent, allow", ppid("allow", "08"), func(c *evidence.Claims) { c.TDX.PPID = nil }, evidence.CodePolicyTDXPPID},
		{"PPID absent, deny", ppid("deny", "09"), func(c *evidence.Claims) { c.TDX.PPID = nil }, evidence.CodePolicyTDXPPID},
		{"T43 PPID denied", ppid("deny", "09"), func(c *evidence.Claims) { c.TDX.PPID = fill(9, 16) }, evidence.CodePolicyTDXPPID},
	})
}

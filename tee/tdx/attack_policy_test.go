package tdx

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file are told in genuine quotes: a machine lies about
// nothing, and is not what its verifier wants. What refuses it is policy, which
// has to see it in the claims of a quote that was signed so.

// deployment is a machine with a policy that accepts it, and its collateral.
type deployment struct {
	machine simulated.MachineOptions
	lines   map[string]string // of the requirement
	scene   func(*scene)      // alters the collateral
}

// healthy is a TD of version 5 that everything is demanded of.
func healthy() *deployment {
	o := simulated.DefaultMachine()
	o.Version, o.TD15 = 5, true
	o.MRConfigID, o.MROwner, o.MROwnerConfig = [48]byte{1}, [48]byte{2}, [48]byte{3}
	o.RTMR[3] = [48]byte{4}
	o.PPID = [16]byte{5}
	list := func(b []byte) string { return `["` + hex.EncodeToString(b) + `"]` }
	return &deployment{machine: o, scene: func(*scene) {}, lines: map[string]string{
		"mrtd": list(o.MRTD[:]), "rtmr0": list(o.RTMR[0][:]), "rtmr1": list(o.RTMR[1][:]), "rtmr2": list(o.RTMR[2][:]), "rtmr3": list(o.RTMR[3][:]),
		"mrseam": list(o.MRSEAM[:]), "mrconfigid": list(o.MRConfigID[:]), "mrowner": list(o.MROwner[:]), "mrownerconfig": list(o.MROwnerConfig[:]),
		"xfam": list(o.XFAM[:]), "fmspcs": "{allow: " + list(o.FMSPC[:]) + "}", "ppids": "{allow: " + list(o.PPID[:]) + "}",
		"minimum_evaluation_data_number": "20",
	}}
}

// judge has the machine quote, verifies that and asks the policy. What a policy
// is asked about is always genuine.
func (d *deployment) judge(t *testing.T) policies.Decision {
	t.Helper()
	var text strings.Builder
	text.WriteString("apiVersion: quotary.dev/v1\nkind: Workload\nname: web\nidentity: {spiffe_id: \"spiffe://example.org/web\", ttl: 30m}\nallow_simulated: true\nany_of:\n  - tdx:\n")
	for key, value := range d.lines {
		text.WriteString("      " + key + ": " + value + "\n")
	}
	set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(text.String())})
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, func(o *simulated.MachineOptions) { *o = d.machine })
	d.scene(s)
	out := s.genuine()
	requireGenuine(t, out)
	return set.Evaluate(policies.Input{Claims: []evidence.Claims{out.Claims}, SimulatedAccepted: true, Now: clock})
}

// lie is what is not as it should be, and the check that refuses it.
type lie struct {
	name   string
	change func(*deployment)
	code   evidence.Code
}

func denied(t *testing.T, lies ...lie) {
	t.Helper()
	if d := healthy().judge(t); d.Verdict != policies.Accepted {
		t.Fatalf("the healthy machine is %s: %v", d.Verdict, d.Checks.Failed())
	}
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			d := healthy()
			l.change(d)
			decision := d.judge(t)
			failed := slices.ContainsFunc(decision.Checks.Failed(), func(c evidence.Check) bool { return c.Code == l.code })
			if decision.Verdict != policies.Rejected || !failed {
				t.Errorf("%s, not refused by %s: %v", decision.Verdict, l.code, decision.Checks.Failed())
			}
		})
	}
}

// accepts demands that a policy accepts what it says it accepts.
func accepts(t *testing.T, change func(*deployment), relaxed ...string) {
	t.Helper()
	d := healthy()
	change(d)
	decision := d.judge(t)
	if decision.Verdict != policies.Accepted {
		t.Fatalf("%s: %v", decision.Verdict, decision.Checks.Failed())
	}
	for _, r := range relaxed {
		if !slices.Contains(decision.Relaxed, r) {
			t.Errorf("relaxed %v, without %s", decision.Relaxed, r)
		}
	}
}

// status is a platform of this status, with this advisory.
func (d *deployment) status(name string, advisories ...string) {
	d.scene = func(s *scene) {
		s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus, i.TCBLevels[0].AdvisoryIDs = name, advisories })
	}
}

func TestAttack_T19_T20_T21_Status(t *testing.T) {
	var lies []lie
	for _, name := range platformStatuses[1:] {
		lies = append(lies, lie{"T19 " + name, func(d *deployment) { d.status(name) }, evidence.CodePolicyTDXTCBStatus})
	}
	lax := func(d *deployment, status string) {
		d.lines["tcb_statuses"], d.lines["advisories"] = "[UpToDate, "+status+"]", "[INTEL-SA-00001]"
	}
	denied(t, append(lies,
		lie{"T19 unknown to Intel", func(d *deployment) { d.machine.PCESVN = 1 }, evidence.CodePolicyTDXTCBStatus},
		lie{"T19 old enclave", func(d *deployment) { d.machine.QESVN = 5 }, evidence.CodePolicyTDXTCBStatus},
		lie{"T19 revoked, with all else allowed", func(d *deployment) { lax(d, "OutOfDate"); d.status("Revoked") }, evidence.CodePolicyTDXTCBStatus},
		lie{"T20 another advisory", func(d *deployment) { lax(d, "SWHardeningNeeded"); d.status("SWHardeningNeeded", "INTEL-SA-99999") }, evidence.CodePolicyTDXAdvisories},
		lie{"T20 one advisory more", func(d *deployment) {
			lax(d, "SWHardeningNeeded")
			d.status("SWHardeningNeeded", "INTEL-SA-00001", "INTEL-SA-99999")
		}, evidence.CodePolicyTDXAdvisories},
		lie{"T21 end of servicing", func(d *deployment) { d.status("UpToDate", "INTEL-DOC-10001") }, evidence.CodePolicyTDXAdvisories})...)
	accepts(t, func(d *deployment) { lax(d, "SWHardeningNeeded"); d.status("SWHardeningNeeded", "INTEL-SA-00001") },
		"tdx.tcb-status.SWHardeningNeeded", "tdx.advisory.INTEL-SA-00001")
}

// TestAttack_T16_T17_OlderEvaluation: a replica whose collateral is older, and
// still in force, judges no more by it; nor does one that has a part of the new.
func TestAttack_T16_T17_OlderEvaluation(t *testing.T) {
	older := func(info, identity bool) func(*deployment) {
		return func(d *deployment) {
			d.scene = func(s *scene) {
				if info {
					s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBEvaluationDataNumber-- })
				}
				if identity {
					s.setQEIdentity(func(q *simulated.QEIdentity) { q.TCBEvaluationDataNumber-- })
				}
			}
		}
	}
	without := func(change func(*deployment)) func(*deployment) {
		return func(d *deployment) { change(d); delete(d.lines, "minimum_evaluation_data_number") }
	}
	denied(t,
		lie{"both", older(true, true), evidence.CodePolicyTDXEvaluation},
		lie{"TCB info", older(true, false), evidence.CodePolicyTDXEvaluation},
		lie{"QE identity", older(false, true), evidence.CodePolicyTDXEvaluation},
		lie{"TCB info, without a minimum", without(older(true, false)), evidence.CodePolicyTDXEvaluation},
		lie{"QE identity, without a minimum", without(older(false, true)), evidence.CodePolicyTDXEvaluation})
	accepts(t, without(older(true, true)))
	accepts(t, func(d *deployment) { older(true, false)(d); d.lines["minimum_evaluation_data_number"] = "19" })
}

func TestAttack_T22_T23_Module(t *testing.T) {
	thirdParty := func(d *deployment) { // a module that Intel's collateral names, of another signer
		d.machine.MRSignerSEAM = [48]byte{9}
		d.scene = func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].MRSigner = "09" + strings.Repeat("00", 47) })
		}
	}
	debug := func(d *deployment) {
		d.machine.SEAMAttributes = [8]byte{1}
		d.scene = func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].AttributesMask = strings.Repeat("0", 16) })
		}
	}
	denied(t,
		lie{"T22 signer", thirdParty, evidence.CodePolicyTDXSEAMSigner},
		lie{"T22 another module", func(d *deployment) { d.machine.MRSEAM[0]++ }, evidence.CodePolicyTDXMRSEAM},
		lie{"T22 old module", func(d *deployment) { d.machine.TEETCBSVN[0], d.machine.TEETCBSVN2[0] = 3, 3 }, evidence.CodePolicyTDXTCBStatus},
		lie{"T23 debug", debug, evidence.CodePolicyTDXSEAMAttributes})
}

func TestAttack_T24_T25_T26_T27_T28_Attributes(t *testing.T) {
	flip := func(bit uint) func(*deployment) {
		return func(d *deployment) { d.machine.Attributes[bit/8] ^= 1 << (bit % 8) }
	}
	allowing := func(change func(*deployment)) func(*deployment) {
		return func(d *deployment) { change(d); d.lines["allow"] = "[unknown-attributes]" }
	}
	denied(t,
		lie{"T24 debug", flip(0), evidence.CodePolicyTDXDebug},
		lie{"T24 profiling", flip(5), evidence.CodePolicyTDXDebug},
		lie{"T24 profiling, unknown attributes allowed", allowing(flip(5)), evidence.CodePolicyTDXDebug},
		lie{"T25 exceptions by the host", flip(28), evidence.CodePolicyTDXSEPTVE},
		lie{"T26 migratable", flip(29), evidence.CodePolicyTDXMigratable},
		lie{"T26 service TD", func(d *deployment) { d.machine.MRServiceTD[47] = 1 }, evidence.CodePolicyTDXServiceTD},
		lie{"T27 performance counters", flip(63), evidence.CodePolicyTDXPerfmon},
		lie{"T27 unknown", flip(27), evidence.CodePolicyTDXAttributes},
		lie{"T27 unknown, high", flip(62), evidence.CodePolicyTDXAttributes},
		lie{"T28 features", func(d *deployment) { d.machine.XFAM[0] &^= 3 }, evidence.CodePolicyTDXXFAM},
		lie{"T28 unknown features", func(d *deployment) { d.machine.XFAM[7] = 0x80 }, evidence.CodePolicyTDXXFAM})
	accepts(t, allowing(flip(27)))
	accepts(t, flip(30)) // protection keys are the guest's own affair
}

func TestAttack_T29_T30_T37_Measurements(t *testing.T) {
	list := []lie{
		{"T29 firmware", func(d *deployment) { d.machine.MRTD[47]++ }, evidence.CodePolicyTDXMRTD},
		{"T37 no configuration", func(d *deployment) { d.machine.MRConfigID = [48]byte{} }, evidence.CodePolicyTDXMRConfigID},
		{"T37 no owner", func(d *deployment) { d.machine.MROwner = [48]byte{} }, evidence.CodePolicyTDXMROwner},
		{"T37 no owner's configuration", func(d *deployment) { d.machine.MROwnerConfig = [48]byte{} }, evidence.CodePolicyTDXMROwnerConfig},
	}
	for i, code := range []evidence.Code{evidence.CodePolicyTDXRTMR0, evidence.CodePolicyTDXRTMR1, evidence.CodePolicyTDXRTMR2, evidence.CodePolicyTDXRTMR3} {
		list = append(list,
			lie{"T29 another kernel", func(d *deployment) { d.machine.RTMR[i][0] ^= 1 }, code},
			lie{"T30 nothing measured", func(d *deployment) { d.machine.RTMR[i] = [48]byte{} }, code})
	}
	denied(t, list...)
}

// TestAttack_T43_T44_WhoAndWhere: a key that was taken out of a machine signs as
// well as ever, so what is left is to name the machines that are trusted.
func TestAttack_T43_T44_WhoAndWhere(t *testing.T) {
	list := func(b []byte) string { return `["` + hex.EncodeToString(b) + `"]` }
	denied(t,
		lie{"T43 another machine", func(d *deployment) { d.machine.PPID[0]++ }, evidence.CodePolicyTDXPPID},
		lie{"T43 denied machine", func(d *deployment) { d.lines["ppids"] = "{deny: " + list(d.machine.PPID[:]) + "}" }, evidence.CodePolicyTDXPPID},
		lie{"T44 denied platform", func(d *deployment) { d.lines["fmspcs"] = "{deny: " + list(d.machine.FMSPC[:]) + "}" }, evidence.CodePolicyTDXFMSPC})
}

func TestAttack_T48_Relaunch(t *testing.T) {
	updated := func(d *deployment) { d.machine.TEETCBSVN[0] = 3 }
	allowing := func(status string) func(*deployment) {
		return func(d *deployment) {
			updated(d)
			d.lines["tcb_statuses"], d.lines["advisories"] = "[UpToDate, "+status+"]", "none"
			d.scene = func(s *scene) {
				s.setTCBInfo(func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].TCBLevels[1].AdvisoryIDs = nil })
			}
		}
	}
	denied(t,
		lie{"updated", updated, evidence.CodePolicyTDXTCBStatus},
		lie{"out of date allowed", allowing("OutOfDate"), evidence.CodePolicyTDXTCBStatus},
		lie{"not updated", func(d *deployment) { allowing("TDRelaunchAdvised")(d); d.machine.TEETCBSVN2[0] = 3 }, evidence.CodePolicyTDXTCBStatus},
		lie{"advisories of the launch", func(d *deployment) { allowing("TDRelaunchAdvised")(d); d.scene = func(*scene) {} }, evidence.CodePolicyTDXAdvisories})
	accepts(t, allowing("TDRelaunchAdvised"), "tdx.tcb-status.TDRelaunchAdvised")
}

// TestAttack_T36_ReportDataIsWhole: all 64 bytes are handed on as they were
// signed, none of them compared or left out here.
func TestAttack_T36_ReportDataIsWhole(t *testing.T) {
	s := newScene(t)
	for _, data := range [][64]byte{{}, {0: 1}, {31: 1}, {32: 1}, {63: 1}} {
		out := s.verify(s.machine.Quote(data))
		requireGenuine(t, out)
		if string(out.ReportData) != string(data[:]) || string(out.Claims.TDX.ReportData) != string(data[:]) {
			t.Errorf("%x became %x", data, out.ReportData)
		}
	}
	halves := s.machine.Parts([64]byte{0: 1, 32: 2}) // swapped after signing
	quote := halves.Assemble()
	at := atBody + 520
	copy(quote[at:], append(slices.Clone(quote[at+32:at+64]), quote[at:at+32]...))
	refusedWith(t, s.verify(quote), evidence.CodeTDXQuoteSignature)
}

// TestAttack_T47_DistributionPoints: addresses in certificates are never handed
// on; what is missing goes by names of a closed form.
func TestAttack_T47_DistributionPoints(t *testing.T) {
	s := newScene(t)
	platform := simulated.DefaultMachine().Platform
	template := s.vendor.PCKTemplate("x", platform.Elements(platform.TCBElements()))
	template.CRLDistributionPoints = []string{"http://169.254.169.254/latest/meta-data", "file:///etc/passwd"}
	template.IssuingCertificateURL, template.OCSPServer = []string{"http://169.254.169.254/ca"}, []string{"http://169.254.169.254/ocsp"}
	leaf := s.vendor.Issue(template, s.vendor.Platform, &s.machine.PCKKey().PublicKey)
	judge := func() tee.Outcome { return s.chainOf(leaf, s.vendor.Platform.Certificate, s.vendor.Root.Certificate) }
	requireGenuine(t, judge())
	s.collateral = simulated.Collateral{}
	want := newScene(t)
	want.collateral = simulated.Collateral{}
	if got := judge().Missing; len(got) == 0 || !slices.Equal(got, want.genuine().Missing) {
		t.Errorf("asks for %v", got)
	}
}

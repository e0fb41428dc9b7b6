package policies_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func TestEvaluateAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		claims evidence.Claims
	}{
		"sev-snp": {snpWith(), currentSNP()},
		"tdx":     {tdxWith(), goodTDX()},
		"tpm":     {tpmWith(), goodTPM()},
	} {
		t.Run(name, func(t *testing.T) {
			set := load(t, c.policy)
			d := evaluate(set, c.claims)
			wantVerdict(t, d, policies.Accepted, evidence.CodePolicyWorkload)
			if d.Workload != "web" || d.Identity.SPIFFEID != "spiffe://example.org/web" ||
				!slices.Equal(d.Identity.DNSNames, []string{"web.example.org"}) || d.Identity.TTL != 30*time.Minute {
				t.Errorf("decision %+v", d)
			}
			if d.Digest != set.Digest() || !d.ValidUntil.IsZero() {
				t.Errorf("digest %s, valid until %s", d.Digest, d.ValidUntil)
			}
			for _, check := range d.Checks {
				if check.Status != evidence.Pass && check.Status != evidence.NotApplicable {
					t.Errorf("check %s", check)
				}
			}
		})
	}
}

func TestEvaluateZeroSet(t *testing.T) {
	empty, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]*policies.Set{"nil": nil, "zero": {}, "no files": empty} {
		t.Run(name, func(t *testing.T) {
			wantVerdict(t, evaluate(set, goodSNP()), policies.Rejected, evidence.CodePolicyNoWorkload)
			if len(set.Workloads()) != 0 || set.Digest() != empty.Digest() {
				t.Errorf("workloads %v, digest %s", set.Workloads(), set.Digest())
			}
		})
	}
}

func TestEvaluateClaims(t *testing.T) {
	set := load(t, snpWith())
	mixed, unnamed, foreign, rootless := goodSNP(), goodSNP(), goodSNP(), goodSNP()
	mixed.TDX = goodTDX().TDX
	unnamed.Kind = ""
	foreign.Kind = evidence.KindTDX
	rootless.TrustAnchor = nil
	for name, c := range map[string]struct {
		claims []evidence.Claims
		code   evidence.Code
	}{
		"none":         {nil, evidence.CodePolicyClaims},
		"zero":         {[]evidence.Claims{{}}, evidence.CodePolicyClaims},
		"empty":        {[]evidence.Claims{{Kind: evidence.KindSEVSNP}}, evidence.CodePolicyClaims},
		"mixed":        {[]evidence.Claims{mixed}, evidence.CodePolicyClaims},
		"no kind":      {[]evidence.Claims{unnamed}, evidence.CodePolicyClaims},
		"other kind":   {[]evidence.Claims{foreign}, evidence.CodePolicyClaims},
		"twice":        {[]evidence.Claims{goodSNP(), goodSNP()}, evidence.CodePolicyClaims},
		"no anchor":    {[]evidence.Claims{rootless}, evidence.CodePolicyTrustAnchor},
		"wrong kind":   {[]evidence.Claims{goodTPM()}, evidence.CodePolicyBundle},
		"one too many": {[]evidence.Claims{goodSNP(), goodTPM()}, evidence.CodePolicyBundle},
	} {
		t.Run(name, func(t *testing.T) { wantVerdict(t, evaluate(set, c.claims...), policies.Rejected, c.code) })
	}
}

// Claims of one kind carry nothing of another.
func TestEvaluateMixedClaims(t *testing.T) {
	set := load(t, head+snpAlternative+tdxAlternative+tpmAlternative)
	all := evidence.Claims{SEVSNP: goodSNP().SEVSNP, TDX: goodTDX().TDX, TPM: goodTPM().TPM}
	for _, c := range goodClaims() {
		wantVerdict(t, evaluate(set, c), policies.Accepted, evidence.Code{})
		for drop := range 3 {
			mixed := all
			mixed.Kind, mixed.TrustAnchor = c.Kind, c.TrustAnchor
			[]func(){func() { mixed.SEVSNP = nil }, func() { mixed.TDX = nil }, func() { mixed.TPM = nil }}[drop]()
			wantVerdict(t, evaluate(set, mixed), policies.Rejected, evidence.CodePolicyClaims)
		}
	}
}

func TestEvaluateBundles(t *testing.T) {
	both := head + snpAlternative + `    tpm:
      pcrs: {sha256: {7: ["` + p57 + `"]}}
`
	set := load(t, both)
	wantVerdict(t, evaluate(set, goodSNP(), goodTPM()), policies.Accepted, evidence.CodePolicyTPMPCR)
	wantVerdict(t, evaluate(set, goodSNP()), policies.Rejected, evidence.CodePolicyBundle)
	wantVerdict(t, evaluate(set, goodTPM()), policies.Rejected, evidence.CodePolicyBundle)

	tolerant := load(t, head+snpAlternative+"    tpm: any\n")
	wantVerdict(t, evaluate(tolerant, goodSNP()), policies.Accepted, evidence.CodePolicyBundle)
	d := evaluate(tolerant, goodTPM(), goodSNP())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBundle)
	if !slices.Equal(d.Relaxed, []string{"tpm.any"}) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
}

func TestEvaluateAlternatives(t *testing.T) {
	set := load(t, head+snpAlternative+"    name: amd\n"+tdxAlternative)
	wantVerdict(t, evaluate(set, goodSNP()), policies.Accepted, evidence.CodePolicySNPMeasurement)
	wantVerdict(t, evaluate(set, goodTDX()), policies.Accepted, evidence.CodePolicyTDXMRTD)
	wrong := goodTDX()
	wrong.TDX.RTMR1 = fill(0x99, 48)
	d := evaluate(set, wrong)
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyTDXRTMR1)
	check, _ := d.Checks.Get(evidence.CodePolicyWorkload)
	if d.Workload != "web" || check.Got != "none; the nearest is web (alternative 2)" {
		t.Errorf("workload %q, check %s", d.Workload, check)
	}
}

func TestEvaluateTrustDomain(t *testing.T) {
	set := load(t, snpWith())
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now, TrustDomain: "example.org"}
	wantVerdict(t, set.Evaluate(in), policies.Accepted, evidence.CodePolicyTrustDomain)
	in.TrustDomain = "example.com"
	wantVerdict(t, set.Evaluate(in), policies.Rejected, evidence.CodePolicyTrustDomain)
}

func TestEvaluateSimulated(t *testing.T) {
	refusing := load(t, snpWith())
	allowing := load(t, "allow_simulated: true\n"+snpWith())
	flagged, rooted := goodSNP(), goodSNP()
	flagged.Simulated = true
	rooted.TrustAnchor.Origin = evidence.OriginSimulated
	for name, c := range map[string]struct {
		set     *policies.Set
		service bool
		verdict policies.Verdict
	}{
		"nobody":   {refusing, false, policies.Rejected},
		"service":  {refusing, true, policies.Rejected},
		"workload": {allowing, false, policies.Rejected},
		"both":     {allowing, true, policies.Accepted},
	} {
		for _, claims := range []evidence.Claims{flagged, rooted} {
			t.Run(name, func(t *testing.T) {
				d := c.set.Evaluate(policies.Input{Claims: []evidence.Claims{claims}, Now: now, SimulatedAccepted: c.service})
				wantVerdict(t, d, c.verdict, evidence.CodeSimulatedAllowed)
				if d.Verdict == policies.Accepted && !slices.Equal(d.Relaxed, []string{"trust.simulated"}) {
					t.Errorf("relaxed %v", d.Relaxed)
				}
			})
		}
	}
}

func other(policy string) string {
	return replace(replace(policy, "name: web\n", "name: other\n"), "/web\"", "/other\"")
}

func TestEvaluateAmbiguous(t *testing.T) {
	set := load(t, snpWith(), other(snpWith()))
	d := evaluate(set, goodSNP())
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyAmbiguous)
	if d.Workload != "" {
		t.Errorf("workload %q of an ambiguous decision", d.Workload)
	}
}

func TestEvaluateUndecided(t *testing.T) {
	set := load(t, snpWith())
	unchecked := goodSNP()
	unchecked.SEVSNP.RevocationChecked = false
	wantVerdict(t, evaluate(set, unchecked), policies.Undecided, evidence.CodePolicySNPRevocation)
	wantVerdict(t, evaluate(load(t, tdxWith()), withoutTCB()), policies.Undecided, evidence.CodePolicyTDXTCBStatus)

	unchecked.SEVSNP.VMPL = 1 // a failure besides: no revocation list would help
	wantVerdict(t, evaluate(set, unchecked), policies.Rejected, evidence.CodePolicySNPVMPL)

	// One workload matches, and another might: a revocation list could make it ambiguous.
	unchecked.SEVSNP.VMPL = 0
	both := load(t, snpWith("revocation: off"), other(snpWith()))
	wantVerdict(t, evaluate(both, unchecked), policies.Undecided, evidence.CodePolicyAmbiguous)
}

func withoutTCB() evidence.Claims {
	c := goodTDX()
	c.TDX.TCB = nil
	return c
}

func TestEvaluateNearest(t *testing.T) {
	far := other(replace(snpWith("vmpl: 3"), m11, m22))
	set := load(t, far, snpWith())
	c := goodSNP()
	c.SEVSNP.Policy.Debug = true
	d := evaluate(set, c)
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicySNPDebug)
	if d.Workload != "web" {
		t.Errorf("nearest workload is %q", d.Workload)
	}
	if failed := d.Checks.Failed(); len(failed) != 2 { // policy.workload and debug
		t.Errorf("failed:\n%s", list(failed))
	}
}

func TestEvaluateConcurrent(t *testing.T) {
	set := load(t, snpWith()+"    require:\n      - {name: svn, rule: sev_snp.guest_svn >= 7, message: at least 7}\n")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if d := evaluate(set, goodSNP()); d.Verdict != policies.Accepted {
					t.Errorf("verdict %s", d.Verdict)
					return
				}
			}
		})
	}
	group.Wait()
}

// A decision's slices belong to the caller.
func TestEvaluateOwnership(t *testing.T) {
	set := load(t, snpWith("allow: [debug]"))
	first := evaluate(set, goodSNP())
	first.Identity.DNSNames[0], first.Relaxed[0] = "evil.example.org", ""
	second := evaluate(set, goodSNP())
	if second.Identity.DNSNames[0] != "web.example.org" || second.Relaxed[0] != "sev-snp.debug" {
		t.Errorf("second decision %+v", second)
	}
}

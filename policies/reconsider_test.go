package policies_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

var web = policies.Granted{Workload: "web", SPIFFEID: "spiffe://example.org/web", Names: []string{"web.example.org"}}

func reconsider(set *policies.Set, granted policies.Granted, claims ...evidence.Claims) policies.Reconsidered {
	return set.Reconsider(policies.Input{Claims: claims, Now: now, Recorded: now.Add(-time.Hour)}, granted)
}

func TestReconsider(t *testing.T) {
	stale, unchecked, ended := goodTDX(), goodSNP(), goodSNP()
	stale.TDX.TCB.TCBInfoEvaluationDataNumber, stale.TDX.TCB.QEIdentityEvaluationDataNumber = 19, 18
	unchecked.SEVSNP.RevocationChecked = false
	ended.SEVSNP.RevocationChecked, ended.SEVSNP.RevocationNextUpdate = false, now.Add(-48*time.Hour)
	outOfDate := goodTDX()
	outOfDate.TDX.TCB.Status, outOfDate.TDX.TCB.PlatformStatus = "OutOfDate", "OutOfDate"
	unquoted := bootedTPM(tpmUKI)()
	for n := range unquoted.TPM.Boot.Registers {
		delete(unquoted.TPM.Boot.Registers, n)
	}
	other := replace(replace(snpWith(), "name: web", "name: db"), "example.org/web", "example.org/db")
	nameless := replace(snpWith(), ", dns_names: [web.example.org]", "")
	both := snpWith() + "    tpm:\n      pcrs: {sha256: {0: [\"" + p50 + "\"]}}\n"
	for name, c := range map[string]struct {
		set     *policies.Set
		claims  evidence.Claims
		granted policies.Granted
		want    policies.Standing
		code    evidence.Code
	}{
		"as it was":                     {load(t, snpWith()), goodSNP(), web, policies.Stands, evidence.Code{}},
		"one more name is granted":      {load(t, replace(snpWith(), "[web.example.org]", "[web.example.org, www.example.org]")), goodSNP(), web, policies.Stands, evidence.Code{}},
		"the workload's name changed":   {load(t, replace(snpWith(), "name: web", "name: www")), goodSNP(), web, policies.Stands, evidence.Code{}},
		"another life":                  {load(t, replace(snpWith(), "ttl: 30m", "ttl: 5m")), goodSNP(), web, policies.Stands, evidence.Code{}},
		"a name is gone":                {load(t, nameless), goodSNP(), web, policies.Moved, evidence.CodePolicyWorkload},
		"nobody knows the names":        {load(t, nameless), goodSNP(), policies.Granted{Workload: "web", SPIFFEID: web.SPIFFEID}, policies.Stands, evidence.Code{}},
		"another workload":              {load(t, other), goodSNP(), web, policies.Moved, evidence.CodePolicyWorkload},
		"a measurement was dropped":     {load(t, replace(snpWith(), m11, m22)), goodSNP(), web, policies.Refused, evidence.CodePolicySNPMeasurement},
		"another kind":                  {load(t, tdxWith()), goodSNP(), web, policies.Refused, evidence.CodePolicyBundle},
		"no workload":                   {&policies.Set{}, goodSNP(), web, policies.Refused, evidence.CodePolicyNoWorkload},
		"two workloads":                 {load(t, snpWith(), other), goodSNP(), web, policies.Refused, evidence.CodePolicyAmbiguous},
		"a TCB that got old":            {load(t, tdxWith()), outOfDate, web, policies.Refused, evidence.CodePolicyTDXTCBStatus},
		"collateral of two ages":        {load(t, tdxWith()), stale, web, policies.Unknown, evidence.Code{}},
		"collateral that is too old":    {load(t, tdxWith("minimum_evaluation_data_number: 30")), goodTDX(), web, policies.Unknown, evidence.Code{}},
		"no revocation list":            {load(t, snpWith()), unchecked, web, policies.Unknown, evidence.Code{}},
		"a list that ended":             {load(t, snpWith("revocation: {stale_ok: 24h}")), ended, web, policies.Unknown, evidence.Code{}},
		"a log that was not sent":       {load(t, leftWith(grubLists...)), goodTDX(), web, policies.Unknown, evidence.Code{}},
		"a register that is not quoted": {load(t, tpmLeft(tpmUKILists...)), unquoted, web, policies.Unknown, evidence.Code{}},
		"a TPM that was not asked for":  {load(t, both), goodSNP(), web, policies.Unknown, evidence.Code{}},
		"the same, and another image":   {load(t, replace(both, m11, m22)), goodSNP(), web, policies.Refused, evidence.CodePolicySNPMeasurement},
		"others may match":              {load(t, replace(snpWith(), m11, m22), replace(replace(both, "name: web", "name: db"), "example.org/web", "example.org/db")), goodSNP(), web, policies.Refused, evidence.CodePolicySNPMeasurement},
		"nobody grants it":              {load(t, replace(replace(both, "name: web", "name: db"), "example.org/web", "example.org/db")), goodSNP(), web, policies.Refused, evidence.CodePolicyWorkload},
		"others may match as well":      {load(t, snpWith(), replace(replace(both, "name: web", "name: db"), "example.org/web", "example.org/db")), goodSNP(), web, policies.Stands, evidence.Code{}},
		"a rule that is false":          {load(t, withRules(snpWith(), `sev_snp.guest_svn > 7`)), goodSNP(), web, policies.Refused, evidence.CodePolicyRule},
		"a rule about what is absent":   {load(t, withRules(snpWith(), `sev_snp.csp_id == "good"`)), goodSNP(), web, policies.Unknown, evidence.Code{}},
		"a rule that goes by the age":   {load(t, withRules(tdxWith(), `now - tdx.tcb.tcb_date < duration("4417h")`)), agedTDX(), web, policies.Stands, evidence.Code{}},
		"no claims":                     {load(t, snpWith()), evidence.Claims{Kind: evidence.KindSEVSNP}, web, policies.Unknown, evidence.Code{}},
		"no anchor":                     {load(t, snpWith()), anchorless(), web, policies.Unknown, evidence.Code{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := reconsider(c.set, c.granted, c.claims)
			if r.Standing != c.want || r.Digest != c.set.Digest() {
				t.Fatalf("%s by %s:\n%s", r.Standing, r.Digest, list(r.Reasons))
			}
			if against := c.want == policies.Refused || c.want == policies.Moved; against != (len(r.Reasons) > 0) {
				t.Fatalf("%s for %d reasons", r.Standing, len(r.Reasons))
			}
			for _, check := range r.Reasons {
				if check.Status != evidence.Fail {
					t.Errorf("a reason that is none: %s", check)
				}
			}
			if check, ok := r.Reasons.Get(c.code); !c.code.IsZero() && (!ok || check.Status != evidence.Fail) {
				t.Errorf("without %s:\n%s", c.code, list(r.Reasons))
			}
		})
	}
}

// agedTDX claims a TCB of just about half a year ago: a day older than the rule takes now, and not
// when it was appraised.
func agedTDX() evidence.Claims {
	c := goodTDX()
	c.TDX.TCB.TCBDate = now.Add(-4417*time.Hour - 30*time.Minute)
	return c
}

func anchorless() evidence.Claims {
	c := goodSNP()
	c.TrustAnchor = nil
	return c
}

// Reference values that end revoke what rests on them: the policy in force says so.
func TestReconsiderAfterReferenceValuesEnded(t *testing.T) {
	set := load(t, replace(snpWith(), `["`+m11+`"]`, "{reference: images}"), reference("images", "2026-12-31T00:00:00Z"))
	in := policies.Input{Claims: []evidence.Claims{goodSNP()}, Now: now, Recorded: now.Add(-time.Hour)}
	if r := set.Reconsider(in, web); r.Standing != policies.Stands {
		t.Fatalf("%s\n%s", r.Standing, list(r.Reasons))
	}
	in.Now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := set.Reconsider(in, web)
	if _, ok := r.Reasons.Get(evidence.CodePolicyReferenceExpired); r.Standing != policies.Refused || !ok {
		t.Errorf("%s\n%s", r.Standing, list(r.Reasons))
	}
}

// A machine that passes now stands.
func TestWhoPassesStands(t *testing.T) {
	sets := documents(t)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		claims := bundled(t)
		d := evaluate(set, claims...)
		if d.Verdict != policies.Accepted {
			return
		}
		if r := reconsider(set, grantedBy(d), claims...); r.Standing != policies.Stands {
			t.Fatalf("%s:\n%s", r.Standing, list(r.Reasons))
		}
	})
}

func grantedBy(d policies.Decision) policies.Granted {
	return policies.Granted{Workload: d.Workload, SPIFFEID: d.Identity.SPIFFEID, Names: d.Identity.Names()}
}

// So does one whose record leaves something out that an earlier build did not know, or that
// the machine did not send: absent is unknown.
func TestWhatRecordsLeaveOutRefusesNobody(t *testing.T) {
	drop := []func(c *evidence.Claims){
		func(c *evidence.Claims) { c.TrustAnchor = nil },
		func(c *evidence.Claims) { c.SEVSNP.Measurement = nil },
		func(c *evidence.Claims) { c.SEVSNP.ChipID, c.SEVSNP.HostData = nil, nil },
		func(c *evidence.Claims) { c.SEVSNP.LaunchMitVector, c.SEVSNP.CurrentMitVector = nil, nil },
		func(c *evidence.Claims) {
			c.SEVSNP.RevocationChecked, c.SEVSNP.RevocationNextUpdate = false, time.Time{}
		},
		func(c *evidence.Claims) { c.TDX.TCB = nil },
		func(c *evidence.Claims) { c.TDX.Boot = nil },
		func(c *evidence.Claims) { c.TDX.MRTD, c.TDX.PPID, c.TDX.FMSPC = nil, nil, nil },
		func(c *evidence.Claims) { c.TPM.Boot, c.TPM.IMA, c.TPM.CertifiedKey = nil, nil, nil },
		func(c *evidence.Claims) { c.TPM.PCRs, c.TPM.AKRestricted, c.TPM.EKSHA256 = nil, nil, nil },
	}
	tried := 0
	for _, set := range documents(t) {
		for n := range goodClaims() {
			d := evaluate(set, goodClaims()[n])
			if d.Verdict != policies.Accepted {
				continue
			}
			for at, drop := range drop {
				c := goodClaims()[n]
				if (c.SEVSNP == nil && at >= 1 && at <= 4) || (c.TDX == nil && at >= 5 && at <= 7) || (c.TPM == nil && at >= 8) {
					continue
				}
				tried++
				drop(&c)
				if r := reconsider(set, grantedBy(d), c); r.Standing == policies.Refused || r.Standing == policies.Moved {
					t.Errorf("%s without %d:\n%s", r.Standing, at, list(r.Reasons))
				}
			}
		}
	}
	if tried < 50 {
		t.Errorf("tried %d", tried)
	}
}

// A plan counts the certificates that a candidate would have revoked, and no others.
func TestPlanCountsRevocations(t *testing.T) {
	active, candidate := load(t, snpWith()), load(t, replace(snpWith(), m11, m22))
	record := func(certified bool) policies.Record {
		r := recorded("r", true, active, goodSNP())
		r.Certified, r.Names = certified, web.Names
		return r
	}
	unknown := recorded("unknown", true, active, goodSNP())
	unknown.Certified, unknown.Claims[0].SEVSNP.Measurement = true, nil
	records := []policies.Record{record(true), record(true), record(false), unknown}
	for _, c := range []struct {
		candidate *policies.Set
		revokes   bool
		want      int
	}{{candidate, true, 2}, {candidate, false, 0}, {active, true, 0}, {load(t, replace(snpWith(), ", dns_names: [web.example.org]", "")), true, 2}} {
		options := policies.PlanOptions{Now: now, Revokes: c.revokes}
		if r := policies.Plan(active, c.candidate, func(yield func(policies.Record) bool) {
			for _, r := range records {
				if !yield(r) {
					return
				}
			}
		}, options); r.Revoked != c.want {
			t.Errorf("%d, want %d", r.Revoked, c.want)
		}
	}
}

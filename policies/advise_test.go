package policies_test

import (
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

func TestAdvise(t *testing.T) {
	for _, c := range []evidence.Claims{currentSNP(), goodTurin(), goodTDX(), goodTPM()} {
		for _, check := range policies.Advise([]evidence.Claims{c}) {
			if check.Status != evidence.Pass && check.Status != evidence.NotApplicable {
				t.Errorf("%s: %s", c.Kind, check)
			}
		}
	}
	for name, c := range map[string]struct {
		good   func() evidence.Claims
		change func(*evidence.Claims)
		code   evidence.Code
	}{
		"debug":        {goodSNP, func(c *evidence.Claims) { c.SEVSNP.Policy.Debug = true }, evidence.CodePolicySNPDebug},
		"VMPL":         {goodSNP, func(c *evidence.Claims) { c.SEVSNP.VMPL = 1 }, evidence.CodePolicySNPVMPL},
		"version 2":    {goodSNP, func(c *evidence.Claims) { c.SEVSNP.ProductSource = "certificate" }, evidence.CodePolicySNPProduct},
		"no CRL":       {goodSNP, func(c *evidence.Claims) { c.SEVSNP.RevocationChecked = false }, evidence.CodePolicySNPRevocation},
		"advisories":   {currentSNP, func(c *evidence.Claims) { c.SEVSNP.CommittedTCB.SNP-- }, evidence.CodePolicySNPAdvisories},
		"platform":     {currentSNP, func(c *evidence.Claims) { c.SEVSNP.Product = "Venice" }, evidence.CodePolicySNPAdvisories},
		"TD debug":     {goodTDX, func(c *evidence.Claims) { c.TDX.Attributes.Debug = true }, evidence.CodePolicyTDXDebug},
		"out of date":  {goodTDX, func(c *evidence.Claims) { c.TDX.TCB.Status = "OutOfDate" }, evidence.CodePolicyTDXTCBStatus},
		"no TCB":       {goodTDX, func(c *evidence.Claims) { c.TDX.TCB = nil }, evidence.CodePolicyTDXTCBStatus},
		"SHA-1":        {goodTPM, func(c *evidence.Claims) { c.TPM.Bank = "sha1" }, evidence.CodePolicyTPMBank},
		"unknown key":  {goodTPM, func(c *evidence.Claims) { c.TPM.AKRestricted = nil }, evidence.CodePolicyTPMAKRestricted},
		"simulated":    {goodTPM, func(c *evidence.Claims) { c.Simulated = true }, evidence.CodeSimulatedAllowed},
		"no anchor":    {goodTPM, func(c *evidence.Claims) { c.TrustAnchor = nil }, evidence.CodePolicyTrustAnchor},
		"provider":     {goodTPM, func(c *evidence.Claims) { c.TPM.AKSource, c.TPM.AKProvider = "certificate", "azure" }, evidence.CodePolicyTPMAKProvider},
		"paravisor":    {goodSNP, func(c *evidence.Claims) { c.Paravisor = &evidence.ParavisorClaims{} }, evidence.CodePolicyParavisor},
		"empty claims": {goodTPM, func(c *evidence.Claims) { c.TPM = nil }, evidence.CodePolicyClaims},
	} {
		t.Run(name, func(t *testing.T) {
			claims := c.good()
			c.change(&claims)
			checks := policies.Advise([]evidence.Claims{claims})
			check, ok := checks.Get(c.code)
			if !ok || check.Status != evidence.Warn {
				t.Errorf("check %s; all:\n%s", check, list(checks))
			}
			if len(checks.Failed()) > 0 {
				t.Errorf("advice that fails:\n%s", list(checks.Failed()))
			}
		})
	}
}

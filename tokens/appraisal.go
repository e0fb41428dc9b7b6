package tokens

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// claimsOf says of result what an EAR can say: everything but who issues it, to
// whom and for how long.
func claimsOf(result verifier.Result) Claims {
	simulated := result.Simulated()
	c := Claims{
		Profile:    Profile,
		Subject:    result.Identity().SPIFFEID,
		Nonce:      eatNonce(result.Nonce()),
		Status:     StatusAffirming,
		Submodules: map[string]Submodule{},
		Appraisal: Appraisal{
			ID: result.ID(), At: result.AppraisedAt().Unix(), Freshness: freshnessOf(result),
			Simulated: &simulated, Relaxed: result.Relaxed(), Workload: result.Workload(),
			Advisories: advisoriesOf(result),
		},
	}
	if key := result.Key(); !key.IsZero() {
		c.Confirmation = &Confirmation{key}
	}
	reportData := result.ReportData()
	for i, claims := range result.Claims() {
		s := submoduleOf(claims, result.Checks())
		s.Policies = []string{result.PolicyDigest()}
		s.Nonce = eatNonce(reportData[i])
		c.Submodules[string(claims.Kind)] = s
		c.Status = worst(c.Status, s.Status)
	}
	return c
}

// advisoriesOf names each bulletin that the platform is behind once: those that
// policy judges, and those of Intel's collateral.
func advisoriesOf(result verifier.Result) []string {
	var ids []string
	for _, a := range result.Advisories() {
		ids = append(ids, a.ID)
	}
	for _, c := range result.Claims() {
		if c.TDX != nil && c.TDX.TCB != nil {
			ids = append(ids, c.TDX.TCB.Advisories...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func freshnessOf(result verifier.Result) Freshness {
	switch {
	case result.Purpose() != "":
		return FreshnessChallenge
	case result.Nonce() != nil:
		return FreshnessRelyingParty
	default:
		return FreshnessNone
	}
}

// eatNonce returns data if an EAT can carry it as a nonce: 8 to 64 bytes (RFC 9711 §4.1).
func eatNonce(data []byte) Bytes {
	if len(data) < minNonce || len(data) > maxNonce {
		return nil
	}
	return data
}

func submoduleOf(claims evidence.Claims, checks evidence.Checks) Submodule {
	// What policy found of another item, by the same code, says nothing of this one.
	checks = slices.DeleteFunc(slices.Clone(checks), func(c evidence.Check) bool { return c.Kind != claims.Kind })
	s := Submodule{Vector: vectorOf(claims, checks), Evidence: evidenceOf(claims)}
	s.Status = s.Vector.Status()
	return s
}

func evidenceOf(claims evidence.Claims) Evidence {
	simulated := claims.Simulated
	e := Evidence{ClaimsSHA256: digestOf(claims), Simulated: &simulated, Measurements: map[string]Bytes{}}
	if anchor := claims.TrustAnchor; anchor != nil {
		e.TrustAnchorSHA256, e.Origin = Bytes(anchor.SHA256), anchor.Origin
	}
	switch {
	case claims.SEVSNP != nil:
		e.measured("measurement", claims.SEVSNP.Measurement)
		e.measured("host_data", claims.SEVSNP.HostData)
	case claims.TDX != nil:
		t := claims.TDX
		for name, value := range map[string]evidence.Hex{
			"mrtd": t.MRTD, "mrconfigid": t.MRConfigID,
			"rtmr0": t.RTMR0, "rtmr1": t.RTMR1, "rtmr2": t.RTMR2, "rtmr3": t.RTMR3,
		} {
			e.measured(name, value)
		}
		if t.TCB != nil {
			e.TCBStatus = t.TCB.Status
		}
	case claims.TPM != nil:
		for index, value := range claims.TPM.PCRs {
			e.measured(fmt.Sprintf("%s:%d", claims.TPM.Bank, index), value)
		}
	}
	return e
}

// measured adds a value, unless the evidence does not have it.
func (e *Evidence) measured(name string, value evidence.Hex) {
	if len(value) > 0 {
		e.Measurements[name] = Bytes(value)
	}
}

// digestOf is the SHA-256 of the claims in JSON, whose fields and map keys have a
// fixed order.
func digestOf(claims evidence.Claims) Bytes {
	data, err := json.Marshal(claims)
	if err != nil {
		panic("tokens: cannot encode claims: " + err.Error()) // plain data always encodes
	}
	sum := sha256.Sum256(data)
	return sum[:]
}

// vectorOf rates accepted evidence. Where it rests on a simulated root, its
// hardware is not recognised, whatever it says of itself.
func vectorOf(claims evidence.Claims, checks evidence.Checks) Vector {
	var v Vector
	switch {
	case claims.SEVSNP != nil:
		v = snpVector(claims.SEVSNP, checks)
	case claims.TDX != nil:
		v = tdxVector(claims.TDX, checks)
	case claims.TPM != nil:
		v = tpmVector(claims.TPM, checks)
	}
	if claims.Simulated {
		v.Hardware, v.RuntimeOpaque = hardwareUnknown, noClaim
	}
	return v
}

func snpVector(c *evidence.SNPClaims, checks evidence.Checks) Vector {
	v := Vector{
		Hardware: snpHardware(c, checks), RuntimeOpaque: memoryEncrypted,
		Configuration: configuration(checks, evidence.CodePolicySNPDebug),
	}
	if c.Policy.MigrateMA || c.Policy.CXL {
		v.Configuration = configurationUnsafe
	}
	if c.Policy.Debug {
		v.Configuration, v.RuntimeOpaque = configurationRefused, memoryVisible
	}
	v.Executables = executables(checks, evidence.CodePolicySNPMeasurement, evidence.CodePolicySNPIDKey, evidence.CodePolicySNPAuthorKey)
	v.InstanceIdentity = identity(checks, evidence.CodePolicySNPChip)
	return v
}

// snpHardware claims genuine and supported hardware only where policy compared
// the firmware with a minimum and a current revocation list of AMD's covered the
// chain: firmware of any age is genuine, but nobody found it supported. A machine
// that a security bulletin speaks of is vulnerable, though the policy takes it.
func snpHardware(c *evidence.SNPClaims, checks evidence.Checks) Trust {
	advisories, _ := checks.Get(evidence.CodePolicySNPAdvisories)
	switch {
	case advisories.Status == evidence.Warn:
		return hardwareVulnerable
	case passed(checks, evidence.CodePolicySNPTCB) && passed(checks, evidence.CodePolicySNPRevocation) && c.RevocationChecked:
		return hardwareGenuine
	}
	return noClaim
}

func tdxVector(c *evidence.TDXClaims, checks evidence.Checks) Vector {
	v := Vector{
		Hardware: tdxHardware(c.TCB), RuntimeOpaque: memoryEncrypted,
		Configuration: configuration(checks, evidence.CodePolicyTDXDebug),
	}
	if c.Attributes.Migratable || c.Attributes.Perfmon || !c.Attributes.SEPTVEDisable {
		v.Configuration = configurationUnsafe
	}
	if c.Attributes.Debug {
		v.Configuration, v.RuntimeOpaque = configurationRefused, memoryVisible
	}
	v.Executables = executables(checks, evidence.CodePolicyTDXMRTD)
	v.InstanceIdentity = identity(checks, evidence.CodePolicyTDXPPID)
	return v
}

// tdxHardware translates Intel's TCB status. A platform that no collateral
// knows is not recognised.
func tdxHardware(tcb *evidence.TDXTCB) Trust {
	if tcb == nil {
		return hardwareUnknown
	}
	switch tcb.Status {
	case "UpToDate":
		return hardwareGenuine
	case "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
		"OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded":
		return hardwareVulnerable
	case "Revoked":
		return hardwareRefused
	default:
		return hardwareUnknown
	}
}

// tpmVector claims nothing about memory, which a TPM does not protect, and about
// hardware only what a certificate under the operator's roots says: of the
// attestation key, or of the endorsement key that it was enrolled with. A TPM that
// a cloud or a paravisor runs in software is no hardware.
func tpmVector(c *evidence.TPMClaims, checks evidence.Checks) Vector {
	v := Vector{InstanceIdentity: identityRecognized, Configuration: configuration(checks, evidence.CodePolicyTPMSafe)}
	if c.AKProvider == "" && (c.AKSource == evidence.AKSourceCertificate || c.AKSource == evidence.AKSourceEnrolled) {
		v.Hardware = hardwareGenuine
	}
	v.Executables = executables(checks, evidence.CodePolicyBootImages, evidence.CodePolicyBootUKI, evidence.CodePolicyBootDB)
	if slices.ContainsFunc(checks, approvesLoads) {
		v.Executables = executablesBoot
	}
	return v
}

// approvesLoads reports whether policy compared a PCR that says what was loaded (4), or
// who signed it (7). Of other PCRs nothing follows, nor of a kernel beside which
// anything may have been loaded.
func approvesLoads(c evidence.Check) bool {
	if c.Status != evidence.Pass {
		return false
	}
	switch c.Code {
	case evidence.CodePolicyTPMPCR:
		return strings.HasPrefix(c.Want, "PCR 4: ") || strings.HasPrefix(c.Want, "PCR 7: ")
	case evidence.CodePolicyBootRegister:
		return strings.HasPrefix(c.Want, "nothing in PCR 4 but ")
	}
	return false
}

// configuration claims approval if policy judged the machine at all; a policy
// that only tolerates a kind of evidence knows nothing of it.
func configuration(checks evidence.Checks, judged evidence.Code) Trust {
	if passed(checks, judged) {
		return configurationApproved
	}
	return noClaim
}

// executables claims what was approved at boot if policy compared it with
// reference values, or found the signature of one who may approve it.
func executables(checks evidence.Checks, codes ...evidence.Code) Trust {
	for _, code := range codes {
		if passed(checks, code) {
			return executablesBoot
		}
	}
	return executablesUnknown
}

func identity(checks evidence.Checks, code evidence.Code) Trust {
	if passed(checks, code) {
		return identityRecognized
	}
	return noClaim
}

// passed reports whether code was checked and every check of it passed.
func passed(checks evidence.Checks, code evidence.Code) bool {
	found := false
	for _, check := range checks {
		if check.Code == code {
			if check.Status != evidence.Pass {
				return false
			}
			found = true
		}
	}
	return found
}

// validity returns the end of a token issued at now on result.
func validity(result verifier.Result, now time.Time) (time.Time, error) {
	if age := now.Sub(result.AppraisedAt()); age > maxResultAge || age < -maxResultAge {
		return time.Time{}, evidence.Errorf(evidence.CodeIssuingResult, "", "the result is %s old; tokens are issued within %s of the appraisal", age, maxResultAge)
	}
	end := now.Add(Life)
	if until := result.ValidUntil(); !until.IsZero() && until.Before(end) {
		end = until
	}
	end = end.Truncate(time.Second)
	if end.Sub(now) < minLife {
		return time.Time{}, evidence.Errorf(evidence.CodeIssuingValidity, "",
			"a token could last only until %s, less than %s from now", end.UTC().Format(time.RFC3339), minLife)
	}
	return end, nil
}

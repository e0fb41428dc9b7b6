// Package draft writes a first policy from the claims of a machine that is known
// to be good. The text pins everything that was measured, says at every key what it
// pins and why, and names what was left out. What the machine would need waived (a
// guest that can be debugged, a provider's TPM, a simulated root) it does not waive: such a line stands
// there as a comment with a warning, and the draft says that it does not accept the machine.
//
// The values of a draft are what one machine showed of itself. Nobody has compared
// them with what was built, so that a draft is the start of a review and never its end.
//
// Start at [FromClaims]; docs/policy-testing.md says how to go on from there.
package draft

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Options are what claims do not tell.
type Options struct {
	// Name and SPIFFEID are the workload's. Both must be given, in the form that
	// policies ask for.
	Name     string
	SPIFFEID string
	// TTL is the life of the identity; 0 writes the default of an hour.
	TTL time.Duration
	// Simulated consents to claims under simulated roots: the workload allows them.
	Simulated bool
	// Source says for people what the claims come from, such as a file of evidence.
	Source string
	// CreatedBy says who made the draft. It stands in the provenance of reference values.
	CreatedBy string
	// At is the instant of the evidence, at which the draft accepts it. It must be given.
	At time.Time
	// References puts the values into documents of reference values, one for each
	// kind of evidence, which the workload refers to.
	References bool
	// NotAfter ends the reference values, and what the draft suggests to accept for a
	// while. Zero: 180 days and 30 days after At.
	NotAfter time.Time
	// InitialRAMDisks are the digests of RAM disks that a boot loader reads, in the log's bank.
	// The log says which files were read, and not which of them was the RAM disk: without
	// these, the registers of such a boot are pinned by their values.
	InitialRAMDisks []evidence.Hex
}

// Draft is a policy that was made of claims.
type Draft struct {
	// YAML has the documents. They load.
	YAML []byte
	// Warnings say what an administrator has to look at, in the order of the text. The first one
	// is there always: that the values are a machine's own word.
	Warnings []string
	// Accepts says whether the draft accepts the claims that it was made of, by the
	// consent that Options gives. Where it does not, the text has the missing lines as comments.
	Accepts bool
	// Decision is what the draft says of the claims.
	Decision policies.Decision
}

// FromClaims writes a policy for the machine that claims are of: one set of claims
// for each item of its bundle. The error has [evidence.CodePolicyClaims] where
// the claims are none of one machine or hold what no policy can pin, and wraps the
// [policies.Problems] of the last attempt; it has [evidence.CodePolicyValue] where an option is missing.
func FromClaims(claims []evidence.Claims, o Options) (Draft, error) {
	if err := o.check(); err != nil {
		return Draft{}, err
	}
	bare := (*policies.Set)(nil).Evaluate(policies.Input{Claims: claims, Now: o.At})
	for _, check := range bare.Checks {
		if check.Code == evidence.CodePolicyClaims || check.Code == evidence.CodePolicyTrustAnchor {
			return Draft{}, evidence.Errorf(evidence.CodePolicyClaims, "", "no policy can be made of these claims: want %s, got %s", check.Want, check.Got)
		}
	}
	for i := range claims {
		if c := claims[i].TPM; c != nil && !measuresBoot(c) {
			return Draft{}, evidence.Errorf(evidence.CodePolicyClaims, "", "no policy can be made of these claims: %s", withoutMeasurement(c))
		}
	}
	var refused error
	for _, p := range plans(claims) {
		d, err := p.draft(claims, o, bare.Advisories)
		if err != nil {
			refused = err
			continue
		}
		if p.holds(d.Decision) {
			return d, nil
		}
	}
	return Draft{}, evidence.Errorf(evidence.CodePolicyClaims, "", "no policy can be made of these claims by these options: %w", refused)
}

// check refuses options that the text could not hold.
func (o *Options) check() error {
	for name, text := range map[string]string{"name": o.Name, "SPIFFE ID": o.SPIFFEID, "source": o.Source, "author": o.CreatedBy} {
		if !utf8.ValidString(text) || len(text) > maxText {
			return evidence.Errorf(evidence.CodePolicyValue, "", "the %s is no text of at most %d bytes", name, maxText)
		}
	}
	switch {
	case o.Name == "" || len(o.Name) > maxName:
		return evidence.Errorf(evidence.CodePolicyValue, "", "a draft needs the workload's name, of at most %d characters", maxName)
	case o.SPIFFEID == "":
		return evidence.Errorf(evidence.CodePolicyValue, "", "a draft needs the SPIFFE ID that the workload earns")
	case o.At.IsZero():
		return evidence.Errorf(evidence.CodePolicyValue, "", "a draft needs the instant of the evidence")
	case !o.NotAfter.IsZero() && !o.NotAfter.After(o.At):
		return evidence.Errorf(evidence.CodePolicyValue, "", "the values of a draft end after the instant of the evidence")
	}
	return nil
}

// How much of a boot is left to the event log.
const (
	bootValues = iota // nothing: registers are pinned by their values
	bootImages        // what was loaded
	bootAll           // that, and what it was started with
)

// plan says how much of what claims tell is asked for. What a log leaves open
// cannot be asked for, so that the plans are tried, the farthest-reaching first.
type plan struct {
	boot   int
	secure bool // secure boot by the log
	ima    bool
}

func plans(claims []evidence.Claims) []plan {
	var logged, measured bool
	for i := range claims {
		c := &claims[i]
		logged = logged || c.TDX != nil && c.TDX.Boot != nil || c.TPM != nil && c.TPM.Boot != nil
		measured = measured || c.TPM != nil && c.TPM.IMA != nil
	}
	var list []plan
	for _, withIMA := range []bool{true, false} {
		for boot := bootAll; boot >= bootValues; boot-- {
			for _, secure := range []bool{true, false} {
				if withIMA && !measured || boot > bootValues && !logged || secure && boot == bootValues {
					continue
				}
				list = append(list, plan{boot, secure, withIMA})
			}
		}
	}
	return list
}

// holds reports whether what the plan asks of logs is what they show.
func (p plan) holds(d policies.Decision) bool {
	if p == (plan{}) {
		return true
	}
	for _, check := range d.Checks {
		code := check.Code.String()
		if check.Status == evidence.Fail && (strings.HasPrefix(code, "policy.boot.") ||
			check.Code == evidence.CodePolicyIMALog || check.Code == evidence.CodePolicyIMAFiles) {
			return false
		}
	}
	return true
}

// draft writes the policy by the plan and tries it.
func (p plan) draft(claims []evidence.Claims, o Options, advisories []policies.Advisory) (Draft, error) {
	w := &page{options: &o, plan: p}
	w.workload(claims, advisories)
	w.references.write(w)
	text := []byte(w.text.String())
	set, err := policies.Load(policies.File{Name: "draft", Data: text})
	if err != nil {
		return Draft{}, err
	}
	d := set.Evaluate(policies.Input{Claims: claims, Now: o.At, SimulatedAccepted: o.Simulated})
	return Draft{YAML: text, Warnings: w.warnings, Accepts: d.Verdict == policies.Accepted, Decision: d}, nil
}

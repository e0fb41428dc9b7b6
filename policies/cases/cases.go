// Package cases tests policies: each case is the claims of a machine, or evidence of
// one, and what a policy set must say of it. Cases are YAML documents beside a policy,
// read as strictly as the policy itself; their results are written as text,
// JSON, or JUnit XML.
//
// A case is decided at its own instant and by its own consent to simulated evidence, so
// that a run today gives what a run next year does, for the same set and build.
//
// Start at [Parse] and [Suite.Run]; docs/policy-testing.md describes the documents.
package cases

import (
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Suite is the cases of one file, in its order.
type Suite struct {
	File  string // for messages
	Cases []Case
}

// Case is a machine and what is to be said of it. Exactly one of Claims, ClaimsFile
// and EvidenceFile is set.
type Case struct {
	Name string
	Line int // in the file

	Claims       []evidence.Claims // written into the case
	ClaimsFile   string            // JSON, for [ReadClaims]
	EvidenceFile string            // for the verifiers

	// At is the instant of the decision, and of the verification of evidence.
	At                time.Time
	SimulatedAccepted bool   // the service's consent
	TrustDomain       string // that is asked to join; empty means any

	Expect Expectation
}

// Expectation is what the decision must be. Verdict is always there; an empty text and
// nil lists ask nothing more.
type Expectation struct {
	Verdict  policies.Verdict
	Workload string // the one that matches, or comes nearest
	SPIFFEID string
	// Failing are the codes of all checks that fail, or where the verdict is undecided,
	// of those that could not be performed, each once. The decision's own check
	// ([evidence.CodePolicyWorkload]) need not be listed.
	Failing []evidence.Code
	// Relaxed are the names of all that the policy relaxes; empty and not nil: nothing.
	Relaxed []string
}

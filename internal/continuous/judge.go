package continuous

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Cause is what speaks against an identity.
type Cause string

// The causes.
const (
	ByEvidence Cause = "evidence" // endorsements, trust anchors, consents, or a revoked attestation key
	ByPolicy   Cause = "policy"   // the set in force refuses it
	ByIdentity Cause = "identity" // the set in force grants another identity
)

// Causes lists all.
func Causes() []Cause { return []Cause{ByEvidence, ByPolicy, ByIdentity} }

// group is why identities no longer pass, in the same way: what one event tells.
type group struct {
	cause    Cause
	workload string
	failed   string // codes of the checks, separated by spaces
	policy   string // digest of the set that judged; empty where none was asked
}

// standing is what was found of an identity.
type standing struct {
	against bool // something speaks against it
	unknown bool // it cannot be told
	group
}

// judge holds an identity to what is in force. Claims that nobody can read, or that
// nobody is prepared for, say nothing.
func (s *Sweeper) judge(i *store.Issuance) (found standing) {
	var claims []evidence.Claims
	if json.Unmarshal(i.Claims, &claims) != nil {
		return standing{unknown: true}
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.Logger.Error("an identity could not be judged", "attestation", i.AttestationID, "cause", fmt.Sprint(fault), "code", evidence.CodeInternal.String())
			found = standing{unknown: true}
		}
	}()
	claims, checks := s.Reviewer.Review(claims)
	if failed := checks.Failed(); len(failed) > 0 {
		return standing{against: true, group: group{cause: ByEvidence, workload: i.Workload, failed: codes(failed)}}
	}
	r := s.Policies.Reconsider(claims, i.IssuedAt, policies.Granted{Workload: i.Workload, SPIFFEID: i.SPIFFEID, Names: i.Names})
	why := group{cause: ByPolicy, workload: i.Workload, failed: codes(r.Reasons), policy: r.Digest}
	switch r.Standing {
	case policies.Stands:
		return standing{}
	case policies.Moved:
		why.cause = ByIdentity
		return standing{against: true, group: why}
	case policies.Refused:
		return standing{against: true, group: why}
	}
	return standing{unknown: true}
}

// codes names checks, each once.
func codes(checks evidence.Checks) string {
	var names []string
	seen := map[string]bool{}
	for _, check := range checks {
		if name := check.Code.String(); !seen[name] && len(names) < maxCodes {
			names, seen[name] = append(names, name), true
		}
	}
	return strings.Join(names, " ")
}

// reason is the group in a sentence.
func (g group) reason() string {
	what := "the policy in force no longer accepts it"
	switch g.cause {
	case ByEvidence:
		what = "what its evidence rests on no longer counts"
	case ByIdentity:
		what = "the policy in force grants another identity"
	}
	if g.failed == "" {
		return what
	}
	return what + ": " + strings.ReplaceAll(g.failed, " ", ", ")
}

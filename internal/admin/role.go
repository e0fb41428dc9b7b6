package admin

import "github.com/quotary/quotary/evidence"

// Role is what an administrator is. Each role may do what those below it may. The
// zero Role may do nothing.
type Role uint8

// The roles, from the least to the most.
const (
	Viewer   Role = iota + 1 // sees everything, changes nothing
	Operator                 // prepares changes
	Owner                    // makes them
)

var roleNames = map[Role]string{Viewer: "viewer", Operator: "operator", Owner: "owner"}

func (r Role) String() string { return roleNames[r] }

// ParseRole reads a role's name, exactly as [Role.String] writes it.
func ParseRole(name string) (Role, error) {
	for role, known := range roleNames {
		if name == known {
			return role, nil
		}
	}
	return 0, evidence.Errorf(evidence.CodeConfigMalformed, "role", "%.32q is no role; the roles are viewer, operator and owner", name)
}

// Action is something that administrators do.
type Action uint8

// The actions of the administrators' interface.
const (
	Read     Action = iota + 1 // whatever changes nothing and computes little
	Plan                       // replay a candidate policy over records
	Explain                    // ask why evidence is accepted or refused
	Shadow                     // have a candidate decide beside the policy in force
	Propose                    // put a candidate up for approval
	Withdraw                   // take a proposal back
	Reload                     // have files read again
	Apply                      // put a policy in force
	Approve                    // agree to a proposal
	Rollback                   // put an earlier policy in force
	Revoke                     // have an attestation key or a certificate count no more
	Release                    // free an attestation key from its TPM
)

// actions says what each is called and which role it needs at least.
var actions = map[Action]struct {
	name  string
	least Role
}{
	Read: {"read", Viewer},
	Plan: {"plan", Operator}, Explain: {"explain", Operator}, Shadow: {"shadow", Operator},
	Propose: {"propose", Operator}, Withdraw: {"withdraw", Operator}, Reload: {"reload", Operator},
	Apply: {"apply", Owner}, Approve: {"approve", Owner}, Rollback: {"rollback", Owner},
	Revoke: {"revoke", Owner}, Release: {"release", Owner},
}

func (a Action) String() string { return actions[a].name }

// changes reports whether an action is, or agrees to, a change of what the service trusts.
func (a Action) changes() bool { return actions[a].least == Owner }

// Permits reports whether the role suffices for an action. It does for none that
// is not listed here.
func (r Role) Permits(a Action) bool {
	needs, known := actions[a]
	_, role := roleNames[r]
	return known && role && r >= needs.least
}

package tokens

import "encoding/json"

// compatibleClaims are claims as a JWT with the names of earlier drafts besides: dots and
// hyphens in the place of underscores, and one policy in the place of a list
// (draft-ietf-rats-ear up to revision 02). Receivers ignore the names that they do not
// know (§4), so each finds its own, and all say the same.
type compatibleClaims struct {
	Claims
	Verifier   VerifierID                     `json:"ear.verifier-id"`
	Submodules map[string]compatibleSubmodule `json:"submods"`
}

type compatibleSubmodule struct {
	Submodule
	Status Status `json:"ear.status"`
	Vector Vector `json:"ear.trustworthiness-vector,omitzero"`
	Policy string `json:"ear.appraisal-policy-id,omitempty"`
}

// marshalCompatible returns the claims in JSON, under both sets of names.
func marshalCompatible(c Claims) ([]byte, error) {
	out := compatibleClaims{Claims: c, Verifier: c.Verifier, Submodules: make(map[string]compatibleSubmodule, len(c.Submodules))}
	for name, s := range c.Submodules {
		both := compatibleSubmodule{Submodule: s, Status: s.Status, Vector: s.Vector}
		if len(s.Policies) > 0 {
			both.Policy = s.Policies[0]
		}
		out.Submodules[name] = both
	}
	return json.Marshal(out)
}

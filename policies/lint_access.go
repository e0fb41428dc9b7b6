package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// lintAccess looks for values that are allowed and denied: if all are, nothing
// passes, and if some are, the denial counts.
func (s source) lintAccess(n *yaml.Node, key string, a *accessList) {
	if a.allow == nil || a.deny == nil {
		return
	}
	allowed, denied := 0, 0
	for _, list := range a.allow.lists() {
		for value := range list {
			allowed++
			denied += one(a.deny.lists().has(value))
		}
	}
	s.reportAccess(n, key, allowed, denied)
}

// lintTextAccess is lintAccess for texts.
func (s source) lintTextAccess(n *yaml.Node, key string, allow, deny []string) {
	denied := 0
	for _, text := range allow {
		denied += one(slices.Contains(deny, text))
	}
	s.reportAccess(n, key, len(allow), denied)
}

func (s source) reportAccess(n *yaml.Node, key string, allowed, denied int) {
	switch {
	case denied == 0:
	case denied == allowed:
		s.problem(n, evidence.CodePolicyContradiction, "%s denies everything that it allows, so that nothing passes", key)
	default:
		s.warn(n, evidence.CodePolicyContradiction, "%s denies %d of the %d values that it allows", key, denied, allowed)
	}
}

// valueLists are the lists of a requirement.
type valueLists []digests

func (v *values) lists() valueLists {
	all := valueLists{v.literals}
	for _, ref := range v.references {
		all = append(all, ref.values)
	}
	return all
}

func (v valueLists) has(value string) bool {
	return slices.ContainsFunc(v, func(list digests) bool { _, ok := list[value]; return ok })
}

package policies

import (
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// mokLists are the machine owner's key lists, as documents name them.
var mokLists = []string{"list", "list_x", "trusted"}

// mokRequirement is what is asked of the machine owner's keys, which shim accepts
// beside those of db. Nil lists ask nothing more than that the lists are known.
type mokRequirement struct{ list, listX, trusted *values }

func (b bootReader) mok(n *yaml.Node) *mokRequirement {
	f := b.mapping(n, "boot.mok")
	if f == nil {
		return nil
	}
	list := func(key string) *values { return b.readValues(b.source, f.take(key), b.layout.spec(listMok+key)) }
	q := &mokRequirement{list(mokLists[0]), list(mokLists[1]), list(mokLists[2])}
	if len(f.values) == 0 {
		b.problem(n, evidence.CodePolicyMissingKey, "boot.mok is empty; list digests of MokList, MokListX or MokListTrusted")
	}
	f.done()
	return q
}

// judge holds the machine owner's key lists against the requirement.
func (q *mokRequirement) judge(v *bootView) {
	if q == nil {
		return
	}
	for _, list := range []struct {
		wanted *values
		value  func(*evidence.MokClaims) evidence.Hex
	}{
		{q.list, func(c *evidence.MokClaims) evidence.Hex { return c.List }},
		{q.listX, func(c *evidence.MokClaims) evidence.Hex { return c.ListX }},
		{q.trusted, func(c *evidence.MokClaims) evidence.Hex { return c.Trusted }},
	} {
		if list.wanted == nil {
			continue
		}
		v.ask(evidence.CodePolicyBootMok, list.wanted.want, v.layout.mok, func() finding {
			if v.claims.Mok == nil || len(list.value(v.claims.Mok)) == 0 {
				return unsettled
			}
			return v.listed(list.value(v.claims.Mok), list.wanted)
		})
	}
}

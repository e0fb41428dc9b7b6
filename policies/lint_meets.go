package policies

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// meets reports whether some evidence is known to match both alternatives, neither
// of which is within the other. False says nothing.
func (c *claimant) meets(other *claimant) bool {
	if !maps.Equal(c.rules, other.rules) || c.workload.allowSimulated != other.workload.allowSimulated {
		return false
	}
	for _, key := range []string{"paravisor", "sev_snp", "tdx", "tpm"} {
		mine, its := c.keys[key], other.keys[key]
		switch {
		case isAny(mine) && key != "paravisor", isAny(its) && key != "paravisor", mine == nil && its == nil:
		case mine == nil || its == nil:
			return false
		case key == "paravisor" && !c.lists.same(mine, its), key != "paravisor" && !c.mappingMeets(mine, its):
			return false
		}
	}
	return true
}

// alone are the keys that good evidence can meet whatever else is asked for, so that it
// does not matter that one side has none.
var alone = []string{
	"host_data", "id_key_digests", "author_key_digests", "family_id", "image_id", "minimum_guest_svn", "chip_ids", "minimum_mitigation", "products",
	"minimum_launch_tcb", "advisories", "revocation", "allow", "migration_agents",
	"mrseam", "mrconfigid", "mrowner", "mrownerconfig", "xfam", "fmspcs", "ppids", "minimum_evaluation_data_number", "key", "minimum_firmware",
}

// mappingMeets is meets for one requirement.
func (c *claimant) mappingMeets(mine, its *yaml.Node) bool {
	own, others := c.lists.mapping(mine), c.lists.mapping(its)
	for key := range others {
		if own[key] == nil && !slices.Contains(alone, key) {
			return false
		}
	}
	for key, value := range own {
		switch {
		case others[key] == nil:
			if !slices.Contains(alone, key) {
				return false
			}
		case !c.valueMeets(key, value, others[key]):
			return false
		}
	}
	return true
}

// valueMeets is meets for one key that both sides have.
func (c *claimant) valueMeets(key string, mine, its *yaml.Node) bool {
	switch {
	case c.lists.same(mine, its), key == "advisories" && !isList(mine) && !isList(its), key == "revocation", key == "allow":
		return true
	case key == "minimum_tcb", key == "minimum_launch_tcb":
		return isAny(mine) || isAny(its) || sameKeys(mine, its)
	case strings.HasPrefix(key, "minimum_"):
		return true
	case key == "pcrs":
		return c.pcrsMeet(mine, its)
	case slices.Contains(listed, key):
		return c.lists.registersMeet(key, mine, its)
	}
	return false
}

func (l *lintLists) registersMeet(key string, mine, its *yaml.Node) bool {
	switch {
	case isOpen(mine) || isOpen(its):
		return true
	case isBoot(mine) || isBoot(its):
		return false
	}
	return l.meet(key, mine, its)
}

// pcrsMeet is meets for {BANK: {INDEX: list}}.
func (c *claimant) pcrsMeet(mine, its *yaml.Node) bool {
	own := c.lists.mapping(mine)
	for bank, indexes := range c.lists.mapping(its) {
		if own[bank] == nil {
			return false
		}
		values := c.lists.mapping(own[bank])
		for index, list := range c.lists.mapping(indexes) {
			if value := values[index]; value != nil && !c.lists.same(value, list) && !c.lists.registersMeet("pcrs."+bank+"."+index, value, list) {
				return false
			}
		}
	}
	return true
}

// sameKeys reports whether two mappings have the same keys, of the same form.
func sameKeys(a, b *yaml.Node) bool {
	if a.Kind != yaml.MappingNode || b.Kind != yaml.MappingNode || len(a.Content) != len(b.Content) {
		return false
	}
	other := mappingOf(b)
	for key := range mappingOf(a) {
		if other[key] == nil {
			return false
		}
	}
	return true
}

package policies

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// claimant is an alternative of a workload, as its document writes it.
type claimant struct {
	source
	node     *yaml.Node
	workload *workload
	label    string
	keys     map[string]*yaml.Node // without its name and its rules
	rules    map[string]bool       // the workload's and its own
	lists    *lintLists
}

// lintOverlaps looks for alternatives of different workloads that match the same
// evidence: where two ask for the same, neither workload is ever chosen, and where
// one asks for less than the other, the other's never is. Where they share some evidence alone,
// that may be meant: no machine may show it. Workloads of different trust domains are never meant at once.
func lintOverlaps(documents []document, workloads []*workload, lists *lintLists, refused, warned *problems) {
	all := claimants(documents, workloads, lists)
	if len(all) > maxLintAlternatives {
		warned.add(problem{all[0].file, 1, 1, evidence.CodePolicyOverlap, "the set has more than " + strconv.Itoa(maxLintAlternatives) + " alternatives; whether they overlap was not looked at"})
		return
	}
	for i, b := range all {
		for _, a := range all[:i] {
			within, around := b.within(a), a.within(b)
			text := func(what string, other *claimant) string {
				return other.label + " " + what + " (" + other.file + ":" + strconv.Itoa(other.node.Line) + ")"
			}
			at := b.place(b.node)
			switch {
			case !within && !around:
				if a.workload != b.workload && a.workload.trustDomain == b.workload.trustDomain && b.meets(a) {
					warned.add(at.with(evidence.CodePolicyOverlap, "there is evidence that matches "+b.label+" and "+text("as well, so that neither is chosen for it", a)))
				}
			case a.workload == b.workload && within:
				warned.add(at.with(evidence.CodePolicyUnused, b.label+" accepts nothing that "+text("does not accept", a)))
			case a.workload == b.workload:
				warned.add(a.place(a.node).with(evidence.CodePolicyUnused, a.label+" accepts nothing that "+text("does not accept", b)))
			case a.workload.trustDomain != b.workload.trustDomain:
			case within && around:
				refused.add(at.with(evidence.CodePolicyOverlap, b.label+" and "+text("match the same evidence", a)))
			case within:
				refused.add(at.with(evidence.CodePolicyOverlap, "whatever matches "+b.label+" matches "+text("too, so that neither is chosen", a)))
			default:
				refused.add(a.place(a.node).with(evidence.CodePolicyOverlap, "whatever matches "+a.label+" matches "+text("too, so that neither is chosen", b)))
			}
		}
	}
}

// claimants lists the alternatives of all workloads.
func claimants(documents []document, workloads []*workload, lists *lintLists) []*claimant {
	var all []*claimant
	for _, d := range documents {
		if d.kind != kindWorkload {
			continue
		}
		i := slices.IndexFunc(workloads, func(w *workload) bool { return w.name == d.fields.values["name"].Value })
		w := workloads[i]
		for j, n := range d.fields.values["any_of"].Content {
			c := &claimant{source: d.source, node: n, workload: w, label: w.alternatives[j].label, keys: mappingOf(n), rules: map[string]bool{}, lists: lists}
			for _, list := range []*yaml.Node{d.fields.values["require"], c.keys["require"]} {
				c.addRules(list)
			}
			delete(c.keys, "name")
			delete(c.keys, "require")
			all = append(all, c)
		}
	}
	return all
}

func (c *claimant) addRules(list *yaml.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Content {
		c.rules[strings.TrimSpace(mappingOf(n)["rule"].Value)] = true
	}
}

// within reports whether all evidence that matches c is known to match other as
// well. False says nothing.
func (c *claimant) within(other *claimant) bool {
	for text := range other.rules {
		if !c.rules[text] {
			return false
		}
	}
	if other.keys["paravisor"] != nil && c.keys["paravisor"] == nil || other.workload.allowSimulated != c.workload.allowSimulated && c.workload.allowSimulated {
		return false
	}
	for _, key := range []string{"sev_snp", "tdx", "tpm", "paravisor"} {
		mine, its := c.keys[key], other.keys[key]
		switch {
		case isAny(its), mine == nil && its == nil:
		case mine == nil || its == nil || isAny(mine):
			return false
		case !c.mappingWithin(other, mine, its):
			return false
		}
	}
	return true
}

// What a key means where only one side has it, or both have something else.
var (
	// narrowing keys ask for something, and for nothing if they are left out.
	narrowing = []string{
		"host_data", "id_key_digests", "author_key_digests", "family_id", "image_id", "minimum_guest_svn", "chip_ids", "csp_ids", "signing_keys",
		"minimum_mitigation", "mrseam", "mrconfigid", "mrowner", "mrownerconfig", "xfam", "fmspcs", "ppids", "boot", "ima", "key", "minimum_firmware",
		"sources", "sha256", "anchors", "eks", "hierarchy",
	}
	// widening keys let more pass than if they are left out.
	widening = []string{"allow", "providers", "migration_agents", "mrsigner_seam", "mrservicetd"}
	// lists are those of which one value must match.
	listed = []string{
		"measurements", "host_data", "id_key_digests", "author_key_digests", "family_id", "image_id", "signing_keys", "mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3",
		"mrseam", "mrconfigid", "mrowner", "mrownerconfig", "xfam", "anchors", "sha256", "sources", "allow", "providers", "migration_agents", "mrsigner_seam", "mrservicetd",
	}
)

// mappingWithin is within for one requirement.
func (c *claimant) mappingWithin(other *claimant, mine, its *yaml.Node) bool {
	own, others := c.lists.mapping(mine), c.lists.mapping(its)
	for key, value := range own {
		if others[key] == nil && !slices.Contains(narrowing, key) {
			return false
		}
		if others[key] != nil && !c.valueWithin(other, key, value, others[key]) {
			return false
		}
	}
	for key := range others {
		if own[key] == nil && !slices.Contains(widening, key) {
			return false
		}
	}
	return true
}

// valueWithin is within for one key that both sides have.
func (c *claimant) valueWithin(other *claimant, key string, mine, its *yaml.Node) bool {
	switch {
	case c.lists.same(mine, its):
		return true
	case isWarnOnly(its): // asks for any value, but for one
		return slices.Contains(listed, key) && !isAny(mine) && !isBoot(mine)
	case isAny(its) && !isBoot(mine):
		return slices.Contains(listed, key) || key == "minimum_tcb" || strings.HasPrefix(key, "minimum_")
	case slices.Contains(listed, key) && !isOpen(mine) && !isBoot(mine) && !isBoot(its):
		return c.lists.within(key, mine, its)
	case strings.HasPrefix(key, "minimum_") && key != "minimum_firmware" && key != "minimum_mitigation":
		return notAbove(its, mine)
	case key == "pcrs":
		return c.pcrsWithin(mine, its)
	case key == "ak":
		return c.mappingWithin(other, mine, its)
	}
	return false
}

// pcrsWithin compares {BANK: {INDEX: list}}: what the other side asks of a PCR, this one does too.
func (c *claimant) pcrsWithin(mine, its *yaml.Node) bool {
	own := c.lists.mapping(mine)
	for bank, indexes := range c.lists.mapping(its) {
		if own[bank] == nil {
			return false
		}
		values := c.lists.mapping(own[bank])
		for index, list := range c.lists.mapping(indexes) {
			value := values[index]
			switch {
			case isAny(list), isWarnOnly(list) && value != nil && !isAny(value) && !isBoot(value):
			case value == nil || isOpen(value) || isBoot(value) || isBoot(list):
				if value == nil || !c.lists.same(value, list) {
					return false
				}
			case !c.lists.within("pcrs."+bank+"."+index, value, list):
				return false
			}
		}
	}
	return true
}

// notAbove reports whether a minimum asks no more than another one: numbers, or
// mappings of the same keys to numbers.
func notAbove(low, high *yaml.Node) bool {
	if low.Kind == yaml.ScalarNode && high.Kind == yaml.ScalarNode {
		a, errA := strconv.ParseUint(low.Value, 10, 64)
		b, errB := strconv.ParseUint(high.Value, 10, 64)
		return errA == nil && errB == nil && a <= b
	}
	if low.Kind != yaml.MappingNode || high.Kind != yaml.MappingNode || len(low.Content) != len(high.Content) {
		return false
	}
	above := mappingOf(high)
	for key, value := range mappingOf(low) {
		if above[key] == nil || !notAbove(value, above[key]) {
			return false
		}
	}
	return true
}

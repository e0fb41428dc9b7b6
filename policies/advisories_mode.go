package policies

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// advisoryMode is what a requirement makes of the advisories that apply. The
// zero value warns.
type advisoryMode struct {
	deny   bool
	except []string
}

// denies reports whether a mode that denies does so for a. What only one source
// states is worth a warning, not a denial.
func (m advisoryMode) denies(a Advisory) bool {
	return a.VerifiedBy != verifiedByOne && !slices.Contains(m.except, a.ID)
}

func (m advisoryMode) judge(r *report, found *findings) {
	switch {
	case len(found.list) == 0:
		r.judge(true, snp, evidence.CodePolicySNPAdvisories, found.want, func() string { return "none" })
	case m.deny && slices.ContainsFunc(found.list, m.denies):
		r.judge(false, snp, evidence.CodePolicySNPAdvisories, found.want, found.String)
	default:
		r.warn(snp, evidence.CodePolicySNPAdvisories, found.want, found.String)
	}
}

// readAdvisoryMode reads warn, deny or {deny_except: [ID, …]}. To deny by a table
// whose rows were replaced is another thing than to deny by the built-in one, so it
// is named.
func (l *loader) readAdvisoryMode(s source, n *yaml.Node, a *alternative) advisoryMode {
	m := advisoryMode{}
	if n != nil && n.Kind == yaml.MappingNode {
		f := s.mapping(n, "advisories")
		m.deny = true
		for _, entry := range s.sequence(f.need("deny_except", "list the advisories that you accept"), "deny_except") {
			m.except = l.exceptAdvisory(s, entry, m.except, a)
		}
		f.done()
	} else {
		switch mode := s.text(n); mode {
		case "", "warn":
		case "deny":
			m.deny = true
		default:
			s.problem(n, evidence.CodePolicyValue, "advisories has no value %q; use warn, deny or {deny_except: [ID, …]}", clip(mode))
		}
	}
	if m.deny {
		for _, id := range l.advisories.replaced {
			a.relax("sev-snp.advisory-replaced." + id)
		}
	}
	return m
}

// exceptAdvisory adds an entry of deny_except, which the set must know: a slip
// would deny what it was to except.
func (l *loader) exceptAdvisory(s source, entry *yaml.Node, except []string, a *alternative) []string {
	id := s.text(entry)
	switch {
	case id == "":
	case slices.Contains(except, id):
		s.problem(entry, evidence.CodePolicyValue, "deny_except has %q twice", clip(id))
	case !l.advisories.has(id):
		s.problem(entry, evidence.CodePolicyReferenceUnknown, "there is no advisory %q; known are %s", clip(id), strings.Join(l.advisories.ids(), ", "))
	default:
		a.relax("sev-snp.advisory." + id)
		return append(except, id)
	}
	return except
}

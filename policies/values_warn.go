package policies

import (
	"go.yaml.in/yaml/v3"
)

// warnOnlyKey stands before values another of which is told and denies nothing.
const warnOnlyKey = "warn_only"

// isWarnOnly reports whether a document only wants to be told of other values.
func isWarnOnly(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.MappingNode && hasKey(n, warnOnlyKey)
}

// isOpen reports whether a document lets a register hold whatever it may.
func isOpen(n *yaml.Node) bool { return isAny(n) || isWarnOnly(n) }

// openWord is how it does.
func openWord(n *yaml.Node) string { return yesNo(isAny(n), anyWord, warnOnlyKey) }

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// readRegister is readValues for what was measured or chosen at launch, where the
// values may be given as {warn_only: …}. The relaxation goes by name.
func (l *loader) readRegister(s source, n *yaml.Node, spec valueSpec, a *alternative, name string) *values {
	if !isWarnOnly(n) {
		return l.readValues(s, n, spec)
	}
	f := s.mapping(n, spec.key)
	list := f.need(warnOnlyKey, "list the values that are expected")
	f.done()
	a.relax(name + ".warn-only")
	v := l.readValues(s, list, spec)
	if v != nil {
		v.warnOnly = true
		v.want += "; another value is only warned of"
	}
	return v
}

// pins reports whether v denies what it does not list.
func (v *values) pins() bool { return v != nil && !v.any && !v.warnOnly }

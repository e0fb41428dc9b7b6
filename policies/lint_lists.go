package policies

import (
	"encoding/hex"
	"time"

	"go.yaml.in/yaml/v3"
)

// lintLists compares values as documents write them, with the reference values that
// they refer to. What it made of a node it keeps, since nodes are compared in pairs.
type lintLists struct {
	references map[string]*referenceValues
	now        time.Time
	seen       map[*yaml.Node]*lintList
	texts      map[*yaml.Node]string // as digests take them
	mappings   map[*yaml.Node]map[string]*yaml.Node
	left       int // of the comparisons of values
}

func newLintLists(references []*referenceValues, now time.Time) *lintLists {
	l := &lintLists{
		references: map[string]*referenceValues{}, now: now, left: maxLintLookups,
		seen: map[*yaml.Node]*lintList{}, texts: map[*yaml.Node]string{}, mappings: map[*yaml.Node]map[string]*yaml.Node{},
	}
	for _, v := range references {
		l.references[v.name] = v
	}
	return l
}

// same reports whether two values say the same.
func (l *lintLists) same(a, b *yaml.Node) bool { return l.text(a) == l.text(b) }

func (l *lintLists) text(n *yaml.Node) string {
	text, ok := l.texts[n]
	if !ok && n != nil {
		text = string(appendNode(nil, n))
		l.texts[n] = text
	}
	return text
}

func (l *lintLists) mapping(n *yaml.Node) map[string]*yaml.Node {
	if l.mappings[n] == nil {
		l.mappings[n] = mappingOf(n)
	}
	return l.mappings[n]
}

// lintList is one list.
type lintList struct {
	entries  map[string]bool // as they are written
	literals digests
	lists    []reference
}

// read reads a list, once. The key is that of the list in reference values.
func (l *lintLists) read(key string, n *yaml.Node) *lintList {
	if list := l.seen[n]; list != nil {
		return list
	}
	list := &lintList{entries: map[string]bool{}, literals: digests{}}
	entries := []*yaml.Node{n}
	if isList(n) {
		entries = n.Content
	}
	for _, entry := range entries {
		list.entries[string(appendNode(nil, entry))] = true
		if entry.Kind == yaml.MappingNode {
			if from := l.references[mappingOf(entry)["reference"].Value]; from != nil {
				list.lists = append(list.lists, reference{from, from.lists[key]})
			}
			continue
		}
		if value, err := hex.DecodeString(entry.Value); err == nil {
			list.literals[string(value)] = struct{}{}
		} else {
			list.literals[entry.Value] = struct{}{}
		}
	}
	l.seen[n] = list
	return list
}

// within reports whether all values of a list are known to be in another one. Values
// that have ended by now are not.
func (l *lintLists) within(key string, mine, its *yaml.Node) bool {
	own, other := l.read(key, mine), l.read(key, its)
	if isSubset(own.entries, other.entries) {
		return true
	}
	for _, list := range own.all() {
		for value := range list {
			if l.left--; l.left < 0 || !l.has(other, value) {
				return false
			}
		}
	}
	return true
}

// meet reports whether two lists are known to have a value in common.
func (l *lintLists) meet(key string, mine, its *yaml.Node) bool {
	own, other := l.read(key, mine), l.read(key, its)
	if own.size() > other.size() {
		own, other = other, own
	}
	for value := range own.literals {
		if l.left--; l.left >= 0 && l.has(other, value) {
			return true
		}
	}
	for _, ref := range own.references(l.now) {
		for value := range ref.values {
			if l.left--; l.left < 0 {
				return false
			}
			if l.has(other, value) {
				return true
			}
		}
	}
	return false
}

func (l *lintLists) has(list *lintList, value string) bool {
	if _, ok := list.literals[value]; ok {
		return true
	}
	for _, ref := range list.references(l.now) {
		if _, ok := ref.values[value]; ok {
			return true
		}
	}
	return false
}

func (v *lintList) all() []digests {
	all := []digests{v.literals}
	for _, ref := range v.lists {
		all = append(all, ref.values)
	}
	return all
}

// references are those in force.
func (v *lintList) references(now time.Time) []reference {
	var all []reference
	for _, ref := range v.lists {
		if ref.from.inForce(now) {
			all = append(all, ref)
		}
	}
	return all
}

func (v *lintList) size() int {
	n := 0
	for _, list := range v.all() {
		n += len(list)
	}
	return n
}

func isSubset(a, b map[string]bool) bool {
	for text := range a {
		if !b[text] {
			return false
		}
	}
	return true
}

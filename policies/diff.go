package policies

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Changes is what differs between two sets of documents, by what they say: files,
// layout, comments and the order of keys and values do not count.
type Changes struct {
	Before    string           `json:"before"` // the digests of the sets
	After     string           `json:"after"`
	Documents []DocumentChange `json:"documents"` // workloads first, by name
	// RelaxationsGained and RelaxationsLost are what alternatives waive now and did not
	// before, and the other way round, as "ALTERNATIVE: RELAXATION".
	RelaxationsGained []string `json:"relaxations_gained,omitempty"`
	RelaxationsLost   []string `json:"relaxations_lost,omitempty"`
	// RolledBack names reference values that were made earlier than those whose place
	// they take. A signature says who made a document, not that it is the newest.
	RolledBack []string `json:"rolled_back,omitempty"`
}

// What became of a document or of a key.
const (
	ChangeAdded   = "added"
	ChangeRemoved = "removed"
	ChangeChanged = "changed"
)

// DocumentChange is a document that only one of the sets has, or that says
// something else in each.
type DocumentChange struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"` // advisories have none, and are numbered
	Change string `json:"change"`
	File   string `json:"file"` // where it is, or was
	// Keys are the values that differ, in the order of the document. None, if the
	// document is only in one of the sets.
	Keys []KeyChange `json:"keys,omitempty"`
	// ValuesAdded and ValuesRemoved count the reference values.
	ValuesAdded   int `json:"values_added,omitempty"`
	ValuesRemoved int `json:"values_removed,omitempty"`
	// RelaxationsGained and RelaxationsLost are those of a workload.
	RelaxationsGained []string `json:"relaxations_gained,omitempty"`
	RelaxationsLost   []string `json:"relaxations_lost,omitempty"`
}

// KeyChange is a key of a document that differs. Entries of a list with a name of
// their own are told by it: "any_of[milan].sev_snp.vmpl".
type KeyChange struct {
	Key    string `json:"key"`
	Change string `json:"change"`
	// Before and After are the values in short, where they are not lists on both sides.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Added and Removed are the first entries of a list that only one side has, and
	// AddedCount and RemovedCount how many there are.
	Added        []string `json:"added,omitempty"`
	Removed      []string `json:"removed,omitempty"`
	AddedCount   int      `json:"added_count,omitempty"`
	RemovedCount int      `json:"removed_count,omitempty"`
}

// Diff tells two sets of files apart. Both must load: the error is the
// [Problems] of the first that does not.
func Diff(before, after []File) (Changes, error) {
	return Options{}.Diff(before, after)
}

// Diff is [Diff] with options.
func (o Options) Diff(before, after []File) (Changes, error) {
	a, old, err := o.compile(before)
	if err != nil {
		return Changes{}, err
	}
	b, current, err := o.compile(after)
	if err != nil {
		return Changes{}, err
	}
	c := Changes{Before: a.Digest(), After: b.Digest(), Documents: []DocumentChange{}}
	c.RolledBack = rolledBack(a, b)
	was, is := byName(old, current), byName(current, old)
	for _, key := range documentKeys(was, is) {
		if change, ok := diffDocument(key, was[key], is[key]); ok {
			if key.kind == kindWorkload {
				change.RelaxationsGained, change.RelaxationsLost = without(b.relaxations(key.name), a.relaxations(key.name)), without(a.relaxations(key.name), b.relaxations(key.name))
				c.RelaxationsGained = append(c.RelaxationsGained, change.RelaxationsGained...)
				c.RelaxationsLost = append(c.RelaxationsLost, change.RelaxationsLost...)
			}
			c.Documents = append(c.Documents, change)
		}
	}
	return c, nil
}

type docKey struct{ kind, name string }

// byName indexes documents. Advisories have no name: those that the other side
// has as well are left out, the others are numbered.
func byName(documents, other []document) map[docKey]*document {
	same := map[string]int{}
	for i := range other {
		if other[i].kind == kindAdvisories {
			same[string(appendNode(nil, other[i].root))]++
		}
	}
	out := map[docKey]*document{}
	number := 0
	for i := range documents {
		d := &documents[i]
		key := docKey{kind: d.kind}
		if d.kind == kindAdvisories {
			if text := string(appendNode(nil, d.root)); same[text] > 0 {
				same[text]--
				continue
			}
			number++
			key.name = strconv.Itoa(number)
		} else {
			key.name = d.fields.values["name"].Value
		}
		out[key] = d
	}
	return out
}

// documentKeys lists the keys of both, workloads first.
func documentKeys(a, b map[docKey]*document) []docKey {
	var keys []docKey
	for _, m := range []map[docKey]*document{a, b} {
		for key := range m {
			keys = append(keys, key)
		}
	}
	order := []string{kindWorkload, kindReferenceValues, kindAdvisories}
	slices.SortFunc(keys, func(a, b docKey) int {
		return cmp.Or(slices.Index(order, a.kind)-slices.Index(order, b.kind), strings.Compare(a.name, b.name))
	})
	return slices.Compact(keys)
}

// diffDocument compares two documents, of which one may be missing; ok is false
// if they say the same.
func diffDocument(key docKey, was, is *document) (change DocumentChange, ok bool) {
	change = DocumentChange{Kind: key.kind, Name: key.name}
	switch {
	case was == nil:
		change.Change, change.File, change.ValuesAdded = ChangeAdded, is.file, countValues(is)
		return change, true
	case is == nil:
		change.Change, change.File, change.ValuesRemoved = ChangeRemoved, was.file, countValues(was)
		return change, true
	}
	var d differ
	d.node("", was.root, is.root)
	change.Change, change.File, change.Keys = ChangeChanged, is.file, d.changes
	if key.kind == kindReferenceValues {
		change.ValuesAdded, change.ValuesRemoved = d.added, d.removed
	}
	return change, len(d.changes) > 0
}

// countValues counts the values of a document of reference values.
func countValues(d *document) int {
	if d.kind != kindReferenceValues {
		return 0
	}
	return countLeaves(d.fields.values["values"])
}

// relaxations lists what the alternatives of a workload relax, with their labels.
func (s *Set) relaxations(name string) []string {
	var all []string
	for _, w := range s.workloads {
		if w.name != name {
			continue
		}
		for _, a := range w.alternatives {
			for _, relaxed := range a.relaxed {
				all = append(all, a.label+": "+relaxed)
			}
		}
	}
	return all
}

// rolledBack names the reference values of is that are older than those of was.
func rolledBack(was, is *Set) []string {
	var names []string
	for _, v := range is.references {
		i := slices.IndexFunc(was.references, func(old *referenceValues) bool { return old.name == v.name })
		if i >= 0 && v.provenance.CreatedAt.Before(was.references[i].provenance.CreatedAt) {
			names = append(names, v.name)
		}
	}
	return names
}

// without returns the texts of a that b has not.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(text string) bool { return slices.Contains(b, text) })
}

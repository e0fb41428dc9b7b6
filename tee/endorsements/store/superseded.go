package store

import "slices"

// keepSuperseded keeps an older issue that says what no other one of its slot does
// that is held: a list that revokes more, an issuer with another key, which signed
// what is still in use. It reports whether it did.
func (t *table) keepSuperseded(at slot, e *entry) bool {
	if t.byDigest[e.digest] != nil || !e.addsTo(t.held(at)) || !t.makeRoom(e, nil) {
		return false
	}
	t.insert(e)
	t.superseded[at] = append(t.superseded[at], e)
	t.pruneSuperseded(at)
	return t.byDigest[e.digest] == e
}

// held returns the issues of a slot, the one in force first.
func (t *table) held(at slot) []*entry {
	var all []*entry
	if current := t.inForce[at]; current != nil {
		all = append(all, current)
	}
	return append(all, t.superseded[at]...)
}

// pruneSuperseded drops the older issues that say nothing beyond the newer ones,
// and the oldest beyond the bound.
func (t *table) pruneSuperseded(at slot) {
	older := t.superseded[at]
	slices.SortFunc(older, func(a, b *entry) int { return b.compare(a) })
	t.superseded[at] = nil
	for _, e := range older {
		if len(t.superseded[at]) < maxSuperseded && e.addsTo(t.held(at)) {
			t.superseded[at] = append(t.superseded[at], e)
		} else {
			t.remove(e)
		}
	}
	if len(t.superseded[at]) == 0 {
		delete(t.superseded, at)
	}
}

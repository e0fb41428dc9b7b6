package store

import (
	"slices"

	"github.com/quotary/quotary/tee"
)

// vacated are the entries that a new one leaves without a name.
func (t *table) vacated(e *entry, taken []tee.EndorsementName) (out []*entry) {
	for _, name := range taken {
		if old := t.inForce[e.slot(name)]; old != nil && len(old.names) == 1 {
			out = append(out, old)
		}
	}
	return out
}

// makeRoom evicts key certificates until an entry fits, the one unused for
// longest first. It evicts none if that would not do.
func (t *table) makeRoom(e *entry, vacated []*entry) bool {
	entries, bytes := len(t.byDigest)+1, t.bytes+e.size()
	for _, old := range vacated {
		entries--
		bytes -= old.size()
	}
	var victims []*entry
	for at := t.keys.Back(); entries > t.maxEntries || bytes > t.maxBytes; at = at.Prev() {
		if at == nil {
			return false
		}
		victim := at.Value.(*entry)
		if slices.Contains(vacated, victim) {
			continue
		}
		victims = append(victims, victim)
		entries--
		bytes -= victim.size()
	}
	for _, victim := range victims {
		t.evict(victim)
	}
	return true
}

func (t *table) evict(e *entry) {
	for _, name := range e.names {
		delete(t.inForce, e.slot(name))
	}
	e.names = nil
	t.remove(e)
	t.evicted++
}

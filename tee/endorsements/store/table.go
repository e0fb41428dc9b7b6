package store

import (
	"container/list"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// slot is where an entry is in force: a name, under real roots or under simulated
// ones. The two never displace each other, and no floor of one holds for the other.
type slot struct {
	name      tee.EndorsementName
	simulated bool
}

// slots are those that a name can stand for, the real one first.
func slots(name tee.EndorsementName) [2]slot { return [2]slot{{name, false}, {name, true}} }

// table holds the entries. It is guarded by Store.mu.
type table struct {
	grace      time.Duration
	maxEntries int
	maxBytes   int64

	inForce  map[slot]*entry
	byDigest map[digest]*entry
	floors   map[slot]floor
	bytes    int64

	few        map[digest]*entry // all but the certificates of machines' keys
	superseded map[slot][]*entry
	keys       *list.List // of *entry, those used last first
	tiers      tiers      // the same, for lookups
	evicted    uint64
	changes    changes
}

// changes are what the directory does not know yet.
type changes struct {
	added   map[digest]*entry
	removed map[digest]*entry
	state   bool // floors and dates
}

func newChanges() changes {
	return changes{added: map[digest]*entry{}, removed: map[digest]*entry{}}
}

func (c *changes) isNone() bool { return len(c.added) == 0 && len(c.removed) == 0 && !c.state }

// join takes earlier changes back that could not be written.
func (c *changes) join(earlier changes) {
	for id, e := range earlier.added {
		if c.removed[id] == nil {
			c.added[id] = e
		}
	}
	for id, e := range earlier.removed {
		if c.added[id] == nil {
			c.removed[id] = e
		}
	}
	c.state = c.state || earlier.state
}

func newTable(c Config) table {
	return table{
		grace: c.Grace, maxEntries: c.MaxEntries, maxBytes: c.MaxBytes,
		inForce: map[slot]*entry{}, byDigest: map[digest]*entry{}, floors: map[slot]floor{},
		few: map[digest]*entry{}, superseded: map[slot][]*entry{},
		keys: list.New(), changes: newChanges(),
	}
}

// outcome says what became of an entry that was put.
type outcome struct {
	entry   *entry // which is in force now, the new one or one that was held
	changed bool   // the entry is new
	kept    bool   // the one that was put is not in force, but kept for what it revokes
	err     error  // rolled back, or no room
}

// put takes an admitted entry in, unless the table has as good a one already.
func (t *table) put(e *entry) outcome {
	if held := t.byDigest[e.digest]; held != nil && len(held.names) > 0 {
		return outcome{entry: held}
	}
	taken, newest := t.takes(e)
	if len(taken) == 0 {
		return t.refuse(e, newest)
	}
	if !t.makeRoom(e, t.vacated(e, taken)) {
		return outcome{entry: newest, err: evidence.Errorf(evidence.CodeEndorsementStoreFull, e.Provides[0].String(),
			"%d entries, %d bytes; raise the store's bounds", len(t.byDigest), t.bytes)}
	}
	t.insert(e)
	e.names = taken
	for _, name := range taken {
		t.replace(e.slot(name), e)
	}
	return outcome{entry: e, changed: true}
}

// takes returns the names that an entry is the newest issue of, and the entry
// that stands in its way for another name.
func (t *table) takes(e *entry) (taken []tee.EndorsementName, newest *entry) {
	for _, name := range e.Provides {
		held, lowest := t.inForce[e.slot(name)], t.floors[e.slot(name)]
		if held != nil && e.compare(held) <= 0 {
			newest = held
			continue
		}
		if e.isCounted() && e.against(lowest) < 0 {
			continue
		}
		taken = append(taken, name)
	}
	return taken, newest
}

// refuse declines an entry that is no newer than what is known. What it revokes
// beyond that stays in force.
func (t *table) refuse(e *entry, newest *entry) outcome {
	name := e.Provides[0]
	kept := t.keepSuperseded(e.slot(name), e)
	if newest != nil && e.compare(newest) == 0 {
		return outcome{entry: newest, kept: kept}
	}
	known := t.floors[e.slot(name)]
	if newest != nil {
		known = known.raise(floor{newest.Sequence, newest.Issued})
	}
	return outcome{entry: newest, kept: kept, err: evidence.Errorf(evidence.CodeEndorsementRolledBack, name.String(),
		"issue %d of %s is older than issue %d of %s, which was seen before; if a mirror answered, bring it up to date",
		e.Sequence, stamp(e.Issued), known.sequence, stamp(known.issued))}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// replace puts an entry in force.
func (t *table) replace(at slot, e *entry) {
	old := t.inForce[at]
	t.inForce[at] = e
	if e.isCounted() {
		t.raise(at, floor{e.Sequence, e.Issued})
	}
	if old != nil {
		old.names = slices.DeleteFunc(old.names, func(n tee.EndorsementName) bool { return n == at.name })
		if len(old.names) == 0 {
			t.remove(old)
			t.keepSuperseded(at, old)
		}
	}
	t.pruneSuperseded(at)
}

// raise sees to it that a slot never falls below an issue.
func (t *table) raise(at slot, f floor) {
	if higher := t.floors[at].raise(f); higher != t.floors[at] {
		t.floors[at] = higher
		t.changes.state = true
	}
}

func (t *table) insert(e *entry) {
	e.gone = false
	t.byDigest[e.digest] = e
	t.bytes += e.size()
	if e.isKey() {
		e.use = t.keys.PushFront(e)
		t.tiers.add(e)
	} else {
		t.few[e.digest] = e
	}
	delete(t.changes.removed, e.digest)
	t.changes.added[e.digest] = e
}

func (t *table) remove(e *entry) {
	e.gone = true
	delete(t.byDigest, e.digest)
	t.bytes -= e.size()
	if e.use != nil {
		t.keys.Remove(e.use)
		e.use = nil
		t.tiers.forget()
	}
	delete(t.few, e.digest)
	delete(t.changes.added, e.digest)
	t.changes.removed[e.digest] = e
}

// needed marks an entry as used.
func (t *table) needed(e *entry) {
	if e.use != nil {
		t.keys.MoveToFront(e.use)
	}
}

// isShown reports whether verifiers get to see an entry. Documents, and lists that
// revoke nothing, are shown for the grace after their end; a certificate goes on
// saying who signed what, and a list who was revoked. An older list is shown only
// beside the one in force, and that one with it: alone it would pass for the newest.
func (t *table) isShown(e *entry, now time.Time) bool {
	switch {
	case e.Certificate != nil:
		return true
	case e.CRL == nil:
		return !e.isExpired(now.Add(-t.grace))
	case len(e.names) == 0:
		return slices.ContainsFunc(e.Provides, func(n tee.EndorsementName) bool { return t.inForce[e.slot(n)] != nil })
	}
	lasts := len(e.CRL.RevokedCertificateEntries) > 0 ||
		slices.ContainsFunc(e.names, func(n tee.EndorsementName) bool { return len(t.superseded[e.slot(n)]) > 0 })
	return lasts || !e.isExpired(now.Add(-t.grace))
}

// view builds the snapshot of what is shown.
func (t *table) view(now time.Time) *tee.Endorsements {
	few := &tee.Endorsements{}
	for _, e := range t.few {
		if t.isShown(e, now) {
			e.AddTo(few)
		}
	}
	return few.Over(t.tiers.view())
}

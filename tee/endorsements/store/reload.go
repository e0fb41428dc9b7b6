package store

import (
	"maps"
	"slices"
	"time"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// Directory says how things stand with the store's directory.
type Directory struct {
	Path string
	// Err is why the last write failed. What could not be written is in memory, and
	// written as soon as that works again.
	Err error
	// Unusable lists files that hold nothing authentic, or nothing at all. They
	// stay where they are.
	Unusable []endorsements.Source
}

// Directory returns the state of the directory; zero for a store without one.
func (s *Store) Directory() Directory {
	d := s.directory
	if d == nil {
		return Directory{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	report := Directory{Path: d.path, Err: d.failure}
	for _, name := range slices.Sorted(maps.Keys(d.unusable)) {
		report.Unusable = append(report.Unusable, endorsements.Source{Name: name, Note: d.unusable[name].why})
	}
	return report
}

// Reload takes over what came into the directory since it was last read, such as
// another process's imports. Whatever is there is admitted like anything else.
func (s *Store) Reload() error {
	outcomes, err := s.reload()
	s.announce(outcomes)
	return err
}

func (s *Store) reload() ([]outcome, error) {
	d := s.directory
	if d == nil {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	files, err := d.news(2*s.config.MaxEntries, 2*s.config.MaxBytes)
	if err != nil {
		return nil, errDirectory(d, err)
	}
	r := reading{Store: s, directory: d, heap: &tee.Endorsements{}, known: s.recallState(d), places: map[string]parsed{}}
	for _, f := range files {
		r.parse(f)
	}
	return r.admit(), nil
}

// reading is one look at what is new in the directory.
type reading struct {
	*Store
	directory *directory
	known     map[slot]nameState
	heap      *tee.Endorsements
	files     []parsed
	places    map[string]parsed // the same, by name
	fault     error             // of an endorser
}

// parsed is a file that was recognised.
type parsed struct {
	file
	contents []digest
}

// parse recognises a file.
func (r *reading) parse(f file) {
	one := &tee.Endorsements{}
	if err := endorsements.Parse(f.name, f.content, one); err != nil {
		r.directory.setAside(f, err.Error())
		return
	}
	p := parsed{file: f, contents: digests(one)}
	merge(r.heap, one)
	p.content = nil
	r.files = append(r.files, p)
	r.places[p.name] = p
}

// merge adds everything in one heap to another.
func merge(to, from *tee.Endorsements) {
	for _, cert := range from.Certificates() {
		to.AddCertificate(cert)
	}
	for _, list := range from.RevocationLists() {
		to.AddCRL(list)
	}
	for _, d := range from.AllDocuments() {
		to.AddDocument(d)
	}
}

// admit takes in what is authentic of all files, and decides what is to become of each.
func (r *reading) admit() (outcomes []outcome) {
	if r.heap.Len() == 0 {
		return nil
	}
	fates := map[digest]fate{}
	for _, v := range r.vendors {
		admitted, err := r.Store.admit(v, r.heap)
		if err != nil {
			r.fault = err
		}
		taken := r.take(admitted, func(at int, o outcome) { r.restore(admitted[at], o) })
		for i, o := range taken {
			if _, done := fates[admitted[i].digest]; !done {
				fates[admitted[i].digest] = fate{admitted[i], o}
			}
		}
		outcomes = append(outcomes, taken...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.files {
		r.judge(p, fates)
	}
	return outcomes
}

// fate is what became of an authentic endorsement in a file.
type fate struct {
	entry *entry
	outcome
}

// judge decides what is to become of a file. An older issue that the store itself
// put there is removed at the next occasion. The caller holds s.mu.
func (r *reading) judge(p parsed, fates map[digest]fate) {
	why := "nothing in it is authentic, or it is dated after " + stamp(r.now()) + ", which is now by this machine's clock"
	if r.fault != nil {
		why = r.fault.Error()
	}
	for _, id := range p.contents {
		if r.table.byDigest[id] != nil {
			r.directory.good[p.name] = p.contents
			return
		}
		f, admitted := fates[id]
		if !admitted {
			continue
		}
		name, _ := endorsements.File(f.entry.Endorsed)
		if name == p.name && f.outcome.entry != nil {
			r.table.changes.removed[id] = f.entry
		}
		why = "there is a newer issue"
		if f.err != nil {
			why = f.err.Error()
		}
	}
	r.directory.setAside(p.file, why)
}

// recallState raises the floors to what the state file says, and takes over the
// failures that it tells of. A file that cannot be read has no say: what is held is
// a floor by itself.
func (s *Store) recallState(d *directory) map[slot]nameState {
	stored, err := d.readState()
	if err != nil {
		d.unusable[stateName] = unusable{why: err.Error()}
		return nil
	}
	stored = stored.merge(state{}) // of what other builds wrote, too, only what still holds
	known := make(map[slot]nameState, len(stored.Names))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range stored.Names {
		known[n.slot()] = n
		if n.floor() != (floor{}) {
			s.table.floors[n.slot()] = s.table.floors[n.slot()].raise(n.floor())
		}
		if _, ok := s.failures[n.name()]; !ok && n.failure() != nil && !s.succeededSince(n) {
			s.failures[n.name()] = failure{err: n.failure(), since: n.Failed}
		}
	}
	return known
}

// succeededSince reports whether a name was found to be current after the failure
// that the state file tells of. The caller holds s.mu.
func (s *Store) succeededSince(n nameState) bool {
	all := slots(n.name())
	return slices.ContainsFunc(all[:], func(at slot) bool {
		e := s.table.inForce[at]
		return e != nil && !e.seen.Before(n.Failed)
	})
}

// restore gives an entry that came from the directory the dates that it had. A
// date of the future, left by a clock that was wrong, counts as none. The caller
// holds s.mu.
func (r *reading) restore(e *entry, o outcome) {
	if !o.changed {
		return
	}
	name, _ := endorsements.File(e.Endorsed)
	now, age := r.now(), r.config.RefreshEvery
	if own := r.places[name]; slices.Contains(own.contents, e.digest) {
		delete(r.table.changes.added, e.digest) // it is where it should be
		if !own.modified.After(now) {
			e.fetched = own.modified
		}
	}
	if n, ok := r.known[e.slot(e.Provides[0])]; ok && n.isOf(e) && !n.Checked.After(now) {
		e.fetched, e.seen = n.Fetched, n.Checked
		age = min(age, now.Sub(n.Checked))
	}
	e.checked, e.jitter = time.Now().Add(-age), r.config.Random()
}

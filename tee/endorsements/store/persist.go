package store

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements"
)

// persist writes what the directory does not have yet. If somebody else is at it,
// there is only a point in waiting for who wants to know how it went: nothing is
// forgotten.
func (s *Store) persist(wait bool) {
	d := s.directory
	if d == nil {
		return
	}
	if wait {
		d.mu.Lock()
	} else if !d.mu.TryLock() {
		return
	}
	before := d.failure
	for s.persistOnce(d) {
	}
	after := d.failure
	d.mu.Unlock()
	if after != nil && (before == nil || before.Error() != after.Error()) {
		s.config.Notify(Event{Err: after})
	}
}

// persistOnce writes what changed until now; it is false if there was nothing, or
// it failed. The caller holds d.mu.
func (s *Store) persistOnce(d *directory) bool {
	s.mu.Lock()
	changed, current := s.table.changes, state{}
	if changed.isNone() {
		s.mu.Unlock()
		return false
	}
	s.table.changes = newChanges()
	if changed.state {
		current = s.state()
	}
	s.mu.Unlock()
	err := d.apply(changed, current)
	if d.failure = nil; err == nil {
		return true
	}
	d.failure = errDirectory(d, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.changes.join(changed)
	s.tally.directoryFailures++
	return false
}

// apply writes first, and removes only when all of it is on the disk.
func (d *directory) apply(changed changes, current state) error {
	if err := d.fault("lock"); err != nil {
		return err
	}
	unlock, err := lock(d.root)
	if err != nil {
		return err
	}
	defer unlock()
	for _, e := range changed.added {
		name, content := endorsements.File(e.Endorsed)
		if d.holds(name, e.digest) {
			continue
		}
		if err := d.write(name, content); err != nil {
			return err
		}
		d.good[name] = []digest{e.digest}
		delete(d.unusable, name)
	}
	if changed.state {
		if err := d.writeState(current); err != nil {
			return err
		}
	}
	if err := d.sync(); err != nil {
		return err
	}
	for _, e := range changed.removed {
		name, _ := endorsements.File(e.Endorsed)
		if err := d.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// writeState writes the state, joined with what other processes wrote. A file that
// cannot be read is set aside.
func (d *directory) writeState(current state) error {
	stored, err := d.readState()
	if err != nil {
		if err := d.root.Rename(stateName, stateName+".unusable"); err != nil {
			return fmt.Errorf("setting the state file aside: %w", err)
		}
	}
	content, err := current.merge(stored).encode()
	if err != nil {
		return err
	}
	delete(d.unusable, stateName)
	return d.write(stateName, content)
}

func errDirectory(d *directory, err error) error {
	return evidence.Errorf(evidence.CodeEndorsementStore, d.path, "%w", err)
}

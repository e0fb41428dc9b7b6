package ca

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// force is what an Authority goes by. It is immutable.
type force struct {
	slots   slots
	changes []Change
	all     map[string]*hierarchy // by name
	active  *hierarchy
	before  *hierarchy          // the authority before it, if that has another root; else nil
	roots   []*x509.Certificate // of all authorities, each once
	bundle  []byte
}

// serving is the authority that certifies the service itself: the last to move,
// because who does not know a new root yet learns it from the service.
func (f *force) serving(now time.Time) *hierarchy {
	if f.before != nil && now.Add(f.before.maxTTL).Before(f.before.issuing.NotAfter) {
		return f.before
	}
	return f.active
}

// read reads the folder as its journal says. The folder must be locked.
func (a *Authority) read() (*force, error) {
	changes, err := readJournal(a.config.Dir)
	if err != nil {
		return nil, err
	}
	s, err := replay(changes)
	if err != nil {
		return nil, err
	}
	r := *a.realm // with keys to reserve of its own
	f := &force{slots: s, changes: changes, all: map[string]*hierarchy{}}
	var all []*hierarchy
	for _, m := range s.members() {
		h, err := r.read(authorityDir(a.config.Dir, changes, m.id))
		if err == nil && (h.id() != m.id || h.rootID() != m.root) {
			err = refuseCert(authorityDir("", changes, m.id), "it is not the authority %s that the journal names", m.id)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = evidence.Errorf(evidence.CodeAuthorityKeyFile, "", "a file of the authority %s, which is %s, is missing; restore it (an issuing CA is replaced with `quotaryd ca prepare`): %w", m.id, m.state, err)
		}
		if err != nil {
			return nil, err
		}
		all, f.all[m.id] = append(all, h), h
		switch m.state {
		case Active:
			f.active = h
		case Old, Tainted:
			f.before = h
		}
	}
	if f.before != nil && f.before.root.Equal(f.active.root) {
		f.before = nil
	}
	f.roots = distinctRoots(all)
	if err := r.reserve(all, a.config.Reserved); err != nil {
		return nil, err
	}
	f.bundle, err = f.encodeBundle(all)
	return f, err
}

func distinctRoots(all []*hierarchy) (roots []*x509.Certificate) {
	for _, h := range all {
		if !slices.ContainsFunc(roots, h.root.Equal) {
			roots = append(roots, h.root)
		}
	}
	return roots
}

// authorityDir is the folder of an authority: the first that the journal names has
// the folder itself.
func authorityDir(dir string, changes []Change, id string) string {
	if changes[0].Authority == id {
		return dir
	}
	return filepath.Join(dir, id)
}

// Refresh puts in force what the journal says that it did not say before: changes
// by [Slots] of this process or another. It calls record with them first, and leaves
// everything as it was if that fails, or if the folder is not in order.
func (a *Authority) Refresh(record func([]Change) error) error {
	a.refreshes.Lock()
	defer a.refreshes.Unlock()
	return locked(a.config.Dir, func() error {
		current := a.force.Load()
		if n, err := journalLength(a.config.Dir); err != nil || n == len(current.changes) {
			return err
		}
		next, err := a.read()
		if err != nil {
			return err
		}
		if len(next.changes) < len(current.changes) {
			return refuseJournal("it has become shorter: %d changes, of %d", len(next.changes), len(current.changes))
		}
		if err := record(next.changes[len(current.changes):]); err != nil {
			return err
		}
		a.force.Store(next)
		return nil
	})
}

// Changes are the changes in force, since the first authority was made.
func (a *Authority) Changes() []Change { return slices.Clone(a.force.Load().changes) }

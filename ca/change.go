package ca

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// Slots change the authorities of a folder. A change is in the folder's journal when
// its method returns; an [Authority] that is open on the folder, in whatever process,
// goes by it after its next Refresh. It is safe for concurrent use, by several
// processes too.
type Slots struct {
	dir   string
	by    Actor
	realm *realm
}

// OpenSlots returns the slots of the folder c.Dir, in which there must be an
// authority. Changes are made in the name of by; an operator must be the user whom the
// folder belongs to, because the service could not read another one's keys.
func OpenSlots(c Config, by Actor) (*Slots, error) {
	r, err := newRealm(&c)
	if err != nil {
		return nil, err
	}
	s := &Slots{dir: c.Dir, by: by, realm: r}
	info, err := os.Stat(filepath.Join(c.Dir, rootCertFile)) // never make one here
	if err != nil {
		return nil, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); by == Operator && ok && int(owner.Uid) != os.Geteuid() {
		return nil, evidence.Errorf(evidence.CodeDataPermissions, c.Dir, "the folder belongs to user %d; run this as that user, who could not read what another one makes", owner.Uid)
	}
	return s, locked(c.Dir, func() error { _, err := r.begin(c.Dir); return err })
}

// Slots returns the slots of the authority's own folder, for changes by the service.
func (a *Authority) Slots() *Slots { return &Slots{dir: a.config.Dir, by: Service, realm: a.realm} }

// book is the journal while it is changed.
type book struct {
	*Slots
	changes []Change
	slots   slots
	made    []Change
}

// change has f make changes, and returns those that it made, also if it failed
// halfway.
func (s *Slots) change(f func(*book) error) (made []Change, err error) {
	err = locked(s.dir, func() error {
		b := &book{Slots: s}
		if err := b.read(); err != nil {
			return err
		}
		if err := b.sweep(); err != nil { // what an interrupted change left
			return err
		}
		err := errors.Join(f(b), b.sweep())
		made = b.made
		return err
	})
	return made, err
}

func (b *book) read() (err error) {
	if b.changes, err = readJournal(b.dir); err != nil {
		return err
	}
	b.slots, err = replay(b.changes)
	return err
}

// note writes a change into the journal.
func (b *book) note(step Step, id, root string) error {
	c, err := appendChange(b.dir, b.changes, b.realm.now(), Change{By: b.by, Step: step, Authority: id, Root: root})
	if err != nil {
		return err
	}
	if b.slots, err = b.slots.apply(c, false, false); err != nil {
		return err
	}
	b.changes, b.made = append(b.changes, c), append(b.made, c)
	return nil
}

// Prepare makes an authority in the free slot: an issuing CA below the root of the
// active one if newRoot is false, the root's key is at hand and a whole life fits
// into the root's; otherwise one with a root of its own. Without the root's key and
// newRoot it refuses: [Slots.Request] is the way then.
func (s *Slots) Prepare(newRoot bool) ([]Change, error) {
	return s.change(func(b *book) error { return b.prepare(newRoot) })
}

// Activate has the prepared authority issue, in place of the active one. It refuses
// to do so before its root has been known for five refresh hints, unless now is set.
func (s *Slots) Activate(now bool) ([]Change, error) {
	return s.change(func(b *book) error {
		m := b.slots.find(Prepared)
		if m == nil {
			return refuseState("no authority is prepared")
		}
		if known := m.since.Add(publishFor); !now && m.root != b.slots.find(Active).root && b.realm.now().Before(known) {
			return refuseState("the root of %s is known to relying parties only from %s on", m.id, known.Format(time.RFC3339))
		}
		return b.activate(m)
	})
}

func (b *book) activate(m *member) error {
	h, err := b.realm.read(authorityDir(b.dir, b.changes, m.id))
	if err == nil {
		err = h.checkAge(b.realm.now())
	}
	if err != nil {
		return err
	}
	return b.note(StepActivate, m.id, m.root)
}

// Taint marks the old authority as one that is not to be relied on: who has a leaf
// of it is to attest anew.
func (s *Slots) Taint() ([]Change, error) {
	return s.change(func(b *book) error {
		m := b.slots.find(Old)
		switch {
		case m == nil:
			return refuseState("no authority is old; activate another one first")
		case m.root == b.slots.find(Active).root:
			return refuseState("the active authority has the same root, so relying parties could not tell them apart; rotate with --emergency, which makes a new root")
		}
		return b.note(StepTaint, m.id, m.root)
	})
}

// Revoke takes an authority that does not issue out of the bundle and destroys its
// keys: a prepared or tainted one, or an old one when its last leaf has ended.
func (s *Slots) Revoke() ([]Change, error) {
	return s.change(func(b *book) error {
		m := b.slots.find(Prepared, Old, Tainted)
		if m == nil {
			return refuseState("there is no authority but the active one")
		}
		ended, err := b.ended(m)
		if err != nil {
			return err
		}
		if m.state == Old && b.realm.now().Before(ended) {
			return refuseState("what %s issued may last until %s; taint it first if it must not", m.id, ended.Format(time.RFC3339))
		}
		return b.note(StepRevoke, m.id, m.root)
	})
}

// Emergency replaces an authority whose key may be stolen, with everything that lies
// beside it: it revokes what the other slot holds, prepares an authority with a new
// root there, activates it at once and taints the one before.
func (s *Slots) Emergency() ([]Change, error) {
	return s.change(func(b *book) error {
		if m := b.slots.find(Prepared, Old, Tainted); m != nil {
			if err := b.note(StepRevoke, m.id, m.root); err != nil {
				return err
			}
		}
		stolen := b.slots.find(Active)
		if err := b.prepare(true); err != nil {
			return err
		}
		if err := b.activate(b.slots.find(Prepared)); err != nil {
			return err
		}
		return b.note(StepTaint, stolen.id, stolen.root)
	})
}

// Advance makes the changes that the age of the authorities calls for: it revokes an
// old one whose last leaf has ended, prepares the next one at half of the active
// one's life, and activates it at five sixths.
func (s *Slots) Advance() ([]Change, error) {
	return s.change(func(b *book) error {
		now := b.realm.now()
		if err := b.retire(now); err != nil {
			return err
		}
		active, err := b.realm.read(authorityDir(b.dir, b.changes, b.slots.find(Active).id))
		if err != nil {
			return err
		}
		part := active.span() / rotationParts
		if b.slots.free() >= 0 && now.After(active.begin().Add(prepareParts*part)) {
			if err := b.prepare(false); err != nil {
				return err
			}
		}
		m := b.slots.find(Prepared)
		known := m != nil && (m.root == active.rootID() || now.After(m.since.Add(publishFor)) || now.After(active.issuing.NotAfter))
		if known && now.After(active.begin().Add(activateParts*part)) {
			return b.activate(m)
		}
		return nil
	})
}

// retire revokes the authority before the active one if its last leaf has ended.
func (b *book) retire(now time.Time) error {
	m := b.slots.find(Old, Tainted)
	if m == nil {
		return nil
	}
	if ended, err := b.ended(m); err != nil || now.Before(ended) {
		return err
	}
	return b.note(StepRevoke, m.id, m.root)
}

// ended is when the last leaf of an authority that issues no more has ended, or that
// of a prepared one, which has none.
func (b *book) ended(m *member) (time.Time, error) {
	issuing, err := readCertificate(filepath.Join(authorityDir(b.dir, b.changes, m.id), issuingCertFile))
	if err != nil {
		return time.Time{}, err
	}
	if last := m.ceased.Add(retireAfter); last.Before(issuing.NotAfter) {
		return last, nil
	}
	return issuing.NotAfter, nil
}

// sweep destroys the keys of authorities that are not in the slots any more, and
// what an interrupted change left.
func (b *book) sweep() error {
	if err := b.discard(newDir); err != nil {
		return err
	}
	known, roots := map[string]bool{}, map[string]bool{}
	for _, m := range b.slots.members() {
		roots[m.root] = true
	}
	for _, c := range b.changes {
		if known[c.Authority] {
			continue
		}
		known[c.Authority] = true
		if err := b.destroy(c, roots); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(b.dir)
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && isAuthorityID(name) && !known[name] {
			err = errors.Join(err, b.discard(name))
		}
	}
	return err
}

// destroy removes the keys of an authority unless it is in a slot; that of its root
// only if no authority in a slot is below the same root.
func (b *book) destroy(c Change, roots map[string]bool) error {
	dir := authorityDir(b.dir, b.changes, c.Authority)
	var names []string
	if _, m := b.slots.place(c.Authority); m == nil {
		names = append(names, issuingKeyFile, jwtKeyFile)
	}
	if !roots[c.Root] {
		names = append(names, rootKeyFile)
	}
	for _, name := range names {
		if err := b.realm.keys.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// discard removes the folder of an authority that came to nothing, with its keys; not the
// one for which a certificate was asked, which can be installed once more.
func (b *book) discard(name string) error {
	dir := filepath.Join(b.dir, name)
	asked, _, _ := keyfile.Read(filepath.Join(b.dir, requestDir, issuingKeyFile)) // nothing if there is none
	for _, name := range []string{rootKeyFile, issuingKeyFile, jwtKeyFile} {
		path := filepath.Join(dir, name)
		if data, _, _ := keyfile.Read(path); len(data) > 0 && bytes.Equal(data, asked) {
			continue
		}
		if err := b.realm.keys.Remove(path); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

func refuseState(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeAuthorityState, "", format, args...)
}

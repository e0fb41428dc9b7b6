package ca

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// newDir is where an authority is made. It gets its name when it is whole.
const newDir = "new"

// isAuthorityID reports whether name is a folder of an authority.
func isAuthorityID(name string) bool {
	id, err := hex.DecodeString(name)
	return err == nil && len(id) == 8 && hex.EncodeToString(id) == name
}

// prepare makes an authority in the free slot.
func (b *book) prepare(newRoot bool) error {
	if b.slots.free() < 0 {
		m := b.slots.find(Prepared, Old, Tainted)
		return refuseState("both slots are taken: %s is %s; revoke it first", m.id, m.state)
	}
	active, now := b.slots.find(Active), b.realm.now()
	root, err := readCertificate(filepath.Join(authorityDir(b.dir, b.changes, active.id), rootCertFile))
	if err != nil {
		return err
	}
	keyPath, err := b.rootKey(active.root)
	if err != nil {
		return err
	}
	if !newRoot && keyPath == "" {
		return evidence.Errorf(evidence.CodeAuthorityRootAway, rootKeyFile, "the root's key is not here: have it sign what `quotaryd ca csr` asks for, or prepare an authority with a root of its own (--new-root)")
	}
	return b.place(func(dir string) error {
		if newRoot || now.Add(b.realm.life).After(root.NotAfter) {
			if root, err = b.realm.makeRoot(dir, now); err != nil {
				return err
			}
			return b.realm.makeIssuing(dir, root, filepath.Join(dir, rootKeyFile), now)
		}
		if err := keyfile.WriteNew(filepath.Join(dir, rootCertFile), encodePEM(root.Raw), 0o644); err != nil {
			return err
		}
		return b.realm.makeIssuing(dir, root, keyPath, now)
	})
}

// place has fill make an authority in a new folder, and puts it into the free slot.
func (b *book) place(fill func(dir string) error) error {
	dir := filepath.Join(b.dir, newDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return err
	}
	h, err := b.realm.read(dir)
	if err != nil {
		return err
	}
	if err := h.checkAge(b.realm.now()); err != nil {
		return err
	}
	for _, c := range b.changes {
		if c.Authority == h.id() {
			return refuseState("this key was that of authority %s before", c.Authority)
		}
	}
	if err := os.Rename(dir, filepath.Join(b.dir, h.id())); err != nil {
		return err
	}
	return b.note(StepPrepare, h.id(), h.rootID())
}

// rootKey is the path of the key of a root, or empty if it is not here. It is in
// the folder of the authority that the root was made for.
func (b *book) rootKey(root string) (string, error) {
	for _, c := range b.changes {
		if c.Root != root {
			continue
		}
		path := filepath.Join(authorityDir(b.dir, b.changes, c.Authority), rootKeyFile)
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// Slot describes an authority that is in a slot.
type Slot struct {
	Name  string // "A" or "B"
	State State
	// Since is when it came into this state.
	Since time.Time
	// Authority names it: 16 hex digits.
	Authority string
	// Root and Issuing are its certificates.
	Root, Issuing *x509.Certificate
	// RootKey is whether the root's key is in the folder.
	RootKey bool
}

// Status is what the slots hold now.
type Status struct {
	Slots []Slot
	// Sequence is that of the bundle.
	Sequence uint64
	Changes  []Change
	// PrepareAt and ActivateAt are when the active authority's age calls for the next.
	PrepareAt, ActivateAt time.Time
}

// Status returns what the slots hold.
func (s *Slots) Status() (out Status, err error) {
	err = locked(s.dir, func() error {
		b := &book{Slots: s}
		if err := b.read(); err != nil {
			return err
		}
		out.Sequence, out.Changes = b.slots.sequence, b.changes
		for i, m := range b.slots.places {
			if m == nil {
				continue
			}
			h, err := s.realm.read(authorityDir(s.dir, b.changes, m.id))
			if err != nil {
				return err
			}
			key, err := b.rootKey(m.root)
			if err != nil {
				return err
			}
			out.Slots = append(out.Slots, Slot{
				Name: [...]string{"A", "B"}[i], State: m.state, Since: m.since, Authority: m.id,
				Root: h.root, Issuing: h.issuing, RootKey: key != "",
			})
			if m.state == Active {
				part := h.span() / rotationParts
				out.PrepareAt, out.ActivateAt = h.begin().Add(prepareParts*part), h.begin().Add(activateParts*part)
			}
		}
		return nil
	})
	return out, err
}

// PEM returns the roots of the authorities in the slots, each once: what to give to
// relying parties that do not fetch the bundle.
func (s Status) PEM() []byte {
	var out [][]byte
	for i, slot := range s.Slots {
		if i == 0 || !slot.Root.Equal(s.Slots[0].Root) {
			out = append(out, slot.Root.Raw)
		}
	}
	return encodePEM(out...)
}

package ca

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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

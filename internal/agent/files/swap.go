package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Beside the link D lie the directories .D-RANDOM, each with one set, and, for a moment,
// a new link .D-RANDOM.link. Nothing is synced to the disk: after a crash the identity is
// of no use to anybody, and the next start writes another.

// prefix is what the names of the link's companions begin with.
func (w *Writer) prefix() string { return "." + filepath.Base(w.config.Directory) + "-" }

// replace writes a set and turns the link to it.
func (w *Writer) replace(set []file) error {
	last, err := w.target()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(w.config.Directory), w.prefix())
	if err != nil {
		return err
	}
	if err := w.fill(dir, set); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := w.turn(dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return w.sweep(filepath.Base(dir), last)
}

// fill writes the files of a set, each with its mode and owner from the beginning on. It works on
// what it has opened alone, whatever others put in a file's or the directory's place meanwhile.
func (w *Writer) fill(dir string, set []file) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range set {
		if err := w.create(root, f); err != nil {
			return err
		}
	}
	self, err := root.Open(".")
	if err != nil {
		return err
	}
	defer self.Close()
	return w.own(self, 0o755) // the files have modes of their own
}

func (w *Writer) create(root *os.Root, f file) error {
	created, err := root.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = created.Write(f.data)
	if err == nil {
		err = w.own(created, f.mode)
	}
	return errors.Join(err, created.Close())
}

func (w *Writer) own(f *os.File, mode fs.FileMode) error {
	uid, gid := -1, -1
	if w.config.UID != nil {
		uid = *w.config.UID
	}
	if w.config.GID != nil {
		gid = *w.config.GID
	}
	if uid != -1 || gid != -1 {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// turn turns the link to a directory: the next look through it finds the new set.
func (w *Writer) turn(dir string) error {
	link := dir + ".link"
	if err := os.Symlink(filepath.Base(dir), link); err != nil {
		return err
	}
	if err := os.Rename(link, w.config.Directory); err != nil {
		return errors.Join(err, os.Remove(link))
	}
	return nil
}

// Remove removes the link and all sets.
func (w *Writer) Remove() error {
	if _, err := w.target(); err != nil {
		return err
	}
	if err := os.Remove(w.config.Directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return w.sweep()
}

// target returns the name of the directory that the link leads to; empty if there is no
// link. Anything else in its place is somebody else's.
func (w *Writer) target() (string, error) {
	info, err := os.Lstat(w.config.Directory)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Type() != fs.ModeSymlink {
		return "", fmt.Errorf("%s is there, and not made by the agent; remove it, or name another directory", w.config.Directory)
	}
	target, err := os.Readlink(w.config.Directory)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(target, w.prefix()) || strings.ContainsRune(target, filepath.Separator) {
		return "", fmt.Errorf("%s leads to %s, which the agent did not make; remove it, or name another directory", w.config.Directory, target)
	}
	return target, nil
}

// tidy removes what an earlier process left, but for the set that the link leads to.
func (w *Writer) tidy() error {
	last, err := w.target()
	if err != nil {
		return err
	}
	return w.sweep(last)
}

// sweep removes the link's companions but those to keep.
func (w *Writer) sweep(keep ...string) error {
	parent := filepath.Dir(w.config.Directory)
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.directory", "%s does not exist, in which %s is to be", parent, filepath.Base(w.config.Directory))
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, entry := range entries {
		if kept(entry.Name(), keep) || !strings.HasPrefix(entry.Name(), w.prefix()) {
			continue
		}
		failed = append(failed, os.RemoveAll(filepath.Join(parent, entry.Name())))
	}
	return errors.Join(failed...)
}

func kept(name string, keep []string) bool {
	for _, k := range keep {
		if name == k {
			return true
		}
	}
	return false
}

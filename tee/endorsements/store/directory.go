package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/tee/endorsements"
)

// directory is where endorsements outlive the process: a file for each, named by
// its content, and the state file. Files come into being whole or not at all, and
// are removed only after a newer issue is there durably, so that readers need no
// lock and several processes may use one directory. Nothing in it is trusted.
type directory struct {
	path string
	root *os.Root
	// fault is asked before every operation; tests make them fail with it.
	fault func(operation string) error

	mu       sync.Mutex
	listed   time.Time           // the directory's own time when it was last listed
	good     map[string][]digest // files with what they hold, some of it in the table
	unusable map[string]unusable // the others
	failure  error               // of the last write; nil if it succeeded
}

// unusable is a file that is left alone until it changes.
type unusable struct {
	size     int64
	modified time.Time
	why      string
}

// file is what a directory's file holds.
type file struct {
	name     string
	size     int64
	modified time.Time
	content  []byte
}

// writing is the name of a file that is not complete.
const writing = ".writing"

func openDirectory(path string, fault func(string) error) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &directory{path: path, root: root, fault: fault, good: map[string][]digest{}, unusable: map[string]unusable{}}, nil
}

// news reads the files that were not read before, so many at most. The caller holds d.mu.
func (d *directory) news(most int, mostBytes int64) ([]file, error) {
	if err := d.fault("list"); err != nil {
		return nil, err
	}
	info, err := d.root.Stat(".")
	if err != nil {
		return nil, err
	}
	if info.ModTime().Equal(d.listed) {
		return nil, nil
	}
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	if d.listed = (time.Time{}); time.Since(info.ModTime()) > settled {
		d.listed = info.ModTime()
	}
	d.forgetAbsent(entries)
	var files []file
	for _, entry := range entries {
		f, ok := d.read(entry)
		if !ok {
			continue
		}
		if mostBytes -= int64(len(f.content)); len(files) == most || mostBytes < 0 {
			d.setAside(file{name: "."}, "there are more files, or larger ones, than the store may hold twice; not all were read")
			return files, nil
		}
		files = append(files, f)
	}
	return files, nil
}

// forgetAbsent drops what is known of files that are no longer there.
func (d *directory) forgetAbsent(entries []fs.DirEntry) {
	there := make(map[string]struct{}, len(entries))
	for _, entry := range entries {
		there[entry.Name()] = struct{}{}
	}
	for name := range d.good {
		if _, ok := there[name]; !ok {
			delete(d.good, name)
		}
	}
	for name := range d.unusable {
		if _, ok := there[name]; !ok {
			delete(d.unusable, name)
		}
	}
}

// read reads a file unless it is known or none of the store's concern.
func (d *directory) read(entry fs.DirEntry) (file, bool) {
	name := entry.Name()
	if _, known := d.good[name]; known || IsBookkeeping(name) {
		return file{}, false
	}
	info, err := entry.Info()
	if err != nil || d.isUnusable(name, info) {
		return file{}, false
	}
	f := file{name: name, size: info.Size(), modified: info.ModTime()}
	if !info.Mode().IsRegular() {
		d.setAside(f, "not a regular file")
		return file{}, false
	}
	if f.content, err = d.content(name, endorsements.MaxFile); err != nil {
		d.setAside(f, err.Error())
		return file{}, false
	}
	return f, true
}

// holds reports whether a file is known to hold an endorsement.
func (d *directory) holds(name string, id digest) bool { return slices.Contains(d.good[name], id) }

func (d *directory) isUnusable(name string, info fs.FileInfo) bool {
	u, known := d.unusable[name]
	return known && u.size == info.Size() && u.modified.Equal(info.ModTime())
}

// setAside notes that a file cannot be used; it stays where it is.
func (d *directory) setAside(f file, why string) {
	if len(d.unusable) < maxUnusable {
		d.unusable[f.name] = unusable{f.size, f.modified, why}
	}
}

// content reads a file of at most most bytes.
func (d *directory) content(name string, most int64) ([]byte, error) {
	if err := d.fault("read"); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("larger than %d bytes", most)
	}
	return content, err
}

// write puts a file in place, whole, and on the disk. The caller holds the lock.
func (d *directory) write(name string, content []byte) error {
	if err := d.fault("write"); err != nil {
		return err
	}
	if err := d.root.Remove(writing); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := create(d.root, writing)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return d.root.Rename(writing, name)
}

// remove removes a file, if it is there. The caller holds the lock.
func (d *directory) remove(name string) error {
	if err := d.fault("remove"); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(d.good, name)
	return nil
}

// sync has the names of files on the disk.
func (d *directory) sync() error {
	if err := d.fault("sync"); err != nil {
		return err
	}
	dir, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

package machines

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// files are files in memory by path, as a kernel shows them.
type files map[string][]byte

// Open opens a file.
func (f files) Open(name string) (fs.File, error) {
	content, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{entry{path.Base(name), int64(len(content)), 0o444}, bytes.NewReader(content)}, nil
}

// file is an open file.
type file struct {
	entry
	*bytes.Reader
}

// Stat describes the file.
func (f *file) Stat() (fs.FileInfo, error) { return f.entry, nil }

// Size is the file's, whatever was read of it.
func (f *file) Size() int64 { return f.entry.size }

// Close does nothing.
func (*file) Close() error { return nil }

// entry describes a file or a folder.
type entry struct {
	name string
	size int64
	mode fs.FileMode
}

func (e entry) Name() string      { return e.name }
func (e entry) Size() int64       { return e.size }
func (e entry) Mode() fs.FileMode { return e.mode }
func (entry) ModTime() time.Time  { return time.Time{} }
func (e entry) IsDir() bool       { return e.mode.IsDir() }
func (entry) Sys() any            { return nil }

package boottest

import (
	"bytes"
	"fmt"
)

// File is an entry of an initial RAM disk.
type File struct {
	Name string // without a slash in front
	// Mode has the type and permissions (cpio(5)): [Directory], [Regular], [Character].
	Mode uint32
	// Major and Minor are a device's.
	Major, Minor uint32
	Data         []byte
}

// Types of files.
const (
	Directory = 0o040000
	Regular   = 0o100000
	Character = 0o020000
)

// Archive returns an archive in the form that the kernel unpacks (newc: Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst). The same files make the
// same bytes: there are no times and no owners in it.
func Archive(files ...File) []byte {
	var b bytes.Buffer
	for n, f := range append(files, File{Name: "TRAILER!!!"}) {
		links := 1
		if f.Mode&0o170000 == Directory {
			links = 2
		}
		// Magic, inode, mode, uid, gid, links, mtime, size, the archive's device, the
		// entry's, the name's length with its NUL, and a checksum that this form has not.
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			n+1, f.Mode, 0, 0, links, 0, len(f.Data), 0, 0, f.Major, f.Minor, len(f.Name)+1, 0)
		b.WriteString(f.Name + "\x00")
		pad(&b)
		b.Write(f.Data)
		pad(&b)
	}
	return b.Bytes()
}

// pad fills up to a multiple of four bytes.
func pad(b *bytes.Buffer) { b.Write(make([]byte, -b.Len()&3)) }

package endpoint

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// own gives the socket its mode and owner: the very file that it has opened, which is a socket,
// whatever others put in its place.
func (c Config) own() error {
	fd, err := unix.Open(c.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: c.Path, Err: err}
	}
	defer unix.Close(fd)
	var found unix.Stat_t
	if err := unix.Fstat(fd, &found); err != nil {
		return err
	}
	if found.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("somebody put something else in the place of %s", c.Path)
	}
	if uid, gid := c.owners(); uid != -1 || gid != -1 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return &os.PathError{Op: "chown", Path: c.Path, Err: err}
		}
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), c.Mode) // fchmod(2) does not take O_PATH
}

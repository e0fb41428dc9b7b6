package store

import (
	"errors"
	"os"
	"syscall"
)

// create makes a file that is not there, for the directory's owner alone: what is
// kept tells which machines attest. What the superuser puts into a service's
// directory is the service's, which could not read it otherwise.
func create(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil || os.Geteuid() != 0 {
		return file, err
	}
	info, err := root.Stat(".")
	if err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			err = file.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Package tsmtest makes kernels whose configfs-tsm fails, for tests of what asks them.
package tsmtest

import (
	"os"
	"path"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
)

// Hook returns client with before called before each operation, with "mkdir",
// "rmdir", "write" or "read" and the attribute; its error takes the operation's place.
func Hook(client configfsi.Client, before func(operation, attribute string) error) configfsi.Client {
	return hooked{client, before}
}

type hooked struct {
	configfsi.Client
	before func(operation, attribute string) error
}

func (h hooked) MkdirTemp(dir, pattern string) (string, error) {
	if err := h.before("mkdir", ""); err != nil {
		return "", &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return h.Client.MkdirTemp(dir, pattern)
}

func (h hooked) RemoveAll(name string) error {
	if err := h.before("rmdir", ""); err != nil {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return h.Client.RemoveAll(name)
}

func (h hooked) WriteFile(name string, contents []byte) error {
	if err := h.before("write", path.Base(name)); err != nil {
		return &os.PathError{Op: "write", Path: name, Err: err}
	}
	return h.Client.WriteFile(name, contents)
}

func (h hooked) ReadFile(name string) ([]byte, error) {
	if err := h.before("read", path.Base(name)); err != nil {
		return nil, &os.PathError{Op: "read", Path: name, Err: err}
	}
	return h.Client.ReadFile(name)
}

// Fails makes one operation fail with an error, always.
func Fails(operation, attribute string, err error) func(string, string) error {
	return func(o, a string) error {
		if o == operation && a == attribute {
			return err
		}
		return nil
	}
}

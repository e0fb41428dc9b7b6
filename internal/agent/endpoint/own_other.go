//go:build !linux

package endpoint

import "os"

// own gives the socket its mode and owner.
func (c Config) own() error {
	uid, gid := c.owners()
	if err := os.Lchown(c.Path, uid, gid); err != nil {
		return err
	}
	return os.Chmod(c.Path, c.Mode)
}

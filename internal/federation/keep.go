package federation

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
)

func (m *member) path() string { return filepath.Join(m.config.Dir, m.TrustDomain+".json") }

// open begins with the first bundle that the operator gave, or a newer one that was
// kept. A kept one that cannot be read is fetched again.
func (m *member) open() error {
	if m.First != nil {
		first, err := parse(m.domain, m.First)
		if err != nil {
			return err
		}
		m.current.Store(&held{first, m.First})
	}
	raw, err := m.kept()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := parse(m.domain, raw)
	if err != nil {
		m.config.Notify(m.TrustDomain, err)
		return nil
	}
	if h := m.current.Load(); h == nil || !older(kept, h.parsed) {
		m.current.Store(&held{kept, raw})
	}
	return nil
}

// kept reads the bundle of an earlier run. Who can write it decides whom workloads trust.
func (m *member) kept() ([]byte, error) {
	info, err := os.Lstat(m.path())
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o022 != 0 || info.Size() > maxBundle {
		return nil, evidence.Errorf(evidence.CodeDataPermissions, m.path(), "it is no regular file of a bundle's size, or others may write to it (mode %04o); delete it", mode.Perm())
	}
	return os.ReadFile(m.path())
}

// keep replaces the kept bundle as a whole.
func (m *member) keep(raw []byte) error {
	file, err := os.CreateTemp(m.config.Dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), m.path())
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

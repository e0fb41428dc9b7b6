package store_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// heap is endorsements of anybody's.
func heap(contents ...any) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, content := range contents {
		switch c := content.(type) {
		case *x509.Certificate:
			e.AddCertificate(c)
		case *x509.RevocationList:
			e.AddCRL(c)
		case []byte:
			if err := endorsements.Parse("", c, e); err != nil {
				panic(err)
			}
		}
	}
	return e
}

// states returns the states of each name.
func states(s *store.Store) map[tee.EndorsementName]string {
	out := map[tee.EndorsementName]string{}
	for _, status := range s.Status() {
		out[status.Name] = strings.TrimSpace(out[status.Name] + " " + string(status.State))
	}
	return out
}

var fileForm = regexp.MustCompile(`^((certificate|crl)-[0-9a-f]{16}\.pem|tcb-info-[0-9a-f]{16}\.json|state\.json|lock)$`)

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// fileOf finds the file in a directory that holds an endorsement.
func fileOf(t *testing.T, dir string, raw []byte) string {
	t.Helper()
	for _, name := range filesIn(t, dir) {
		e := &tee.Endorsements{}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if endorsements.Parse(name, content, e) != nil {
			continue
		}
		for _, cert := range e.Certificates() {
			if bytes.Equal(cert.Raw, raw) {
				return filepath.Join(dir, name)
			}
		}
		for _, list := range e.RevocationLists() {
			if bytes.Equal(list.Raw, raw) {
				return filepath.Join(dir, name)
			}
		}
		for _, d := range e.AllDocuments() {
			if bytes.Equal(d.Raw, raw) {
				return filepath.Join(dir, name)
			}
		}
	}
	return ""
}

// forget removes the file that holds an endorsement.
func forget(t *testing.T, dir string, raw []byte) {
	t.Helper()
	if err := os.Remove(fileOf(t, dir, raw)); err != nil {
		t.Fatal(err)
	}
}

// What is kept is for the service's user alone, like all of the data directory.
func TestDirectoryIsPrivate(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := filepath.Join(t.TempDir(), "collateral")
		h := open(t, s, func(c *store.Config) { c.Dir = dir })
		h.fetched(issuerA, crl)
		h.Close()
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 4 { // two endorsements, the state, the lock
			t.Fatalf("%v, %v", files, err)
		}
		for _, f := range files {
			if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
	})
}

// The superuser's import into the service's directory leaves nothing there that
// the service cannot read.
func TestDirectoryKeepsItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only the superuser can write for others")
	}
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		if err := os.Chown(dir, 12345, 12346); err != nil {
			t.Skip(err)
		}
		h := open(t, s, func(c *store.Config) { c.Dir = dir })
		h.fetched(issuerA, crl)
		h.Close()
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 4 {
			t.Fatalf("%v, %v", files, err)
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 12346 {
				t.Errorf("%s is of %d:%d", f.Name(), owner.Uid, owner.Gid)
			}
		}
	})
}

package store_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

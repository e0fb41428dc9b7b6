package admin

import (
	"cmp"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// Issued is a certificate on record.
type Issued struct {
	Serial    string // 40 hex digits
	Name      string
	Role      Role
	NotBefore time.Time
	NotAfter  time.Time
	Revoked   bool
}

func newIssued(c *x509.Certificate, i identity) Issued {
	return Issued{Serial: serialOf(c.SerialNumber), Name: i.name, Role: i.role, NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC()}
}

// State is "valid", "expired" or "revoked" at a time.
func (i Issued) State(now time.Time) string {
	switch {
	case i.Revoked:
		return "revoked"
	case now.After(i.NotAfter):
		return "expired"
	}
	return "valid"
}

// Issued lists the certificates on record here, those that last longest first. The
// error is an *evidence.Error if something is among them that this authority did
// not issue.
func (a *Authority) Issued() ([]Issued, error) {
	dir := filepath.Join(a.dir, issuedDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxListed {
		return nil, evidence.Errorf(evidence.CodeAuthorityCert, dir, "more than %d files; remove those of expired certificates", maxListed)
	}
	var list []Issued
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // left by a crash before it had a name
			continue
		}
		one, err := a.readIssued(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(x, y Issued) int {
		return cmp.Or(y.NotAfter.Compare(x.NotAfter), cmp.Compare(x.Serial, y.Serial))
	})
	return list, nil
}

func (a *Authority) readIssued(path string) (Issued, error) {
	cert, err := readCertificate(path)
	if err != nil {
		return Issued{}, err
	}
	i, err := a.read(cert)
	if err != nil {
		return Issued{}, evidence.Errorf(evidence.CodeAuthorityCert, path, "it is no administrator's certificate of this authority: %w", err)
	}
	issued := newIssued(cert, i)
	if filepath.Base(path) != issued.Serial+".crt" {
		return Issued{}, evidence.Errorf(evidence.CodeAuthorityCert, path, "it is the certificate %s", issued.Serial)
	}
	issued.Revoked, err = a.isRevoked(issued.Serial)
	return issued, err
}

// Revoke has a certificate refused from now on, also by a running service. It
// needs no key, and the certificate need not be on record here. revoked is false if
// it was revoked before.
func (a *Authority) Revoke(serial string) (revoked bool, err error) {
	if serial, err = ParseSerial(serial); err != nil {
		return false, err
	}
	at := a.now().UTC().Format(time.RFC3339) + "\n"
	err = keyfile.WriteNew(filepath.Join(a.dir, revokedDir, serial), []byte(at), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// revoked reports whether a certificate is revoked, or nobody can tell.
func (a *Authority) revoked(serial string) bool {
	revoked, err := a.isRevoked(serial)
	return err != nil || revoked
}

// isRevoked looks at the files, so that a revocation counts at once. serial is one
// of [serialOf] or [ParseSerial]. An error means that nobody can tell.
func (a *Authority) isRevoked(serial string) (bool, error) {
	if err := a.checkFolders(); err != nil {
		return false, err
	}
	_, err := os.Lstat(filepath.Join(a.dir, revokedDir, serial))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quotary/quotary/internal/keyfile"
)

// rootListsDir has the revocation lists of roots whose keys are kept elsewhere, each named by the
// SHA-256 of its root's certificate.
const rootListsDir = "root-lists"

func rootListPath(dir string, root *x509.Certificate) string {
	return filepath.Join(dir, rootListsDir, rootID(root)+".crl")
}

// InstallRootList has the service publish a list, in PEM, that a root in the slots signed elsewhere. It
// refuses one that is not authentic, out of its time, not newer than the one before, or lacks what that
// one has, or an issuing CA that was revoked here; and one that revokes an issuing CA which issues, or
// is to.
func (s *Slots) InstallRootList(data []byte) (until time.Time, err error) {
	err = locked(s.dir, func() error {
		b := &book{Slots: s}
		if err := b.read(); err != nil {
			return err
		}
		root, list, err := b.findRoot(data)
		if err != nil {
			return err
		}
		if err := b.judgeRootList(root, list); err != nil {
			return err
		}
		until = list.NextUpdate
		return b.keepRootList(root, data)
	})
	return until, err
}

// findRoot finds the root in the slots that signed a list.
func (b *book) findRoot(data []byte) (root *x509.Certificate, list *x509.RevocationList, err error) {
	err = refuseRootList("there is no root")
	for _, m := range b.slots.members() {
		if root, err = readCertificate(filepath.Join(authorityDir(b.dir, b.changes, m.id), rootCertFile)); err != nil {
			return nil, nil, err
		}
		if list, err = parseRootList(data, root); err == nil {
			return root, list, nil
		}
	}
	return nil, nil, err
}

func (b *book) judgeRootList(root *x509.Certificate, list *x509.RevocationList) error {
	id, now := rootID(root), b.realm.now()
	switch {
	case list.ThisUpdate.After(now):
		return refuseRootList("it begins at %s; is the clock right?", list.ThisUpdate.Format(time.RFC3339))
	case !list.NextUpdate.After(now):
		return refuseRootList("it ended at %s", list.NextUpdate.Format(time.RFC3339))
	}
	last, err := installedRootList(b.dir, root)
	if err != nil {
		return err
	}
	if last != nil && list.Number.Cmp(last.Number) <= 0 {
		return refuseRootList("it is not newer than the list that is installed: sign another one, with that in --previous")
	}
	wanted, err := b.revokedBelow(id, now)
	if err != nil {
		return err
	}
	if last != nil {
		wanted = append(wanted, carriedOver(last)...)
	}
	for _, e := range wanted {
		if !hasEntry(list.RevokedCertificateEntries, e.SerialNumber) {
			return refuseRootList("it lacks the issuing CA with the serial number %x, which was revoked: sign it with what `quotaryd ca show --revoked` prints in --revoked, and the list before in --previous", e.SerialNumber)
		}
	}
	for _, m := range b.slots.members() {
		issuing, err := readCertificate(filepath.Join(authorityDir(b.dir, b.changes, m.id), issuingCertFile))
		if err != nil {
			return err
		}
		if m.root == id && (m.state == Active || m.state == Prepared) && hasEntry(list.RevokedCertificateEntries, issuing.SerialNumber) {
			return refuseRootList("it revokes the authority %s, which is %s: activate another one first", m.id, m.state)
		}
	}
	return nil
}

// keepRootList puts a list in the place of the one before, all at once.
func (b *book) keepRootList(root *x509.Certificate, data []byte) error {
	if err := os.MkdirAll(filepath.Join(b.dir, rootListsDir), 0o700); err != nil {
		return err
	}
	path := rootListPath(b.dir, root)
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := keyfile.WriteNew(draft, data, 0o644); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// installedRootList is the list of a root that was installed, or nil.
func installedRootList(dir string, root *x509.Certificate) (*x509.RevocationList, error) {
	data, _, err := keyfile.Read(rootListPath(dir, root))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRootList(data, root)
}

// revokedBelow are the issuing CAs below a root that were revoked and would not have ended.
func (b *book) revokedBelow(root string, now time.Time) (entries []x509.RevocationListEntry, err error) {
	err = b.visitRevoked(root, now, func(c *x509.Certificate, at time.Time) { entries = withEntry(entries, c.SerialNumber, at) })
	return entries, err
}

func (b *book) visitRevoked(root string, now time.Time, visit func(*x509.Certificate, time.Time)) error {
	for _, c := range b.changes {
		if c.Step != StepRevoke || c.Root != root || c.Time.Add(maxLife).Before(now) {
			continue
		}
		issuing, err := readCertificate(filepath.Join(authorityDir(b.dir, b.changes, c.Authority), issuingCertFile))
		if errors.Is(err, fs.ErrNotExist) { // somebody cleared up
			continue
		}
		if err != nil {
			return err
		}
		if now.Before(issuing.NotAfter) {
			visit(issuing, c.Time)
		}
	}
	return nil
}

// Revoked returns, in PEM, the certificates of issuing CAs that were revoked and would not have ended, below
// the roots in the slots: what these roots' revocation lists are to have.
func (s *Slots) Revoked() (out []byte, err error) {
	err = locked(s.dir, func() error {
		b := &book{Slots: s}
		if err := b.read(); err != nil {
			return err
		}
		var list [][]byte
		roots := map[string]bool{}
		for _, m := range b.slots.members() {
			if roots[m.root] {
				continue
			}
			roots[m.root] = true
			if err := b.visitRevoked(m.root, b.realm.now(), func(c *x509.Certificate, _ time.Time) { list = append(list, c.Raw) }); err != nil {
				return err
			}
		}
		out = encodePEM(list...)
		return nil
	})
	return out, err
}

// ListBasis says what revocation lists rest on beside what was revoked: it is another one when the
// authorities in force are, or the lists of roots that were installed.
func (a *Authority) ListBasis() string {
	f := a.force.Load()
	var b strings.Builder
	fmt.Fprint(&b, len(f.changes))
	for _, root := range f.roots {
		if info, err := os.Stat(rootListPath(a.config.Dir, root)); err == nil {
			fmt.Fprint(&b, " ", info.ModTime().UnixNano(), " ", info.Size())
		}
	}
	return b.String()
}

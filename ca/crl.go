package ca

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"slices"
	"time"
)

const pemList = "X509 CRL" // RFC 7468 §6

// Revocation is a certificate that counts no more.
type Revocation struct {
	Serial *big.Int
	Time   time.Time // when it was revoked
}

// RevocationLists are what relying parties go by that ask for CRLs (RFC 5280 §5). They
// are immutable.
type RevocationLists struct {
	// Sequence is that of the last revocation, and the second part of the lists' numbers.
	Sequence int64
	// Active is the name of the authority that issues now.
	Active string
	// Issuing are the lists of the issuing CAs in the slots, in DER, by their authority's name.
	// Each has all that was revoked: serial numbers are random, and no two are the same.
	Issuing map[string][]byte
	// Roots are the lists of the roots, in DER, with the issuing CAs that were revoked and have not
	// ended: signed here where the root's key is, else as they were installed, if they were.
	// Programs that ask for a list of every CA of a chain need them.
	Roots [][]byte
	// RootsUntil is when the list of its root ends, by the authority's name; authorities whose root
	// has none are not in it.
	RootsUntil map[string]time.Time
	// InstalledUntil is when the first of the lists ends that were installed: nobody but the keeper of
	// its root's key can sign the next one. Zero without any.
	InstalledUntil time.Time
	// RootFault is why the list of a root could not be made or read. The last one that could be stands in its
	// place, if this process had one: what else was revoked must not wait for it.
	RootFault error
	// Issuers are the certificates of the CAs that signed the lists in Issuing, in DER.
	Issuers [][]byte
	// ThisUpdate is when the lists were made, and NextUpdate when they end.
	ThisUpdate, NextUpdate time.Time
}

// RevocationLists signs lists of what was revoked. sequence grows with it: of two lists that
// one authority signs, the later one has the higher number, as long as the clock goes on.
func (a *Authority) RevocationLists(revoked []Revocation, sequence int64) (*RevocationLists, error) {
	f, now := a.force.Load(), a.now()
	lists := &RevocationLists{Sequence: sequence, Active: f.active.id(), Issuing: map[string][]byte{}, RootsUntil: map[string]time.Time{}, ThisUpdate: now, NextUpdate: now.Add(crlLife)}
	entries := make([]x509.RevocationListEntry, len(revoked))
	for i, r := range revoked {
		entries[i] = x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.Time.UTC().Truncate(time.Second)}
	}
	template := &x509.RevocationList{
		RevokedCertificateEntries: entries, Number: crlNumber(sequence, now),
		ThisUpdate: now.Add(-backdate), NextUpdate: lists.NextUpdate,
	}
	for id, h := range f.all {
		der, err := signList(template, h.issuing, h.key)
		if err != nil {
			return nil, err
		}
		lists.Issuing[id] = der
		lists.Issuers = append(lists.Issuers, h.issuing.Raw)
	}
	a.rootLists(lists, f, template)
	return lists, nil
}

// rootList is the revocation list of a root; the zero rootList is none.
type rootList struct {
	der         []byte
	until       time.Time
	isInstalled bool // nobody here can sign it
}

// rootLists adds the lists of the roots.
func (a *Authority) rootLists(lists *RevocationLists, f *force, template *x509.RevocationList) {
	folder := &book{Slots: a.Slots(), changes: f.changes}
	a.listed.Lock()
	defer a.listed.Unlock()
	for _, root := range f.roots {
		list, err := folder.rootList(root, template)
		if err != nil {
			lists.RootFault = errors.Join(lists.RootFault, err)
			list = a.rootListed[rootID(root)]
		}
		if list.der == nil {
			continue
		}
		a.rootListed[rootID(root)] = list
		lists.addRoot(root, f, list)
	}
}

// rootList signs the list of a root if its key is here, else it is the installed one, if there is one.
func (b *book) rootList(root *x509.Certificate, template *x509.RevocationList) (rootList, error) {
	installed, err := installedRootList(b.dir, root)
	if err != nil {
		return rootList{}, err
	}
	key, err := b.rootKey(rootID(root))
	switch {
	case err != nil:
		return rootList{}, err
	case key != "":
		der, err := b.signRootList(root, key, installed, *template)
		return rootList{der, template.NextUpdate, false}, err
	case installed != nil:
		return rootList{installed.Raw, installed.NextUpdate, true}, nil
	}
	return rootList{}, nil
}

func (l *RevocationLists) addRoot(root *x509.Certificate, f *force, list rootList) {
	l.Roots = append(l.Roots, list.der)
	for id, h := range f.all {
		if h.root.Equal(root) {
			l.RootsUntil[id] = list.until
		}
	}
	if first := l.InstalledUntil; list.isInstalled && (first.IsZero() || list.until.Before(first)) {
		l.InstalledUntil = list.until
	}
}

// signRootList signs the list of a root with the key at a path, which is not kept in memory. It has
// what was installed before.
func (b *book) signRootList(root *x509.Certificate, path string, installed *x509.RevocationList, template x509.RevocationList) ([]byte, error) {
	key, err := b.realm.keys.Load(path, elliptic.P384())
	if err != nil {
		return nil, err
	}
	if template.RevokedCertificateEntries, err = b.revokedBelow(rootID(root), b.realm.now()); err != nil {
		return nil, err
	}
	if installed != nil {
		for _, e := range carriedOver(installed) {
			template.RevokedCertificateEntries = withEntry(template.RevokedCertificateEntries, e.SerialNumber, e.RevocationTime)
		}
	}
	return signList(&template, root, key)
}

// signList signs a list, and returns it if it verifies.
func signList(template *x509.RevocationList, issuer *x509.Certificate, key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateRevocationList(rand.Reader, template, issuer, key)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	return der, list.CheckSignatureFrom(issuer)
}

// crlNumber is a CRL's number: the time, then the sequence of what it has. A list that is signed
// anew has a number of its own (RFC 5280 §5.2.3), and numbers go on growing where an old copy of the
// ledger was put back. It takes 127 bits at most.
func crlNumber(sequence int64, now time.Time) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(now.Unix()), 64)
	return n.Add(n, big.NewInt(sequence))
}

// PEM returns the lists of issuing CAs and roots one after the other.
func (l *RevocationLists) PEM() []byte {
	var out bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(l.Issuing)) {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: l.Issuing[id]}))
	}
	for _, der := range l.Roots {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: der}))
	}
	return out.Bytes()
}

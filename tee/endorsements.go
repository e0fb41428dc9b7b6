package tee

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Endorsements are the vendors' statements that a verification may draw on:
// certificates, CRLs and collateral documents, indexed by content. Nothing in
// them is trusted: a verifier uses an entry only after its signature chain to a
// trust anchor held. The zero value is empty. Build one with the Add methods;
// after that it is only read, and safe for concurrent use.
type Endorsements struct {
	bySubject   map[string][]*x509.Certificate
	byExtension map[string][]*x509.Certificate
	crls        map[string][]*x509.RevocationList
	documents   map[documentKey][]Document
	held        map[[sha256.Size]byte]struct{} // what is there already
	base        *Endorsements                  // what lies beneath; see Over
}

// DocumentType names a kind of signed collateral document that is not a
// certificate or CRL.
type DocumentType string

// The collateral documents of Intel's provisioning certification service (API v4).
const (
	DocumentTCBInfo    DocumentType = "tcb-info"    // keyed by FMSPC, 12 lower-case hex digits (behind "sgx/" for SGX)
	DocumentQEIdentity DocumentType = "qe-identity" // keyed by its id: "TD_QE", "QE", …
)

// Document is a signed document, exactly as it was received.
type Document struct {
	Type DocumentType
	// Key is what the document is looked up by; it was read before any signature was checked.
	Key string
	Raw []byte
}

type documentKey struct {
	typ DocumentType
	key string
}

// AddCertificate adds a certificate. It is found by its subject and by the
// values of its non-standard extensions (AMD's HWID, for example). What is there
// already, byte for byte, is not added again by this or the other Add methods.
func (e *Endorsements) AddCertificate(cert *x509.Certificate) {
	if !e.hold("certificate", "", cert.Raw) {
		return
	}
	subject := string(cert.RawSubject)
	if e.bySubject == nil {
		e.bySubject = map[string][]*x509.Certificate{}
		e.byExtension = map[string][]*x509.Certificate{}
	}
	e.bySubject[subject] = append(e.bySubject[subject], cert)
	for _, ext := range cert.Extensions {
		if isVendorExtension(ext.Id) {
			key := extensionKey(ext.Id, ext.Value)
			e.byExtension[key] = append(e.byExtension[key], cert)
		}
	}
}

// AddCRL adds a certificate revocation list, found by its issuer.
func (e *Endorsements) AddCRL(crl *x509.RevocationList) {
	if !e.hold("crl", "", crl.Raw) {
		return
	}
	if e.crls == nil {
		e.crls = map[string][]*x509.RevocationList{}
	}
	e.crls[string(crl.RawIssuer)] = append(e.crls[string(crl.RawIssuer)], crl)
}

// AddDocument adds a collateral document, found by its type and key.
func (e *Endorsements) AddDocument(d Document) {
	if !e.hold(string(d.Type), d.Key, d.Raw) {
		return
	}
	if e.documents == nil {
		e.documents = map[documentKey][]Document{}
	}
	key := documentKey{d.Type, d.Key}
	e.documents[key] = append(e.documents[key], d)
}

// hold takes note of an entry and reports whether it is new. It compares digests:
// a heap may have very many entries of one name.
func (e *Endorsements) hold(typ, key string, raw []byte) bool {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q ", typ, key)
	h.Write(raw)
	id := [sha256.Size]byte(h.Sum(nil))
	if _, known := e.held[id]; known {
		return false
	}
	if e.held == nil {
		e.held = map[[sha256.Size]byte]struct{}{}
	}
	e.held[id] = struct{}{}
	return true
}

// Over returns a view of e on top of base: lookups find the entries of both, e's
// first, and what is in both once. Neither may be added to afterwards. Either may be nil.
func (e *Endorsements) Over(base *Endorsements) *Endorsements {
	switch {
	case e.Len() == 0:
		return base
	case base.Len() == 0:
		return e
	}
	view := *e
	view.base = base
	if e.base != nil {
		view.base = e.base.Over(base)
	}
	return &view
}

// BySubject returns the certificates with this DER subject.
func (e *Endorsements) BySubject(rawSubject []byte) []*x509.Certificate {
	if e == nil {
		return nil
	}
	return union(e.bySubject[string(rawSubject)], e.base.BySubject(rawSubject), certificateBytes, sameCertificate)
}

// ByExtension returns the certificates that carry this extension with exactly this value.
func (e *Endorsements) ByExtension(oid asn1.ObjectIdentifier, value []byte) []*x509.Certificate {
	if e == nil {
		return nil
	}
	return union(e.byExtension[extensionKey(oid, value)], e.base.ByExtension(oid, value), certificateBytes, sameCertificate)
}

// EachByExtension goes through the certificates that ByExtension returns, for
// whoever does not need all: a store may have tens of thousands. What is in several
// parts of a view comes once for each.
func (e *Endorsements) EachByExtension(oid asn1.ObjectIdentifier, value []byte) iter.Seq[*x509.Certificate] {
	key := extensionKey(oid, value)
	return func(yield func(*x509.Certificate) bool) {
		for part := e; part != nil; part = part.base {
			for _, cert := range part.byExtension[key] {
				if !yield(cert) {
					return
				}
			}
		}
	}
}

// CRLs returns the revocation lists of this DER issuer.
func (e *Endorsements) CRLs(rawIssuer []byte) []*x509.RevocationList {
	if e == nil {
		return nil
	}
	return union(e.crls[string(rawIssuer)], e.base.CRLs(rawIssuer), crlBytes, sameCRL)
}

// Documents returns the documents of this type and key.
func (e *Endorsements) Documents(typ DocumentType, key string) []Document {
	if e == nil {
		return nil
	}
	return union(e.documents[documentKey{typ, key}], e.base.Documents(typ, key), documentBytes, sameDocument)
}

// Certificates returns every certificate, each once, ordered by its DER subject
// and, within one subject, as they were added.
func (e *Endorsements) Certificates() []*x509.Certificate {
	if e == nil {
		return nil
	}
	return union(inOrder(e.bySubject, strings.Compare), e.base.Certificates(), certificateBytes, sameCertificate)
}

// RevocationLists returns every CRL, ordered by its DER issuer.
func (e *Endorsements) RevocationLists() []*x509.RevocationList {
	if e == nil {
		return nil
	}
	return union(inOrder(e.crls, strings.Compare), e.base.RevocationLists(), crlBytes, sameCRL)
}

// AllDocuments returns every collateral document, ordered by type and key.
func (e *Endorsements) AllDocuments() []Document {
	if e == nil {
		return nil
	}
	own := inOrder(e.documents, func(a, b documentKey) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.key, b.key))
	})
	return union(own, e.base.AllDocuments(), documentBytes, sameDocument)
}

// union returns the entries of upper and those of lower that are not among them.
// It takes time in proportion to both: a view may hold tens of thousands of one key.
func union[T any](upper, lower []T, raw func(T) []byte, same func(a, b T) bool) []T {
	if len(lower) == 0 {
		return upper
	}
	if len(upper) == 0 {
		return lower
	}
	isKnown := func(entry T) bool {
		return slices.ContainsFunc(upper, func(known T) bool { return same(known, entry) })
	}
	if len(upper) > 8 { // seldom; below, a map would cost more
		isKnown = isAmong(upper, raw, same)
	}
	all := slices.Clip(upper)
	for _, entry := range lower {
		if !isKnown(entry) {
			all = append(all, entry)
		}
	}
	return all
}

// isAmong returns what reports whether an entry is among many.
func isAmong[T any](many []T, raw func(T) []byte, same func(a, b T) bool) func(T) bool {
	seed := maphash.MakeSeed()
	byHash := make(map[uint64][]T, len(many))
	for _, entry := range many {
		hash := maphash.Bytes(seed, raw(entry))
		byHash[hash] = append(byHash[hash], entry)
	}
	return func(entry T) bool {
		return slices.ContainsFunc(byHash[maphash.Bytes(seed, raw(entry))], func(known T) bool { return same(known, entry) })
	}
}

func certificateBytes(c *x509.Certificate) []byte { return c.Raw }

func crlBytes(l *x509.RevocationList) []byte { return l.Raw }

func documentBytes(d Document) []byte { return d.Raw }

func sameCertificate(a, b *x509.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }

func sameCRL(a, b *x509.RevocationList) bool { return bytes.Equal(a.Raw, b.Raw) }

func sameDocument(a, b Document) bool {
	return a.Type == b.Type && a.Key == b.Key && bytes.Equal(a.Raw, b.Raw)
}

// inOrder flattens an index by its ordered keys.
func inOrder[K comparable, V any](index map[K][]V, compare func(a, b K) int) []V {
	var out []V
	for _, key := range slices.SortedFunc(maps.Keys(index), compare) {
		out = append(out, index[key]...)
	}
	return out
}

// Len returns the number of entries; what is in both parts of a view counts twice.
func (e *Endorsements) Len() int {
	if e == nil {
		return 0
	}
	return len(e.held) + e.base.Len()
}

func extensionKey(oid asn1.ObjectIdentifier, value []byte) string {
	return oid.String() + "\x00" + string(value)
}

// isVendorExtension reports whether an extension stands under the private
// enterprise arc (1.3.6.1.4.1): standard extensions identify nothing and would
// only swell the index.
func isVendorExtension(oid asn1.ObjectIdentifier) bool {
	arc := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1}
	return len(oid) > len(arc) && oid[:len(arc)].Equal(arc)
}

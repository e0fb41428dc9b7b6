package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// epoch is when the test's vendor opens; testing/synctest starts its clock then.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// world is the PKI of a vendor that is none: one root, issuers under it, a
// revocation list of the root's, certificates of keys, and signed documents.
type world struct {
	t    testing.TB
	key  *ecdsa.PrivateKey // of everything
	root *x509.Certificate

	mu     sync.Mutex
	serial int64
	made   map[string]*x509.Certificate
}

var worldKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, key: worldKey(), made: map[string]*x509.Certificate{}}
	ca := w.template("Root", epoch.AddDate(-10, 0, 0), epoch.AddDate(40, 0, 0))
	asCA(ca)
	w.root = w.sign(ca, ca)
	return w
}

// stranger is the same world under a root of another key: what it makes looks
// the same and is not authentic.
func newStranger(t testing.TB) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: key, made: map[string]*x509.Certificate{}}
	ca := w.template("Root", epoch.AddDate(-10, 0, 0), epoch.AddDate(40, 0, 0))
	asCA(ca)
	w.root = w.sign(ca, ca)
	return w
}

func (w *world) template(name string, from, to time.Time) *x509.Certificate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return &x509.Certificate{SerialNumber: big.NewInt(w.serial), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

func (w *world) sign(template, parent *x509.Certificate) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &w.key.PublicKey, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return cert
}

// issuer makes the issuer of a line, one for each instant.
func (w *world) issuer(line string, from time.Time) *x509.Certificate {
	id := line + from.String()
	w.mu.Lock()
	cert := w.made[id]
	w.mu.Unlock()
	if cert != nil {
		return cert
	}
	template := w.template("Issuer "+line, from, from.AddDate(25, 0, 0))
	asCA(template)
	cert = w.sign(template, w.root)
	w.mu.Lock()
	w.made[id] = cert
	w.mu.Unlock()
	return cert
}

// keyOf makes the certificate of a key: id is the line and the chip, as in "A/01".
func (w *world) keyOf(id string, from time.Time) *x509.Certificate {
	line, _, _ := strings.Cut(id, "/")
	template := w.template("Key "+id, from, from.AddDate(7, 0, 0))
	return w.sign(template, w.issuer(line, epoch.AddDate(-1, 0, 0)))
}

// list makes a revocation list of the root's.
func (w *world) list(number int64, from, to time.Time, serials ...int64) *x509.RevocationList {
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: from, NextUpdate: to}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, w.root, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// content of a document, in the form of Intel's.
type content struct {
	ID         string    `json:"id"`
	FMSPC      string    `json:"fmspc"`
	IssueDate  time.Time `json:"issueDate"`
	NextUpdate time.Time `json:"nextUpdate"`
	Number     uint64    `json:"tcbEvaluationDataNumber"`
}

// document makes a signed document of a platform (12 hex digits).
func (w *world) document(platform string, number uint64, from, to time.Time) []byte {
	body, err := json.Marshal(content{"TDX", platform, from, to, number})
	if err != nil {
		w.t.Fatal(err)
	}
	hash := sha256.Sum256(body)
	signature, err := ecdsa.SignASN1(rand.Reader, w.key, hash[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Appendf(nil, `{"tcbInfo":%s,"signature":"%x"}`, body, signature)
}

func pemOf(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text
}

// endorser is the world's. Its names are
//
//	issuer  A           the issuer of a line, part of the baseline for line A
//	crl     root        the root's list, part of the baseline
//	key     A/01        the certificate of a key
//	sealed  A/01        likewise of a key that the vendor does not hand out
//	doc     000000000000
type endorser struct {
	root   *x509.Certificate
	panics bool
}

var (
	lineForm = regexp.MustCompile(`^[A-Z]$`)
	keyForm  = regexp.MustCompile(`^[A-Z]/[0-9a-z]{1,64}$`)
	docForm  = regexp.MustCompile(`^[0-9a-f]{12}$`)
)

func (endorser) Needs(claims evidence.Claims) []tee.EndorsementName {
	return []tee.EndorsementName{issuerA, crl}
}

func (endorser) Locate(name tee.EndorsementName) (string, bool) {
	switch {
	case name.Type == "issuer" && lineForm.MatchString(name.ID):
		return "/v1/" + name.ID + "/chain", true
	case name == crl:
		return "/v1/crl", true
	case name.Type == "key" && keyForm.MatchString(name.ID):
		return "/v1/" + name.ID + "?spl=1&other=2", true
	case name.Type == "doc" && docForm.MatchString(name.ID):
		return "/v1/doc?fmspc=" + name.ID, true
	case name.Type == "escape": // an endorser with a hole in it
		return name.ID, true
	}
	return "", false
}

func (e endorser) Admit(found, held *tee.Endorsements, now time.Time) []tee.Endorsed {
	if e.panics {
		panic("a fault")
	}
	var all []tee.Endorsed
	both := found.Over(held)
	for _, cert := range found.Certificates() {
		if name, ok := e.nameOf(cert, both); ok && !cert.NotBefore.After(now) {
			all = append(all, tee.Endorsed{Provides: name, Certificate: cert, Issued: cert.NotBefore, Expires: cert.NotAfter})
		}
	}
	for _, list := range found.RevocationLists() {
		if list.CheckSignatureFrom(e.root) == nil && !list.ThisUpdate.After(now) {
			all = append(all, tee.Endorsed{Provides: []tee.EndorsementName{crl}, CRL: list, Issued: list.ThisUpdate, Expires: list.NextUpdate, Sequence: list.Number.Uint64()})
		}
	}
	for _, d := range found.AllDocuments() {
		if c, ok := e.open(d); ok && !c.IssueDate.After(now) {
			all = append(all, tee.Endorsed{Provides: []tee.EndorsementName{{Type: "doc", ID: d.Key}}, Document: &d, Issued: c.IssueDate, Expires: c.NextUpdate, Sequence: c.Number})
		}
	}
	return all
}

func (e endorser) nameOf(cert *x509.Certificate, both *tee.Endorsements) ([]tee.EndorsementName, bool) {
	if cert.IsCA {
		line, ok := strings.CutPrefix(cert.Subject.CommonName, "Issuer ")
		return []tee.EndorsementName{{Type: "issuer", ID: line}}, ok && cert.CheckSignatureFrom(e.root) == nil
	}
	for _, issuer := range both.BySubject(cert.RawIssuer) {
		if issuer.CheckSignatureFrom(e.root) == nil && cert.CheckSignatureFrom(issuer) == nil {
			kind, id, ok := strings.Cut(cert.Subject.CommonName, " ")
			return []tee.EndorsementName{{Type: strings.ToLower(kind), ID: id}}, ok
		}
	}
	return nil, false
}

func (e endorser) open(d tee.Document) (c content, ok bool) {
	var whole struct {
		Info      json.RawMessage `json:"tcbInfo"`
		Signature string          `json:"signature"`
	}
	if json.Unmarshal(d.Raw, &whole) != nil || json.Unmarshal(whole.Info, &c) != nil {
		return c, false
	}
	signature, err := hex.DecodeString(whole.Signature)
	hash := sha256.Sum256(whole.Info)
	return c, err == nil && ecdsa.VerifyASN1(e.root.PublicKey.(*ecdsa.PublicKey), hash[:], signature)
}

var (
	issuerA = tee.EndorsementName{Type: "issuer", ID: "A"}
	crl     = tee.EndorsementName{Type: "crl", ID: "root"}
)

func keyName(id string) tee.EndorsementName { return tee.EndorsementName{Type: "key", ID: id} }
func docName(id string) tee.EndorsementName { return tee.EndorsementName{Type: "doc", ID: id} }

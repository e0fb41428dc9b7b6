package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" // a name of keys, not a signature
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"github.com/quotary/quotary/internal/ocsp"
)

// Responder answers questions about single certificates (OCSP, RFC 6960) in the name of the issuing CAs
// in the slots, which delegated that to it: with a key that is in memory only, and a short-lived
// certificate of each. The CAs' own keys sign no answers. It is immutable, and safe for concurrent use.
type Responder struct {
	key       *ecdsa.PrivateKey
	keyHash   []byte // how answers name it (RFC 6960 §4.2.1, byKey)
	delegates []*delegate
	// Since is when it was made.
	Since time.Time
}

// delegate is a responder's authorisation by one issuing CA.
type delegate struct {
	*hierarchy
	cert  *x509.Certificate
	names []issuerName
}

// issuerName is how requests name an issuing CA.
type issuerName struct {
	hash           crypto.Hash
	name, keyBytes []byte
}

// Responder makes a responder for the authorities that are in force now and have not ended.
func (a *Authority) Responder() (*Responder, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	keyHash := sha1.Sum(point)
	r := &Responder{key: key, keyHash: keyHash[:], Since: a.now()}
	for _, h := range a.force.Load().all {
		if r.Since.Add(minTTL).After(h.issuing.NotAfter) { // as is all that it issued
			continue
		}
		d, err := h.delegate(&key.PublicKey, r.Since)
		if err != nil {
			return nil, err
		}
		r.delegates = append(r.delegates, d)
	}
	return r, nil
}

// delegate certifies a responder's key.
func (h *hierarchy) delegate(key *ecdsa.PublicKey, now time.Time) (*delegate, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	notBefore, notAfter, err := validity(h.issuing, now, responderTTL, time.Time{})
	if err != nil {
		return nil, err
	}
	cert, err := h.signResponder(&responderProfile{h.newSerial(), spki, notBefore, notAfter})
	if err != nil {
		return nil, err
	}
	names, err := issuerNames(h.issuing)
	return &delegate{hierarchy: h, cert: cert, names: names}, err
}

// issuerNames are the names of an issuer: digests of its subject and of its key's bits (RFC 6960 §4.1.1).
func issuerNames(c *x509.Certificate) ([]issuerName, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info); err != nil {
		return nil, err
	}
	key := info.Key.RightAlign()
	name1, key1 := sha1.Sum(c.RawSubject), sha1.Sum(key)
	name256, key256 := sha256.Sum256(c.RawSubject), sha256.Sum256(key)
	return []issuerName{{crypto.SHA1, name1[:], key1[:]}, {crypto.SHA256, name256[:], key256[:]}}, nil
}

// Subject is the certificate that a request asks about, below an issuing CA that the responder
// answers for.
type Subject struct {
	// Serial is its serial number in lower-case hex, 40 digits.
	Serial string
	// Given says that the number is one that this CA gives. If it is not, no certificate of
	// the CA has it.
	Given bool

	responder *Responder
	by        *delegate
	request   *ocsp.Request
}

// Subject finds what a request asks about, and reports false if that is no certificate that the
// responder can speak of.
func (r *Responder) Subject(q *ocsp.Request) (Subject, bool) {
	for _, d := range r.delegates {
		if !slices.ContainsFunc(d.names, func(n issuerName) bool { return n.is(q) }) {
			continue
		}
		s := Subject{Given: d.gave(q.Serial), responder: r, by: d, request: q}
		if s.Given {
			s.Serial = serialText(q.Serial)
		}
		return s, true
	}
	return Subject{}, false
}

func (n issuerName) is(q *ocsp.Request) bool {
	return n.hash == q.Hash && bytes.Equal(n.name, q.NameHash) && bytes.Equal(n.keyBytes, q.KeyHash)
}

// responderProfile is everything that a responder's certificate will say.
type responderProfile struct {
	serial              *big.Int
	spki                []byte
	notBefore, notAfter time.Time
}

// The parts that are the same in every responder's certificate (RFC 6960 §4.2.2.2).
var (
	oidOCSPNoCheck    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	responderKeyUsage = extension(oidExtKeyUsage, false, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 9)))
	responderNoCheck  = extension(oidOCSPNoCheck, false, tlv(0x05)) // it is too short-lived to be revoked
	responderSubject  = sequence(tlv(tagSet, sequence(oid(2, 5, 4, 3), tlv(tagUTF8String, []byte(responderName)))))
)

const responderName = "Quotary OCSP responder"

// signResponder is the one place where a responder's certificate is signed: what is to be signed is
// parsed and judged before, byte for byte; the signature is verified after.
func (h *hierarchy) signResponder(p *responderProfile) (*x509.Certificate, error) {
	tbs := contents{
		serial: p.serial, notBefore: p.notBefore, notAfter: p.notAfter, subject: responderSubject, spki: p.spki,
		usage: responderKeyUsage, more: responderNoCheck,
	}.encode(h.issuing)
	cert, err := x509.ParseCertificate(certificate(tbs, nil))
	if err != nil {
		return nil, refuseLint("it cannot be parsed: %w", err)
	}
	if err := h.lintResponder(cert); err != nil {
		return nil, err
	}
	if cert.SerialNumber.Cmp(p.serial) != 0 || !bytes.Equal(cert.RawSubjectPublicKeyInfo, p.spki) ||
		!cert.NotBefore.Equal(p.notBefore) || !cert.NotAfter.Equal(p.notAfter) {
		return nil, refuseLint("it does not say what was decided")
	}
	return signAs(h.key, h.issuing, tbs)
}

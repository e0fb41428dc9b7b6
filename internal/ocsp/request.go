// Package ocsp reads OCSP requests (RFC 6960 §4.1) as the profile of RFC 5019 has them: one
// certificate, unsigned. It is strict: what is not DER, or says anything twice, is refused.
//
// Start at [ParseRequest].
package ocsp

import (
	"bytes"
	"crypto"
	"errors"
	"math/big"
)

// Request asks for the status of one certificate.
type Request struct {
	// Hash is what the issuer is named by: SHA-1 or SHA-256. Zero is another one.
	Hash crypto.Hash
	// NameHash and KeyHash are digests of the issuer's name and public key.
	NameHash, KeyHash []byte
	// Serial is the certificate's serial number, which is positive.
	Serial *big.Int
	// CertID is the element with all of these, in DER: an answer repeats it.
	CertID []byte
	// Nonce is what an answer repeats to be known as a new one: 1 to 128 bytes (RFC 9654 §2.1).
	// Nil without one.
	Nonce []byte
}

// errMalformed is about everything that is no request of the profile: a responder can say no more of
// it than one byte does.
var errMalformed = errors.New("ocsp: this is no request for the status of one certificate")

// ParseRequest reads a request in DER. Of more than one certificate, of a signature and of an
// extension that is critical and not a nonce it takes none.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, errMalformed
	}
	all := &reader{rest: der}
	outer := all.open(tagSequence)
	tbs := outer.open(tagSequence)
	if !all.done() || !outer.done() {
		return nil, errMalformed
	}
	if tbs.next(tagVersion) { // the default is left out in DER, and common all the same
		version := tbs.open(tagVersion)
		if v, _ := version.take(tagInteger); !version.done() || !bytes.Equal(v, []byte{0}) {
			return nil, errMalformed
		}
	}
	if tbs.next(tagRequestor) { // anybody may ask
		tbs.take(tagRequestor)
	}
	list := tbs.open(tagSequence)
	single := list.open(tagSequence)
	var q Request
	if !q.certID(single) || single.next(tagSingle) && !(&Request{}).extensions(single.open(tagSingle), false) || !single.done() || !list.done() {
		return nil, errMalformed
	}
	if tbs.next(tagExtensions) && !q.extensions(tbs.open(tagExtensions), true) || !tbs.done() {
		return nil, errMalformed
	}
	return &q, nil
}

// Object identifiers as their content: SHA-1, SHA-256 and id-pkix-ocsp-nonce (RFC 6960 §4.4.1).
var (
	oidSHA1   = []byte{0x2b, 0x0e, 0x03, 0x02, 0x1a}
	oidSHA256 = []byte{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}
	oidNonce  = []byte{0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02}
)

// certID reads which certificate is asked about, and reports whether it could.
func (q *Request) certID(r *reader) bool {
	content, whole := r.take(tagSequence)
	id := &reader{rest: content, failed: r.failed}
	algorithm := id.open(tagSequence)
	oid, _ := algorithm.take(tagOID)
	if algorithm.next(tagNull) {
		null, _ := algorithm.take(tagNull)
		algorithm.failed = algorithm.failed || len(null) != 0
	}
	q.NameHash, _ = id.take(tagOctetString)
	q.KeyHash, _ = id.take(tagOctetString)
	serial, _ := id.take(tagInteger)
	switch {
	case bytes.Equal(oid, oidSHA1):
		q.Hash = crypto.SHA1
	case bytes.Equal(oid, oidSHA256):
		q.Hash = crypto.SHA256
	}
	q.CertID = whole
	q.Serial = new(big.Int).SetBytes(serial)
	sized := q.Hash == 0 || len(q.NameHash) == q.Hash.Size() && len(q.KeyHash) == q.Hash.Size()
	return len(oid) > 0 && algorithm.done() && id.done() && sized && isPositive(serial)
}

// isPositive reports whether a number is above zero, in its shortest form and no longer than serial
// numbers are.
func isPositive(b []byte) bool {
	switch {
	case len(b) == 0 || len(b) > maxSerial || b[0]&0x80 != 0:
		return false
	case b[0] == 0:
		return len(b) > 1 && b[1]&0x80 != 0
	}
	return true
}

// extensions reads a list of extensions, of which a nonce is known if it may be there, and reports
// whether the request may be answered.
func (q *Request) extensions(r *reader, nonce bool) bool {
	list := r.open(tagSequence)
	seen := map[string]bool{}
	for !list.failed && len(list.rest) > 0 {
		e := list.open(tagSequence)
		oid, _ := e.take(tagOID)
		critical := e.next(tagBoolean)
		if critical {
			yes, _ := e.take(tagBoolean)
			e.failed = e.failed || !bytes.Equal(yes, []byte{0xff}) // false is the default
		}
		value, _ := e.take(tagOctetString)
		known := nonce && bytes.Equal(oid, oidNonce)
		if !e.done() || len(oid) == 0 || seen[string(oid)] || critical && !known || known && !q.nonce(value) {
			return false
		}
		seen[string(oid)] = true
	}
	return list.done() && r.done() && len(seen) > 0
}

// nonce reads the value of a nonce's extension.
func (q *Request) nonce(value []byte) bool {
	r := &reader{rest: value}
	q.Nonce, _ = r.take(tagOctetString)
	return r.done() && len(q.Nonce) > 0 && len(q.Nonce) <= maxNonce
}

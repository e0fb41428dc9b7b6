package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"time"

	"github.com/quotary/quotary/evidence"
)

// CertificateStatus is what an answer says of a certificate (RFC 6960 §2.2).
type CertificateStatus struct {
	// Known says that the certificate was issued.
	Known bool
	// Revoked is when it was revoked; zero if it is not.
	Revoked time.Time
}

// The answers without a signature (RFC 6960 §4.2.1): what was asked is no request, or about
// nothing that the responder can speak of.
var (
	OCSPMalformed    = ocspFailure(1)
	OCSPUnauthorized = ocspFailure(6)
)

func ocspFailure(status byte) []byte { return sequence(tlv(tagEnumerated, []byte{status})) }

// Tags and object identifiers of answers.
const (
	tagEnumerated     = 0x0a
	tagGood           = 0x80 // of CertStatus
	tagRevoked        = 0xa1
	tagUnknown        = 0x82
	tagByKey          = 0xa2 // of ResponderID
	tagAnswerExtras   = 0xa1 // responseExtensions
	tagNextUpdate     = 0xa0
	tagAnswerContents = 0xa0
	tagAnswerCerts    = 0xa0
)

var (
	oidOCSPBasic = oid(1, 3, 6, 1, 5, 5, 7, 48, 1, 1)
	oidOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
)

// Answer signs what the certificate's status is now, in DER (RFC 6960 §4.2.1). It says good of
// what is known and not revoked, and holds for an hour. The error is an *evidence.Error with
// CodeIssuingValidity if the responder's time is over.
func (s Subject) Answer(status CertificateStatus) ([]byte, error) {
	now, end := s.by.now(), s.by.cert.NotAfter
	if !now.Before(end) || now.Before(s.by.cert.NotBefore) {
		return nil, evidence.Errorf(evidence.CodeIssuingValidity, "", "the OCSP responder's certificate is not valid now; it is made anew")
	}
	if next := now.Add(ocspLife); next.Before(end) {
		end = next
	}
	single := sequence(s.request.CertID, status.encode(), generalized(now.Add(-backdate)), tlv(tagNextUpdate, generalized(end)))
	parts := [][]byte{tlv(tagByKey, tlv(tagOctetString, s.responder.keyHash)), generalized(now), sequence(single)}
	if s.request.Nonce != nil {
		parts = append(parts, tlv(tagAnswerExtras, sequence(extension(oidOCSPNonce, false, tlv(tagOctetString, s.request.Nonce)))))
	}
	data := sequence(parts...)
	digest := sha256.Sum256(data)
	signature, err := s.responder.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	basic := sequence(data, ecdsaSHA256, tlv(tagBitString, []byte{0}, signature), tlv(tagAnswerCerts, sequence(s.by.cert.Raw)))
	return sequence(tlv(tagEnumerated, []byte{0}), tlv(tagAnswerContents, sequence(oidOCSPBasic, tlv(tagOctetString, basic)))), nil
}

// encode is the CertStatus. A revocation has no code for its reason: the ledger has sentences, and
// "unspecified" is to be left out (RFC 5280 §5.3.1).
func (s CertificateStatus) encode() []byte {
	switch {
	case !s.Revoked.IsZero():
		return tlv(tagRevoked, generalized(s.Revoked))
	case s.Known:
		return tlv(tagGood)
	}
	return tlv(tagUnknown)
}

// generalized is a GeneralizedTime in whole seconds.
func generalized(t time.Time) []byte {
	return tlv(tagGeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

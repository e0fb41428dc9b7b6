package corim

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Labels of a signed CoRIM's headers (draft-ietf-rats-corim, 4.2; RFC 9597; RFC 9360).
const (
	labelMeta      = int64(8)
	labelClaims    = int64(15)
	labelX5Chain   = int64(33)
	labelAlgorithm = int64(1)
	labelContent   = int64(3)
	labelKeyID     = int64(4)
)

var (
	metaKeys   = map[int64]string{0: "signer", 1: "signature-validity"}
	signerKeys = map[int64]string{0: "signer-name", 1: "signer-uri"}
	claimsKeys = map[int64]string{1: "iss", 2: "sub", 4: "exp", 5: "nbf"}
)

// signature is what a signed CoRIM says of who signed it.
type signature struct {
	key                 string // the configured key's name
	signer              string // the name that the signer gives itself
	notBefore, notAfter time.Time
}

// open returns the unsigned CoRIM in data, and who signed it; nil if nobody did.
func open(data []byte, keys []policies.ReferenceKey) (payload []byte, by *signature, err error) {
	top, err := root("corim", data)
	if err != nil {
		return nil, nil, err
	}
	number, content, err := top.tagged()
	if err == nil && number == tagSignedCoRIM {
		data = content.raw
		number, _, err = content.tagged()
	}
	switch {
	case err != nil:
		return nil, nil, err
	case number == tagCoRIM && len(keys) > 0:
		return nil, nil, evidence.Errorf(evidence.CodeCoRIMSignature, "corim", "the CoRIM is not signed, and keys for it are configured")
	case number == tagCoRIM:
		return data, nil, nil
	case number != tagSign1:
		return nil, nil, top.unsupported("tag %d is neither that of a CoRIM (%d) nor of a signed one (%d)", number, tagCoRIM, tagSign1)
	case len(keys) == 0:
		return nil, nil, evidence.Errorf(evidence.CodeCoRIMSignature, "corim", "the CoRIM is signed, and no key is configured that could tell whether the signature holds")
	}
	return verify(data, keys)
}

func verify(data []byte, keys []policies.ReferenceKey) (payload []byte, by *signature, err error) {
	refuse := func(format string, args ...any) error {
		return evidence.Errorf(evidence.CodeCoRIMSignature, "corim", format, args...)
	}
	message := &cose.Sign1Message{}
	if err := message.UnmarshalCBOR(data); err != nil {
		return nil, nil, refuse("the COSE_Sign1 message cannot be read: %w", err)
	}
	keyID, err := headers(message)
	if err != nil {
		return nil, nil, refuse("%w", err)
	}
	if !slices.ContainsFunc(keys, func(k policies.ReferenceKey) bool { return k.Name == keyID || k.ID() == keyID }) {
		keyID = "" // others call the key as they like: it is a hint
	}
	by = &signature{}
	if by.key, err = policies.VerifySign1(message, keyID, keys); err != nil {
		return nil, nil, refuse("%w", err)
	}
	if len(message.Payload) == 0 {
		return nil, nil, refuse("the CoRIM is not in the message")
	}
	if err := by.read(message.Headers.Protected); err != nil {
		return nil, nil, err
	}
	return message.Payload, by, nil
}

// headers refuses headers that are not understood, and returns the key ID.
// Certificates in x5chain are not looked at: configured keys are trusted alone.
func headers(m *cose.Sign1Message) (keyID string, err error) {
	at := item{at: "corim.protected"}
	for label := range m.Headers.Protected {
		switch label {
		case labelAlgorithm, labelContent, labelKeyID, labelMeta, labelClaims, labelX5Chain:
		default:
			return "", at.unsupported("header %v is not understood", label)
		}
	}
	for label := range m.Headers.Unprotected {
		if label != labelKeyID && label != labelX5Chain {
			return "", item{at: "corim.unprotected"}.unsupported("header %v is not understood", label)
		}
	}
	if kind, _ := m.Headers.Protected[labelContent].(string); kind != contentTypeRIM {
		return "", at.unsupported("the content type is not %s", contentTypeRIM)
	}
	id, ok := m.Headers.Protected[labelKeyID].([]byte)
	if !ok {
		id, _ = m.Headers.Unprotected[labelKeyID].([]byte)
	}
	if len(id) == 32 { // the hash of the key itself, as keys are often called
		return "sha256:" + hex.EncodeToString(id), nil
	}
	return string(id), nil
}

// read takes the signer's name and the signature's validity, from either of
// the two headers that may have them.
func (s *signature) read(protected cose.ProtectedHeader) error {
	meta, hasMeta := protected[labelMeta].([]byte)
	claims, hasClaims := protected[labelClaims]
	if !hasMeta && !hasClaims {
		return evidence.Errorf(evidence.CodeCoRIMSignature, "corim.protected", "neither corim-meta nor CWT claims say who signed")
	}
	if hasMeta {
		if err := s.readMeta(meta); err != nil {
			return err
		}
	}
	if !hasClaims {
		return nil
	}
	encoded, err := encode(claims)
	if err != nil {
		return err
	}
	return s.readClaims(encoded)
}

func (s *signature) readMeta(encoded []byte) error {
	top, err := root("corim.protected.corim-meta", encoded)
	if err != nil {
		return err
	}
	f, err := top.need(metaKeys, "signer")
	if err != nil {
		return err
	}
	signer, err := f["signer"].need(signerKeys, "signer-name")
	if err != nil {
		return err
	}
	if s.signer, err = signer["signer-name"].text(); err != nil {
		return err
	}
	if uri, ok := signer["signer-uri"]; ok {
		if _, err := uri.uri(); err != nil {
			return err
		}
	}
	if validity, ok := f["signature-validity"]; ok {
		s.notBefore, s.notAfter, err = validity.validity()
	}
	return err
}

func (s *signature) readClaims(encoded []byte) error {
	top, err := root("corim.protected.cwt-claims", encoded)
	if err != nil {
		return err
	}
	f, err := top.need(claimsKeys, "iss")
	if err != nil {
		return err
	}
	name, err := f["iss"].text()
	if err != nil {
		return err
	}
	if s.signer != "" && s.signer != name {
		return top.unsupported("the signer has two names, %q and %q", s.signer, name)
	}
	s.signer = name
	if end, ok := f["exp"]; ok {
		t, err := end.seconds()
		if err != nil {
			return err
		}
		s.notAfter = earlier(s.notAfter, t)
	}
	if begin, ok := f["nbf"]; ok {
		t, err := begin.seconds()
		if err != nil {
			return err
		}
		s.notBefore = later(s.notBefore, t)
	}
	return nil
}

// earlier returns the earlier of two times; one that is zero does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

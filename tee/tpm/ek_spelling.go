package tpm

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// spellings are the encodings of CAs' names, by what the names say. Some makers'
// certificates name their issuer in another type of string than the issuer names itself,
// where the standard library compares bytes.
type spellings map[string][][]byte

// add takes note of how a CA spells its name.
func (s spellings) add(ca *x509.Certificate) {
	if text := textOf(ca.RawSubject); text != "" {
		s[text] = append(s[text], ca.RawSubject)
	}
}

// respell returns cert with its issuer's name as the issuer spells it, if that is one of
// of, and cert itself if not. What is signed stays as it was: names say only which
// keys to try.
func respell(cert *x509.Certificate, of ...spellings) *x509.Certificate {
	var known [][]byte
	text := textOf(cert.RawIssuer)
	for _, s := range of {
		known = append(known, s[text]...)
	}
	same := func(name []byte) bool { return bytes.Equal(name, cert.RawIssuer) }
	if text == "" || len(known) == 0 || slices.ContainsFunc(known, same) {
		return cert
	}
	respelled := *cert
	respelled.RawIssuer = known[0]
	return &respelled
}

// textOf returns what a name says, whatever the types of its strings are, or "" for
// one that cannot be read.
func textOf(name []byte) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(name, &sequence); err != nil || len(rest) > 0 {
		return ""
	}
	return sequence.String()
}

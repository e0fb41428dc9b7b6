// Package endorsements reads vendors' endorsements offline: certificates, CRLs
// and collateral documents from files, directories and archives, each
// recognised by its content and never by its name. Nothing is verified here;
// a [tee.Endorsements] is a heap of candidates, and a verifier uses one only
// after its chain to a trust anchor held.
//
// Start at [Load], or at [Parse] for a single document. Recognised are:
//
//   - X.509 certificates and CRLs, DER (also several in a row, with the padding
//     of a TPM's NV index, or as hex text) or PEM;
//   - Intel's TCB info and enclave identities as the PCS sends them;
//   - records of answers of Intel's PCS, a PCCS or Azure's THIM service: a JSON
//     object with such documents, issuer chains and CRLs among its values;
//   - the auxiliary certificate table that an SNP host gives its guests.
//
// [LoadCertificates] reads trust anchors instead, [ReadCertificates] certificates
// that are to travel with evidence.
package endorsements

import (
	"bytes"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Parse recognises one document and adds everything in it to e, or nothing and
// returns an [*evidence.Error] with name as its field.
func Parse(name string, data []byte, e *tee.Endorsements) error {
	f, err := recognise(data)
	if err != nil {
		return named(name, err)
	}
	f.addTo(e)
	return nil
}

// recognise finds out what data is. It never panics and takes memory in
// proportion to data.
func recognise(data []byte) (found, error) {
	if len(data) > MaxFile {
		return found{}, evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "larger than %d bytes", MaxFile)
	}
	f, err := recogniseForm(data)
	if err == nil && f.len() == 0 {
		err = errUnrecognised
	}
	return f, err
}

func recogniseForm(data []byte) (found, error) {
	if isAuxiliaryTable(data) {
		return recogniseAuxiliaryTable(data)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		return recogniseJSON(trimmed, 1)
	}
	return recogniseX509(data)
}

func recogniseX509(data []byte) (found, error) {
	switch {
	case len(data) > 0 && data[0] == derSequence:
		return recogniseDER(data)
	case bytes.Contains(data, pemBegin) && isText(data):
		return recognisePEM(data)
	case bytes.HasPrefix(data, []byte("30")): // in hex, as a PCCS sends CRLs
		return recogniseText(string(data), MaxRecordDepth)
	}
	return found{}, errUnrecognised
}

// isText tells a PEM file from binary data that has PEM inside (a TDX quote, for
// example). NUL padding behind the text is allowed.
func isText(data []byte) bool {
	text := bytes.TrimRight(data, "\x00")
	return utf8.Valid(text) && !bytes.Contains(text, []byte{0})
}

// named puts a file's name into an error of this package.
func named(name string, err error) error {
	if e, ok := err.(*evidence.Error); ok {
		return evidence.Errorf(e.Code, name, "%s", e.Detail)
	}
	return err
}

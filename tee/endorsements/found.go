package endorsements

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// found is what one file holds. It is gathered first and added as a whole, so
// that a file with a bad part adds nothing.
type found struct {
	certificates []*x509.Certificate
	crls         []*x509.RevocationList
	documents    []tee.Document
}

func (f *found) len() int { return len(f.certificates) + len(f.crls) + len(f.documents) }

// merge takes over what another part of the same file holds.
func (f *found) merge(part found) error {
	if f.len()+part.len() > MaxEntries {
		return evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "more than %d certificates, CRLs and documents in one file", MaxEntries)
	}
	f.certificates = append(f.certificates, part.certificates...)
	f.crls = append(f.crls, part.crls...)
	f.documents = append(f.documents, part.documents...)
	return nil
}

// addTo adds everything to e.
func (f *found) addTo(e *tee.Endorsements) {
	for _, cert := range f.certificates {
		e.AddCertificate(cert)
	}
	for _, crl := range f.crls {
		e.AddCRL(crl)
	}
	for _, d := range f.documents {
		e.AddDocument(d)
	}
}

// String says what was found, as in "2 certificates, 1 tcb-info 00806f050000".
func (f *found) String() string {
	var parts []string
	if n := len(f.certificates); n > 0 {
		parts = append(parts, count(n, "certificate"))
	}
	if n := len(f.crls); n > 0 {
		parts = append(parts, count(n, "CRL"))
	}
	for _, d := range f.documents {
		parts = append(parts, string(d.Type)+" "+d.Key)
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// errUnrecognised says that data has no form that this package knows, as
// opposed to a known form with a mistake in it.
var errUnrecognised = evidence.Errorf(evidence.CodeEndorsementUnrecognised, "", "no certificate, CRL or collateral document in a form that is known here")

func isUnrecognised(err error) bool {
	return errors.Is(err, errUnrecognised)
}

func errMalformed(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeEndorsementMalformed, "", format, args...)
}

package endorsements

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/tee"
)

// Save writes e into a directory that [Load] reads back: a [File] for each entry.
func Save(dir string, e *tee.Endorsements) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, cert := range e.Certificates() {
		if err := save(dir, tee.Endorsed{Certificate: cert}); err != nil {
			return err
		}
	}
	for _, crl := range e.RevocationLists() {
		if err := save(dir, tee.Endorsed{CRL: crl}); err != nil {
			return err
		}
	}
	for _, document := range e.AllDocuments() {
		if err := save(dir, tee.Endorsed{Document: &document}); err != nil {
			return err
		}
	}
	return nil
}

func save(dir string, d tee.Endorsed) error {
	name, content := File(d)
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
}

// File returns the file that an endorsement is kept in: certificates and CRLs in
// PEM, documents exactly as they were received. The name says what is inside and
// is unique by content, so that nothing is overwritten by something else; it means
// nothing to [Load].
func File(d tee.Endorsed) (name string, content []byte) {
	switch {
	case d.Certificate != nil:
		return pemFile("certificate", "CERTIFICATE", d.Certificate.Raw)
	case d.CRL != nil:
		return pemFile("crl", "X509 CRL", d.CRL.Raw)
	}
	return nameOf(string(d.Document.Type), d.Document.Raw, "json"), d.Document.Raw
}

func pemFile(what, blockType string, der []byte) (name string, content []byte) {
	return nameOf(what, der, "pem"), pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
}

func nameOf(what string, content []byte, extension string) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%s-%x.%s", what, sum[:8], extension)
}

package endorsements

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/tee"
)

// Save writes e into a directory that [Load] reads back: a file for each
// certificate and CRL (PEM) and for each document, exactly as it was received.
// File names say what is inside and are stable; they mean nothing to Load.
func Save(dir string, e *tee.Endorsements) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, cert := range e.Certificates() {
		if err := savePEM(dir, "certificate", "CERTIFICATE", cert.Raw); err != nil {
			return err
		}
	}
	for _, crl := range e.RevocationLists() {
		if err := savePEM(dir, "crl", "X509 CRL", crl.Raw); err != nil {
			return err
		}
	}
	for _, document := range e.AllDocuments() {
		if err := save(dir, name(string(document.Type), document.Raw, "json"), document.Raw); err != nil {
			return err
		}
	}
	return nil
}

func savePEM(dir, what, blockType string, der []byte) error {
	return save(dir, name(what, der, "pem"), pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
}

// name is unique by content, so that nothing is overwritten by something else.
func name(what string, content []byte, extension string) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%s-%x.%s", what, sum[:8], extension)
}

func save(dir, name string, content []byte) error {
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
}

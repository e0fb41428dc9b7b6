package guest

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// wanted are the certificates that help a verifier, the leaf first. It has the
// roots, and takes revocation lists from the vendor.
var wanted = []evidence.AuxiliaryGUID{evidence.AuxiliaryVCEK, evidence.AuxiliaryVLEK, evidence.AuxiliaryASK}

// certificatesOf returns the wanted certificates of a host's table, DER, each
// its own copy, and says what it had to leave out. A table of zeros, or none at
// all, has no certificates.
func certificatesOf(table []byte) ([][]byte, error) {
	if len(bytes.TrimLeft(table, "\x00")) == 0 {
		return nil, nil
	}
	if len(table) > maxTable {
		return nil, fmt.Errorf("the host's certificate table has %d bytes, more than %d", len(table), maxTable)
	}
	entries, err := evidence.ParseAuxiliaryTable(table)
	if err != nil {
		return nil, fmt.Errorf("the host's certificate table: %w", err)
	}
	var certificates [][]byte
	var bad []error
	for _, guid := range wanted {
		for _, entry := range entries {
			if entry.GUID != guid {
				continue
			}
			der, err := certificate(entry.Blob)
			if err != nil {
				bad = append(bad, fmt.Errorf("entry %s of the host's certificate table: %w", guid, err))
				continue
			}
			certificates = append(certificates, der)
		}
	}
	return certificates, errors.Join(bad...)
}

// certificate returns the DER of the one certificate in a blob, which hosts fill
// with DER or PEM.
func certificate(blob []byte) ([]byte, error) {
	der := blob
	if block, rest := pem.Decode(blob); block != nil {
		if block.Type != "CERTIFICATE" || len(bytes.Trim(rest, " \t\r\n\x00")) > 0 {
			return nil, errors.New("PEM of something else than one certificate")
		}
		der = block.Bytes
	}
	if len(der) > evidence.MaxCertificate {
		return nil, fmt.Errorf("a certificate of %d bytes, more than %d", len(der), evidence.MaxCertificate)
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("no certificate: %w", err)
	}
	return bytes.Clone(der), nil
}

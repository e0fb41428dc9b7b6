package tpm

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
)

var (
	// oidSubjectAltName is where the TCG's profiles put the TPM's manufacturer,
	// model and version, as a directory name, and critical if the subject is empty.
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	// oidPermanentIdentifier names a device for good (RFC 4043, 2).
	oidPermanentIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}
)

// The choices of GeneralName that certificates of TPMs' keys have (RFC 5280, 4.2.1.6).
const (
	tagOtherName     = 0
	tagDirectoryName = 4
)

// enrolledPrefix begins the permanent identifier of a key that this service
// enrolled; the SHA-256 of the endorsement key's SubjectPublicKeyInfo follows in
// lower-case hexadecimal digits.
const enrolledPrefix = "ek-sha256:"

// providerMark comes behind that, before the name of the cloud that runs the TPM in
// software.
const providerMark = ";provider="

// permanentIdentifier is RFC 4043's structure.
type permanentIdentifier struct {
	Value    string                `asn1:"optional,utf8"`
	Assigner asn1.ObjectIdentifier `asn1:"optional"`
}

// alternativeNames returns the subject alternative names, or nil if there are none
// that can be read.
func alternativeNames(cert *x509.Certificate) (names []asn1.RawValue) {
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return nil
		}
		return names
	}
	return nil
}

// onlyKnownNames reports whether the subject alternative names are directory
// names and permanent identifiers and nothing else. The standard library calls the
// extension unhandled if it is critical and holds none of the names that it knows.
func (c akCertificate) onlyKnownNames() bool {
	names := alternativeNames(c.Certificate)
	return len(names) > 0 && !slices.ContainsFunc(names, func(name asn1.RawValue) bool {
		if _, ok := readPermanentIdentifier(name); ok {
			return false
		}
		return name.Class != asn1.ClassContextSpecific || name.Tag != tagDirectoryName || !name.IsCompound
	})
}

// readPermanentIdentifier returns the value of a name that is a permanent identifier.
func readPermanentIdentifier(name asn1.RawValue) (string, bool) {
	if name.Class != asn1.ClassContextSpecific || name.Tag != tagOtherName || !name.IsCompound {
		return "", false
	}
	var id asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(name.Bytes, &id)
	if err != nil || !id.Equal(oidPermanentIdentifier) {
		return "", false
	}
	var value permanentIdentifier
	if rest, err = asn1.UnmarshalWithParams(rest, &value, "tag:0,explicit"); err != nil || len(rest) > 0 {
		return "", false
	}
	return value.Value, true
}

// endorsementKey returns the SHA-256 of the endorsement key that the
// certificate's one permanent identifier names, or nil, and the cloud that runs the TPM.
func (c akCertificate) endorsementKey() (sum []byte, provider string) {
	var found []string
	for _, name := range alternativeNames(c.Certificate) {
		if value, ok := readPermanentIdentifier(name); ok {
			found = append(found, value)
		}
	}
	if len(found) != 1 {
		return nil, ""
	}
	identifier, ok := strings.CutPrefix(found[0], enrolledPrefix)
	digits, provider, _ := strings.Cut(identifier, providerMark)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != len(digest{}) || hex.EncodeToString(sum) != digits {
		return nil, ""
	}
	return sum, provider
}

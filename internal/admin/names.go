package admin

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"net/url"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// namePath is what the path of an administrator's SPIFFE ID begins with; role and
// name follow. It lies below the path that is kept for the service, so no workload
// can be granted one.
const namePath = "/quotary/admin/"

// identity is what a certificate says of its holder.
type identity struct {
	role Role
	name string
}

// uri is the one name in the certificate.
func (i identity) uri(trustDomain string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: trustDomain, Path: namePath + i.role.String() + "/" + i.name}
}

// CheckName returns an *evidence.Error unless a certificate may bear this name: 1
// to 63 lower-case letters, digits and inner .-_, so that a person has one spelling.
func CheckName(name string) error {
	inner := strings.Trim(name, ".-_")
	if name == "" || len(name) > maxName || inner != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return evidence.Errorf(evidence.CodeIssuingIdentity, "name", "%.64q is no name for an administrator: use 1 to %d of a-z, 0-9 and, between them, \".\", \"-\", \"_\"", name, maxName)
	}
	return nil
}

// readIdentity reads role and name, and makes sure that the certificate says so in
// exactly these bytes: one URI and no other name, nothing encoded in another way.
func readIdentity(c *x509.Certificate, trustDomain string) (identity, bool) {
	if len(c.URIs) != 1 {
		return identity{}, false
	}
	path, below := strings.CutPrefix(c.URIs[0].Path, namePath)
	roleName, name, _ := strings.Cut(path, "/")
	role, err := ParseRole(roleName)
	if !below || err != nil || CheckName(name) != nil {
		return identity{}, false
	}
	i := identity{role, name}
	want, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tagURI, Bytes: []byte(i.uri(trustDomain).String())}})
	return i, err == nil && string(extension(c, oidSubjectAltName).Value) == string(want)
}

// tagURI is the tag of a URI in a GeneralName (RFC 5280 §4.2.1.6).
const tagURI = 6

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) pkix.Extension {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e
		}
	}
	return pkix.Extension{}
}

// ParseSerial reads a serial number in hex, as tools write it: in either case, with
// or without colons and leading zeros. It returns 40 digits in lower case.
func ParseSerial(text string) (string, error) {
	digits := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if digits != "" && len(digits) <= serialDigits {
		padded := strings.Repeat("0", serialDigits-len(digits)) + digits
		if _, err := hex.DecodeString(padded); err == nil {
			return padded, nil
		}
	}
	return "", evidence.Errorf(evidence.CodeConfigMalformed, "serial", "%.64q is no serial number of up to %d hex digits; see: quotaryd admin list", text, serialDigits)
}

// serialOf is a certificate's serial number, 40 hex digits in lower case.
func serialOf(serial *big.Int) string {
	return strings.Repeat("0", max(0, serialDigits-len(serial.Text(16)))) + serial.Text(16)
}

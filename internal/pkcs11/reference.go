package pkcs11

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
)

// Label and description are those of files by which other programs find keys in tokens too: a
// PKCS #11 URI (RFC 7512) in an ASN.1 sequence, as OpenSSL's PKCS #11 provider reads it.
const (
	Label       = "PKCS#11 PROVIDER URI"
	description = "PKCS#11 Provider URI v1.0"
)

const tagVisibleString = 26

// reference says which key of which token it is.
type reference struct {
	token, name string
	id          []byte
}

type fileReference struct {
	Description asn1.RawValue // VisibleString
	URI         string        `asn1:"utf8"`
}

func (r reference) marshal() ([]byte, error) {
	return asn1.Marshal(fileReference{asn1.RawValue{Tag: tagVisibleString, Bytes: []byte(description)}, r.uri()})
}

// What the parts of the URI begin with.
const (
	partToken, partName, partID = "pkcs11:token=", "object=", "id=%"
	partType                    = "type=private"
)

// uri is the key's PKCS #11 URI.
func (r reference) uri() string {
	id := strings.ToUpper(hex.EncodeToString(r.id))
	var octets []string
	for i := 0; i < len(id); i += 2 {
		octets = append(octets, id[i:i+2])
	}
	return partToken + url.PathEscape(r.token) + ";" + partName + url.PathEscape(r.name) + ";" + partType + ";" + partID + strings.Join(octets, "%")
}

// parseReference is the inverse of marshal, and accepts what that writes alone.
func parseReference(der []byte) (reference, error) {
	var f fileReference
	if len(der) > maxReference {
		return reference{}, errors.New("it is too large")
	}
	if rest, err := asn1.Unmarshal(der, &f); err != nil || len(rest) != 0 {
		return reference{}, errors.New("it is no reference to a key in a token")
	}
	r, err := parseURI(f.URI)
	if err != nil {
		return reference{}, err
	}
	if again, err := r.marshal(); err != nil || !bytes.Equal(again, der) {
		return reference{}, errors.New("it does not say which key it is as this service does")
	}
	return r, nil
}

func parseURI(uri string) (reference, error) {
	parts := strings.Split(uri, ";")
	if len(parts) != 4 || parts[2] != partType {
		return reference{}, errors.New("its URI does not have the parts token, object, type and id")
	}
	token, isToken := strings.CutPrefix(parts[0], partToken)
	name, isName := strings.CutPrefix(parts[1], partName)
	octets, isID := strings.CutPrefix(parts[3], partID)
	id, err := hex.DecodeString(strings.ReplaceAll(octets, "%", ""))
	if !isToken || !isName || !isID || err != nil || len(id) != idSize {
		return reference{}, errors.New("its URI does not name a token, an object and an id")
	}
	token, errToken := url.PathUnescape(token)
	name, errName := url.PathUnescape(name)
	return reference{token, name, id}, errors.Join(errToken, errName)
}

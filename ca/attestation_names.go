package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// tpmNames are the SubjectAltName of an attestation key's certificate: the TPM as
// the TCG names it (TCG EK Credential Profile, 3.2.9), left out where no
// certificate of the endorsement key names it, and the endorsement key as a
// permanent identifier (RFC 4043, 2).
type tpmNames struct {
	manufacturer, model, version string // all or none
	endorsementKey               string // permanentPrefix, 64 hex digits and, of a cloud's TPM, providerMark and its name
}

// permanentPrefix says what a permanent identifier is: the SHA-256 of an endorsement
// key's SubjectPublicKeyInfo, in lower-case hex.
const permanentPrefix = "ek-sha256:"

// providerMark comes before the name of the cloud that runs the TPM in software.
const providerMark = ";provider="

var (
	oidPermanentIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}
	oidTPMManufacturer     = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidTPMModel            = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidTPMVersion          = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
	// oidAttestationKey is tcg-kp-AIKCertificate.
	oidAttestationKey = asn1.ObjectIdentifier{2, 23, 133, 8, 3}

	attestationKeyUsage = extension(oidExtKeyUsage, false, sequence(oid(oidAttestationKey...)))
)

// newTPMNames takes the names from what was found of the keys.
func newTPMNames(claims evidence.EnrolmentClaims) (tpmNames, error) {
	n := tpmNames{
		manufacturer: claims.Manufacturer, model: claims.Model, version: claims.Version,
		endorsementKey: permanentPrefix + claims.EKSHA256.String(),
	}
	if claims.Provider != "" {
		n.endorsementKey += providerMark + claims.Provider
	}
	if !n.good() {
		return tpmNames{}, evidence.Errorf(evidence.CodeIssuingIdentity, "",
			"the TPM is not named by manufacturer, model and version in at most %d printable ASCII characters each, or by none of them, and its endorsement key's digest", maxTPMAttribute)
	}
	return n, nil
}

// good reports whether a certificate may bear the names.
func (n tpmNames) good() bool {
	identifier, ok := strings.CutPrefix(n.endorsementKey, permanentPrefix)
	digits, provider, named := strings.Cut(identifier, providerMark)
	if named && !isProvider(provider) {
		return false
	}
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != sha256.Size || strings.ToLower(digits) != digits {
		return false
	}
	attributes := []string{n.manufacturer, n.model, n.version}
	return n.anonymous() || !slices.ContainsFunc(attributes, func(text string) bool { return !isTPMAttribute(text) })
}

// anonymous reports whether no certificate named the TPM.
func (n tpmNames) anonymous() bool { return n.manufacturer+n.model+n.version == "" }

func isTPMAttribute(text string) bool {
	other := func(r rune) bool { return r < ' ' || r > '~' }
	return text != "" && len(text) <= maxTPMAttribute && !strings.ContainsFunc(text, other)
}

// isProvider reports whether text may be a cloud's name.
func isProvider(text string) bool {
	return text != "" && len(text) <= maxTPMAttribute && !strings.ContainsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' })
}

// encode is the SubjectAltName.
func (n tpmNames) encode() []byte {
	// PermanentIdentifier without its optional assigner.
	permanent := tlv(tagOtherName, oid(oidPermanentIdentifier...), tlv(tagExplicit0, sequence(utf8String(n.endorsementKey))))
	if n.anonymous() {
		return sequence(permanent)
	}
	directory := sequence(
		attribute(oidTPMManufacturer, n.manufacturer), attribute(oidTPMModel, n.model), attribute(oidTPMVersion, n.version),
	)
	return sequence(tlv(tagDirectoryName, directory), permanent)
}

// attribute is a RelativeDistinguishedName of one attribute.
func attribute(id asn1.ObjectIdentifier, value string) []byte {
	return tlv(tagSet, sequence(oid(id...), utf8String(value)))
}

func utf8String(text string) []byte { return tlv(tagUTF8String, []byte(text)) }

// readTPMNames reads the names of a certificate, with another decoder than the one
// encoder that wrote them. ok is false if anything else is there, or the same in
// another encoding.
func readTPMNames(c *x509.Certificate) (n tpmNames, ok bool) {
	at := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSubjectAltName) })
	if at < 0 {
		return tpmNames{}, false
	}
	var names []asn1.RawValue
	value := c.Extensions[at].Value
	if rest, err := asn1.Unmarshal(value, &names); err != nil || len(rest) > 0 || len(names) < 1 || len(names) > 2 {
		return tpmNames{}, false
	}
	if len(names) == 2 && !n.readDirectory(names[0].FullBytes) || !n.readPermanent(names[len(names)-1].FullBytes) {
		return tpmNames{}, false
	}
	return n, n.good() && bytes.Equal(n.encode(), value)
}

// readDirectory reads a directoryName.
func (n *tpmNames) readDirectory(der []byte) bool {
	var name pkix.RDNSequence
	if rest, err := asn1.UnmarshalWithParams(der, &name, "explicit,tag:4"); err != nil || len(rest) > 0 || len(name) != 3 {
		return false
	}
	for at, field := range []struct {
		id    asn1.ObjectIdentifier
		value *string
	}{{oidTPMManufacturer, &n.manufacturer}, {oidTPMModel, &n.model}, {oidTPMVersion, &n.version}} {
		if len(name[at]) != 1 || !name[at][0].Type.Equal(field.id) {
			return false
		}
		text, ok := name[at][0].Value.(string)
		if !ok {
			return false
		}
		*field.value = text
	}
	return true
}

// readPermanent reads an otherName that is a permanent identifier.
func (n *tpmNames) readPermanent(der []byte) bool {
	var name struct {
		ID    asn1.ObjectIdentifier
		Value struct {
			Identifier string `asn1:"utf8"`
		} `asn1:"explicit,tag:0"`
	}
	rest, err := asn1.UnmarshalWithParams(der, &name, "tag:0")
	n.endorsementKey = name.Value.Identifier
	return err == nil && len(rest) == 0 && name.ID.Equal(oidPermanentIdentifier)
}

package tpm

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
)

// tpmIdentity is what an endorsement key's certificate says of the TPM (TCG EK
// Credential Profile, 3.1.2): "id:" and hexadecimal digits for manufacturer and version.
type tpmIdentity struct{ manufacturer, model, version string }

// manufacturerGoogle is Google's vendor ID, "GOOG" (TCG Vendor ID Registry).
const manufacturerGoogle = "id:474F4F47"

// provider returns the cloud that runs the TPM in software, by its root or, since
// there are older ones, by the name that it gives its TPMs.
func (i tpmIdentity) provider(root *anchor) string {
	if strings.EqualFold(i.manufacturer, manufacturerGoogle) {
		return providerGoogle
	}
	return root.provider()
}

// The attributes of a directory name with which the TCG identifies a TPM.
var (
	oidManufacturer = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidModel        = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidVersion      = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
)

// oidHardwareModuleName names a device by its type and serial number (RFC 4108, 5).
var oidHardwareModuleName = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4}

// criticalNames reports whether the certificate has a critical subject alternative name.
func (c *ekCertificate) criticalNames() bool {
	return slices.ContainsFunc(c.Extensions, func(ext pkix.Extension) bool {
		return ext.Critical && ext.Id.Equal(oidSubjectAltName)
	})
}

// readNames reads the TPM's identity from the subject alternative names. known says
// that all of these are names that TPMs have: directory names, permanent identifiers
// and names of hardware modules.
//
// Certificates of some clouds' TPMs identify none. One that does has each attribute
// exactly once, in whatever grouping: real ones have three sets of one or one set of three.
func (c *ekCertificate) readNames() (known bool, err error) {
	if !slices.ContainsFunc(c.Extensions, func(ext pkix.Extension) bool { return ext.Id.Equal(oidSubjectAltName) }) {
		return true, nil
	}
	names := alternativeNames(c.Certificate)
	if len(names) == 0 {
		return false, ekCertificateError("malformed subject alternative names")
	}
	known = true
	values := map[string][]any{}
	for _, name := range names {
		switch {
		case isDirectoryName(name):
			if err := collectAttributes(name.Bytes, values); err != nil {
				return false, err
			}
		case !isDeviceName(name):
			known = false
		}
	}
	if len(values) == 0 {
		return known, nil
	}
	for _, field := range []struct {
		id    asn1.ObjectIdentifier
		value *string
	}{{oidManufacturer, &c.identity.manufacturer}, {oidModel, &c.identity.model}, {oidVersion, &c.identity.version}} {
		if *field.value, err = one(field.id, values[field.id.String()]); err != nil {
			return false, err
		}
	}
	return known, nil
}

// collectAttributes adds a directory name's attributes of a TPM to values.
func collectAttributes(der []byte, values map[string][]any) error {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return ekCertificateError("a malformed directory name")
	}
	for _, set := range name {
		for _, attribute := range set {
			for _, id := range []asn1.ObjectIdentifier{oidManufacturer, oidModel, oidVersion} {
				if attribute.Type.Equal(id) {
					values[id.String()] = append(values[id.String()], attribute.Value)
				}
			}
		}
	}
	return nil
}

// one returns the only value of an attribute, which must be short printable ASCII.
func one(id asn1.ObjectIdentifier, values []any) (string, error) {
	if len(values) != 1 {
		return "", ekCertificateError("the TPM's attribute %v is there %d times, not once", id, len(values))
	}
	text, ok := values[0].(string)
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	if !ok || text == "" || len(text) > maxAttribute || strings.ContainsFunc(text, func(r rune) bool { return !printable(r) }) {
		return "", ekCertificateError("the TPM's attribute %v is no text of at most %d printable ASCII characters", id, maxAttribute)
	}
	return text, nil
}

func isDirectoryName(name asn1.RawValue) bool {
	return name.Class == asn1.ClassContextSpecific && name.Tag == tagDirectoryName && name.IsCompound
}

// isDeviceName reports whether a name is a permanent identifier or that of a hardware module.
func isDeviceName(name asn1.RawValue) bool {
	if name.Class != asn1.ClassContextSpecific || name.Tag != tagOtherName || !name.IsCompound {
		return false
	}
	var id asn1.ObjectIdentifier
	_, err := asn1.Unmarshal(name.Bytes, &id)
	return err == nil && (id.Equal(oidPermanentIdentifier) || id.Equal(oidHardwareModuleName))
}

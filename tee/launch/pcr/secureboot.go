package pcr

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
	"github.com/quotary/quotary/tee/launch/guid"
)

// SecureBoot has the variables that decide which images firmware runs, as
// signature lists (UEFI 2.10, 32.4.1); nil is a variable that is empty.
type SecureBoot struct {
	Enabled          bool
	PK, KEK, DB, DBX []byte
	// Authorities are the entries of db, or of shim's lists, that vouched for
	// images, in the order in which the images were loaded, each once.
	Authorities []Authority
}

// Authority is an entry of a signature database that vouched for an image.
type Authority struct {
	Entry []byte // EFI_SIGNATURE_DATA: the owner's GUID and the certificate
}

// variable is what is measured of one (PFP, UEFI_VARIABLE_DATA).
func variable(namespace guid.GUID, name string, value []byte) Measured {
	data := append([]byte{}, namespace[:]...)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(name)))
	data = binary.LittleEndian.AppendUint64(data, uint64(len(value)))
	data = append(data, encodeUTF16(name)...)
	return Bytes(append(data, value...))
}

// extend foretells PCR 7 (PFP, 3.3.4.8): the variables, the separator, and what
// vouched for the images that were loaded after it.
func (s *SecureBoot) extend(l *Log) {
	enabled := []byte{0}
	if s.Enabled {
		enabled[0] = 1
	}
	for _, v := range []struct {
		namespace guid.GUID
		name      string
		value     []byte
	}{
		{guid.Global(), "SecureBoot", enabled}, {guid.Global(), "PK", s.PK}, {guid.Global(), "KEK", s.KEK},
		{guid.ImageSecurityDatabase(), "db", s.DB}, {guid.ImageSecurityDatabase(), "dbx", s.DBX},
	} {
		l.extend(pcrSecureBoot, v.name, variable(v.namespace, v.name, v.value))
	}
	l.separate(pcrSecureBoot)
	for _, a := range s.Authorities {
		l.extend(pcrSecureBoot, "authority", variable(guid.ImageSecurityDatabase(), "db", a.Entry))
	}
}

// certificates is EFI_CERT_X509_GUID.
var certificates = guid.New(0xa5c059a1, 0x94e4, 0x4aa7, 0x87b5ab155c2bf072)

// FindAuthority returns db's entry with this certificate. It fails with
// [evidence.CodeLaunchVariable] if db does not have it.
func FindAuthority(db []byte, certificate *x509.Certificate) (Authority, error) {
	var found []byte
	err := eachSignature(db, func(kind guid.GUID, entry []byte) {
		if kind == certificates && found == nil && bytes.Equal(entry[16:], certificate.Raw) {
			found = entry
		}
	})
	if err == nil && found == nil {
		err = badVariable("db has no such certificate")
	}
	return Authority{found}, err
}

// ParseVariable returns a variable's value as it is measured. It takes signature
// lists, with or without the four bytes of attributes that Linux shows in front of
// them in efivarfs.
func ParseVariable(data []byte) ([]byte, error) {
	if len(data) > maxVariable {
		return nil, badVariable("it has %d bytes; at most %d are read", len(data), maxVariable)
	}
	err := eachSignature(data, func(guid.GUID, []byte) {})
	if err == nil {
		return data, nil
	}
	// Attributes are a small number: no signature list begins with such bytes.
	if len(data) >= 4 && binary.LittleEndian.Uint32(data) < 0x100 && eachSignature(data[4:], func(guid.GUID, []byte) {}) == nil {
		return data[4:], nil
	}
	return nil, err
}

// eachSignature visits the entries of signature lists: owner and data.
func eachSignature(data []byte, visit func(kind guid.GUID, entry []byte)) error {
	count := 0
	for c := (cursor.LittleEndian{Rest: data}); len(c.Rest) > 0; {
		kind, size, header, each := c.Take(16), uint64(c.U32()), uint64(c.U32()), uint64(c.U32())
		body := cursor.LittleEndian{Rest: c.Sized(size - min(size, 28))}
		body.Sized(header)
		if c.Short || body.Short || size < 28 || each < 17 || uint64(len(body.Rest))%each != 0 || len(body.Rest) == 0 {
			return badVariable("it is no list of signatures at byte %d", len(data)-len(c.Rest))
		}
		for len(body.Rest) > 0 {
			if count++; count > maxSignatures {
				return badVariable("it has more than %d signatures", maxSignatures)
			}
			visit(guid.GUID(kind), body.Sized(each))
		}
	}
	return nil
}

func badVariable(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchVariable, "", format, args...)
}

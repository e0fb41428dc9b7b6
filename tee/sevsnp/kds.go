package sevsnp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
)

// The extensions that AMD's key distribution service puts into a VCEK's or
// VLEK's certificate (57230, "VCEK certificate extensions").
var (
	oidKDS           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}
	oidStructVersion = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 1}
	oidProductName   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 2}
	oidSPL           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 3}
	oidHWID          = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 4}
	oidCSPID         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 5}
)

// keyCertificate is the certificate of a VCEK or VLEK, strictly decoded. Its
// contents count only once its chain was verified.
type keyCertificate struct {
	cert    *x509.Certificate
	public  *ecdsa.PublicKey
	kind    signingKey
	product string   // product-name extension, "Milan-B0"
	tcb     tcb      // in the layout that goes with its structure version
	hwid    []byte   // of the chip, as many bytes as the layout has; VCEK only
	cspID   string   // the provider's name; VLEK only
	unknown []string // further AMD extensions, none of them critical
}

// decodeKeyCertificate reads a key's certificate. The error says what of its
// form AMD would not have issued.
func decodeKeyCertificate(cert *x509.Certificate) (*keyCertificate, error) {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case cert.Version != 3:
		return nil, fmt.Errorf("X.509 version %d", cert.Version)
	case !ok || public.Curve != elliptic.P384():
		return nil, fmt.Errorf("the key is not P-384")
	case cert.SignatureAlgorithm != x509.SHA384WithRSAPSS:
		return nil, fmt.Errorf("signed with %v", cert.SignatureAlgorithm)
	case cert.IsCA:
		return nil, fmt.Errorf("it is a CA certificate")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return nil, fmt.Errorf("its key usage forbids signatures")
	}
	k := &keyCertificate{cert: cert, public: public}
	if err := k.decodeExtensions(); err != nil {
		return nil, err
	}
	return k, nil
}

// kdsExtensions are a certificate's AMD extensions, by their arcs below oidKDS.
type kdsExtensions map[string][]byte

// collectExtensions sorts the extensions out. It refuses critical ones that this
// package does not evaluate; repeated ones do not get past crypto/x509.
func (k *keyCertificate) collectExtensions() (kdsExtensions, error) {
	if len(k.cert.Extensions) > maxExtensions {
		return nil, fmt.Errorf("%d extensions are more than %d", len(k.cert.Extensions), maxExtensions)
	}
	found := kdsExtensions{}
	for _, ext := range k.cert.Extensions {
		amd := len(ext.Id) > len(oidKDS) && ext.Id[:len(oidKDS)].Equal(oidKDS)
		known := amd && isKDS(ext.Id)
		if ext.Critical && !known && !isEvaluated(ext.Id) {
			return nil, fmt.Errorf("unknown critical extension %v", ext.Id)
		}
		if !amd {
			continue
		}
		name := ext.Id.String()
		found[name] = ext.Value
		if !known {
			k.unknown = append(k.unknown, name)
		}
	}
	return found, nil
}

// lastSPL is the last arc below oidSPL that has a meaning in a layout.
const lastSPL = 9

// oidOfSPL is the extension with a level, by its last arc.
func oidOfSPL(arc int) asn1.ObjectIdentifier { return append(slices.Clone(oidSPL), arc) }

// isKDS reports whether this package decodes an AMD extension.
func isKDS(id asn1.ObjectIdentifier) bool {
	last := id[len(id)-1]
	if len(id) == len(oidSPL)+1 {
		return id[:len(oidSPL)].Equal(oidSPL) && last >= 1 && last <= lastSPL
	}
	return slices.ContainsFunc([]asn1.ObjectIdentifier{oidStructVersion, oidProductName, oidHWID, oidCSPID}, id.Equal)
}

// isEvaluated reports whether a standard extension's meaning is respected
// here: basic constraints and key usage.
func isEvaluated(id asn1.ObjectIdentifier) bool {
	return id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}) || id.Equal(asn1.ObjectIdentifier{2, 5, 29, 15})
}

func (k *keyCertificate) decodeExtensions() error {
	found, err := k.collectExtensions()
	if err != nil {
		return err
	}
	structVersion, err := found.uint8(oidStructVersion)
	if err != nil {
		return err
	}
	layout := layoutOfCertificate(structVersion)
	if layout == nil {
		return fmt.Errorf("structure version %d, whose TCB layout is not known", structVersion)
	}
	if k.product, err = found.text(oidProductName); err != nil {
		return err
	}
	if k.tcb, err = found.tcb(layout); err != nil {
		return err
	}
	return k.decodeOwner(found)
}

// tcb reads the levels of a layout: exactly these must be there.
func (x kdsExtensions) tcb(l *layout) (tcb, error) {
	byteOf := map[int]int{} // by last arc
	for c, as := range components {
		if l.at[c] != absent {
			byteOf[as.arc] = l.at[c]
		}
	}
	for _, r := range l.reserved {
		byteOf[r.arc] = r.at
	}
	t := tcb{layout: l}
	for arc := 1; arc <= lastSPL; arc++ {
		at, wanted := byteOf[arc]
		oid := oidOfSPL(arc)
		if _, there := x[oid.String()]; there && !wanted {
			return tcb{}, fmt.Errorf("extension %v has no place in structure version %d", oid, l.structVersion)
		}
		if !wanted {
			continue
		}
		var err error
		if t.levels[at], err = x.uint8(oid); err != nil {
			return tcb{}, err
		}
	}
	return t, nil
}

// isNamedBy reports whether a certificate that was not decoded yet names these
// levels. It is for the choice among very many.
func (t tcb) isNamedBy(cert *x509.Certificate) bool {
	for c, as := range components {
		level, ok := t.level(component(c))
		if !ok {
			continue
		}
		value := encodeUint8(level)
		if !slices.ContainsFunc(cert.Extensions, func(ext pkix.Extension) bool {
			return len(ext.Id) == len(oidSPL)+1 && ext.Id[len(oidSPL)] == as.arc && bytes.Equal(ext.Value, value) && ext.Id[:len(oidSPL)].Equal(oidSPL)
		}) {
			return false
		}
	}
	return true
}

// decodeOwner tells a VCEK, which belongs to a chip, from a VLEK, which belongs
// to a cloud provider. Exactly one of the two extensions must be there, and the
// subject must agree.
func (k *keyCertificate) decodeOwner(found kdsExtensions) error {
	hwid, isVCEK := found[oidHWID.String()]
	_, isVLEK := found[oidCSPID.String()]
	if isVCEK == isVLEK {
		return fmt.Errorf("it must have either HWID or CSP_ID")
	}
	var err error
	if isVCEK {
		k.kind = vcek
		k.hwid, err = decodeHWID(hwid, k.tcb.layout.chipID)
	} else {
		k.kind = vlek
		k.cspID, err = found.text(oidCSPID)
	}
	if err != nil {
		return err
	}
	if !isKeyLike(k.cert, k.kind) {
		return fmt.Errorf("the subject is %q, want %s", k.cert.Subject.CommonName, k.kind.subject())
	}
	return nil
}

// decodeHWID reads a chip's identifier of size bytes. The key distribution
// service leaves out the OCTET STRING header that DER asks for; both forms are
// told apart by their length alone, because the first byte of an identifier can
// be anything.
func decodeHWID(value []byte, size int) ([]byte, error) {
	switch {
	case len(value) == size:
		return value, nil
	case len(value) == size+2 && value[0] == asn1.TagOctetString && int(value[1]) == size:
		return value[2:], nil
	}
	return nil, fmt.Errorf("HWID has %d bytes, want %d", len(value), size)
}

// isOf reports whether the key is that of the chip with this CHIP_ID.
func (k *keyCertificate) isOf(chipID [64]byte) bool {
	chip, ok := k.tcb.layout.chipOf(chipID[:])
	return ok && bytes.Equal(chip, k.hwid)
}

// encodeHWID returns both forms of a chip's identifier.
func encodeHWID(id []byte) [2][]byte {
	return [2][]byte{id, append([]byte{asn1.TagOctetString, byte(len(id))}, id...)}
}

// uint8 reads a DER INTEGER between 0 and 255.
func (x kdsExtensions) uint8(oid asn1.ObjectIdentifier) (uint8, error) {
	value, ok := x[oid.String()]
	switch {
	case !ok:
		return 0, fmt.Errorf("extension %v is missing", oid)
	case len(value) == 3 && value[0] == asn1.TagInteger && value[1] == 1 && value[2] < 0x80:
		return value[2], nil
	case len(value) == 4 && value[0] == asn1.TagInteger && value[1] == 2 && value[2] == 0 && value[3] >= 0x80:
		return value[3], nil
	}
	return 0, fmt.Errorf("extension %v is no INTEGER from 0 to 255", oid)
}

// encodeUint8 is the DER INTEGER that uint8 reads.
func encodeUint8(n uint8) []byte {
	if n < 0x80 {
		return []byte{asn1.TagInteger, 1, n}
	}
	return []byte{asn1.TagInteger, 2, 0, n}
}

// text reads a non-empty DER IA5String of printable characters.
func (x kdsExtensions) text(oid asn1.ObjectIdentifier) (string, error) {
	value, ok := x[oid.String()]
	if !ok {
		return "", fmt.Errorf("extension %v is missing", oid)
	}
	if len(value) < 3 || value[0] != asn1.TagIA5String || value[1] >= 0x80 || int(value[1]) != len(value)-2 {
		return "", fmt.Errorf("extension %v is no IA5String", oid)
	}
	text := value[2:]
	if slices.ContainsFunc(text, func(c byte) bool { return c < 0x20 || c > 0x7e }) {
		return "", fmt.Errorf("extension %v holds characters that are not printable", oid)
	}
	return string(text), nil
}

package sevsnp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/google/go-sev-guest/verify/testdata"
)

// The fuzzed form of extensions: a byte that says which (an index of fuzzedOIDs,
// the high bit for critical), a byte with the length of the value, the value.
var fuzzedOIDs = func() []asn1.ObjectIdentifier {
	oids := []asn1.ObjectIdentifier{oidStructVersion, oidProductName, oidHWID, oidCSPID, {1, 2, 3}, {2, 5, 29, 15}, {2, 5, 29, 19}, append(oidKDS[:len(oidKDS):len(oidKDS)], 77)}
	for arc := range lastSPL + 2 {
		oids = append(oids, oidOfSPL(arc))
	}
	return oids
}()

// packExtensions writes extensions in the fuzzed form.
func packExtensions(extensions []pkix.Extension) []byte {
	var packed []byte
	for _, ext := range extensions {
		for i, oid := range fuzzedOIDs {
			if oid.Equal(ext.Id) && len(ext.Value) < 256 {
				packed = append(append(packed, byte(i), byte(len(ext.Value))), ext.Value...)
			}
		}
	}
	return packed
}

// unpackExtensions reads them; each OID once, as crypto/x509 has it.
func unpackExtensions(packed []byte) (extensions []pkix.Extension) {
	seen := map[string]bool{}
	for len(packed) >= 2 {
		oid, size := fuzzedOIDs[int(packed[0]&0x7f)%len(fuzzedOIDs)], int(packed[1])
		critical := packed[0]&0x80 != 0
		packed = packed[2:]
		if size > len(packed) {
			return extensions
		}
		if !seen[oid.String()] {
			extensions = append(extensions, pkix.Extension{Id: oid, Critical: critical, Value: packed[:size]})
		}
		seen[oid.String()], packed = true, packed[size:]
	}
	return extensions
}

// FuzzKeyCertificate decodes the certificate of a key with arbitrary extensions.
// What is taken says the same when it is written again.
func FuzzKeyCertificate(f *testing.F) {
	real, err := x509.ParseCertificate(testdata.VcekBytes)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packExtensions(real.Extensions), true)
	for _, l := range []*layout{family19, family1A} {
		extensions := []pkix.Extension{{Id: oidProductName, Value: append([]byte{22, 5}, "Turin"...)}}
		for name, value := range extensionsOf(tcb{layout: l, levels: [8]byte{1, 2, 0, 0, 0, 0, 0, 200}}) {
			for _, oid := range fuzzedOIDs {
				if oid.String() == name {
					extensions = append(extensions, pkix.Extension{Id: oid, Value: value})
				}
			}
		}
		chip := bytes.Repeat([]byte{4}, l.chipID)
		for _, hwid := range encodeHWID(chip) {
			f.Add(packExtensions(append(extensions[:len(extensions):len(extensions)], pkix.Extension{Id: oidHWID, Value: hwid})), true)
		}
		f.Add(packExtensions(append(extensions, pkix.Extension{Id: oidCSPID, Value: append([]byte{22, 4}, "CN=x"...)})), false)
	}
	f.Fuzz(func(t *testing.T, packed []byte, isVCEK bool) {
		name := "SEV-VLEK"
		if isVCEK {
			name = "SEV-VCEK"
		}
		extensions := unpackExtensions(packed)
		k, err := decodeKeyCertificate(&x509.Certificate{
			Version: 3, PublicKey: &ecdsa.PublicKey{Curve: elliptic.P384()}, SignatureAlgorithm: x509.SHA384WithRSAPSS,
			Subject: pkix.Name{CommonName: name}, Extensions: extensions,
		})
		if err != nil {
			return
		}
		again := extensionsOf(k.tcb)
		for _, ext := range extensions {
			if want, ok := again[ext.Id.String()]; ok && !bytes.Equal(want, ext.Value) {
				t.Errorf("extension %v is %x, and %x again", ext.Id, ext.Value, want)
			}
		}
		if (k.kind == vcek) != isVCEK || (len(k.hwid) == k.tcb.layout.chipID) != isVCEK || (k.cspID == "") != isVCEK || k.product == "" {
			t.Errorf("taken as %+v", k)
		}
	})
}

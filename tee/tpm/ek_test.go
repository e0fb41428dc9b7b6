package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"hash"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
)

// The forms in which TPMs and files have a certificate.
func TestParseEKCertificate_Forms(t *testing.T) {
	w := simulated(t)
	good := w.enrolment(t, ekKeys()["rsa2048"])
	der := good.EKCertificates[0]
	header := func(tag []byte, size int) []byte {
		return slices.Concat([]byte{0x10, 0x01, 0x00}, binary.BigEndian.AppendUint16(nil, uint16(size)), tag, der)
	}
	for name, c := range map[string]struct {
		blob []byte
		ok   bool
	}{
		"DER":                        {der, true},
		"padded with zeros":          {append(slices.Clone(der), make([]byte, 200)...), true},
		"padded with FF":             {append(slices.Clone(der), bytes.Repeat([]byte{0xff}, 200)...), true},
		"padded with both":           {append(slices.Clone(der), 0, 0xff), false},
		"padded with something":      {append(slices.Clone(der), 1), false},
		"header":                     {simulator.NVCertificate(der, 0, 0), true},
		"header and padding":         {simulator.NVCertificate(der, 3000, 0xff), true},
		"header, inner tag":          {header([]byte{0x10, 0x02}, len(der)+2), true},
		"header, another inner tag":  {header([]byte{0x10, 0x03}, len(der)+2), false},
		"header, size too large":     {header(nil, len(der)+1), false},
		"header, size too small":     {header(nil, len(der)-1), false},
		"header of a partial one":    {append([]byte{0x10, 0x01, 0x01}, header(nil, len(der))[3:]...), false},
		"header alone":               {[]byte{0x10, 0x01, 0x00}, false},
		"header and size alone":      {[]byte{0x10, 0x01, 0x00, 0, 0}, false},
		"header twice":               {simulator.NVCertificate(simulator.NVCertificate(der, 0, 0), 0, 0), false},
		"two certificates in a blob": {slices.Concat(der, der), false},
		"truncated":                  {der[:len(der)-1], false},
		"nothing":                    {nil, false},
		"all FF":                     {bytes.Repeat([]byte{0xff}, 1600), false},
		"too long":                   {append(slices.Clone(der), make([]byte, evidence.MaxCertificate)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			cert, err := parseEKCertificate(c.blob)
			if (err == nil) != c.ok || err != nil && evidence.CodeOf(err) != evidence.CodeTPMEKFormat {
				t.Fatalf("%v", err)
			}
			if len(c.blob) == 0 || len(c.blob) > evidence.MaxCertificate {
				return // an enrolment of which is refused before
			}
			request := good
			request.EKCertificates = [][]byte{c.blob, good.EKCertificates[1]}
			if !c.ok {
				repels(t, w.underRoot(), request, evidence.CodeTPMEKFormat)
				return
			}
			if enrols(t, w.underRoot(), request); !bytes.Equal(cert.Raw, der) {
				t.Error("another certificate")
			}
		})
	}
}

// relabelled returns an enrolment whose certificate says that its key is for RSAES-OAEP.
func (w *world) relabelled(t *testing.T, key crypto.Signer) evidence.Enrolment {
	t.Helper()
	oaep := mustDER(t, oidRSAESOAEP)
	// Some makers give "TCPA" as the label of the encryption.
	label := []byte{0x30, 0x15, 0xa2, 0x13, 0x30, 0x11, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x09, 0x04, 0x04, 'T', 'C', 'P', 'A'}
	return w.resigned(t, key.Public(), func(spki *asn1.RawValue) {
		spki.Bytes = slices.Concat(sequence(slices.Concat(oaep, label)), bitString(t, spki.Bytes))
	})
}

// resigned returns an enrolment whose certificate's SubjectPublicKeyInfo is altered, signed anew.
func (w *world) resigned(t *testing.T, key crypto.PublicKey, alter func(*asn1.RawValue)) evidence.Enrolment {
	t.Helper()
	issuer := w.vendor.EKIntermediate
	request := w.enrolmentBy(t, issuer, key)
	cert := must[*x509.Certificate](t)(x509.ParseCertificate(request.EKCertificates[0]))
	var spki asn1.RawValue
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		t.Fatal(err)
	}
	alter(&spki)
	// The size of what surrounds it changes too.
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(cert.RawTBSCertificate, &outer); err != nil {
		t.Fatal(err)
	}
	tbs := sequence(bytes.Replace(outer.Bytes, cert.RawSubjectPublicKeyInfo, sequence(spki.Bytes), 1))
	sum := sha256.Sum256(tbs)
	signature := must[[]byte](t)(ecdsa.SignASN1(nil, issuer.Key.(*ecdsa.PrivateKey), sum[:]))
	algorithm := sequence(mustDER(t, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}))
	request.EKCertificates[0] = sequence(slices.Concat(tbs, algorithm, mustDER(t, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)})))
	return request
}

func mustDER(t *testing.T, value any) []byte {
	t.Helper()
	return must[[]byte](t)(asn1.Marshal(value))
}

func sequence(content []byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		panic(err)
	}
	return der
}

// bitString returns the key that follows the algorithm in a SubjectPublicKeyInfo.
func bitString(t *testing.T, content []byte) []byte {
	t.Helper()
	var algorithm asn1.RawValue
	return must[[]byte](t)(asn1.Unmarshal(content, &algorithm))
}

func TestParseEKCertificate_OAEP(t *testing.T) {
	w := simulated(t)
	key := ekKeys()["rsa2048"]
	out := enrols(t, w.underRoot(), w.relabelled(t, key))
	if want := ekTemplates[0].area(key.Public()); !bytes.Equal(out.EKPublic, want) {
		t.Errorf("area %x", out.EKPublic)
	}
	oaep := mustDER(t, oidRSAESOAEP)
	pkcs1 := must[[]byte](t)(asn1.Marshal(struct{ N, E int }{}))
	for name, alter := range map[string]func(*asn1.RawValue){
		"another algorithm": func(s *asn1.RawValue) {
			s.Bytes = slices.Concat(sequence(mustDER(t, asn1.ObjectIdentifier{1, 2, 3})), bitString(t, s.Bytes))
		},
		"no modulus": func(s *asn1.RawValue) {
			s.Bytes = slices.Concat(sequence(oaep), mustDER(t, asn1.BitString{Bytes: pkcs1, BitLength: 8 * len(pkcs1)}))
		},
		"behind the modulus": func(s *asn1.RawValue) { s.Bytes = slices.Concat(sequence(oaep), extended(t, bitString(t, s.Bytes))) },
		"no key":             func(s *asn1.RawValue) { s.Bytes = slices.Concat(sequence(oaep), mustDER(t, asn1.BitString{})) },
	} {
		t.Run(name, func(t *testing.T) {
			repels(t, w.underRoot(), w.resigned(t, key.Public(), alter), evidence.CodeTPMEKFormat)
		})
	}
}

// extended adds a byte behind what is in a bit string.
func extended(t *testing.T, der []byte) []byte {
	t.Helper()
	var bits asn1.BitString
	if _, err := asn1.Unmarshal(der, &bits); err != nil {
		t.Fatal(err)
	}
	return mustDER(t, asn1.BitString{Bytes: append(bits.Bytes, 0), BitLength: bits.BitLength + 8})
}

// altNames builds a subject alternative name.
func altNames(t *testing.T, names ...asn1.RawValue) []byte {
	t.Helper()
	return mustDER(t, names)
}

func directory(t *testing.T, name pkix.RDNSequence) asn1.RawValue {
	t.Helper()
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagDirectoryName, IsCompound: true, Bytes: mustDER(t, name)}
}

func other(t *testing.T, id asn1.ObjectIdentifier) asn1.RawValue {
	t.Helper()
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagOtherName, IsCompound: true, Bytes: append(mustDER(t, id), 0xa0, 2, 5, 0)}
}

func attribute(last int, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 23, 133, 2, last}, Value: value}
}

func TestAttack_P06_IdentityInTheCertificate(t *testing.T) {
	w := simulated(t)
	maker, model, version := attribute(1, "id:4E544300"), attribute(2, "NPCT75x"), attribute(3, "id:00070002")
	all := directory(t, pkix.RDNSequence{{maker}, {model}, {version}})
	for name, c := range map[string]struct {
		san   []byte
		known bool // what it says is taken over
		code  evidence.Code
	}{
		"three sets of one":      {altNames(t, all), true, evidence.Code{}},
		"one set of three":       {altNames(t, directory(t, pkix.RDNSequence{{maker, model, version}})), true, evidence.Code{}},
		"two directory names":    {altNames(t, directory(t, pkix.RDNSequence{{maker}}), directory(t, pkix.RDNSequence{{model}, {version}})), true, evidence.Code{}},
		"with another attribute": {altNames(t, directory(t, pkix.RDNSequence{{maker}, {model}, {version}, {attribute(16, "2.0")}})), true, evidence.Code{}},
		"with a hardware module": {altNames(t, all, other(t, oidHardwareModuleName)), true, evidence.Code{}},
		"with an identifier":     {altNames(t, all, other(t, oidPermanentIdentifier)), true, evidence.Code{}},
		"with another name":      {altNames(t, all, other(t, asn1.ObjectIdentifier{1, 2, 3})), false, evidence.CodeTPMEKExtensions},
		"with a DNS name":        {altNames(t, all, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("tpm")}), false, evidence.CodeTPMEKExtensions},
		"a DNS name":             {altNames(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("tpm")}), false, evidence.CodeTPMEKExtensions},
		"a name of nothing":      {altNames(t, directory(t, pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "tpm"}}})), false, evidence.Code{}},
		"two makers":             {altNames(t, directory(t, pkix.RDNSequence{{maker}, {model}, {version}, {attribute(1, "id:414D4400")}})), false, evidence.CodeTPMEKFormat},
		"the same maker twice":   {altNames(t, all, directory(t, pkix.RDNSequence{{maker}})), false, evidence.CodeTPMEKFormat},
		"no model":               {altNames(t, directory(t, pkix.RDNSequence{{maker}, {version}})), false, evidence.CodeTPMEKFormat},
		"a number for a version": {altNames(t, directory(t, pkix.RDNSequence{{maker}, {model}, {attribute(3, 7)}})), false, evidence.CodeTPMEKFormat},
		"an empty model":         {altNames(t, directory(t, pkix.RDNSequence{{maker}, {attribute(2, "")}, {version}})), false, evidence.CodeTPMEKFormat},
		"a line break":           {altNames(t, directory(t, pkix.RDNSequence{{maker}, {attribute(2, "a\nb")}, {version}})), false, evidence.CodeTPMEKFormat},
		"a letter beyond ASCII":  {altNames(t, directory(t, pkix.RDNSequence{{maker}, {attribute(2, "é")}, {version}})), false, evidence.CodeTPMEKFormat},
		"a very long model":      {altNames(t, directory(t, pkix.RDNSequence{{maker}, {attribute(2, string(bytes.Repeat([]byte("x"), maxAttribute+1)))}, {version}})), false, evidence.CodeTPMEKFormat},
		"no names":               {altNames(t), false, evidence.CodeTPMEKFormat},
		"bytes behind the names": {append(altNames(t, all), 0), false, evidence.CodeTPMEKFormat},
		"a malformed name":       {altNames(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: []byte{0x31, 0}}), false, evidence.CodeTPMEKFormat},
		"bytes behind a name":    {altNames(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: append(mustDER(t, pkix.RDNSequence{{maker}, {model}, {version}}), 5, 0)}), false, evidence.CodeTPMEKFormat},
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["p256"], critical(oidSubjectAltName, c.san))
			if !c.code.IsZero() {
				repels(t, w.underRoot(), request, c.code)
				return
			}
			claims := enrols(t, w.underRoot(), request).Claims
			if c.known != (claims.Manufacturer == "id:4E544300" && claims.Model == "NPCT75x" && claims.Version == "id:00070002") || !c.known && claims.Manufacturer != "" {
				t.Errorf("claims %+v", claims)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		request := w.enrolment(t, ekKeys()["p256"], func(c *x509.Certificate) { c.ExtraExtensions, c.Subject = nil, pkix.Name{CommonName: "ek"} })
		if claims := enrols(t, w.underRoot(), request).Claims; claims.Manufacturer != "" {
			t.Errorf("claims %+v", claims)
		}
	})
}

// The policies in the templates are what TPMs compute of the profile's steps.
func TestEKPolicies(t *testing.T) {
	const endorsement, policySecret, policyOr, policyAuthorizeNV = 0x4000000b, 0x00000151, 0x00000171, 0x00000192
	extend := func(h hash.Hash, command uint32, parts ...[]byte) []byte {
		h.Write(make([]byte, h.Size()))
		h.Write(binary.BigEndian.AppendUint32(nil, command))
		for _, part := range parts {
			h.Write(part)
		}
		return h.Sum(nil)
	}
	twice := func(fresh func() hash.Hash, first []byte) []byte { // and no reference
		h := fresh()
		h.Write(first)
		return h.Sum(nil)
	}
	name := binary.BigEndian.AppendUint32(nil, endorsement)
	for _, c := range []struct {
		fresh   func() hash.Hash
		nvIndex string // name of the index of PolicyAuthorizeNV (TCG EK Credential Profile, B.6.3)
		want    []byte
	}{
		{sha256.New, "000b0c9d717e9c3fe69fda41769450bb145957f8b3610e084dbf65591a5d11ecd83f", ekPolicyB256},
		{sha512.New384, "000cdb62fca346612c976732ff4e8621fb4e858be82586486504f7d02e621f8d7d61ae32cfc60c4d120609ed6768afcf090c", ekPolicyB384},
	} {
		a := twice(c.fresh, extend(c.fresh(), policySecret, name))
		if c.fresh().Size() == sha256.Size && !bytes.Equal(a, ekPolicyA) {
			t.Errorf("policy A is %x", a)
		}
		nv := extend(c.fresh(), policyAuthorizeNV, policy(c.nvIndex))
		if b := extend(c.fresh(), policyOr, a, nv); !bytes.Equal(b, c.want) {
			t.Errorf("policy B is %x", b)
		}
	}
}

package tdx

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
)

// listing is the template of a CRL that revokes cert, or nobody.
func listing(number int64, from, to time.Duration, cert *x509.Certificate) *x509.RevocationList {
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: clock.Add(from), NextUpdate: clock.Add(to)}
	if cert != nil {
		template.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: cert.SerialNumber, RevocationTime: clock.Add(from)}}
	}
	return template
}

// unnumbered issues a CRL without a number, which the standard library does not
// make: the extension is given another identifier, and the list is signed again.
func unnumbered(t *testing.T, template *x509.RevocationList, issuer simulated.Issuer) *x509.RevocationList {
	t.Helper()
	der := simulated.NewVendor(simulated.Options{Seed: "test"}).SignCRL(template, issuer).Raw
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	number, other := []byte{0x06, 3, 0x55, 0x1d, 20}, []byte{0x06, 3, 0x55, 0x1d, 99}
	body := slices.Clone(outer.TBS.FullBytes)
	at := bytes.LastIndex(body, number)
	copy(body[at:], other)
	outer.TBS = asn1.RawValue{FullBytes: body}
	raw := simulated.Sign(issuer.Key, body)
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		t.Fatal(err)
	}
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err = asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(der)
	if err != nil || crl.Number != nil || crl.CheckSignatureFrom(issuer.Certificate) != nil {
		t.Fatalf("no CRL without a number: %v", err)
	}
	return crl
}

// TestAttack_T42_RevocationIsForGood: whoever any genuine CRL of the past lists
// stays revoked, whichever other CRLs lie beside it.
func TestAttack_T42_RevocationIsForGood(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	s := newScene(t)
	leaf, ca, signing := s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Signing.Certificate
	sign := s.vendor.SignCRL
	for name, c := range map[string]struct {
		crls []*x509.RevocationList // beside those in force, which list nobody
		want []evidence.Code
	}{
		"newer, expired":           {[]*x509.RevocationList{sign(listing(9, -hour/2, -hour/4, leaf), s.vendor.Platform)}, []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"older, in force":          {[]*x509.RevocationList{sign(listing(0, -day, day, leaf), s.vendor.Platform)}, []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"older, expired":           {[]*x509.RevocationList{sign(listing(0, -2*day, -day, leaf), s.vendor.Platform)}, []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"newer, lower number":      {[]*x509.RevocationList{sign(listing(0, -hour/2, day, leaf), s.vendor.Platform)}, []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"newer, without number":    {[]*x509.RevocationList{unnumbered(t, listing(0, -hour/2, day, leaf), s.vendor.Platform)}, []evidence.Code{evidence.CodeTDXPCKRevocation}},
		"CA, expired":              {[]*x509.RevocationList{sign(listing(9, -hour/2, -hour/4, ca), s.vendor.Root)}, []evidence.Code{evidence.CodeTDXCARevocation}},
		"TCB signing, expired":     {[]*x509.RevocationList{sign(listing(9, -hour/2, -hour/4, signing), s.vendor.Root)}, []evidence.Code{evidence.CodeTDXSigningRevocation}},
		"of the future":            {[]*x509.RevocationList{sign(listing(9, hour, day, leaf), s.vendor.Platform)}, nil},
		"by the other CA's key":    {[]*x509.RevocationList{sign(listing(9, -hour, day, leaf), simulated.Issuer{Certificate: ca, Key: s.vendor.Processor.Key})}, nil},
		"by the other CA":          {[]*x509.RevocationList{sign(listing(9, -hour, day, leaf), s.vendor.Processor)}, nil},
		"by the root, of the leaf": {[]*x509.RevocationList{sign(listing(9, -hour, day, leaf), s.vendor.Root)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			before := s.collateral.CRLs
			for _, crls := range [][]*x509.RevocationList{slices.Concat(before, c.crls), slices.Concat(c.crls, before)} {
				s.collateral.CRLs = crls
				if c.want == nil {
					requireGenuine(t, s.genuine())
				} else {
					refusedWith(t, s.genuine(), c.want...)
				}
			}
		})
	}
}

// TestAttack_T42_PartialLists: delta, indirect and scoped CRLs, and those that
// need an extension understood, endorse nobody even where they are alone.
func TestAttack_T42_PartialLists(t *testing.T) {
	for name, ext := range map[string]pkix.Extension{
		"delta":               {Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}},
		"delta, not critical": {Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Value: []byte{2, 1, 1}},
		"indirect":            {Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 3, 0x84, 1, 0xff}},
		"scoped":              {Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Value: []byte{0x30, 3, 0x81, 1, 0xff}},
		"critical, unknown":   {Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			template := listing(9, -time.Hour, time.Hour, nil)
			template.ExtraExtensions = []pkix.Extension{ext}
			s.collateral.CRLs[1] = s.vendor.SignCRL(template, s.vendor.Platform)
			refusedWith(t, s.genuine(), evidence.CodeTDXPCKCRL)
		})
	}
}

// TestAttack_T42_ManyLists: more CRLs than are tried never hide the newest.
func TestAttack_T42_ManyLists(t *testing.T) {
	s := newScene(t)
	empty := s.collateral.CRLs[1]
	for i := range maxCandidates {
		template := listing(0, -time.Duration(i+2)*time.Hour, 24*time.Hour, nil)
		s.collateral.CRLs = append(s.collateral.CRLs, s.vendor.SignCRL(template, s.vendor.Platform))
	}
	requireGenuine(t, s.genuine())
	newest := listing(2, -time.Minute, 24*time.Hour, s.machine.Certificate())
	s.collateral.CRLs = append(s.collateral.CRLs, s.vendor.SignCRL(newest, s.vendor.Platform))
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKRevocation)

	s.collateral.CRLs = slices.DeleteFunc(s.collateral.CRLs, func(crl *x509.RevocationList) bool { return crl == empty })
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKRevocation)
}

// TestAttack_T16_ManyDocuments: more documents than are tried are refused, since
// the one that counts could be among the rest.
func TestAttack_T16_ManyDocuments(t *testing.T) {
	s := newScene(t)
	for i := range maxCandidates {
		info := s.vendor.TCBInfo()
		info.IssueDate = info.IssueDate.Add(-time.Duration(i+1) * time.Second)
		s.collateral.Documents = append(s.collateral.Documents, s.vendor.TCBInfoDocument(info))
	}
	refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
}

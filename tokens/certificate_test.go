package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// certified is a certificate for key and a SPIFFE ID that carries value in its
// extension, if that is not nil, and begins a minute before the results of verifiertest.
func certified(t *testing.T, key *ecdsa.PrivateKey, id string, value []byte) *x509.Certificate {
	t.Helper()
	uri, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	now := verifiertest.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{uri}, NotBefore: now.Add(-certificateBackdate), NotAfter: now.Add(time.Hour),
	}
	if value != nil {
		template.ExtraExtensions = []pkix.Extension{{Id: idPeCMW, Value: value}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newECDSA(t *testing.T) (*ecdsa.PrivateKey, evidence.Key) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.NewKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return private, key
}

func TestCertificateCarriesAnEAR(t *testing.T) {
	i := newHouse(t).issuer
	private, key := newECDSA(t)
	const id = "spiffe://example.org/workload"
	token, err := i.Issue(verifiertest.Accepted(t, verifiertest.Request{Key: key}), Options{Audience: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := func(change func(*cmwRecord)) []byte {
		record := cmwRecord{Type: MediaTypeCWT, Value: token.CWT, Indicators: attestationResults}
		change(&record)
		data, err := deterministic.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	value := func(data []byte) []byte {
		out, err := asn1.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cmw, err := token.CMW()
	if err != nil || string(cmw) != string(wrapped(func(*cmwRecord) {})) {
		t.Fatalf("%x (%v)", cmw, err)
	}
	// An hour after it was issued, when the EAR has long expired by itself.
	v, err := NewVerifier(VerifierConfig{Keys: i.Keys(), Issuer: i.issuer, Audience: "example.org", Now: func() time.Time { return verifiertest.Now().Add(time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.VerifyCertificate(certified(t, private, id, value(cmw)))
	if err != nil || claims.Subject != id || claims.Appraisal.At != verifiertest.Now().Unix() {
		t.Fatalf("%+v (%v)", claims, err)
	}
	if _, err := v.VerifyCWT(token.CWT); evidence.CodeOf(err) != evidence.CodeTokenExpired {
		t.Errorf("outside of the certificate it counts still: %v", err)
	}
	other, _ := newECDSA(t)
	late := certified(t, private, id, value(cmw))
	late.NotBefore = late.NotBefore.Add(time.Hour)
	for name, tc := range map[string]struct {
		cert *x509.Certificate
		code evidence.Code
	}{
		"none":                       {certified(t, private, id, nil), evidence.CodeTokenMissing},
		"another key":                {certified(t, other, id, value(cmw)), evidence.CodeTokenClaims},
		"another SPIFFE ID":          {certified(t, private, "spiffe://example.org/admin", value(cmw)), evidence.CodeTokenClaims},
		"a certificate of later":     {late, evidence.CodeTokenExpired},
		"JSON":                       {certified(t, private, id, []byte{0x0c, 2, '[', ']'}), evidence.CodeTokenMalformed},
		"something behind":           {certified(t, private, id, append(value(cmw), 0)), evidence.CodeTokenMalformed},
		"something in the wrapper":   {certified(t, private, id, value(append(cmw[:len(cmw):len(cmw)], 0))), evidence.CodeTokenMalformed},
		"an empty wrapper":           {certified(t, private, id, value(nil)), evidence.CodeTokenMalformed},
		"another type":               {certified(t, private, id, value(wrapped(func(r *cmwRecord) { r.Type = MediaTypeJWT }))), evidence.CodeTokenMalformed},
		"evidence":                   {certified(t, private, id, value(wrapped(func(r *cmwRecord) { r.Indicators = 4 }))), evidence.CodeTokenMalformed},
		"a token that does not hold": {certified(t, private, id, value(wrapped(func(r *cmwRecord) { r.Value = append([]byte{}, r.Value[:len(r.Value)-1]...) }))), evidence.CodeTokenMalformed},
	} {
		if _, err := v.VerifyCertificate(tc.cert); evidence.CodeOf(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Token{}).CMW(); err == nil {
		t.Error("a token without CWT is wrapped")
	}
}

// No extension makes the reader fail otherwise than by an error, and what it takes for
// a token it takes for the same again.
func FuzzCarriedToken(f *testing.F) {
	record, err := deterministic.Marshal(cmwRecord{Type: MediaTypeCWT, Value: []byte{1, 2, 3}, Indicators: attestationResults})
	if err != nil {
		f.Fatal(err)
	}
	good, err := asn1.Marshal(record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0x0c, 2, '[', ']'})
	f.Add([]byte{4, 0x80})
	f.Fuzz(func(t *testing.T, value []byte) {
		cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: idPeCMW, Value: value}}}
		token, err := carriedToken(cert)
		if err != nil {
			return
		}
		cmw, err := Token{CWT: append([]byte{}, token...)}.CMW()
		if err != nil {
			t.Fatal(err)
		}
		again, err := asn1.Marshal(cmw)
		if err != nil {
			t.Fatal(err)
		}
		cert.Extensions[0].Value = again
		if second, err := carriedToken(cert); err != nil || string(second) != string(token) {
			t.Errorf("%x is read as %x (%v)", token, second, err)
		}
	})
}

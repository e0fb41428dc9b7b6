package evidence

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
)

// TestRefusedKeySaysWhereItCameFrom: the field at fault is the one that was sent.
func TestRefusedKeySaysWhereItCameFrom(t *testing.T) {
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, weak)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	_, inCSR := ParseCSR(csr)
	_, bare := ParseKey(spki)
	for field, err := range map[string]error{"csr": inCSR, "public_key": bare} {
		var got *Error
		if !errors.As(err, &got) || got.Code != CodeKeyUnsupported || got.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

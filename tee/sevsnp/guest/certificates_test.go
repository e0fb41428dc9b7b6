package guest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// largeCertificate is one that no bundle takes.
func largeCertificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1}, Value: make([]byte, evidence.MaxCertificate)},
	}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// FuzzTable gives the attester any table: it always gives the report, and what
// it takes along is certificates that a bundle takes.
func FuzzTable(f *testing.F) {
	k := newKernel(f, "fuzz")
	f.Add(k.table)
	f.Add([]byte{})
	f.Add(make([]byte, 4096))
	f.Add(table(entry{evidence.AuxiliaryVLEK, pemOf(k.machine.Certificate.Raw)}))
	f.Add(table(entry{evidence.AuxiliaryVCEK, []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")}))
	if evidencetest.Present() {
		f.Add(evidencetest.Find(f, "genoa-v3-tsm-veraison").Read(f, "auxblob.bin"))
	}
	signed, err := k.report(make([]byte, 64), 0)
	if err != nil {
		f.Fatal(err)
	}
	k.alter = func([]byte) []byte { return signed }
	f.Fuzz(func(t *testing.T, data []byte) {
		k := *k
		k.table = data
		bundle, err := newAttester(t, guest.Options{}, guest.ConfigFS(k.configFS())).Attest(t.Context(), evidence.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := bundle.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.Parse(encoded); err != nil {
			t.Fatal(err)
		}
		for _, der := range bundle[0].(*evidence.SNP).Certificates {
			if _, err := x509.ParseCertificate(der); err != nil {
				t.Fatal(err)
			}
		}
	})
}

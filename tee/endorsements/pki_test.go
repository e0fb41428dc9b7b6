package endorsements

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

// testPKI is a root with a CRL, and a leaf.
type testPKI struct{ root, leaf, crl []byte } // DER

func newPKI(t testing.TB) testPKI {
	t.Helper()
	return testPKI{}.make(t, "Test Root")
}

func (testPKI) make(t testing.TB, name string) testPKI {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: from.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	must(t, err)
	parsed, err := x509.ParseCertificate(root)
	must(t, err)
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0),
	}, parsed, &key.PublicKey, key)
	must(t, err)
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: from, NextUpdate: from.AddDate(0, 1, 0),
	}, parsed, key)
	must(t, err)
	return testPKI{root: root, leaf: leaf, crl: crl}
}

func pemOf(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

func certPEM(der []byte) string { return pemOf("CERTIFICATE", der) }
func crlPEM(der []byte) string  { return pemOf("X509 CRL", der) }

const tcbInfo = `{"tcbInfo":{"id":"TDX","version":3,"fmspc":"00806F050000"},"signature":"00ff"}`
const qeIdentity = `{"enclaveIdentity":{"id":"TD_QE","version":2},"signature":"00ff"}`

// tableEntry is one entry of an auxiliary table; a zero offset means behind the
// blobs before it.
type tableEntry struct {
	id     evidence.AuxiliaryGUID
	offset uint32
	blob   []byte
}

func auxiliaryTable(entries ...tableEntry) []byte {
	header := make([]byte, (len(entries)+1)*auxiliaryEntrySize)
	var blobs []byte
	for i, e := range entries {
		if e.offset == 0 {
			e.offset = uint32(len(header) + len(blobs))
			blobs = append(blobs, e.blob...)
		}
		at := header[i*auxiliaryEntrySize:]
		copy(at, e.id[:])
		binary.LittleEndian.PutUint32(at[16:], e.offset)
		binary.LittleEndian.PutUint32(at[20:], uint32(len(e.blob)))
	}
	return append(header, blobs...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package ocsp_test

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"math/big"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/quotary/quotary/internal/ocsp"
)

var serial, _ = new(big.Int).SetString("4f1c0d8a4f1c0d8a4f1c0d8a4f1c0d8a4f1c0d8a", 16)

// request is what another implementation asks.
func request(tb testing.TB, hash crypto.Hash) []byte {
	tb.Helper()
	q := &xocsp.Request{
		HashAlgorithm: hash, SerialNumber: serial,
		IssuerNameHash: bytes.Repeat([]byte{1}, hash.Size()), IssuerKeyHash: bytes.Repeat([]byte{2}, hash.Size()),
	}
	der, err := q.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// element is tag, length and parts.
func element(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func seq(parts ...[]byte) []byte { return element(0x30, parts...) }

func oid(arcs ...int) []byte {
	der, err := asn1.Marshal(asn1.ObjectIdentifier(arcs))
	if err != nil {
		panic(err)
	}
	return der
}

// The parts of a request by hand.
var (
	sha1Name  = seq(oid(1, 3, 14, 3, 2, 26), element(5))
	hash20    = element(4, bytes.Repeat([]byte{1}, 20))
	number    = element(2, serial.Bytes())
	certID    = seq(sha1Name, hash20, hash20, number)
	single    = seq(certID)
	nonceName = oid(1, 3, 6, 1, 5, 5, 7, 48, 1, 2)
)

func whole(tbs ...[]byte) []byte { return seq(seq(tbs...)) }

func extensions(tag byte, list ...[]byte) []byte { return element(tag, seq(list...)) }

func nonce(n int) []byte {
	return seq(nonceName, element(4, element(4, bytes.Repeat([]byte{7}, n))))
}

func TestRequests(t *testing.T) {
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		q, err := ocsp.ParseRequest(request(t, hash))
		if err != nil {
			t.Fatal(err)
		}
		if q.Hash != hash || q.Serial.Cmp(serial) != 0 || q.Nonce != nil ||
			!bytes.Equal(q.NameHash, bytes.Repeat([]byte{1}, hash.Size())) || !bytes.Equal(q.KeyHash, bytes.Repeat([]byte{2}, hash.Size())) {
			t.Errorf("%v: %+v", hash, q)
		}
	}
	if q, err := ocsp.ParseRequest(request(t, crypto.SHA512)); err != nil || q.Hash != 0 {
		t.Errorf("another hash: %+v, %v", q, err)
	}
}

// What clients may add is read over, but for the nonce.
func TestRequestsOfEveryKind(t *testing.T) {
	for name, tc := range map[string]struct {
		request []byte
		nonce   int
	}{
		"plain":                       {whole(seq(single)), 0},
		"without NULL":                {whole(seq(seq(seq(seq(oid(1, 3, 14, 3, 2, 26)), hash20, hash20, number)))), 0},
		"with the default version":    {whole(element(0xa0, element(2, []byte{0})), seq(single)), 0},
		"with a requestor":            {whole(element(0xa1, element(0xa4, seq())), seq(single)), 0},
		"with a nonce":                {whole(seq(single), extensions(0xa2, nonce(16))), 16},
		"with the shortest":           {whole(seq(single), extensions(0xa2, nonce(1))), 1},
		"with the longest":            {whole(seq(single), extensions(0xa2, nonce(128))), 128},
		"with a critical nonce":       {whole(seq(single), extensions(0xa2, seq(nonceName, element(1, []byte{0xff}), element(4, element(4, []byte{7}))))), 1},
		"with another extension":      {whole(seq(single), extensions(0xa2, seq(oid(1, 2, 3), element(4)), nonce(2))), 2},
		"with one of the certificate": {whole(seq(seq(certID, extensions(0xa0, seq(oid(1, 2, 3), element(4)))))), 0},
		"a small serial number":       {whole(seq(seq(seq(sha1Name, hash20, hash20, element(2, []byte{1}))))), 0},
	} {
		q, err := ocsp.ParseRequest(tc.request)
		if err != nil || len(q.Nonce) != tc.nonce {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

// What is not DER, not of the profile, or said twice, is refused.
func TestAttack_A19_RequestsThatAreRefused(t *testing.T) {
	good := whole(seq(single))
	id := func(parts ...[]byte) []byte { return whole(seq(seq(seq(parts...)))) }
	for name, request := range map[string][]byte{
		"nothing":                           nil,
		"a byte":                            {0x30},
		"an end too early":                  good[:len(good)-1],
		"a byte too many":                   append(bytes.Clone(good), 0),
		"no certificate":                    whole(seq()),
		"two certificates":                  whole(seq(single, single)),
		"a signature":                       seq(seq(seq(single)), element(0xa0, seq())),
		"version 2":                         whole(element(0xa0, element(2, []byte{1})), seq(single)),
		"an empty serial number":            id(sha1Name, hash20, hash20, element(2)),
		"zero":                              id(sha1Name, hash20, hash20, element(2, []byte{0})),
		"a negative number":                 id(sha1Name, hash20, hash20, element(2, []byte{0x80})),
		"a padded number":                   id(sha1Name, hash20, hash20, element(2, []byte{0, 1})),
		"a number of 21 octets":             id(sha1Name, hash20, hash20, element(2, bytes.Repeat([]byte{1}, 21))),
		"more in the certificate":           id(sha1Name, hash20, hash20, number, number),
		"less in the certificate":           id(sha1Name, hash20, number),
		"a short hash":                      id(sha1Name, element(4, []byte{1}), hash20, number),
		"no algorithm":                      id(seq(), hash20, hash20, number),
		"an algorithm with more":            id(seq(oid(1, 3, 14, 3, 2, 26), element(5), element(5)), hash20, hash20, number),
		"a NULL with content":               id(seq(oid(1, 3, 14, 3, 2, 26), element(5, []byte{0})), hash20, hash20, number),
		"an empty nonce":                    whole(seq(single), extensions(0xa2, nonce(0))),
		"a nonce of 129 octets":             whole(seq(single), extensions(0xa2, nonce(129))),
		"a nonce without its wrapper":       whole(seq(single), extensions(0xa2, seq(nonceName, element(4, []byte{7, 7, 7})))),
		"two nonces":                        whole(seq(single), extensions(0xa2, nonce(1), nonce(1))),
		"no extension in the list":          whole(seq(single), extensions(0xa2)),
		"a critical extension":              whole(seq(single), extensions(0xa2, seq(oid(1, 2, 3), element(1, []byte{0xff}), element(4)))),
		"a critical one of the certificate": whole(seq(seq(certID, extensions(0xa0, seq(nonceName, element(1, []byte{0xff}), element(4, element(4, []byte{7}))))))),
		"false, though the default":         whole(seq(single), extensions(0xa2, seq(oid(1, 2, 3), element(1, []byte{0}), element(4)))),
		"extensions twice":                  whole(seq(single), extensions(0xa2, nonce(1)), extensions(0xa2, nonce(1))),
		"a length that is too long":         append([]byte{0x30, 0x81, byte(len(good) - 2)}, good[2:]...),
		"an indefinite length":              append(append([]byte{0x30, 0x80}, good[2:]...), 0, 0),
		"too large":                         whole(element(0xa1, make([]byte, ocsp.MaxRequest)), seq(single)),
	} {
		if q, err := ocsp.ParseRequest(request); err == nil {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// Whatever is read is what another implementation reads, and goes back into an answer as it came.
func FuzzParseRequest(f *testing.F) {
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
		f.Add(request(f, hash))
	}
	f.Add(whole(element(0xa1, element(0xa4, seq())), seq(single), extensions(0xa2, nonce(16))))
	f.Fuzz(func(t *testing.T, der []byte) {
		q, err := ocsp.ParseRequest(der)
		if err != nil {
			return
		}
		if len(der) > ocsp.MaxRequest || q.Serial.Sign() <= 0 || q.Serial.BitLen() > 159 || len(q.Nonce) > 128 || !bytes.Contains(der, q.CertID) {
			t.Errorf("%+v", q)
		}
		other, err := xocsp.ParseRequest(der)
		if err != nil { // it knows no requestors and not every hash
			return
		}
		if other.SerialNumber.Cmp(q.Serial) != 0 || !bytes.Equal(other.IssuerNameHash, q.NameHash) || !bytes.Equal(other.IssuerKeyHash, q.KeyHash) ||
			q.Hash != 0 && q.Hash != other.HashAlgorithm {
			t.Errorf("read as %+v, and elsewhere as %+v", q, other)
		}
	})
}

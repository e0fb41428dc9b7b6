package pcr_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/pcr"
)

// certificate returns one that vouches for nothing.
func certificate(t testing.TB, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	x509List   = guid.New(0xa5c059a1, 0x94e4, 0x4aa7, 0x87b5ab155c2bf072)
	sha256List = guid.New(0xc1c41626, 0x504c, 0x4092, 0xaca941f936934328)
	owner      = guid.New(0x77fa9abd, 0x0359, 0x4d32, 0xbd6028f4e78f784b)
)

// list is a signature list with entries of one size.
func list(kind guid.GUID, entries ...[]byte) []byte {
	size := 0
	for _, e := range entries {
		size = 16 + len(e)
	}
	l := append([]byte{}, kind[:]...)
	for _, n := range []int{28 + size*len(entries), 0, size} {
		l = binary.LittleEndian.AppendUint32(l, uint32(n))
	}
	for _, e := range entries {
		l = append(append(l, owner[:]...), e...)
	}
	return l
}

func TestSecureBootRegister(t *testing.T) {
	cert := certificate(t, 1)
	db := append(list(sha256List, make([]byte, 32), make([]byte, 32)), list(x509List, cert.Raw)...)
	authority, err := pcr.FindAuthority(db, cert)
	if err != nil || !bytes.Equal(authority.Entry, append(owner[:], cert.Raw...)) {
		t.Fatalf("%x, %v", authority.Entry, err)
	}
	variable := func(namespace guid.GUID, name string, value []byte) string {
		data := append([]byte{}, namespace[:]...)
		data = binary.LittleEndian.AppendUint64(data, uint64(len(name)))
		data = binary.LittleEndian.AppendUint64(data, uint64(len(value)))
		for _, c := range []byte(name) {
			data = append(data, c, 0)
		}
		return string(append(data, value...))
	}
	b := &pcr.Boot{Images: []pcr.Measured{pcr.Bytes(nil)}, SecureBoot: &pcr.SecureBoot{Enabled: true, PK: []byte("pk"), KEK: []byte("kek"), DB: db, Authorities: []pcr.Authority{authority}}}
	log, err := b.Log(crypto.SHA256)
	security := guid.ImageSecurityDatabase()
	want := chain(
		variable(guid.Global(), "SecureBoot", []byte{1}), variable(guid.Global(), "PK", []byte("pk")), variable(guid.Global(), "KEK", []byte("kek")),
		variable(security, "db", db), variable(security, "dbx", nil), separator, variable(security, "db", authority.Entry),
	)
	if err != nil || log.Values()[7].String() != want {
		t.Errorf("%v, %v", log.Values()[7], err)
	}
}

func TestVariables(t *testing.T) {
	cert := certificate(t, 1)
	good := append(list(x509List, cert.Raw), list(sha256List, make([]byte, 32))...)
	for name, data := range map[string][]byte{"lists": good, "efivarfs": append([]byte{0x27, 0, 0, 0}, good...), "nothing": nil} {
		value, err := pcr.ParseVariable(data)
		if err != nil || !bytes.HasSuffix(data, value) || len(value) != len(good) && data != nil {
			t.Errorf("%s: %d bytes, %v", name, len(value), err)
		}
	}
	if _, err := pcr.FindAuthority(good, certificate(t, 2)); evidence.CodeOf(err) != evidence.CodeLaunchVariable {
		t.Errorf("a certificate that is not in db: %v", err)
	}
	if _, err := pcr.FindAuthority(list(sha256List, cert.Raw), cert); evidence.CodeOf(err) != evidence.CodeLaunchVariable {
		t.Errorf("a certificate in a list of hashes: %v", err)
	}
	change := func(at int, n uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], n)
		return b
	}
	for name, data := range map[string][]byte{
		"truncated": good[:len(good)-1], "header alone": good[:28], "short": good[:20], "trailing": append(bytes.Clone(good), 0),
		"size of nothing": change(16, 0), "size beyond": change(16, 0xffff_ffff), "header beyond": change(20, 0xffff_ffff),
		"entries of nothing": change(24, 0), "entries of an owner alone": change(24, 16), "entries that do not fill it": change(24, 17),
		"huge": make([]byte, 1<<20+1), "too many": list(sha256List, make([][]byte, 1<<14+1)...), "PEM": []byte("-----BEGIN CERTIFICATE-----\n"),
	} {
		if _, err := pcr.ParseVariable(data); evidence.CodeOf(err) != evidence.CodeLaunchVariable {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := make([][]byte, 1<<14+1)
	for i := range many {
		many[i] = []byte{1}
	}
	if _, err := pcr.ParseVariable(list(sha256List, many...)); evidence.CodeOf(err) != evidence.CodeLaunchVariable {
		t.Errorf("too many: %v", err)
	}
}

// disk is a disk with a GPT of four entries, of which two are in use.
func disk() []byte {
	d := make([]byte, 64<<10)
	copy(d[512:], "EFI PART")
	binary.LittleEndian.PutUint32(d[512+12:], 92)
	binary.LittleEndian.PutUint64(d[512+72:], 2)
	binary.LittleEndian.PutUint32(d[512+80:], 4)
	binary.LittleEndian.PutUint32(d[512+84:], 128)
	d[1024], d[1024+256] = 1, 2
	return d
}

func TestPartitionTable(t *testing.T) {
	d := disk()
	table, err := pcr.PartitionTable(d)
	want := append(binary.LittleEndian.AppendUint64(bytes.Clone(d[512:512+92]), 2), append(bytes.Clone(d[1024:1024+128]), d[1024+256:1024+384]...)...)
	if err != nil || !bytes.Equal(table(crypto.SHA256), pcr.Bytes(want)(crypto.SHA256)) {
		t.Fatal(err)
	}
	b := &pcr.Boot{Images: []pcr.Measured{pcr.Bytes(nil)}, Disk: table}
	log, err := b.Log(crypto.SHA256)
	if err != nil || log.Values()[5].String() != chain(separator, string(want), exiting, exited) {
		t.Errorf("%v, %v", log.Values()[5], err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty": func([]byte) []byte { return nil }, "one sector": func(b []byte) []byte { return b[:512] }, "no table": func(b []byte) []byte { b[512] = 0; return b },
		"header alone":     func(b []byte) []byte { return b[:1024] },
		"long header":      func(b []byte) []byte { b[512+12] = 93; return b },
		"entries at once":  func(b []byte) []byte { b[512+72] = 0; return b },
		"entries far away": func(b []byte) []byte { copy(b[512+72:], "\xff\xff\xff\xff\xff\xff\xff\xff"); return b },
		"no entries":       func(b []byte) []byte { b[512+80] = 0; return b },
		"huge count":       func(b []byte) []byte { copy(b[512+80:], "\xff\xff\xff\xff"); return b },
		"small entries":    func(b []byte) []byte { b[512+84] = 64; return b },
	} {
		if _, err := pcr.PartitionTable(change(disk())); evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseVariable(f *testing.F) {
	good := append(list(sha256List, make([]byte, 32), make([]byte, 32)), list(x509List, []byte("not parsed"))...)
	f.Add(good)
	f.Add(append([]byte{0x27, 0, 0, 0}, good...))
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := pcr.ParseVariable(data)
		if err == nil && !bytes.HasSuffix(data, value) || err != nil && evidence.CodeOf(err) != evidence.CodeLaunchVariable {
			t.Fatalf("%x, %v", value, err)
		}
	})
}

func FuzzPartitionTable(f *testing.F) {
	f.Add(disk()[:2048])
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := pcr.PartitionTable(data)
		if err == nil && len(table(crypto.SHA256)) != 32 || err != nil && evidence.CodeOf(err) != evidence.CodeLaunchOption {
			t.Fatal(err)
		}
	})
}

package hcl_test

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/hcl"
)

// Two RSA-2048 keys' moduli in base64url: odd numbers of 2048 bits, which nobody
// has the factors of.
var (
	akModulus = modulus(1)
	ekModulus = modulus(3)
)

// text is runtime data as a paravisor writes it.
func text(keys, rest string) string { return `{"keys":[` + keys + `]` + rest + `}` }

func key(kid, n, rest string) string {
	return `{"kid":"` + kid + `","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":"` + n + `"` + rest + `}`
}

func akKey() string { return key("HCLAkPub", akModulus, "") }
func ekKey() string { return key("HCLEkPub", ekModulus, "") }

const configuration = `,"vm-configuration":{"console-enabled":true,"root-cert-thumbprint":"","secure-boot":true,` +
	`"tpm-enabled":true,"tpm-persisted":false,"vmUniqueId":"3B09DD36-2237-4532-A5A6-C4624BE05DD6"}`

const userData = `,"user-data":"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001"`

func honest() string { return text(akKey()+","+ekKey(), configuration+userData) }

// report is a report as a paravisor writes it. Sizes follow, unless a test changes them.
type report struct {
	version, dataVersion uint32
	typ, hash            uint32
	hardware             []byte // 1184 bytes
	runtime              string
	padding              int
}

func snp(runtime string) report {
	r := report{version: 2, dataVersion: 1, typ: 2, hash: 1, hardware: make([]byte, 1184), runtime: runtime, padding: 100}
	sum := sha256.Sum256([]byte(runtime))
	r.hardware[0] = 3
	copy(r.hardware[0x50:], sum[:])
	return r
}

func tdx(runtime string) report {
	r := snp(runtime)
	r.typ, r.hardware = 4, make([]byte, 1184)
	r.hardware[0], r.hardware[1023] = 0x81, 7
	return r
}

func (r report) encode() []byte {
	le := binary.LittleEndian
	bitmap := 0
	if r.dataVersion == 2 {
		bitmap = 4
	}
	size := uint32(20 + bitmap + len(r.runtime))
	b := le.AppendUint32([]byte("HCLA"), r.version)
	b = le.AppendUint32(b, 32+1184+size)
	b = le.AppendUint32(b, 2) // a certificate of the attestation key was asked for
	b = append(b, make([]byte, 16)...)
	b = append(b, r.hardware...)
	for _, n := range []uint32{size, r.dataVersion, r.typ, r.hash, uint32(len(r.runtime))} {
		b = le.AppendUint32(b, n)
	}
	b = append(b, make([]byte, bitmap)...)
	b = append(b, r.runtime...)
	return append(b, make([]byte, r.padding)...)
}

func parseReport(t testing.TB, raw []byte) *hcl.Report {
	t.Helper()
	r, err := hcl.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refusedReport(t testing.TB, raw []byte) {
	t.Helper()
	if r, err := hcl.Parse(raw); evidence.CodeOf(err) != evidence.CodeCompositeHCL {
		t.Errorf("got %+v with error %v", r, err)
	}
}

func refusedRuntime(t testing.TB, raw string) {
	t.Helper()
	if r, err := hcl.ParseRuntimeData([]byte(raw)); evidence.CodeOf(err) != evidence.CodeCompositeRuntime || r != nil {
		t.Errorf("got %+v with error %v", r, err)
	}
}
